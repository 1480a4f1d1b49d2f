"""Zero-shot classification: the classes are words, the classifier is their embeddings (Radford et al. 2021, §3.1)."""

from __future__ import annotations

import functools
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from wordsight.errors import InputError
from wordsight.zeroshot.class_embeddings import (
    ClassNames,
    Floats,
    TextEmbedder,
    as_wordings,
    embed_classes,
    normalise_rows,
)
from wordsight.zeroshot.none_of_these import NoneOfThese, sigmoid
from wordsight.zeroshot.plurals import singular
from wordsight.zeroshot.templates import Templates, resolve_templates
from wordsight.zeroshot.transductive import joint_proba

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
        """Return one unit vector per image, (N, D)."""


class Classifier:
    """Sorts images by words.

    model: a Model, or a name, file or folder that `wordsight.load` takes.
    classnames: names in a list, tuple, Series or array, or a mapping name → wordings
        ({"happy": ["happy", "smiling"]}).
    templates: a set's name, one template, a list, or a file (see `wordsight.zeroshot.templates`); used literally.
    none: also give the probability that an image shows none of the classes (see `wordsight.zeroshot.none_of_these`).
    cache: keep the class embeddings on disk.

    Nothing is learnt from images, so unlike a scikit-learn estimator it is ready when built:
    `classnames`, `labels` (with "none of these" last where asked for), `templates`, `class_embeddings` (K, D).

    Three questions can be asked of the same classes. `predict`: which one class (or none) does each image show;
    `predict_together`: the same, the images of the call judged jointly; `predict_multi`: which classes, each by itself.
    Each has its `predict_proba…`, and is the most probable answer by it: the argmax, or all above one half.
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
        wordings = {name: _with_singular(name, words) for name, words in as_wordings(classnames).items()}
        self.classnames: tuple[str, ...] = tuple(wordings)
        self.templates = resolve_templates(templates)
        if none and NONE_LABEL in wordings:
            raise InputError(f"A class is named {NONE_LABEL!r}, as the answer that none=True adds; drop one.")
        self.none = none
        self.cache = cache
        self.class_embeddings = embed_classes(model, wordings, self.templates, cache=cache)
        self.labels: tuple[str, ...] = (*self.classnames, NONE_LABEL) if none else self.classnames

    def __repr__(self) -> str:
        """Return the first classes, how many there are, and the model."""
        shown = ", ".join([*self.labels[:5], *(["…"] if len(self.labels) > 5 else [])])
        return f"<Classifier {len(self.classnames)} classes ({shown}), {repr(self.model).strip('<>')}>"

    @functools.cached_property
    def judge(self) -> NoneOfThese:
        """The classes held against unrelated words; the bank is embedded on first use."""
        return NoneOfThese.build(self.model, self.class_embeddings, self.templates, cache=self.cache)

    def predict(self, images: Iterable[Any]) -> list[str]:
        """Return one label per image: the most probable one, "none of these" included where it was asked for."""
        return self._best(self.predict_proba(images))

    def predict_proba(self, images: Iterable[Any]) -> Floats:
        """Return the probabilities (N, K), or (N, K + 1) with "none of these" last.

        Softmax over the classes, times the probability of "any of these" with `none=True`: rows sum to 1.
        SigLIP without `none`: a sigmoid for each class by itself, so rows need not sum to 1.
        Raises: ImageError for an image that cannot be read.
        """
        return self.proba_of_embeddings(self.model.embed_images(images))

    def predict_together(self, images: Iterable[Any]) -> list[str]:
        """Return one label per image, as `predict` does, all images of the call judged jointly."""
        return self._best(self.predict_proba_together(images))

    def predict_proba_together(self, images: Iterable[Any]) -> Floats:
        """Return what `predict_proba` does, (N, K) or (N, K + 1), from the images and what they have in common.

        More accurate from some dozens of images on, above all where words are weak and images of a class look alike;
        an image's answer depends on the others (see `wordsight.zeroshot.transductive`). Rows sum to 1.
        """
        return self.proba_together_of_embeddings(self.model.embed_images(images))

    def predict_multi(self, images: Iterable[Any]) -> list[tuple[str, ...]]:
        """Return for each image every class that it probably shows, best first; an empty tuple for none."""
        return [
            tuple(name for name, p in ranked if p > 0.5)
            for ranked in self.rank(self.predict_proba_multi(images), len(self.classnames))
        ]

    def predict_proba_multi(self, images: Iterable[Any]) -> Floats:
        """Return the probability of each class by itself, (N, K): an image may show a cat *and* a cup, or neither.

        Like scikit-learn's multi-label classifiers: columns are `classnames`, rows need not sum to 1.
        """
        return self.proba_multi_of_embeddings(self.model.embed_images(images))

    def top_k(self, images: Iterable[Any], k: int = 5) -> list[list[tuple[str, float]]]:
        """Return for each image its k best labels with their probabilities, best first."""
        return self.rank(self.predict_proba(images), k)

    def proba_of_embeddings(self, image_ND: Floats) -> Floats:
        """Return what `predict_proba` does, for images already embedded: (N, D) → (N, K) or (N, K + 1)."""
        image_ND = self._checked(image_ND)
        logits_NK = self.model.scale * (image_ND @ self.class_embeddings.T) + (self.model.bias or 0.0)
        if not self.none:
            return _softmax(logits_NK) if self.model.bias is None else sigmoid(logits_NK)
        return _with_none(_softmax(logits_NK), self.judge.proba(image_ND))

    def proba_together_of_embeddings(self, image_ND: Floats) -> Floats:
        """Return what `predict_proba_together` does, for images already embedded: (N, D) → (N, K) or (N, K + 1)."""
        image_ND = self._checked(image_ND)
        if not self.none:
            return joint_proba(image_ND, self.class_embeddings, self.model.scale)
        none_N = self.judge.proba(image_ND)
        return _with_none(joint_proba(image_ND, self.class_embeddings, self.model.scale, 1 - none_N), none_N)

    def proba_multi_of_embeddings(self, image_ND: Floats) -> Floats:
        """Return what `predict_proba_multi` does, for images already embedded: (N, D) → (N, K)."""
        return self.judge.independent_proba(self._checked(image_ND))

    def rank(self, proba_NK: Floats, k: int = 5) -> list[list[tuple[str, float]]]:
        """Return for each row of probabilities its k best labels, most probable first."""
        if k < 1:
            raise InputError(f"The number of answers is {k}; expected 1 or more.")
        order_NK = np.argsort(-proba_NK, axis=1, kind="stable")[:, :k]
        return [[(self.labels[j], float(row[j])) for j in order] for row, order in zip(proba_NK, order_NK, strict=True)]

    def _best(self, proba_NK: Floats) -> list[str]:
        return [self.labels[j] for j in proba_NK.argmax(axis=1)]

    def _checked(self, image_ND: Floats) -> Floats:
        """Return embeddings as unit rows (N, D). Raises: InputError for those of another model."""
        image_ND = normalise_rows(np.atleast_2d(image_ND))
        if image_ND.shape[-1] != self.class_embeddings.shape[-1]:
            raise InputError(
                f"The image embeddings have {image_ND.shape[-1]} numbers each, the class embeddings "
                f"{self.class_embeddings.shape[-1]}; use embeddings from the classifier's own model."
            )
        return image_ND


def _with_singular(name: str, words: tuple[str, ...]) -> tuple[str, ...]:
    """Return a class's wordings; of a bare plural, "roses", both numbers, since an image's caption says "a rose"."""
    one = singular(name) if words == (name,) else None
    return words if one is None else (name, one)


def _with_none(proba_NK: Floats, none_N: Floats) -> Floats:
    """Return the joint distribution (N, K + 1): the classes share what "none of these" leaves."""
    return np.concatenate([proba_NK * (1 - none_N[:, None]), none_N[:, None]], axis=1)


def _softmax(logits_NK: Floats) -> Floats:
    powers = np.exp(logits_NK - logits_NK.max(axis=1, keepdims=True))
    return np.asarray(powers / powers.sum(axis=1, keepdims=True), dtype=np.float32)
