"""Pixels of images as a model sees them, read in threads and kept in memory as far as they fit."""

from __future__ import annotations

import contextlib
import warnings
from collections.abc import Generator, Iterator, Sequence
from typing import Any

import numpy as np

from wordsight.errors import InputError, WordsightWarning
from wordsight.images.names import source_name
from wordsight.images.skipped import Skipped
from wordsight.model import read_ahead, read_pixels
from wordsight.spec import Preprocess

IMAGES_AT_ONCE = 64
_MEMORY = 1 << 30  # bytes of pixels that are kept; beyond them images are read again each time


class EvaluationWarning(WordsightWarning):
    """An evaluation on fewer images than it was given; the text says which are missing."""


class Pixels:
    """Images as a model sees them, uint8 (S,S,3), read in threads; those that fit into `memory` bytes only once.

    skipped: images that could not be read, known after the first pass.
    """

    def __init__(self, images: Sequence[Any], spec: Preprocess, *, memory: int = _MEMORY) -> None:
        self.images, self.spec = images, spec
        self.skipped: list[Skipped] = []
        self._kept: dict[int, np.ndarray] = {}
        self._most = memory // (3 * spec.image_size**2)
        self._bad: set[int] = set()

    def check(self) -> None:
        """Raise InputError when no image can be read, which should not wait for the first measuring."""
        if all(isinstance(read_pixels(image, self.spec), Skipped) for image in self.images):
            for _ in self.batches(1):  # which raises it
                pass

    def batches(self, size: int) -> Iterator[tuple[list[int], np.ndarray]]:
        """Batches of images that can be read, in order: their places among all, their pixels (B,S,S,3).

        Warns: EvaluationWarning, the first time, when some cannot. Raises: InputError when none can.
        """
        places: list[int] = []
        rows: list[np.ndarray] = []
        known = len(self.skipped)
        with contextlib.closing(self._read()) as read:
            for place, pixels in read:
                places.append(place)
                rows.append(pixels)
                if len(rows) == size:
                    yield places, np.stack(rows)
                    places, rows = [], []
        if rows:
            yield places, np.stack(rows)
        if len(self.skipped) > known or len(self.skipped) == len(self.images):
            self._report_skipped()

    def _read(self) -> Generator[tuple[int, np.ndarray], None, None]:
        def read(place: int) -> Any:
            if place in self._kept:
                return self._kept[place]
            return read_pixels(self.images[place], self.spec)

        wanted = (place for place in range(len(self.images)) if place not in self._bad)
        with contextlib.closing(read_ahead(wanted, read, 64)) as answers:
            for place, answer in answers:
                if isinstance(answer, Skipped):
                    self._bad.add(place)
                    self.skipped.append(answer)
                    continue
                if len(self._kept) < self._most:
                    self._kept[place] = answer
                yield place, answer

    def _report_skipped(self) -> None:
        first = self.skipped[0]
        text = f"{len(self.skipped)} of {len(self.images)} held-out images cannot be read"
        example = f"{source_name(first.item)}: {first.reason}"
        if len(self.skipped) == len(self.images):
            raise InputError(f"{text}, so nothing can be measured; the first is {example}.")
        warnings.warn(f"{text} and are left out; the first is {example}.", EvaluationWarning, stacklevel=3)
