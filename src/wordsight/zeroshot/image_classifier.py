"""Image classifiers: from the probabilities of an image's embedding to labels, however the classes are known."""

from __future__ import annotations

import abc
import dataclasses
from collections.abc import Iterable
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from wordsight.arguments import check_count
from wordsight.zeroshot.answer import NONE_LABEL, Answer, Ranked

Floats = NDArray[np.float32]


class ImageModel(Protocol):
    """The part of a model that a classifier of images needs; `wordsight.load` returns one."""

    @property
    def fingerprint(self) -> str:
        """Hash of all that determines the model's answers."""

    def embed_images(self, images: Iterable[Any], *, exact: bool = False) -> Floats:
        """Unit vectors of images, (N, D)."""


class ImageClassifier(abc.ABC):
    """Sorts images into classes by their embeddings; `Classifier` knows classes by words, `HeadClassifier` by examples.

    `labels`: what it answers, in the order of its probabilities. `none`: whether the last label is "none of these".
    """

    model: ImageModel
    labels: tuple[str, ...]
    none: bool = False

    @abc.abstractmethod
    def proba_of_embeddings(self, image_ND: Floats) -> Floats:
        """Probabilities of the labels, of images already embedded: (N, D) → (N, len(labels))."""

    def __repr__(self) -> str:
        """The first classes, their number, and the model."""
        shown = ", ".join(self.labels[:5]) + ", …" * (len(self.labels) > 5)
        count = len(self.labels) - self.none
        return f"<{type(self).__name__} {count} classes ({shown}), {repr(self.model).strip('<>')}>"

    def predict(self, images: Iterable[Any]) -> list[str]:
        """One label per image: the most probable one, "none of these" included where it was asked for."""
        return self._most_probable(self.predict_proba(images))

    def predict_proba(self, images: Iterable[Any]) -> Floats:
        """Probabilities of the labels, (N, len(labels)). Raises: ImageError for an image that cannot be read."""
        return self.proba_of_embeddings(self.model.embed_images(images))

    def top_k(self, images: Iterable[Any], k: int = 5) -> list[list[tuple[str, float]]]:
        """The k best labels of each image with their probabilities, best first."""
        return self.rank(self.predict_proba(images), k)

    def answer(self, proba_K: Floats, *, top: int = 5, multi: bool = False) -> Answer:
        """Answer for one row of probabilities (K,) or (K + 1,).

        top: number of labels in `Answer.ranked`. multi: the row is of `predict_proba_multi`, whose answer is every
        probable class, or "none of these".
        """
        check_count("top", top, least=0, meaning="the number of labels")
        probable = int((proba_K > 0.5).sum()) if multi else 0
        ranked = self.rank(proba_K[None], max(top, probable, 1))[0]
        chosen: Ranked = ranked[:1]
        if multi:
            nothing = (NONE_LABEL, float((1 - proba_K).prod()))
            chosen = [(name, p) for name, p in ranked if p > 0.5] or [nothing]
        answer = Answer(tuple(chosen), tuple(ranked[:top]), tuple(map(float, proba_K)))
        if self.none and len(proba_K) == len(self.labels):
            answer = dataclasses.replace(answer, none_proba=float(proba_K[-1]))
        return answer

    def rank(self, proba_NK: Floats, k: int = 5) -> list[list[tuple[str, float]]]:
        """The k best labels of each row of probabilities, most probable first."""
        check_count("k", k, least=1, meaning="the number of answers")
        order_NK = np.argsort(-proba_NK, axis=1, kind="stable")[:, :k]
        return [[(self.labels[j], float(row[j])) for j in order] for row, order in zip(proba_NK, order_NK, strict=True)]

    def _most_probable(self, proba_NK: Floats) -> list[str]:
        return [self.labels[j] for j in proba_NK.argmax(axis=1)]
