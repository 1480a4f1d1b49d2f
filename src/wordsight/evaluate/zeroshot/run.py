"""Zero-shot predictions of a model on a labelled set: each image against the prompts of all classes."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

import wordsight
from wordsight.errors import InputError
from wordsight.evaluate.datasets.labelled_set import LabelledSet
from wordsight.evaluate.embedder import ImageTextEmbedder
from wordsight.evaluate.features import Features, embed_set
from wordsight.evaluate.predictions import Origin, Predictions
from wordsight.zeroshot.class_embeddings import Floats, embed_classes
from wordsight.zeroshot.logistic import softmax
from wordsight.zeroshot.templates import PHOTO, Templates, resolve_templates

TASK = "zeroshot"


@dataclass(frozen=True)
class ZeroShotRun:
    """Predictions of one model on one set, and the features they were made of, with the images that were skipped."""

    predictions: Predictions
    features: Features


def run_zero_shot(
    model: ImageTextEmbedder,
    data: LabelledSet,
    *,
    templates: Templates | None = None,
    command: Sequence[str] = (),
    cache: bool = True,
    progress: Callable[[int], object] | None = None,
) -> ZeroShotRun:
    """Predict the class of every image by the class embedding that is nearest to its own.

    templates: of prompts; None takes those that come with the set, else "photo". command: arguments behind `wordsight`
    that repeat the run, for its record. cache: of features and class embeddings. progress: as of `embed_set`.

    Scores are probabilities, softmax(scale · cosines). Those of a multi-label set are cosines, which rank the images of
    each class as CLIP_benchmark does: a softmax over the classes would change that ranking.
    Raises: InputError for templates that cannot be used, fewer than two classes, and when no image can be read.
    Source: Radford et al. 2021, §3.1.
    """
    if len(data.classnames) < 2:
        raise InputError(
            f"The dataset {data.name!r} has only the class {data.classnames[0]!r}; zero-shot classification chooses "
            "between two or more."
        )
    chosen = choose_templates(data, templates)
    started = time.perf_counter()
    classes_KD = embed_names(model, data.classnames, chosen, cache=cache)
    texts_done = time.perf_counter()
    features = embed_set(model, data, cache=cache, progress=progress)
    read = features.of(data)
    scored = time.perf_counter()
    score_NK = score_classes(features.image_MD, classes_KD, None if data.is_multilabel else model.scale)
    seconds = {
        "texts": texts_done - started,
        "images": features.seconds,
        "scores": time.perf_counter() - scored,
    }
    origin = Origin(
        task=TASK,
        dataset=data.name,
        dataset_hash=data.content_hash,
        model=model.name,
        fingerprint=model.fingerprint,
        version=wordsight.__version__,
        precision=find_precision(model),
        method="zero-shot",
        templates=chosen,
        command=tuple(command),
        seconds={name: round(value, 3) for name, value in seconds.items()},
    )
    return ZeroShotRun(Predictions.from_scores(origin, read, score_NK), features)


def choose_templates(data: LabelledSet, templates: Templates | None) -> tuple[str, ...]:
    """Templates that were asked for, else those of the set, else "a photo of a {}."."""
    if templates is not None:
        return tuple(resolve_templates(templates))
    return tuple(resolve_templates(list(data.templates) or (PHOTO,)))


def embed_names(
    model: ImageTextEmbedder, classnames: Sequence[str], templates: Sequence[str], *, cache: bool = True
) -> Floats:
    """Class embeddings (K, D) of names as they are, two of which may be the same."""
    return embed_classes(model, {str(place): (name,) for place, name in enumerate(classnames)}, templates, cache=cache)


def score_classes(image_ND: Floats, class_KD: Floats, scale: float | None) -> np.ndarray:
    """Probabilities (N, K) by softmax(scale · cosines) in float64; cosines where there is no scale."""
    cosine_NK = (image_ND @ class_KD.T).astype(np.float64)
    if scale is None:
        return cosine_NK
    return softmax(scale * cosine_NK)


def find_precision(model: object) -> str:
    """Precision at which a model of this package computes, such as "bf16"; "" of a model that does not say."""
    encoder = getattr(getattr(model, "model", None), "encoder", None)
    return str(getattr(encoder, "precision", ""))
