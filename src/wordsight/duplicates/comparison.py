"""Comparison of two rows: by their pixels, or by the cosine alone."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Protocol

from wordsight.duplicates.miniature import READ_AT_LEAST, Miniature
from wordsight.duplicates.originals import Origin, inspect_origin
from wordsight.duplicates.similarity import compare_images
from wordsight.errors import ImageError
from wordsight.index import Index, Row
from wordsight.row_images import row_image

_COMPARED = 4  # of a group, in which others are searched for overlays
_MINIATURES = 200  # kept, 0.5 MB each, as much again with its mirror image


class Comparison(Protocol):
    """Judges whether two rows are copies."""

    def is_copy(self, one: Row, other: Row, cosine: float) -> bool:
        """Whether one row is a copy of the other; cosine: of their vectors."""

    def is_paper(self, row: Row) -> bool:
        """Whether the row is a sheet of writing or lines."""

    def inspect_origins(self, rows: Sequence[Row]) -> list[Origin]:
        """Evidence for each of some rows as the original."""


class CosineComparison:
    """Judges by the cosine alone: no file's pixels are read."""

    def __init__(self, least: float) -> None:
        self._least = least

    def is_copy(self, one: Row, other: Row, cosine: float) -> bool:
        """Whether the cosine is high enough."""
        return cosine >= self._least

    def is_paper(self, row: Row) -> bool:
        """False: this takes pixels."""
        return False

    def inspect_origins(self, rows: Sequence[Row]) -> list[Origin]:
        """Evidence of the files' heads and of the rows."""
        return [inspect_origin(row, None) for row in rows]


class PixelComparison:
    """Judges by the pixels; by the cosine, which then has to be `alone`, where an image cannot be read."""

    def __init__(self, index: Index, alone: float) -> None:
        self._index, self._alone = index, alone
        self._miniature = functools.lru_cache(maxsize=_MINIATURES)(self._read)

    def is_copy(self, one: Row, other: Row, cosine: float) -> bool:
        """Whether the pixels are those of copies."""
        images = self._miniature(one), self._miniature(other)
        if images[0] is None or images[1] is None:
            return cosine >= self._alone
        return compare_images(images[0], images[1]).same

    def is_paper(self, row: Row) -> bool:
        """Whether the row is a sheet of writing or lines."""
        miniature = self._miniature(row)
        return miniature is not None and miniature.paper

    def inspect_origins(self, rows: Sequence[Row]) -> list[Origin]:
        """Evidence of files, rows and pixels, in which overlays are searched for."""
        miniatures = [self._miniature(row) for row in rows]
        return [
            inspect_origin(row, mine, [one for one in miniatures[:_COMPARED] if one is not None and one is not mine])
            for row, mine in zip(rows, miniatures, strict=True)
        ]

    def _read(self, row: Row) -> Miniature | None:
        try:
            return Miniature(row_image(self._index, row, at_least=READ_AT_LEAST))
        except ImageError:
            return None
