"""Zero-shot classification: the classes are words, the classifier is their embeddings (Radford et al. 2021, §3.1)."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from wordsight.class_embeddings import ClassNames, Floats, TextEmbedder, as_wordings, embed_classes, normalise_rows
from wordsight.errors import InputError
from wordsight.rejection import NoneOfThese
from wordsight.templates import Templates, resolve_templates

NONE_LABEL = "none of these"


class ImageTextModel(TextEmbedder, Protocol):
    """What a classifier needs of a model; `wordsight.load` returns one."""

    @property
    def scale(self) -> float:
        """The factor on cosines."""

    @property
    def bias(self) -> float | None:
        """SigLIP's additive bias; None means softmax."""

    def embed_images(self, images: Iterable[Any], *, exact: bool = False) -> Floats:
        """Return one unit vector per picture, (N, D)."""


class Classifier:
    """Sorts pictures by words.

    model: a Model, or a name, file or folder that `wordsight.load` takes.
    classnames: names in a list, tuple, Series or array, or a mapping name → wordings
        ({"happy": ["happy", "smiling"]}).
    templates: a set's name, one template, a list, or a file (see `wordsight.templates`); used literally.
    none: also give the probability that a picture shows none of the classes (see `wordsight.rejection`).
    cache: keep the class embeddings on disk.

    Nothing is learnt from pictures, so unlike a scikit-learn estimator it is ready when built:
    `classnames`, `labels` (with "none of these" last where asked for), `templates`, `class_embeddings` (K, D).
    Raises: InputError for an empty list, empty or duplicate names, templates that do not exist or lack `{}`.
    """

    def __init__(
        self,
        model: ImageTextModel | str | os.PathLike[str],
        classnames: ClassNames,
        *,
        templates: Templates = "photo",
        none: bool = False,
        cache: bool = True,
    ) -> None:
        if isinstance(model, str | os.PathLike):
            from wordsight.model import load

            model = load(model if isinstance(model, str) else Path(model))
        self.model: ImageTextModel = model
        wordings = as_wordings(classnames)
        self.classnames: tuple[str, ...] = tuple(wordings)
        self.templates = resolve_templates(templates)
        if none and NONE_LABEL in wordings:
            raise InputError(f"A class is named {NONE_LABEL!r}, as the answer that none=True adds; drop one.")
        self.class_embeddings = embed_classes(model, wordings, self.templates, cache=cache)
        self.none = NoneOfThese.build(model, self.class_embeddings, self.templates, cache=cache) if none else None
        self.labels: tuple[str, ...] = (*self.classnames, NONE_LABEL) if none else self.classnames

    def __repr__(self) -> str:
        """Return the first classes, how many there are, and the model."""
        shown = ", ".join([*self.labels[:5], *(["…"] if len(self.labels) > 5 else [])])
        return f"<Classifier {len(self.classnames)} classes ({shown}), {repr(self.model).strip('<>')}>"

    def predict(self, images: Iterable[Any]) -> list[str]:
        """Return one label per picture. "none of these" is the answer where its probability exceeds one half."""
        return [ranked[0][0] for ranked in self.top_k(images, 1)]

    def predict_proba(self, images: Iterable[Any]) -> Floats:
        """Return the probabilities (N, K), or (N, K + 1) with "none of these" last.

        CLIP: softmax over the classes, times the probability of "any of these", so rows sum to 1.
        SigLIP: a sigmoid for each class by itself, so rows need not sum to 1.
        Raises: ImageError for a picture that cannot be read.
        """
        return self.proba_of_embeddings(self.model.embed_images(images))

    def top_k(self, images: Iterable[Any], k: int = 5) -> list[list[tuple[str, float]]]:
        """Return for each picture its k best labels with their probabilities, best first."""
        return self.rank(self.predict_proba(images), k)

    def proba_of_embeddings(self, image_ND: Floats) -> Floats:
        """Return what `predict_proba` does, for pictures already embedded: (N, D) → (N, K) or (N, K + 1)."""
        image_ND = normalise_rows(np.atleast_2d(image_ND))
        if image_ND.shape[-1] != self.class_embeddings.shape[-1]:
            raise InputError(
                f"The picture embeddings have {image_ND.shape[-1]} numbers each, the class embeddings "
                f"{self.class_embeddings.shape[-1]}; use embeddings from the classifier's own model."
            )
        logits_NK = self.model.scale * (image_ND @ self.class_embeddings.T) + (self.model.bias or 0.0)
        proba_NK = _softmax(logits_NK) if self.model.bias is None else _sigmoid(logits_NK)
        if self.none is None:
            return proba_NK
        none_N1 = self.none.proba(image_ND)[:, None]
        return np.concatenate([proba_NK * (1 - none_N1), none_N1], axis=1)

    def rank(self, proba_NK: Floats, k: int = 5) -> list[list[tuple[str, float]]]:
        """Return for each row of `proba_of_embeddings` its k best labels, best first.

        "none of these" leads only above one half: between many similar classes the best one may hold little.
        """
        if k < 1:
            raise InputError(f"The number of answers is {k}; expected 1 or more.")
        keys_NK = np.array(proba_NK, dtype=np.float64)
        if self.none is not None:
            none_N, best_N = keys_NK[:, -1], keys_NK[:, :-1].max(axis=1)
            keys_NK[:, -1] = np.where(none_N > 0.5, 2.0, np.minimum(none_N, np.nextafter(best_N, -1)))
        order_NK = np.argsort(-keys_NK, axis=1, kind="stable")[:, :k]
        return [[(self.labels[j], float(row[j])) for j in order] for row, order in zip(proba_NK, order_NK, strict=True)]


def _softmax(logits_NK: Floats) -> Floats:
    powers = np.exp(logits_NK - logits_NK.max(axis=1, keepdims=True))
    return np.asarray(powers / powers.sum(axis=1, keepdims=True), dtype=np.float32)


def _sigmoid(logits_NK: Floats) -> Floats:
    return np.asarray(0.5 * (1 + np.tanh(0.5 * logits_NK)), dtype=np.float32)
