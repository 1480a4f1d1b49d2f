"""The living index: bring it into agreement with its sources, and embed only what is new or changed."""

from __future__ import annotations

import contextlib
import dataclasses
import time
from collections import defaultdict
from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, TypeAlias

import numpy as np

from wordsight.columns import KIND_NAMES, ColumnKindError, fit_meta
from wordsight.errors import InputError, StoreError, WordsightError
from wordsight.images.skipped import Skipped
from wordsight.index import Index, Row
from wordsight.ingest import Unit
from wordsight.model import Model
from wordsight.path_text import json_text
from wordsight.update.plan import Plan, Tally
from wordsight.update.reader import Reader, Task
from wordsight.update.row_state import RowStates

# Tasks in, (task, unit vector | None | Skipped) out: `Reader` and an encoder, here or on other machines
Embed: TypeAlias = Callable[[Iterable[Task], Reader], Generator[tuple[Task, Any], None, None]]

# A commit costs the store tens of milliseconds and leaves a file that `optimise` merges later; what is not committed is
# embedded again after a crash. 1,024 small images take some seconds, 12-megapixel photographs reach 15 s first.
COMMIT_ROWS = 1024
COMMIT_SECONDS = 15.0
FIRST_ROWS = 64  # of a run: killed in its first seconds, it leaves some
_REPORT_SECONDS = 0.1
COUNTS = ("added", "changed", "reused", "described", "removed", "unchanged")  # of `Summary`, as they are shown
UNFINISHED = "unfinished"  # note: files of which only a part is in the index


@dataclass(frozen=True, kw_only=True)
class UpdateOptions:
    """How an update is done.

    exact: decode all pixels of large JPEGs (see `images.decode`).
    masked: sources whose pages are embedded without their title block; pages embedded otherwise are embedded again.
    embed: what reads and embeds, in place of threads here (see `update.on_ray`).
    """

    exact: bool = False
    masked: frozenset[str] = frozenset()
    embed: Embed | None = None
    commit_rows: int = COMMIT_ROWS
    commit_seconds: float = COMMIT_SECONDS


@dataclass(frozen=True)
class Progress:
    """How far an update is. done, total: files (and items of tables); total is None while they are being counted.

    embedded: images that went through the model. in_index: images that were added or changed and are safe now.
    """

    done: int
    total: int | None
    embedded: int
    in_index: int
    skipped: int
    seconds: float

    @property
    def rate(self) -> float:
        """Images embedded per second."""
        return self.embedded / self.seconds if self.seconds else 0.0


@dataclass(frozen=True)
class Summary:
    """Result of an update, in images.

    added: new, embedded. changed: embedded again. reused: new by name, but the vector of its content was there: renamed
    or copied. described: only text or metadata changed. removed: their files are gone. kept: sources that had images
    and now seem to hold none; these stay until `Gallery.forget`. incomplete: images of this run that are in, but with
    something missing, and what: a file's end, a cell of a table. left_out: folder of a system → images in it that an
    older version took in, and that left. moved: sources that were found in another place → that place. seconds: of it
    all.
    """

    added: int = 0
    changed: int = 0
    reused: int = 0
    described: int = 0
    unchanged: int = 0
    removed: int = 0
    embedded: int = 0
    seconds: float = 0.0
    skipped: Sequence[Skipped] = ()
    kept: Sequence[str] = ()
    incomplete: Sequence[Skipped] = ()
    left_out: Mapping[str, int] = field(default_factory=dict)
    moved: Mapping[str, str] = field(default_factory=dict)

    def __repr__(self) -> str:
        """Counts that are not zero, how many were skipped, and the time."""
        counts = [f"{getattr(self, name):,} {name}" for name in COUNTS if getattr(self, name)]
        counts += [
            f"{len(found):,} {name}" for name, found in (("skipped", self.skipped), ("kept", self.kept)) if found
        ]
        return f"<Summary {', '.join(counts) or 'nothing found'}; {self.seconds:.1f} s>"

    def to_dict(self) -> dict[str, Any]:
        """The summary as JSON; names of files as valid UTF-8 (`path_text.json_text`)."""
        return {
            **{name: getattr(self, name) for name in COUNTS},
            "embedded": self.embedded,
            "seconds": round(self.seconds, 3),
            "skipped": list(map(_skip_dict, self.skipped)),
            "incomplete": list(map(_skip_dict, self.incomplete)),
            "kept_sources": list(map(json_text, self.kept)),
            "moved_sources": {json_text(old): json_text(new) for old, new in self.moved.items()},
        }

    @property
    def altered(self) -> int:
        """How many rows of the index came, left or differ from before."""
        return self.added + self.changed + self.reused + self.described + self.removed


def _skip_dict(skip: Skipped) -> dict[str, str]:
    return {"item": json_text(skip.item), "reason": skip.reason}


def update(
    index: Index,
    model: Model,
    units: Iterable[Unit | Skipped],
    roots: Sequence[str],
    *,
    options: UpdateOptions | None = None,
    progress: Callable[[Progress], object] | None = None,
) -> Summary:
    """Bring an index into agreement with what its sources hold now, and return what was done.

    units: what `ingest.scan` lists; taken one at a time, so that memory does not grow with their number. roots: the
        sources that they cover wholly: rows of these whose files are gone leave, once all was listed without an error.
    Rows are committed every COMMIT_ROWS images or COMMIT_SECONDS; an interrupt, a kill or a full disk loses less than
    that, and the next call continues from it. Images that cannot be read are skipped, tried again by the next
    call, and keep the row they may have from before; their file gone, it leaves. A cell of another kind than its column
    has in the index is left out, and its row is `incomplete`; a file that the index does not take is skipped whole.

    Raises: StoreError, with how far it came; InputError of `units`: nothing is removed then.
    """
    options = options or UpdateOptions()
    tally = Tally()
    reporter = _Reporter(tally, progress)
    row_states = RowStates(index.row_versions())
    unfinished = (index.note(UNFINISHED) or {}).get("files", ())
    plan = Plan(row_states, tally, options.masked, unfinished, report=reporter.report)
    reader = Reader(model.spec.preprocess, row_states.contents(), exact=options.exact)
    writer = _Writer(index, plan, reader, options, options.embed or _locally(model))
    try:
        with contextlib.closing(writer.embed(plan.tasks(units), reader)) as answers:
            for task, answer in answers:
                writer.take(task, answer)
                reporter.report()
        writer.commit()
        gone = list(plan.gone(index.row_versions(), roots))
        if gone:
            index.remove(gone)
            plan.count_removed(len(gone))
    except StoreError as error:
        raise StoreError(f"{error} {tally.safe} images of this run were indexed; rerun to continue.") from error
    except BaseException:  # what is embedded is kept, above all where a person interrupts
        with contextlib.suppress(WordsightError):
            writer.commit()
        raise
    finally:
        reporter.report(now=True)
    return Summary(
        tally.added, tally.changed, tally.reused, tally.described, tally.unchanged, tally.removed, tally.embedded,
        reporter.seconds, tuple(tally.skipped), tuple(plan.emptied(roots)), tuple(tally.incomplete),
        dict(tally.left_out),
    )  # fmt: skip


def _locally(model: Model) -> Embed:
    """Embedder in this process: decoding threads beside the encoder."""

    def embed(tasks: Iterable[Task], reader: Reader) -> Generator[tuple[Task, Any], None, None]:
        with contextlib.closing(model.stream_read(tasks, reader)) as answers:
            for task, answer in answers:
                yield reader.finish(task), answer

    return embed


class _Writer:
    """Gathers rows and commits them: those that were embedded, those of a known vector, those described again."""

    def __init__(self, index: Index, plan: Plan, reader: Reader, options: UpdateOptions, embed: Embed) -> None:
        self.embed = embed
        self._index = index
        self._plan = plan
        self._reader = reader
        self._options = options
        self._noted = plan.partial([])
        self._ready: list[tuple[Task, Row]] = []
        self._known: list[Task] = []
        self._since = time.monotonic()
        self._committed = False

    def take(self, task: Task, answer: np.ndarray | Skipped | None) -> None:
        """Take the answer to one task; commit when enough have come."""
        if answer is None:
            self._known.append(task)
        else:
            self._take_embedded(task, answer)
        waiting = len(self._ready) + len(self._known)
        late = time.monotonic() - self._since >= self._options.commit_seconds
        first = not self._committed and waiting >= FIRST_ROWS
        if first or waiting >= self._options.commit_rows or (waiting and late):
            self.commit()

    def _take_embedded(self, task: Task, answer: np.ndarray | Skipped) -> None:
        if isinstance(answer, Skipped):
            self._plan.count_failed(task, answer)
        else:
            self._ready.append((self._plan.count_embedded(task), task.as_row(answer)))

    def commit(self) -> None:
        """Write what was gathered, durably. Interrupted in its midst, it can be called again."""
        self._settle()
        if self._ready:
            self._note(self._noted | self._plan.partial([task for task, _ in self._ready]))
            files: defaultdict[str, list[tuple[Task, Row]]] = defaultdict(list)
            for task, row in self._ready:
                files[self._plan.find_file(task)].append((task, row))
            self._ready = [pair for pairs in files.values() for pair in pairs]
            self._add(list(files.items()))
        self._note(self._plan.partial([]))
        self._since = time.monotonic()
        self._committed = True

    def _add(self, files: Sequence[tuple[str, list[tuple[Task, Row]]]]) -> None:
        """Add the first files that are ready. One that the index does not take is looked for by halves and left out."""
        tasks = [task for _, pairs in files for task, _ in pairs]
        try:
            self._index.add([row for _, pairs in files for _, row in pairs])
        except ColumnKindError as error:
            self._add(self._fitted(files, error))
            return
        except InputError as error:
            if len(files) > 1:
                half = len(files) // 2
                self._add(files[:half])
                self._add(files[half:])
                return
            del self._ready[: len(tasks)]
            self._plan.count_refused(files[0][0], tasks, str(error))
            return
        del self._ready[: len(tasks)]
        self._plan.count_written(tasks)

    def _fitted(
        self, files: Sequence[tuple[str, list[tuple[Task, Row]]]], error: ColumnKindError
    ) -> list[tuple[str, list[tuple[Task, Row]]]]:
        """First files that are ready with the column in question as the index has it."""
        fitted: list[tuple[str, list[tuple[Task, Row]]]] = []
        reason = (
            f"the column {error.column!r} holds {KIND_NAMES[error.kind]} in this index, so this cell was left out; "
            "to keep such cells, give the column another name"
        )
        for path, pairs in files:
            fitted.append((path, []))
            for task, row in pairs:
                meta, lost = fit_meta(row.meta, error.column, error.kind)
                fitted[-1][1].append((task, replace(row, meta=meta)))
                if lost is not None:
                    self._plan.count_lost_cell(row.id, lost, reason)
        pairs = [pair for _, pairs in fitted for pair in pairs]
        self._ready[: len(pairs)] = pairs
        return fitted

    def _settle(self) -> None:
        """Give each task whose vector is known that vector; embed those for which it is not there after all."""
        if not self._known:
            return
        vectors = {row.content_hash: row.vector for _, row in self._ready}
        content_hashes = {task.facts.content_hash for task in self._known if task.what == "read"}
        vectors |= self._index.find_vectors(sorted(content_hashes - vectors.keys()))
        described = [task.item.id for task in self._known if task.what == "describe"]
        old = {row.id: row for row in self._index.get(described)} if described else {}
        missing = []
        for task in self._known:
            if task.what == "describe" and task.item.id in old:
                self._ready.append((task, task.described(old[task.item.id])))
            elif task.what == "read" and task.facts.content_hash in vectors:
                self._ready.append((task, task.as_row(vectors[task.facts.content_hash])))
            else:
                missing.append(task)
        self._known = []
        missing = [dataclasses.replace(task, what="read", fresh=True) for task in missing]
        if missing:  # the image that was to bring the vector could not be read, or is still on its way
            with contextlib.closing(self.embed(missing, self._reader)) as answers:
                for task, answer in answers:
                    self._take_embedded(task, answer)

    def _note(self, unfinished: set[str]) -> None:
        """Keep the names of the files of which the index holds a part: an interrupted run leaves them to the next."""
        if unfinished != self._noted:
            self._index.set_note(UNFINISHED, {"files": sorted(unfinished)})
            self._noted = unfinished


class _Reporter:
    """Tells how far an update is, ten times a second at most."""

    def __init__(self, tally: Tally, progress: Callable[[Progress], object] | None) -> None:
        self._tally = tally
        self._progress = progress
        self._start = time.monotonic()
        self._last = 0.0

    @property
    def seconds(self) -> float:
        """Since the start."""
        return time.monotonic() - self._start

    def report(self, *, now: bool = False) -> None:
        """Call `progress` with the counts."""
        if self._progress is None or not (now or self.seconds - self._last >= _REPORT_SECONDS):
            return
        self._last = self.seconds
        tally = self._tally
        self._progress(Progress(tally.done, None, tally.embedded, tally.safe, len(tally.skipped), self.seconds))
