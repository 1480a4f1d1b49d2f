"""Drawing shots: a fixed test part, and nested samples of a few images per class from the rest."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wordsight.errors import InputError

ALL = "all"  # in place of a number of shots: every image of the pool
Count = int | str

_DIVISION_SEED = 0  # the test part is the same for every seed of the shots


def parse_shots(texts: Sequence[str | int]) -> list[Count]:
    """Numbers of shots, rising, each once, "all" last. Raises: InputError for what is neither a number nor "all"."""
    numbers: set[int] = set()
    for text in texts:
        if text == ALL:
            continue
        try:
            number = int(text)
        except ValueError:
            number = 0
        if number < 1:
            raise InputError(f"The number of shots {text!r} is not a number from 1, nor {ALL!r}.")
        numbers.add(number)
    last = [ALL] if ALL in texts else []
    if not numbers and not last:
        raise InputError(f"No number of shots is given; name some, such as 1 2 4 8 16 {ALL}.")
    return [*sorted(numbers), *last]


def divide(label_N: NDArray[Any], seed: int = _DIVISION_SEED) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Rows of the pool that shots are drawn from, and of the test part: half of each class, rounded down.

    A class with one image gives it to the pool. Raises: InputError where no image is left to test on.
    """
    pool: list[NDArray[np.intp]] = []
    test: list[NDArray[np.intp]] = []
    for label in np.unique(label_N):
        rows = _permute(np.flatnonzero(label_N == label), seed, int(label))
        half = len(rows) // 2
        test.append(rows[:half])
        pool.append(rows[half:])
    test_rows = np.sort(np.concatenate(test))
    if not len(test_rows):
        raise InputError(
            "Each class has one image only, so that none is left to test on; add images, or name a second dataset of "
            "the same classes to test on."
        )
    return np.sort(np.concatenate(pool)), test_rows


@dataclass(frozen=True)
class Pool:
    """Labels (P,) of the images that shots are drawn from, of classes 0 to K - 1, each with one image at least."""

    label_P: NDArray[Any]
    class_count: int

    @property
    def largest(self) -> int:
        """Images of the largest class."""
        return int(np.bincount(self.label_P, minlength=self.class_count).max())

    @property
    def smallest(self) -> int:
        """Images of the smallest class."""
        return int(np.bincount(self.label_P, minlength=self.class_count).min())

    @property
    def mean(self) -> float:
        """Mean number of images per class."""
        return len(self.label_P) / self.class_count

    def count_smaller(self, count: int) -> int:
        """Number of classes with fewer images than that."""
        return int((np.bincount(self.label_P, minlength=self.class_count) < count).sum())

    def sample(self, count: Count, seed: int) -> NDArray[np.intp]:
        """Rows of `count` images per class, in order; of equal seeds the fewer are among the more.

        A class with fewer images gives all it has. Each class is drawn by itself: other classes do not change it.
        """
        if count == ALL:
            return np.arange(len(self.label_P))
        drawn = [
            _permute(np.flatnonzero(self.label_P == label), seed, label)[: int(count)]
            for label in range(self.class_count)
        ]
        return np.sort(np.concatenate(drawn))


def _permute(rows: NDArray[np.intp], seed: int, label: int) -> NDArray[np.intp]:
    return np.random.default_rng((seed, label)).permutation(rows)
