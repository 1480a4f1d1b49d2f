"""Sources that are not where they were: found again by names, sizes and times of files, or by content."""

from __future__ import annotations

import dataclasses
import itertools
import os
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from wordsight.hashes import hash_text
from wordsight.index import Index, Row, RowVersion
from wordsight.ingest.kinds import SourceKind, file_kind
from wordsight.path_text import to_path, to_text

_LOOKED_AT = 200  # rows of a source, at most, whose files are looked for in a new place
ROWS_AT_ONCE = 1024  # rows that are changed in one step
_ENOUGH = 0.5  # of these: the others may have been changed or deleted since
_WITH_METADATA = (SourceKind.TABLE, SourceKind.ARCHIVE)  # a dataset is never taken to be absent


@dataclass(frozen=True)
class Move:
    """A source that is elsewhere now. All are names by `path_text.to_text`.

    source: as it was recorded. place: what it is called now. into: the source that holds it now: `place`, or a folder
    above that was named. base, now: what paths began with, and begin with now.
    """

    source: str
    place: str
    into: str
    base: str
    now: str

    def renamed(self, text: str) -> str:
        """An id or a path as it is now."""
        below = text == self.base or text.startswith((f"{self.base}{os.sep}", f"{self.base}#"))
        if not below:
            return text
        return self.now + text[len(self.base) :]

    def row(self, row: Row) -> Row:
        """A row of the source as it is now."""
        return dataclasses.replace(row, id=self.renamed(row.id), path=self.renamed(row.path), source=self.into)


def find_moves(
    absent: Collection[str], versions: Iterable[RowVersion], named: Iterable[str], around: Iterable[str]
) -> list[Move]:
    """Moves of the absent sources that are found: at or below a `named` source, or in a folder `around`.

    A place is taken for the old one where half of its files, by their paths within it, have the size and time that
    the index knows: moving keeps these, and two folders do not agree in them by accident.
    named: sources of this call, which take in what is found. around: the folders above the index, with which its
        images were moved.
    """
    if not absent:
        return []
    samples: dict[str, list[RowVersion]] = {source: [] for source in absent}
    for version in versions:
        if len(some := samples.get(version.source, [])) < _LOOKED_AT and version.mtime_ns:
            some.append(version)
    places = [*((name, name) for name in named), *((name, "") for name in around)]
    moves: list[Move] = []
    for source, some in samples.items():
        tried = (_move(source, place, into) for top, into in places for place in _below(top, source))
        moves += itertools.islice((move for move in tried if move is not None and _agrees(move, some)), 1)
    return moves


def _below(top: str, source: str) -> Iterator[str]:
    """Names that a source may have at or below a folder, the longest name first: /new/a/b, /new/b, /new."""
    parts = Path(source).parts[1:]
    for start in range(len(parts) + 1):
        yield os.path.join(top, *parts[start:])


def _move(source: str, place: str, into: str) -> Move | None:
    path = to_path(place)
    if place == source or not path.exists():
        return None
    if path.is_dir():
        return Move(source, place, into or place, source, place)
    if os.path.basename(place) != os.path.basename(source):
        return None
    if file_kind(place) is SourceKind.TABLE:  # a folder does not list the tables in it, and would lose their rows
        into = ""
    return Move(source, place, into or place, os.path.dirname(source), os.path.dirname(place))


def _agrees(move: Move, versions: Collection[RowVersion]) -> bool:
    """Whether the files of enough rows are in the new place, as large and old as they were."""
    return sum(_is_same(move, version) for version in versions) >= max(1, _ENOUGH * len(versions))


def _is_same(move: Move, version: RowVersion) -> bool:
    path = move.renamed(version.path)
    if path == version.path:
        return False
    try:
        status = to_path(path).stat()
    except OSError:
        return False
    return (status.st_size, status.st_mtime_ns) == (version.size, version.mtime_ns)


def brings_metadata(source: str) -> bool:
    """Whether a source says more of its images than their files do: a table or a tar, by its name or pattern."""
    return file_kind(source) in _WITH_METADATA and not to_path(source).is_dir()


def find_copied(absent: Collection[str], versions: Iterable[RowVersion], named: Collection[str]) -> dict[str, str]:
    """Absent source → named source that holds all of its contents: it was moved by copying, say.

    What brings metadata is taken over only by a source of its kind that brings the same: a folder of the images that a
    table names does not hold the table's columns. Sources without rows are not among them.
    """
    if not absent:
        return {}
    contents: dict[str, set[int]] = {source: set() for source in absent}
    holds: dict[str, set[int]] = {source: set() for source in named}
    for version in versions:
        if version.source in contents:
            contents[version.source].add(_content(version, described=_is_described(version)))
        if version.source in holds:
            holds[version.source].update(_content(version, described=described) for described in (False, True))
    found = {}
    for source, wanted in contents.items():
        takers = [name for name, held in holds.items() if wanted <= held and _may_take_over(source, name)]
        if wanted and takers:
            found[source] = takers[0]
    return found


def _may_take_over(source: str, name: str) -> bool:
    if not brings_metadata(source):
        return True
    return brings_metadata(name) and file_kind(name) is file_kind(source)


def _is_described(version: RowVersion) -> bool:
    """Whether something beside the image itself says what it shows: it is a table's row or a tar's member."""
    return version.id != version.path and not version.id.startswith(f"{version.path}#page=")


def _content(version: RowVersion, *, described: bool) -> int:
    """Hash of a row's content, and of what is said of it."""
    if described:
        return hash_text(f"{version.content_hash} {version.annotation_hash}")
    return hash_text(version.content_hash)


def relocate(index: Index, moves: Collection[Move]) -> None:
    """Give the rows of sources that moved their new ids, paths and source; nothing is read or embedded again.

    Interrupted, it is done to the end by the next call: the old source is still recorded then.
    """
    if not moves:
        return
    move_of = {move.source: move for move in moves}
    found = [(version.id, version.source) for version in index.row_versions() if version.source in move_of]
    for start in range(0, len(found), ROWS_AT_ONCE):
        some = dict(found[start : start + ROWS_AT_ONCE])
        old = index.get(list(some))
        new = [move_of[some[row.id]].row(row) for row in old]
        index.add(new)
        index.remove(sorted({row.id for row in old} - {row.id for row in new}))


def folders_around(location: str) -> list[str]:
    """Folders above an index's own, the nearest first; none of an index that is not a folder."""
    if not os.path.isdir(location):
        return []
    return [to_text(folder) for folder in Path(os.path.abspath(location)).parents]
