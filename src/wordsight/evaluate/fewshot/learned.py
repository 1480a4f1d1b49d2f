"""Labelled features that a method learns from, and the classifiers that come of them."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from wordsight.errors import InputError
from wordsight.zeroshot.class_embeddings import Floats

LEAST_TO_HOLD_OUT = 4  # images of a class; below them holding one out costs more than it tells


@dataclass(frozen=True)
class Shots:
    """Unit features (N, D) of the labelled images of K classes, and the zero-shot classifier where there is one.

    label_N: class of each, 0 to K - 1. class_KD: class embeddings, None for features without texts. scale: factor on
    cosines of the model. seed: of everything that a method draws.
    Raises: InputError for one class only, a class without an image, and shapes that contradict each other.
    """

    image_ND: NDArray[Any]
    label_N: NDArray[Any]
    class_count: int
    class_KD: NDArray[Any] | None = None
    scale: float = 1.0
    seed: int = 0

    def __post_init__(self) -> None:
        """Check the parts against each other."""
        if self.class_count < 2:
            raise InputError(f"There is {self.class_count} class, so there is nothing to tell apart; give two or more.")
        if len(self.image_ND) != len(self.label_N):
            raise InputError(f"There are {len(self.image_ND)} features and {len(self.label_N)} labels.")
        if len(self.label_N) and not 0 <= self.label_N.min() <= self.label_N.max() < self.class_count:
            raise InputError(f"The labels are not all 0 to {self.class_count - 1}, the numbers of the classes.")
        empty = np.flatnonzero(self.count_K == 0)
        if len(empty):
            raise InputError(
                f"{len(empty)} of the {self.class_count} classes have no image to learn from (the first is number "
                f"{empty[0]}); give each class one, or leave it out."
            )
        if self.class_KD is not None and self.class_KD.shape != (self.class_count, self.image_ND.shape[1]):
            raise InputError(
                f"The class embeddings have the shape {self.class_KD.shape}, expected "
                f"{(self.class_count, self.image_ND.shape[1])}: one for each class, as long as the features."
            )

    @functools.cached_property
    def count_K(self) -> NDArray[np.int64]:
        """Number of images of each class."""
        return np.bincount(np.asarray(self.label_N, np.int64), minlength=self.class_count)

    @functools.cached_property
    def mean_KD(self) -> NDArray[np.float64]:
        """Mean of the features of each class, not normalised again."""
        sum_KD = np.zeros((self.class_count, self.image_ND.shape[1]))
        np.add.at(sum_KD, self.label_N, self.image_ND.astype(np.float64))
        return np.asarray(sum_KD / self.count_K[:, None])

    @functools.cached_property
    def one_hot_NK(self) -> NDArray[np.float64]:
        """Labels as rows of zeros and a one."""
        return np.asarray(np.eye(self.class_count)[self.label_N])

    @property
    def texts_KD(self) -> NDArray[np.float64]:
        """Class embeddings. Raises: InputError where there are none."""
        if self.class_KD is None:
            raise InputError("These features have no text embeddings, which this method starts from; use 'probe'.")
        return np.asarray(self.class_KD, np.float64)

    def take(self, rows: NDArray[Any]) -> Shots:
        """Some of the images, with all classes."""
        return Shots(self.image_ND[rows], self.label_N[rows], self.class_count, self.class_KD, self.scale, self.seed)

    def take_any(self, rows: NDArray[Any]) -> tuple[NDArray[Any], NDArray[Any]]:
        """Features and labels of some of the images, where not every class need be among them."""
        return self.image_ND[rows], self.label_N[rows]

    def hold_out(self) -> tuple[NDArray[np.intp], NDArray[np.intp]] | None:
        """Rows to fit on and rows to choose by: a quarter of each class of four images or more, drawn with `seed`.

        None where no class has four.
        """
        rng = np.random.default_rng(self.seed)
        held: list[NDArray[np.intp]] = []
        for label in np.flatnonzero(self.count_K >= LEAST_TO_HOLD_OUT):
            rows = np.flatnonzero(self.label_N == label)
            held.append(rng.permutation(rows)[: len(rows) // LEAST_TO_HOLD_OUT])
        if not held:
            return None
        chosen_by = np.sort(np.concatenate(held))
        return np.setdiff1d(np.arange(len(self.label_N)), chosen_by), chosen_by


class Scorer(Protocol):
    """A classifier of features."""

    @property
    def facts(self) -> Mapping[str, Any]:
        """Values that were chosen while learning, such as C."""

    def score(self, image_ND: NDArray[Any]) -> Floats:
        """Scores (N, K) before the softmax."""


@dataclass(frozen=True)
class LinearScorer:
    """Classifier that is linear in the features: scores are image_ND @ coefficient_KD.T + intercept_K."""

    coefficient_KD: NDArray[np.float64]
    intercept_K: NDArray[np.float64]
    facts: Mapping[str, Any] = field(default_factory=dict)

    def score(self, image_ND: NDArray[Any]) -> Floats:
        """Scores (N, K) before the softmax."""
        return np.asarray(image_ND @ self.coefficient_KD.T + self.intercept_K)
