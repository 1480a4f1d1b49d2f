"""Nearly identical results shown once: rows of a list that are copies of an earlier one.

No file is read: content hashes, names, dates and cosines decide, so that a thousand results take milliseconds. Where
the cosine decides alone it has to be high: two products of one design and two pages of one form are not copies.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from wordsight.duplicates.physical_files import part_name
from wordsight.duplicates.shots import are_raw_and_rendered, shot_key
from wordsight.index import Index, Row
from wordsight.index.base import Floats

# Bundled model, pairs of different images at or above a cosine: 510 Flickr photos, none at 0.97; 3,697 COCO photos,
# 1 at 0.97; 4,851 product photos, 245 at 0.97, 29 at 0.98, 8 at 0.985, 1 at 0.99
FOLD_AT_LEAST = 0.97
FOLD_UNLEARNT = 0.985
_SAME_SECOND = 0.9  # images taken in the same second: resized exports, bursts
_BLOCK = 256
_SAME_SHOT = 0.5  # RAW file and rendered image, however differently they were developed


def fold_threshold(index: Index) -> float:
    """Cosine from which two results of an index are shown as one.

    Half as far from 1 as the cosine above which hardly an image of this index has a look-alike (learnt by
    `duplicates.threshold`), at least FOLD_AT_LEAST; FOLD_UNLEARNT where nothing was learnt.
    """
    from wordsight.duplicates.groups import read_threshold

    learnt = read_threshold(index)
    if learnt is None:
        return FOLD_UNLEARNT
    return max(FOLD_AT_LEAST, (1 + learnt.alone) / 2)


def fold_copies(rows: Sequence[Row], vectors_KD: Floats, threshold: float = FOLD_UNLEARNT) -> list[tuple[int, ...]]:
    """Groups of positions in `rows`, which are in the order of a search: the one to show, then its copies.

    A copy has the content of an earlier one, or is the same image of the same file, or is the other file of a
    shot in RAW and JPEG, or was taken in the same second and has a cosine of 0.9 with it, or has one of `threshold`.
    Each is compared with the one shown, so that no chain of small steps joins what differs. Pages of documents fold
    by content only. Groups are in the order of their first row, and every position is in exactly one of them.

    vectors_KD: (K, D) float32, unit length, of the rows. threshold: a cosine (`fold_threshold`); above 1 none folds.
    Raises: ValueError where there is not one vector for each row.
    """
    if len(vectors_KD) != len(rows):
        raise ValueError(f"{len(vectors_KD)} vectors were given for {len(rows)} rows; expected one for each row.")
    groups: list[list[int]] = []
    group_of: dict[tuple[str, ...], int] = {}  # what a row shares with its copies → their group
    shown = _Shown(len(rows), threshold)
    for at, (row, cosine_K) in enumerate(zip(rows, _cosines(vectors_KD), strict=True)):
        keys = _keys(row)
        group = next((group_of[key] for key in keys if key in group_of), None)
        if group is None and row.page is None:
            group = shown.find_group(row, cosine_K)
        if group is None:
            group = len(groups)
            groups.append([])
            if row.page is None:
                shown.add(row, at, group)
        groups[group].append(at)
        for key in keys:
            group_of.setdefault(key, group)
    return [tuple(group) for group in groups]


def _cosines(vectors_KD: Floats) -> Iterator[Floats]:
    """Cosines of each row with all rows, a block of products at a time."""
    for top in range(0, len(vectors_KD), _BLOCK):
        yield from vectors_KD[top : top + _BLOCK] @ vectors_KD.T


class _Shown:
    """The rows shown so far, less pages: which of them a further row is a copy of."""

    def __init__(self, n: int, threshold: float) -> None:
        self._threshold = threshold
        self._shown_K = np.zeros(n, bool)
        self._group_K = np.zeros(n, int)
        self._of_shot: dict[tuple[str, str], list[tuple[int, Row]]] = {}
        self._of_second: dict[str, list[int]] = {}

    def add(self, row: Row, at: int, group: int) -> None:
        self._shown_K[at], self._group_K[at] = True, group
        self._of_shot.setdefault(shot_key(row.path), []).append((at, row))
        if row.taken is not None:
            self._of_second.setdefault(row.taken, []).append(at)

    def find_group(self, row: Row, cosine_K: Floats) -> int | None:
        """Group of the shown row that this one is a copy of, or None."""
        nearest = int(np.where(self._shown_K, cosine_K, -2.0).argmax())
        if self._shown_K[nearest] and cosine_K[nearest] >= self._threshold:
            return int(self._group_K[nearest])
        second = np.array(self._of_second.get(row.taken or "", []), int)
        if len(second) and cosine_K[second].max() >= _SAME_SECOND:
            return int(self._group_K[second[cosine_K[second].argmax()]])
        for at, other in self._of_shot.get(shot_key(row.path), []):
            if cosine_K[at] >= _SAME_SHOT and are_raw_and_rendered(row, other):
                return int(self._group_K[at])
        return None


def _keys(row: Row) -> list[tuple[str, ...]]:
    """Keys that two rows of one image share whatever their vectors: the content; the file and its part."""
    keys: list[tuple[str, ...]] = [("file", row.path, part_name(row))]
    if row.content_hash:
        keys.insert(0, ("content", row.content_hash))
    return keys
