"""Rows of an index that share their content with another row, or come near one."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace

import numpy as np

from wordsight.index import Index, Row
from wordsight.index.lance.maintenance import EXACT_LIMIT

Progress = Callable[[int, int], object]  # (done, of)

_AT_ONCE = EXACT_LIMIT  # rows compared by one matrix product, in blocks; above, the index itself finds neighbours fast
_BLOCK = 1024


def find_rows_with_neighbour(index: Index, least: float, progress: Progress) -> list[Row]:
    """Rows that share their content or come near another, without their thumbnails.

    least: cosine from which rows are near. progress: called with (rows compared, rows in total).
    """
    counts = Counter(version.content_hash for version in index.row_versions())
    shared = {content_hash for content_hash, n in counts.items() if n > 1}
    wanted = {version.id for version in index.row_versions() if version.content_hash in shared}
    near = _near_by_product if len(index) <= _AT_ONCE else _near_by_search
    wanted.update(near(index, least, progress))
    ids = sorted(wanted)
    return [
        replace(row, thumbnail=b"")  # thousands of pages would hold theirs
        for start in range(0, len(ids), _BLOCK)
        for row in index.get(ids[start : start + _BLOCK])
    ]


def _near_by_product(index: Index, least: float, progress: Progress) -> Iterator[str]:
    """Ids of rows with another at a cosine of `least` or more: every pair is compared."""
    ids: list[str] = []
    vectors_ND = np.empty((len(index), index.info.dim), np.float32)
    for names, vectors_BD in index.batches():
        names = names[: len(vectors_ND) - len(ids)]  # another process may be adding rows
        vectors_ND[len(ids) : len(ids) + len(names)] = vectors_BD[: len(names)]
        ids += names
    vectors_ND = vectors_ND[: len(ids)]
    near_N = np.zeros(len(ids), bool)
    for top in range(0, len(ids), _BLOCK):
        rows_BD = vectors_ND[top : top + _BLOCK]
        for left in range(top, len(ids), _BLOCK):
            near_BB = rows_BD @ vectors_ND[left : left + _BLOCK].T >= least
            if left == top:
                np.fill_diagonal(near_BB, False)
            near_N[top : top + _BLOCK] |= near_BB.any(axis=1)
            near_N[left : left + _BLOCK] |= near_BB.any(axis=0)
        progress(min(top + _BLOCK, len(ids)), len(ids))
    yield from (ids[i] for i in np.flatnonzero(near_N))


def _near_by_search(index: Index, least: float, progress: Progress) -> Iterator[str]:
    """The same, asking the index for the nearest of each row."""
    done = 0
    for names, vectors_BD in index.batches():
        for name, vector_D in zip(names, vectors_BD, strict=True):
            others = [match for match in index.nearest(vector_D, 2) if match.row.id != name]
            if others and others[0].score >= least:
                yield name
                yield others[0].row.id
        done += len(names)
        progress(done, len(index))
