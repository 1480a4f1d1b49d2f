"""Work to be done for an index to agree with its sources: from listed files to the tasks among them."""

from __future__ import annotations

import dataclasses
import os
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from wordsight.hashes import hash_text
from wordsight.images.files import system_folder
from wordsight.images.skipped import Skipped
from wordsight.index import RowVersion
from wordsight.index.base import belongs_to
from wordsight.ingest import Item, Unit
from wordsight.ingest.items import Unlisted
from wordsight.path_text import to_path, to_text
from wordsight.update.reader import Task
from wordsight.update.row_state import RowStates, hash_annotations, is_gone_file


@dataclass
class Tally:
    """Counts of an update so far. `good`: source → images of it that are in the index and still there. `met`: source →
    files and images that were found in it, readable or not. `incomplete`: in the index, but not whole. `left_out`:
    folder → images that are there and leave, since such folders are skipped.
    """

    done: int = 0
    added: int = 0
    changed: int = 0
    reused: int = 0
    described: int = 0
    unchanged: int = 0
    removed: int = 0
    embedded: int = 0
    skipped: list[Skipped] = field(default_factory=list)
    incomplete: list[Skipped] = field(default_factory=list)
    left_out: Counter[str] = field(default_factory=Counter)
    good: Counter[str] = field(default_factory=Counter)
    met: Counter[str] = field(default_factory=Counter)

    @property
    def safe(self) -> int:
        """Rows that this run wrote."""
        return self.added + self.changed + self.reused + self.described


@dataclass
class _Opened:
    """A file whose items are on their way: how many are out, whether all were handed out, whether any was written.

    unchanged_if_same_mtime: see `Unit`. failed: some of its items are not in the index, or not as they are now.
    """

    unchanged_if_same_mtime: bool = True
    out: int = 0
    ended: bool = False
    written: bool = False
    failed: bool = False


class Plan:
    """Tells new, changed and unchanged apart, and what is gone when all sources were listed.

    masked: sources whose pages are embedded without their title block.
    unfinished: files of which the index holds a part, for a run was interrupted, or some items could not be read: size
        and time alone do not tell that these are up to date.
    """

    def __init__(
        self,
        row_states: RowStates,
        tally: Tally,
        masked: Collection[str] = (),
        unfinished: Collection[str] = (),
        report: Callable[[], object] = lambda: None,
    ) -> None:
        self.row_states = row_states
        self.tally = tally
        self.masked = masked
        self._unfinished = set(unfinished)
        self._failed: set[str] = set()  # files of which the next run tries again what this one could not read
        self._refused: set[str] = set()  # files whose rows the index did not take
        self._report = report
        self._opened: dict[str, _Opened] = {}
        self._file_of: dict[str, str] = {}  # id of a task that is out → its file
        self._new: set[int] = set()  # hashes of the ids that came with this run
        self._kept: set[str] = set()  # paths that could not be read: nothing at or below them is gone

    def tasks(self, units: Iterable[Unit | Skipped]) -> Iterator[Task]:
        """Tasks to read or describe again; count the rest."""
        for unit in units:
            self.tally.done += 1
            self._report()
            if isinstance(unit, Skipped):
                self._skip(unit)
                continue
            self.tally.met[unit.source] += unit.unchanged_if_same_mtime
            masked = unit.source in self.masked
            if not self._up_to_date(unit, masked):
                yield from self._open(unit, masked)

    def _up_to_date(self, unit: Unit, masked: bool) -> bool:
        """Whether size and time tell that all items of a file are in the index, and count them."""
        if not unit.unchanged_if_same_mtime or unit.path in self._unfinished:
            return False
        rows = self.row_states.of_file(unit.path)
        if not rows or not all(self.row_states.same_file(row, unit.size, unit.mtime_ns, masked) for row in rows):
            return False
        self._count_unchanged(rows, unit.source)
        return True

    def _open(self, unit: Unit, masked: bool) -> Iterator[Task]:
        """Yield the tasks among the items of one file."""
        opened = self._opened.setdefault(unit.path, _Opened(unit.unchanged_if_same_mtime))
        for item in unit.items():
            if not unit.unchanged_if_same_mtime:
                self.tally.done += 1
                self._report()
            if isinstance(item, Skipped):
                opened.failed = True
                self._skip(item)
                continue
            self.tally.met[item.source] += 1
            if (task := self._task(item, masked)) is not None:
                opened.out += 1
                self._file_of[item.id] = unit.path
                yield task
        opened.ended = True
        self._close_if_done(unit.path)

    def _task(self, item: Item, masked: bool) -> Task | None:
        """Task of an item, or None where nothing is."""
        row = self.row_states.find(item.id)
        if self._was_met(row, item):
            self.tally.good[item.source] += 1  # two sources hold it
            return None
        mask = masked and item.page is not None
        task = Task(item, row=row, mask=mask, thumbnail=_needs_thumbnail(item))
        if row is None:
            self._new.add(hash_text(item.id))
            return task
        if not self.row_states.same_file(row, item.size, item.mtime_ns, mask):
            self.row_states.seen[row] = True
            return task
        if self.row_states.same_annotations(row, hash_annotations(item.text, item.meta)):
            self._count_unchanged([row], item.source)
            return None
        self.row_states.seen[row] = True
        return dataclasses.replace(task, what="describe")

    def _was_met(self, row: int | None, item: Item) -> bool:
        if row is None:
            return hash_text(item.id) in self._new
        return bool(self.row_states.seen[row])

    def _count_unchanged(self, rows: Sequence[int], source: str) -> None:
        for row in rows:
            self.tally.unchanged += not self.row_states.seen[row]
            self.row_states.seen[row] = True
        self.tally.good[source] += len(rows)

    def _skip(self, skip: Skipped) -> None:
        """Count what could not be opened or listed; what the index has of it stays, unless it is gone."""
        self.tally.skipped.append(skip)
        name = skip.item
        if not isinstance(name, str):
            name = to_text(name)
        if isinstance(skip, Unlisted) or not is_gone_file(name):
            self._kept.add(name)

    def count_failed(self, task: Task, skip: Skipped) -> None:
        """Count a task that could not be read: its old row stays, unless the file vanished meanwhile."""
        self.tally.skipped.append(skip)
        if task.row is not None and is_gone_file(task.item.path):
            self.row_states.seen[task.row] = False
        if task.item.id != task.item.path:
            self._opened[self.find_file(task)].failed = True
        self._count_out([task], written=False)

    def count_refused(self, path: str, tasks: Sequence[Task], reason: str) -> None:
        """Count tasks of one file that the index does not take: the rows that it has of the file stay as they are."""
        if path not in self._refused:
            self._refused.add(path)
            file: str | Path = path
            if os.path.isabs(path):
                file = to_path(path)
            self._skip(Unlisted(file, reason))
        self._opened[path].failed = True
        self._count_out(tasks, written=False)

    def find_file(self, task: Task) -> str:
        """File that brought a task."""
        return self._file_of[task.item.id]

    def partial(self, tasks: Sequence[Task]) -> set[str]:
        """Files of which the index will hold a part only once these tasks are written."""
        writing = Counter(self._file_of[task.item.id] for task in tasks)
        found = {
            path
            for path, opened in self._opened.items()
            if (opened.written or writing[path]) and (opened.out > writing[path] or not opened.ended or opened.failed)
        }
        return found | self._unfinished | self._failed

    def count_embedded(self, task: Task) -> Task:
        """Count a task that went through the model."""
        self.tally.embedded += 1
        return dataclasses.replace(task, embedded=True)

    def count_lost_cell(self, id: str, value: object, reason: str) -> None:
        """Count a cell that the index does not take; the rest of its row is in."""
        self.tally.incomplete.append(Skipped(f"{id}: {value!r}", reason))

    def count_removed(self, number: int) -> None:
        """Count rows whose files are gone."""
        self.tally.removed += number

    def count_written(self, tasks: Sequence[Task]) -> None:
        """Count tasks that are in the index now."""
        for task in tasks:
            if task.facts.flaw:
                self.tally.incomplete.append(Skipped(task.item.id, task.facts.flaw))
            kind = self._kind(task)
            setattr(self.tally, kind, getattr(self.tally, kind) + 1)
            self.tally.good[task.item.source] += 1
        self._count_out(tasks, written=True)

    def _kind(self, task: Task) -> str:
        """Name of the count that a written task adds to."""
        if task.row is None:
            return "added" if task.embedded else "reused"
        if task.what == "read" and (task.fresh or not self.row_states.same_content(task.row, task.facts.content_hash)):
            return "changed"
        if self.row_states.same_annotations(task.row, hash_annotations(task.item.text, task.item.meta)):
            return "unchanged"  # a file that was only touched
        return "described"

    def _count_out(self, tasks: Sequence[Task], *, written: bool) -> None:
        for task in tasks:
            path = self._file_of.pop(task.item.id)
            self._opened[path].out -= 1
            self._opened[path].written |= written
            self._close_if_done(path)

    def _close_if_done(self, path: str) -> None:
        opened = self._opened[path]
        if opened.ended and not opened.out:
            del self._opened[path]
            self._unfinished.discard(path)
            if opened.failed and opened.unchanged_if_same_mtime and (opened.written or self.row_states.of_file(path)):
                self._failed.add(path)

    def emptied(self, roots: Iterable[str]) -> list[str]:
        """Sources that had images and seem to have none now: more often a disk that is not there."""
        return [root for root in self._without_good(roots) if not self.tally.met[root]]

    def _without_good(self, roots: Iterable[str]) -> list[str]:
        return [root for root in roots if self.row_states.rows_of[root] and not self.tally.good[root]]

    def gone(self, versions: Iterable[RowVersion], roots: Collection[str]) -> Iterator[str]:
        """Yield the ids of rows of sources that were listed to their end and no longer hold them."""
        leaving = set(roots) - set(self._without_good(roots))
        if all(self.row_states.seen):
            return
        for version in versions:
            row = self.row_states.find(version.id)
            unseen = row is not None and not self.row_states.seen[row]
            if unseen and version.source in leaving and not self._is_kept(version):
                folder = system_folder(version.path.removeprefix(version.source))
                if folder and not is_gone_file(version.path):
                    self.tally.left_out[folder] += 1
                yield version.id

    def _is_kept(self, version: RowVersion) -> bool:
        if not self._kept:
            return False
        names = [version.id, version.path, version.source, *map(str, Path(version.path).parents)]
        return not self._kept.isdisjoint(names)


def _needs_thumbnail(item: Item) -> bool:
    """Whether the image is not a file of its own: a page, a tar's member, something fetched or given."""
    return item.page is not None or belongs_to(item.id, item.path) or not os.path.isabs(item.path)
