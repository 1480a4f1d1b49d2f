"""Near duplicates: images that are copies of each other, in groups, with the original first.

Images whose vectors are close are candidates; their pixels decide (`duplicates.similarity`). A group is the image
to keep, the original as far as can be told (`duplicates.originals`), and its copies: each was compared with that
image itself, so that no chain of small steps joins what differs. Files of the same content are always together. A
file with two names, or one that came by two ways, such as a folder and a table, is one image, not its own copy; rows
whose file is gone are in no group. RAW files, and the image rendered of each, are not copies of each other: both stay.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from wordsight.arguments import check_type
from wordsight.duplicates.comparison import Comparison, CosineComparison, PixelComparison
from wordsight.duplicates.neighbours import Progress, find_rows_with_neighbour
from wordsight.duplicates.originals import Origin, rank_origins
from wordsight.duplicates.physical_files import each_once
from wordsight.duplicates.shots import are_raw_and_rendered, is_raw
from wordsight.duplicates.threshold import NOTE, LearntThreshold
from wordsight.errors import InputError
from wordsight.index import Index, Row
from wordsight.index.base import Floats

# before anything is learnt: the bundled model had 0.71 and 0.76 learnt of photos, 0.83 of products for candidates, and
# 0.90 to 0.93 alone (benchmarks/duplicates_quality.py); small collections may hold sheets, which are closer
UNLEARNT = LearntThreshold(candidates=0.75, alone=0.97, images=0, recall={}, recall_alone={})
_PRODUCT = 1 << 24  # cosines held at a time
_IN_VAIN = 30  # candidates in a row that turn out different, after which less close ones are not compared


@dataclass(frozen=True, eq=False)
class Group:
    """Copies of one image. rows: the one to keep first. cosines: of each with that one.

    because: why that one is kept: "it has the most pixels". shot: ids of rows that stay too: further RAW files, and the
    image rendered of the RAW file. paper: ids of rows of other content than the one to keep that are sheets of
    writing or lines. One digit may be all that differs, too small to be told: look at these before deleting.
    """

    rows: tuple[Row, ...]
    cosines: tuple[float, ...]
    because: str = ""
    shot: frozenset[str] = frozenset()
    paper: frozenset[str] = frozenset()

    def __repr__(self) -> str:
        """Number of images, the nearness of the others, and which one to keep."""
        how = f"cosines from {min(self.cosines):.3f}"
        if self.exact:
            how = "of the same content"
        return f"<Group {len(self.rows)} images, {how}, keep {self.keep.id}>"

    def _repr_html_(self) -> str:
        """The images as a notebook shows them, the one to keep first."""
        from wordsight.output.row_cards import render_rows

        return render_rows(repr(self)[1:-1], self.rows)

    def to_dict(self) -> dict[str, Any]:
        """The group as JSON. role: keep; shot (another file of the same shot, it stays); copy.

        path: valid UTF-8 whatever the file's name; `wordsight.path_text.to_path` gives the file.
        """
        images = [
            {"path": row.path, "page": row.page, "id": row.id, "width": row.width, "height": row.height,
             "size": row.size, "cosine": round(cosine, 6), "same_content": row.content_hash == self.keep.content_hash,
             "paper": row.id in self.paper, "role": self._role(row)}
            for row, cosine in zip(self.rows, self.cosines, strict=True)
        ]  # fmt: skip
        return {"keep": self.keep.path, "because": self.because, "exact": self.exact, "images": images}

    def _role(self, row: Row) -> str:
        if row is self.keep:
            return "keep"
        return "shot" if row.id in self.shot else "copy"

    @property
    def keep(self) -> Row:
        """Original, as far as can be told: see `duplicates.originals`."""
        return self.rows[0]

    @property
    def copies(self) -> tuple[Row, ...]:
        """All but the original and further files of its shot."""
        return tuple(row for row in self.rows[1:] if row.id not in self.shot)

    @property
    def exact(self) -> bool:
        """Whether all are of the same content, byte for byte."""
        return len({row.content_hash for row in self.rows}) == 1


@dataclass(frozen=True, eq=False)
class Found:
    """Groups of copies, the largest first; and the rows that were left out because their file is not there."""

    groups: tuple[Group, ...]
    gone: tuple[Row, ...]


def duplicates(
    index: Index, threshold: float | None = None, *, check: bool = True, progress: Progress | None = None
) -> list[Group]:
    """Groups of `find_duplicates`."""
    return list(find_duplicates(index, threshold, check=check, progress=progress).groups)


def find_duplicates(
    index: Index, threshold: float | None = None, *, check: bool = True, progress: Progress | None = None
) -> Found:
    """Groups of near duplicates in an index, the largest first.

    threshold: cosine from which two images may be copies, in -1 … 1. None: as learnt (`threshold.learn`), else a value
        that suits the bundled model.
    check: compare the pixels of candidates. Without it, or where a file cannot be read, the cosine alone decides; that
        takes a higher threshold, which None learns too.
    progress: called with (rows compared, rows in total).
    Raises: InputError for a threshold that no cosine can be.
    """
    if threshold is not None:
        check_type("threshold", threshold, (int, float, np.number), "a cosine: -1 to 1, for near duplicates 0.8 to 1")
    if threshold is not None and not -1 <= threshold <= 1:
        raise InputError(f"The threshold is {threshold}, expected a cosine: -1 to 1, for near duplicates 0.8 to 1.")
    learnt = read_threshold(index) or UNLEARNT
    alone, least = learnt.alone, learnt.candidates
    if threshold is not None:
        alone = least = threshold
    comparison: Comparison = PixelComparison(index, max(alone, least))
    if not check:
        least = alone
        comparison = CosineComparison(least)
    near = find_rows_with_neighbour(index, least, progress or (lambda *_: None))
    present = each_once(sorted(near, key=_quality))
    groups = sorted(_grouped(present.rows, least, comparison), key=lambda group: (-len(group.rows), group.keep.path))
    return Found(tuple(groups), present.gone)


def read_threshold(index: Index) -> LearntThreshold | None:
    """Threshold learnt on this index, or None."""
    note = index.note(NOTE)
    if not note:
        return None
    return LearntThreshold.from_note(note)


def _grouped(rows: Iterable[Row], least: float, comparison: Comparison) -> Iterator[Group]:
    """Groups: the largest image not yet in one takes all of its copies that are in none."""
    contents: dict[str, list[Row]] = {}
    for row in rows:
        contents.setdefault(row.content_hash, []).append(row)
    classes = list(contents.values())
    taken_N = np.zeros(len(classes), bool)
    if not classes:
        return
    for leader, cosine_N in _cosines(np.stack([rows[0].vector for rows in classes]), taken_N):
        near = [int(i) for i in np.flatnonzero((cosine_N >= least) & ~taken_N) if i > leader]
        near.sort(key=lambda i: -cosine_N[i])
        members = [leader, *_confirmed(classes[leader][0], near, classes, cosine_N, comparison)]
        members, because = _original_first(members, classes, comparison)
        taken_N[members] = True
        if sum(len(classes[i]) for i in members) > 1:
            yield _group([classes[i] for i in members], because, comparison)


def _original_first(members: list[int], classes: list[list[Row]], comparison: Comparison) -> tuple[list[int], str]:
    """Classes of a group, the original first, and why; its rows of one content are put in order too.

    Where another than the first turns out to be the original, those that are not copies of that one are left out.
    """
    because = ""
    for i in members:
        if len(classes[i]) > 1:
            order, because = rank_origins([Origin(row, pixels=row.width * row.height) for row in classes[i]])
            classes[i] = [classes[i][at] for at in order]
    if len(members) == 1:
        return members, because
    firsts = [classes[i][0] for i in members]
    order, because = rank_origins(comparison.inspect_origins(firsts))
    keep, *others = (members[at] for at in order)
    if keep != members[0]:
        original = classes[keep][0]
        others = [i for i in others if i == members[0] or _compare(comparison, original, classes[i][0])]
    return [keep, *others], because


def _compare(comparison: Comparison, one: Row, other: Row) -> bool:
    return comparison.is_copy(one, other, float(one.vector @ other.vector))


def _group(classes: Sequence[Sequence[Row]], because: str, comparison: Comparison) -> Group:
    """Group of classes of one content each, the original's first; other files of its shot last."""
    keep = classes[0][0]
    shot = _find_shot([rows[0] for rows in classes])
    rows = sorted((row for rows in classes for row in rows), key=lambda row: row.id in shot)
    others = [row for row in rows if row.content_hash != keep.content_hash]
    paper = frozenset(row.id for row in others if comparison.is_paper(row))
    cosines = tuple(1.0 if row.content_hash == keep.content_hash else float(keep.vector @ row.vector) for row in rows)
    return Group(tuple(rows), cosines, because, shot, paper)


def _find_shot(rows: Sequence[Row]) -> frozenset[str]:
    """Ids of what stays beside the original, the first of rows of different content, best first.

    Other RAW files; and what was rendered of a RAW file: all of its name, else the best.
    """
    raw = [row for row in rows if row.page is None and is_raw(row.path)]
    if not raw:
        return frozenset()
    rendered = [row for row in rows if row not in raw]
    named = [row for row in rendered if any(are_raw_and_rendered(one, row) for one in raw)]
    return frozenset(row.id for row in [*raw, *(named or rendered[:1])] if row is not rows[0])


def _confirmed(
    keep: Row, near: Sequence[int], classes: Sequence[Sequence[Row]], cosine_N: Floats, comparison: Comparison
) -> list[int]:
    """Candidates, nearest first, that are copies."""
    copies: list[int] = []
    in_vain = 0
    for i in near:
        if comparison.is_copy(keep, classes[i][0], float(cosine_N[i])):
            copies.append(i)
            in_vain = 0
            continue
        in_vain += 1
        if in_vain == _IN_VAIN:
            break
    return copies


def _cosines(vectors_ND: Floats, taken_N: np.ndarray) -> Iterator[tuple[int, Floats]]:
    """(Row, its cosines with all) of each row that is not taken by then, a bounded number at a time."""
    n = len(vectors_ND)
    block = max(1, _PRODUCT // n)
    for top in range(0, n, block):
        free = [i for i in range(top, min(top + block, n)) if not taken_N[i]]
        cosine_BN = vectors_ND[free] @ vectors_ND.T
        yield from ((i, cosines) for i, cosines in zip(free, cosine_BN, strict=True) if not taken_N[i])


def _quality(row: Row) -> tuple[bool, int, int, int, str]:
    """Sort what others are compared with first: RAW, then the most pixels, the largest file, the oldest."""
    return not is_raw(row.path), -row.width * row.height, -row.size, row.mtime_ns, row.id
