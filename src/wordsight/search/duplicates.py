"""Near duplicates: pictures that are copies of each other, in groups, with the one to keep first.

Pictures whose vectors are close are candidates; a look at their pixels (`search.same_picture`) decides. A group is the
picture to keep (the most pixels, then the largest file, then the oldest) and its copies: each was compared with that
picture itself, so that no chain of small steps joins what differs. Files of the same content are always together. A
file that came by two ways, such as a folder and a table, is one picture, no copy of itself.
"""

from __future__ import annotations

import functools
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from wordsight.errors import ImageError, InputError
from wordsight.index import Index, Row
from wordsight.index.rows import Floats, is_part_of
from wordsight.index.upkeep import EXACT_LIMIT
from wordsight.search.copies import NOTE, LearntThreshold
from wordsight.search.pictures import row_picture
from wordsight.search.same_picture import READ_AT_LEAST, Miniature, likeness

Progress = Callable[[int, int], object]  # (done, of)

# before anything is learnt: the bundled model had 0.71 and 0.76 learnt of photos, 0.83 of products for candidates, and
# 0.90 to 0.93 alone (benchmarks/duplicates_quality.py); small collections may hold sheets, which are closer
UNLEARNT = LearntThreshold(candidates=0.75, alone=0.97, pictures=0, recall={}, recall_alone={})
_AT_ONCE = EXACT_LIMIT  # rows compared by one matrix product, in blocks; above, the index itself finds neighbours fast
_BLOCK = 1024
_PRODUCT = 1 << 24  # cosines held at a time
_IN_VAIN = 30  # candidates in a row that turn out different, after which those that are less close are not looked at
_MINIATURES = 200  # kept, 0.5 MB each, as much again with its mirror image


@dataclass(frozen=True, eq=False)
class Group:
    """Copies of one picture. rows: the one to keep first. cosines: of each with that one.

    paper: ids of rows of other content than the one to keep that are sheets of writing or lines. One digit may be all
    that differs, too small to be told: look at these before deleting.
    """

    rows: tuple[Row, ...]
    cosines: tuple[float, ...]
    paper: frozenset[str] = frozenset()

    def __repr__(self) -> str:
        """Return how many there are, which one to keep, and how near the others are."""
        how = "of the same content" if self.exact else f"cosines from {min(self.cosines):.3f}"
        return f"<Group {len(self.rows)} pictures, {how}, keep {self.keep.id}>"

    def _repr_html_(self) -> str:
        """Return the pictures as a notebook shows them, the one to keep first."""
        from wordsight.search.html import html_of_rows

        return html_of_rows(repr(self)[1:-1], self.rows)

    @property
    def keep(self) -> Row:
        """The best of them: the most pixels, then the largest file, then the oldest."""
        return self.rows[0]

    @property
    def copies(self) -> tuple[Row, ...]:
        """All but the best."""
        return self.rows[1:]

    @property
    def exact(self) -> bool:
        """Whether all are of the same content, byte for byte."""
        return len({row.digest for row in self.rows}) == 1


def duplicates(
    index: Index, threshold: float | None = None, *, check: bool = True, progress: Progress | None = None
) -> list[Group]:
    """Return the groups of near duplicates in an index, the largest first.

    threshold: cosine from which two pictures may be copies, in -1 … 1. None: as learnt (`copies.learn`), else a value
        that suits the bundled model.
    check: compare the pixels of candidates. Without it, or where a file cannot be read, the cosine alone decides; that
        takes a higher threshold, which None learns too.
    progress: called with (rows compared, rows in all).
    Raises: InputError for a threshold that no cosine can be.
    """
    if threshold is not None and not -1 <= threshold <= 1:
        raise InputError(f"The threshold is {threshold}, expected a cosine: -1 to 1, for near duplicates 0.8 to 1.")
    learnt = learnt_threshold(index) or UNLEARNT
    alone = learnt.alone if threshold is None else threshold
    least = alone if not check else learnt.candidates if threshold is None else threshold
    rows = _rows_with_a_neighbour(index, least, progress or (lambda *_: None))
    compare = _Comparison(index, max(alone, least)) if check else None
    groups = _grouped(rows, least, compare)
    return sorted(groups, key=lambda group: (-len(group.rows), group.keep.path))


def learnt_threshold(index: Index) -> LearntThreshold | None:
    """Return what was learnt on this index, or None."""
    note = index.note(NOTE)
    return LearntThreshold.from_note(note) if note else None


def _rows_with_a_neighbour(index: Index, least: float, progress: Progress) -> list[Row]:
    """Return the rows that share their content or come near another, without their thumbnails."""
    counts = Counter(stamp.digest for stamp in index.stamps())
    shared = {digest for digest, n in counts.items() if n > 1}
    wanted = {stamp.id for stamp in index.stamps() if stamp.digest in shared}
    near = _near_by_product if len(index) <= _AT_ONCE else _near_by_search
    wanted.update(near(index, least, progress))
    ids = sorted(wanted)
    return [
        replace(row, thumbnail=b"")  # thousands of pages would hold theirs
        for start in range(0, len(ids), _BLOCK)
        for row in index.get(ids[start : start + _BLOCK])
    ]


def _near_by_product(index: Index, least: float, progress: Progress) -> Iterator[str]:
    """Yield the ids of rows with another at a cosine of `least` or more: every pair is looked at."""
    ids: list[str] = []
    vectors_ND = np.empty((len(index), index.about.dim), np.float32)
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
    """Yield the same, asking the index for the nearest of each row."""
    done = 0
    for names, vectors_BD in index.batches():
        for name, vector_D in zip(names, vectors_BD, strict=True):
            others = [match for match in index.nearest(vector_D, 2) if match.row.id != name]
            if others and others[0].score >= least:
                yield name
                yield others[0].row.id
        done += len(names)
        progress(done, len(index))


class _Comparison:
    """Tells whether two rows are copies, by their pixels; by the cosine where a picture cannot be read."""

    def __init__(self, index: Index, alone: float) -> None:
        self._index, self._alone = index, alone
        self._miniature = functools.lru_cache(maxsize=_MINIATURES)(self._read)

    def __call__(self, one: Row, other: Row, cosine: float) -> bool:
        pictures = self._miniature(one), self._miniature(other)
        if pictures[0] is None or pictures[1] is None:
            return cosine >= self._alone
        return likeness(pictures[0], pictures[1]).same

    def paper(self, row: Row) -> bool:
        """Return whether the row is a sheet of writing or lines."""
        miniature = self._miniature(row)
        return miniature is not None and miniature.paper

    def _read(self, row: Row) -> Miniature | None:
        try:
            return Miniature(row_picture(self._index, row, at_least=READ_AT_LEAST))
        except ImageError:
            return None


def _grouped(rows: Iterable[Row], least: float, compare: _Comparison | None) -> Iterator[Group]:
    """Yield the groups: the best picture not yet in one takes all of its copies that are in none."""
    contents: dict[str, list[Row]] = {}
    seen: set[tuple[str, str]] = set()
    for row in sorted(rows, key=_quality):
        if (place := _place(row)) not in seen:
            seen.add(place)
            contents.setdefault(row.digest, []).append(row)
    classes = list(contents.values())
    taken_N = np.zeros(len(classes), bool)
    for leader, cosine_N in _cosines(np.stack([rows[0].vector for rows in classes]) if classes else None, taken_N):
        near = [int(i) for i in np.flatnonzero((cosine_N >= least) & ~taken_N) if i > leader]
        near.sort(key=lambda i: -cosine_N[i])
        copies = _confirmed(classes[leader][0], near, classes, cosine_N, compare)
        taken_N[[leader, *copies]] = True
        members = [(row, 1.0) for row in classes[leader]]
        members += [(row, float(cosine_N[i])) for i in copies for row in classes[i]]
        if len(members) > 1:
            others = [row for i in copies for row in classes[i]]
            paper = frozenset(row.id for row in others if compare and compare.paper(row))
            yield Group(tuple(row for row, _ in members), tuple(cosine for _, cosine in members), paper)


def _confirmed(
    keep: Row, near: Sequence[int], classes: Sequence[Sequence[Row]], cosine_N: Floats, compare: _Comparison | None
) -> list[int]:
    """Return those of the candidates, nearest first, that are copies."""
    if compare is None:
        return list(near)
    copies: list[int] = []
    in_vain = 0
    for i in near:
        if compare(keep, classes[i][0], float(cosine_N[i])):
            copies.append(i)
            in_vain = 0
        elif (in_vain := in_vain + 1) == _IN_VAIN:
            break
    return copies


def _cosines(vectors_ND: Floats | None, taken_N: np.ndarray) -> Iterator[tuple[int, Floats]]:
    """Yield (row, its cosines with all) of each row that is not taken by then, a bounded number at a time."""
    n = 0 if vectors_ND is None else len(vectors_ND)
    block = max(1, _PRODUCT // max(n, 1))
    for top in range(0, n, block):
        assert vectors_ND is not None
        free = [i for i in range(top, min(top + block, n)) if not taken_N[i]]
        cosine_BN = vectors_ND[free] @ vectors_ND.T
        yield from ((i, cosines) for i, cosines in zip(free, cosine_BN, strict=True) if not taken_N[i])


def _place(row: Row) -> tuple[str, str]:
    """Return what two rows share that are the same picture of the same file."""
    part = row.id.removeprefix(row.path) if is_part_of(row.id, row.path) else ""
    return row.path, part


def _quality(row: Row) -> tuple[int, int, int, str]:
    """Sort the picture to keep first."""
    return -row.width * row.height, -row.size, row.mtime_ns, row.id
