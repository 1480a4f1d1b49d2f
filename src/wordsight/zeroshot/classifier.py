"""Zero-shot classification: the classes are words, the classifier is their embeddings (Radford et al. 2021, §3.1)."""

from __future__ import annotations

import functools
import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, Protocol, Self

import numpy as np

from wordsight.errors import InputError
from wordsight.zeroshot.answer import NONE_LABEL
from wordsight.zeroshot.class_embeddings import (
    ClassNames,
    Floats,
    TextEmbedder,
    as_wordings,
    embed_classes,
    normalise_rows,
)
from wordsight.zeroshot.image_classifier import ImageClassifier, ImageModel
from wordsight.zeroshot.logistic import sigmoid, softmax
from wordsight.zeroshot.none_of_these import NoneOfThese
from wordsight.zeroshot.plurals import find_singular
from wordsight.zeroshot.templates import Templates, resolve_templates
from wordsight.zeroshot.transductive import joint_proba


class ImageTextModel(ImageModel, TextEmbedder, Protocol):
    """The part of a model that a classifier by words needs; `wordsight.load` returns one."""

    @property
    def scale(self) -> float:
        """The factor on cosines."""

    @property
    def bias(self) -> float | None:
        """SigLIP's additive bias; None means softmax."""


class Classifier(ImageClassifier):
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
        if not callable(getattr(model, "embed_texts", None)):
            raise InputError(f"The model is {model!r:.80}, expected a Model, or the name, file or folder of one.")
        wordings = word_classes(classnames)
        chosen = resolve_templates(templates)
        self._name(model, tuple(wordings), chosen, none)
        self.cache = cache
        self.class_embeddings = embed_classes(model, wordings, chosen, cache=cache)

    @classmethod
    def from_embeddings(
        cls,
        model: Any,
        classnames: Sequence[str],
        class_KD: Floats,
        *,
        templates: Sequence[str],
        judge: NoneOfThese | None = None,
        none: bool = False,
    ) -> Self:
        """Classifier of class embeddings that were made elsewhere, (K, D) of unit length.

        model: anything with the `scale` and `bias` of cosines; images are then given as embeddings.
        judge: of the same class embeddings; needed for `none` and `predict_multi`.
        """
        made = cls.__new__(cls)
        made._name(model, tuple(classnames), tuple(templates), none)
        made.class_embeddings = class_KD
        if judge is not None:
            made.judge = judge
        return made

    def _name(self, model: Any, classnames: tuple[str, ...], templates: tuple[str, ...], none: bool) -> None:
        """Take what all classifiers have but the embeddings."""
        if none and NONE_LABEL in classnames:
            raise InputError(f"A class is named {NONE_LABEL!r}, as the answer that none=True adds; drop one.")
        self.model: ImageTextModel = model
        self.classnames = classnames
        self.templates = templates
        self.none = none
        self.labels: tuple[str, ...] = (*classnames, NONE_LABEL) if none else classnames

    @functools.cached_property
    def judge(self) -> NoneOfThese:
        """Judge of the classes against unrelated words; the bank is embedded on first use."""
        return NoneOfThese.build(self.model, self.class_embeddings, self.templates, cache=self.cache)

    def predict_proba(self, images: Iterable[Any]) -> Floats:
        """Probabilities (N, K), or (N, K + 1) with "none of these" last.

        Softmax over the classes, times the probability of "any of these" with `none=True`: rows sum to 1.
        SigLIP without `none`: a sigmoid for each class by itself, so rows need not sum to 1.
        Raises: ImageError for an image that cannot be read.
        """
        return super().predict_proba(images)

    def predict_together(self, images: Iterable[Any]) -> list[str]:
        """One label per image, as `predict` gives it, all images of the call judged jointly."""
        return self._most_probable(self.predict_proba_together(images))

    def predict_proba_together(self, images: Iterable[Any]) -> Floats:
        """Probabilities as of `predict_proba`, (N, K) or (N, K + 1), from the images and what they have in common.

        More accurate from some dozens of images on, above all where words are weak and images of a class look alike;
        an image's answer depends on the others (see `wordsight.zeroshot.transductive`). Rows sum to 1.
        """
        return self.proba_together_of_embeddings(self.model.embed_images(images))

    def predict_multi(self, images: Iterable[Any]) -> list[tuple[str, ...]]:
        """Every class that each image probably shows, best first; an empty tuple for none."""
        return [
            tuple(name for name, p in ranked if p > 0.5)
            for ranked in self.rank(self.predict_proba_multi(images), len(self.classnames))
        ]

    def predict_proba_multi(self, images: Iterable[Any]) -> Floats:
        """Probability of each class by itself, (N, K): an image may show a cat *and* a cup, or neither.

        Like scikit-learn's multi-label classifiers: columns are `classnames`, rows need not sum to 1.
        """
        return self.proba_multi_of_embeddings(self.model.embed_images(images))

    def proba_of_embeddings(self, image_ND: Floats) -> Floats:
        """Probabilities as of `predict_proba`, of images already embedded: (N, D) → (N, K) or (N, K + 1)."""
        image_ND = self._check_embeddings(image_ND)
        logits_NK = self.model.scale * (image_ND @ self.class_embeddings.T) + (self.model.bias or 0.0)
        if self.none:
            return _with_none(np.asarray(softmax(logits_NK), np.float32), self.judge.proba(image_ND))
        squash = softmax if self.model.bias is None else sigmoid
        return np.asarray(squash(logits_NK), np.float32)

    def proba_together_of_embeddings(self, image_ND: Floats) -> Floats:
        """Probabilities as of `predict_proba_together`, of images already embedded: (N, D) → (N, K) or (N, K + 1)."""
        image_ND = self._check_embeddings(image_ND)
        if not self.none:
            return joint_proba(image_ND, self.class_embeddings, self.model.scale)
        none_N = self.judge.proba(image_ND)
        return _with_none(joint_proba(image_ND, self.class_embeddings, self.model.scale, 1 - none_N), none_N)

    def proba_multi_of_embeddings(self, image_ND: Floats) -> Floats:
        """Probabilities as of `predict_proba_multi`, of images already embedded: (N, D) → (N, K)."""
        return self.judge.independent_proba(self._check_embeddings(image_ND))

    def _check_embeddings(self, image_ND: Floats) -> Floats:
        """Embeddings as unit rows (N, D). Raises: InputError for those of another model."""
        image_ND = normalise_rows(np.atleast_2d(image_ND))
        if image_ND.shape[-1] != self.class_embeddings.shape[-1]:
            raise InputError(
                f"The image embeddings have {image_ND.shape[-1]} numbers each, the class embeddings "
                f"{self.class_embeddings.shape[-1]}; use embeddings from the classifier's own model."
            )
        return image_ND


def word_classes(classnames: ClassNames) -> dict[str, tuple[str, ...]]:
    """Class name → wordings that are embedded of it: those given, or the name and its singular. Checked."""
    return {name: _with_singular(name, words) for name, words in as_wordings(classnames).items()}


def _with_singular(name: str, words: tuple[str, ...]) -> tuple[str, ...]:
    """Wordings of a class; of a bare plural, "roses", both numbers, since an image's caption says "a rose"."""
    if words != (name,):
        return words
    return tuple(filter(None, (name, find_singular(name))))


def _with_none(proba_NK: Floats, none_N: Floats) -> Floats:
    """Joint distribution (N, K + 1): the classes share what "none of these" leaves."""
    return np.concatenate([proba_NK * (1 - none_N[:, None]), none_N[:, None]], axis=1)
