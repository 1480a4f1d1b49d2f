"""Sources that an index follows: how each is read, where it was moved to, and which images are its own."""

from __future__ import annotations

import contextlib
import dataclasses
import itertools
import os
import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

from wordsight.arguments import check_path
from wordsight.errors import InputError, WordsightError, did_you_mean
from wordsight.images.skipped import Skipped
from wordsight.index import Index, RowVersion
from wordsight.index.base import belongs_to
from wordsight.ingest import Unit, Unlisted
from wordsight.ingest.options import IngestOptions
from wordsight.ingest.scan import is_there, scan, source_root
from wordsight.model import Model
from wordsight.path_text import to_path
from wordsight.update.counting import OnProgress, counted
from wordsight.update.moved_sources import (
    ROWS_AT_ONCE,
    Move,
    brings_metadata,
    find_copied,
    find_moves,
    folders_around,
    relocate,
)
from wordsight.update.run import Summary, UpdateOptions, update

Source: TypeAlias = str | Path
Units: TypeAlias = Callable[[], Iterator[Unit | Skipped]]  # lists what is to be read, again on each call

SOURCES = "sources"  # note: source → how it is read


def read_sources(index: Index) -> dict[str, IngestOptions]:
    """Sources that an index follows → how they are read."""
    return {source: _read_options(recorded) for source, recorded in (index.note(SOURCES) or {}).items()}


def update_index(
    index: Index,
    model: Callable[[], Model],
    units: Units,
    roots: Sequence[str] = (),
    *,
    options: UpdateOptions,
    progress: OnProgress | None = None,
    prepare: Callable[[], object] = lambda: None,
) -> Summary:
    """Run `update` under the index's write lock, which is released at the end.

    model: called once the index may be written. prepare: called before anything is read.
    """
    try:
        index.begin_writing()  # before anything is read or embedded that could not be kept
        prepare()
        with counted(units, progress) as report:
            summary = update(index, model(), units(), roots, options=options, progress=report)
    except BaseException:
        with contextlib.suppress(WordsightError):  # the first error matters more
            index.optimise()  # releases the write lock, so that others may write
        raise
    index.optimise()
    return summary


def remove_rows(index: Index, is_wanted: Callable[[RowVersion], bool]) -> int:
    """Remove the rows whose stamps are wanted; the number of them."""
    ids = [version.id for version in index.row_versions() if is_wanted(version)]
    if ids:
        index.remove(ids)
        index.optimise()
    return len(ids)


@dataclass(frozen=True, eq=False)
class FollowedSources:
    """The sources of one index, and the changes that they go through.

    location: of the index, beside which moved sources are looked for. model: returns the index's model.
    """

    index: Index
    location: str
    model: Callable[[], Model]

    def add(
        self,
        paths: Sequence[Source],
        options: IngestOptions | None,
        how: UpdateOptions,
        progress: OnProgress | None,
    ) -> Summary:
        """Follow paths from now on, and index their images. options: None: as the last time."""
        named_by = {source_root(path): path for path in paths}
        recorded = read_sources(self.index)
        moves = self._find_moves(recorded, named_by)
        recorded = _rename_moved(moves, recorded)
        chosen = {root: options or recorded.get(root) or IngestOptions() for root in named_by}
        for root, path in named_by.items():
            scan(path, chosen[root])  # reports at once what does not exist, before it is recorded
        summary = self._update(chosen, scan_all, how, progress, record=recorded | chosen, moves=moves)
        absent = [source for source in recorded if not is_there(source)]
        if not absent:
            return summary
        copied = find_copied(absent, self.index.row_versions(), chosen)
        removed = sum(self.forget(source) for source in copied)
        kept = [source for source in absent if brings_metadata(source) and source not in copied]
        return dataclasses.replace(
            summary,
            removed=summary.removed + removed,
            moved={**summary.moved, **copied},
            kept=(*kept, *summary.kept),
        )

    def refresh(self, how: UpdateOptions, progress: OnProgress | None) -> Summary:
        """Bring the index into agreement with all sources that are there; those that are not keep their images."""
        recorded = read_sources(self.index)
        if not recorded:
            raise InputError(f"The index {self.location!r} follows no source yet; name images or folders to add.")
        moves = self._find_moves(recorded, ())
        recorded = _rename_moved(moves, recorded)
        absent = [source for source in recorded if not is_there(source)]
        deleted = [source for source in absent if to_path(source).parent.is_dir() and self._was_file(source)]
        removed = sum(self.forget(source) for source in deleted)
        present = {source: options for source, options in recorded.items() if source not in absent}
        record = {source: options for source, options in recorded.items() if source not in deleted}
        summary = self._update(present, scan_readable, how, progress, record=record, moves=moves)
        away = [source for source in absent if source not in deleted]
        return dataclasses.replace(
            summary,
            removed=summary.removed + removed,
            skipped=(*(Skipped(source, "is not there now") for source in away), *summary.skipped),
            kept=(*away, *summary.kept),
        )

    def forget(self, source: Source) -> int:
        """Stop tracking a source and remove its images, but for those that another source holds too.

        Returns the number of images removed. Raises: InputError for a source that is not followed.
        """
        check_path("The source", source, "a path or name that the index follows")
        recorded = read_sources(self.index)
        root = str(source)
        if root not in recorded:
            root = source_root(source)
        if root not in recorded:
            followed = ", ".join(map(repr, recorded)) or "none"
            hint = did_you_mean(root, recorded)
            raise InputError(f"The source {str(source)!r} is not followed by this index; it follows {followed}.{hint}")
        others = {name: options for name, options in recorded.items() if name != root}
        self._hand_over(root, others)
        removed = remove_rows(self.index, lambda version: version.source == root)
        self._record(others)
        return removed

    def _hand_over(self, source: str, others: Mapping[str, IngestOptions]) -> None:
        """Make images of a source those of another one that lists the same files."""
        near = {name: options for name, options in others.items() if _overlap(name, source)}
        if not near:
            return
        ids_by_path: defaultdict[str, list[str]] = defaultdict(list)
        for version in self.index.row_versions():
            if version.source == source and version.in_file and os.path.lexists(to_path(version.path)):
                ids_by_path[version.path].append(version.id)
        if not ids_by_path:
            return
        taken_by: dict[str, str] = {}  # id → source
        for unit in scan_readable(near):
            if isinstance(unit, Unit):
                taken_by.update(dict.fromkeys(ids_by_path.pop(unit.path, ()), unit.source))
        ids = list(taken_by)
        try:
            for start in range(0, len(ids), ROWS_AT_ONCE):
                rows = self.index.get(ids[start : start + ROWS_AT_ONCE])
                self.index.add([dataclasses.replace(row, source=taken_by[row.id]) for row in rows])
        finally:
            self.index.optimise()

    def _update(
        self,
        sources: Mapping[str, IngestOptions],
        list_units: Callable[[Mapping[str, IngestOptions]], Iterator[Unit | Skipped]],
        how: UpdateOptions,
        progress: OnProgress | None,
        *,
        record: Mapping[str, IngestOptions],
        moves: Sequence[Move],
    ) -> Summary:
        """Bring sources into the index. record: what it follows from now on, where that changes."""

        def prepare() -> None:  # with the write lock: an index that is in use does not record what it refuses
            if moves:  # killed in the midst, the next run knows both and continues
                self._record({**read_sources(self.index), **record})
                relocate(self.index, moves)
            if record != read_sources(self.index):
                self._record(record)

        masked = frozenset(source for source, options in sources.items() if options.mask_title_block)
        summary = update_index(
            self.index,
            self.model,
            lambda: list_units(sources),
            tuple(sources),
            options=dataclasses.replace(how, masked=masked),
            progress=progress,
            prepare=prepare,
        )
        return dataclasses.replace(summary, moved={move.source: move.into for move in moves})

    def _find_moves(self, recorded: Mapping[str, IngestOptions], named: Iterable[str]) -> list[Move]:
        """New places of recorded sources that are not there, as far as they are found."""
        absent = [source for source in recorded if not is_there(source)]
        if not absent:
            return []
        return find_moves(absent, self.index.row_versions(), named, folders_around(self.location))

    def _was_file(self, source: str) -> bool:
        return any(
            s.path == source or belongs_to(s.id, source) for s in self.index.row_versions() if s.source == source
        )

    def _record(self, sources: Mapping[str, IngestOptions]) -> None:
        self.index.set_note(SOURCES, {source: dataclasses.asdict(options) for source, options in sources.items()})


def scan_all(sources: Mapping[str, IngestOptions]) -> Iterator[Unit | Skipped]:
    """Units of sources. Raises: InputError for one that cannot be opened."""
    return itertools.chain.from_iterable([scan([source], options) for source, options in sources.items()])


def scan_readable(sources: Mapping[str, IngestOptions]) -> Iterator[Unit | Skipped]:
    """Units of sources; `Unlisted` in the place of one that cannot be opened."""
    found: list[Iterable[Unit | Skipped]] = []
    for source, options in sources.items():
        try:
            found.append(scan([source], options))
        except InputError as error:
            found.append([Unlisted(source, str(error))])
    return itertools.chain.from_iterable(found)


def _rename_moved(moves: Sequence[Move], sources: Mapping[str, IngestOptions]) -> dict[str, IngestOptions]:
    """Sources by their names after moves; one that a folder above takes in is not a source any more."""
    left = {name: options for name, options in sources.items() if name not in {move.source for move in moves}}
    renamed = [move for move in moves if move.place == move.into and move.into not in left]
    return left | {move.into: sources[move.source] for move in renamed}


def _overlap(a: str, b: str) -> bool:
    """Whether one of two sources lies in the other; a pattern, in its folder, may."""
    a, b = _fixed_folder(a), _fixed_folder(b)
    return a == b or a.startswith(os.path.join(b, "")) or b.startswith(os.path.join(a, ""))


def _fixed_folder(source: str) -> str:
    """The source, or the folder in which a pattern looks."""
    fixed = re.split(r"[*?[]", source)[0]
    if fixed == source:
        return source
    return os.path.dirname(fixed)


def _read_options(recorded: Mapping[str, Any]) -> IngestOptions:
    """Options that a note holds; those of another version that this one does not know are skipped."""
    known = {field.name for field in dataclasses.fields(IngestOptions)}
    values: dict[str, Any] = {
        key: tuple(value) if isinstance(value, list) else value for key, value in recorded.items() if key in known
    }
    return IngestOptions(**values)
