"""An index in the Lance format: a folder, or a place in an object store, and a snapshot beside it for fast starts."""

from __future__ import annotations

import json
import threading
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from itertools import starmap
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from wordsight.columns import Value, merge_kinds
from wordsight.durable import remove_parts
from wordsight.errors import InputError, StoreError, WordsightWarning
from wordsight.index.base import (
    ANALYSED_AGAIN,
    FORMAT,
    TEXTS_COMPARED,
    FileCheck,
    Floats,
    Index,
    IndexInfo,
    Match,
    Note,
    Row,
    RowVersion,
    by_coverage,
    check_columns,
)
from wordsight.index.lance import ITEMS, maintenance
from wordsight.index.lance import folder as folders
from wordsight.index.lance import schema as columns
from wordsight.index.lance.checksums import Checksums, IndexDamagedError
from wordsight.index.lance.damage import check_files, repair_files
from wordsight.index.lance.dataset import (
    NOTE,
    count_rows,
    dataset_address,
    import_lance,
    read_notes,
    scan,
    split_values,
    terms_query,
    values_condition,
)
from wordsight.index.lance.dataset_reader import DatasetReader
from wordsight.index.lance.messages import store_error, store_errors
from wordsight.index.lance.snapshot import ROWS_PER_BATCH, Snapshot, Snapshots, read_row_versions
from wordsight.index.writer_lock import WriterLock
from wordsight.text.analysis import Query, Word, query_terms, share_held
from wordsight.text.analysis import terms as text_terms
from wordsight.text.vocabulary import Vocabulary, with_spellings

HEAVY = ("_thumbnail", columns.TERMS)  # columns that no answer has
VOCABULARY = "vocabulary.txt"  # in the folder: the terms of the texts, for words that none of them holds


@dataclass(frozen=True)
class Version:
    """A state of an index: its number, when it came about (ISO 8601, the machine's own time), how many rows it had."""

    number: int
    when: str
    rows: int


class LanceIndex(Index):
    """See `Index`. Readers never wait; one process writes at a time, from its first `add` to `optimise` or `close`.

    Any thread may search while another writes; threads that write take turns, call by call.
    A process that only searches (up to `maintenance.EXACT_LIMIT` rows, no condition) does not import Lance.
    """

    def __init__(self, location: str, folder: Path | None, info: IndexInfo) -> None:
        self.location = location
        self.info = info
        self._folder = folder
        self._snapshots: Snapshots | None = None  # these three belong to an index in a folder
        self._checksums: Checksums | None = None
        self._lock: WriterLock | None = None
        if folder is not None:
            self._snapshots, self._checksums = Snapshots(folder), Checksums(folder, ITEMS)
            self._lock = WriterLock(folder)
        self._write_lock = threading.RLock()  # held by the thread that writes or gives the right to write back
        self._reader = DatasetReader(location, folder, self._checksums)
        self._write_dataset: Any = None  # what is written goes through an object of its own
        self._vocabulary: tuple[int, Vocabulary | None] | None = None  # and when its file was written
        self._chosen: tuple[str, int, NDArray[np.uint64]] | None = None  # a condition, and its rows in a version

    def __len__(self) -> int:
        if snapshot := self._snapshot():
            return len(snapshot)
        return self._reader.read(count_rows)

    def columns(self) -> dict[str, str]:
        """Columns that `where` may name → their kind."""
        if snapshot := self._snapshot():
            return columns.list_columns(snapshot.schema)
        return columns.list_columns(self._reader.read(lambda data: data.schema))

    def row_versions(self) -> Iterator[RowVersion]:
        """Yield the version of every row."""
        for batch in self._reader.stream(["_id", "_source", "path", "_digest", "_size", "_mtime_ns", "_about"]):
            yield from read_row_versions(batch)

    def begin_writing(self) -> None:
        """Take the right to write, until `optimise` or `close`; remove what killed processes left."""
        with self._write_lock:
            self._take_lock()
            if self._snapshots is not None and self._folder is not None:
                self._snapshots.tidy(keep=folders.newest_version(self._folder))
                remove_parts(self._folder)

    def add(self, rows: Sequence[Row]) -> None:
        """Add rows in one transaction; of rows with the same id the last one stays."""
        rows = list({row.id: row for row in rows}.values())
        if not rows:
            return
        with self._writing() as data:
            self._bring_up_to_date(data)
            schema = data.schema
            known = {name: columns.KIND_OF[field.type] for name, field in columns.user_fields(schema).items()}
            wider, fields = columns.widened(schema, merge_kinds(known, (row.meta for row in rows)))
            table = columns.to_table(rows, wider)
            maintenance.widen(data, fields)
            if self._present(data, [row.id for row in rows]):
                merge = data.merge_insert("_id").when_matched_update_all().when_not_matched_insert_all()
                merge.execute(table.select(data.schema.names))
            else:
                data.insert(table.select(data.schema.names))

    def remove(self, ids: Sequence[str]) -> None:
        """Remove rows, all or none."""
        if not self._reader.read(lambda data: self._present(data, ids)):
            return
        with self._writing() as data:
            data.delete(values_condition("_id", sorted(self._present(data, ids))))  # one condition: one transaction

    def get(self, ids: Sequence[str]) -> list[Row]:
        """Rows of those ids that are there, whole, in the order asked."""

        def read_rows(data: Any) -> dict[str, Row]:
            tables = (data.to_table(filter=values_condition("_id", part)) for part in split_values(ids))
            return {row.id: row for table in tables for row in columns.to_rows(table)}

        found = self._reader.read(read_rows)
        return [found[id] for id in ids if id in found]

    def find_vectors(self, content_hashes: Sequence[str]) -> dict[str, Floats]:
        """Content hash → vector of the contents that are there."""

        def vectors(data: Any) -> dict[str, Floats]:
            names = ["_digest", "_vector"]
            tables = (
                data.to_table(columns=names, filter=values_condition("_digest", part))
                for part in split_values(content_hashes)
            )
            return {
                content_hash: vector
                for table in tables
                for content_hash, vector in zip(
                    table["_digest"].to_pylist(), columns.to_vectors(table["_vector"]), strict=True
                )
            }

        return self._reader.read(vectors)

    def nearest(self, query_D: Floats, k: int, where: str | None = None) -> list[Match]:
        """The k rows of the largest cosine: exact up to `maintenance.EXACT_LIMIT` rows."""
        query_D = np.asarray(query_D, np.float32)
        if query_D.shape != (self.info.dim,):
            raise InputError(f"The query has the shape {query_D.shape}; the index holds ({self.info.dim},).")
        if k < 1:
            return []
        if snapshot := self._snapshot(build=True):
            rowids = None
            if where is not None:
                rowids = self._choose(where, snapshot.version)
            if where is None or rowids is not None:
                with store_errors(self.location, "read"):
                    return list(starmap(Match, snapshot.nearest(query_D, k, rowids)))
        return self._nearest_in_lance(query_D, k, where)

    def count_near(self, query_D: Floats, cosine: float, where: str | None = None) -> tuple[int, bool]:
        """Number of rows of a cosine from this one on: all of them, where the snapshot answers."""
        if snapshot := self._snapshot(build=True):
            rowids = None
            if where is not None:
                rowids = self._choose(where, snapshot.version)
            if where is None or rowids is not None:
                return snapshot.count_near(np.asarray(query_D, np.float32), cosine, rowids), False
        return super().count_near(query_D, cosine, where)

    def _choose(self, where: str, version: int) -> NDArray[np.uint64] | None:
        """Row ids that meet a condition, None if another process has written since; kept, since it is asked again."""
        chosen = self._chosen  # another thread may replace it at any moment
        if chosen is None or chosen[:2] != (where, version):
            found, rowids = self._reader.ask(
                where, [], lambda data, table: (data.version, _read_rowids(table)), with_row_id=True
            )
            if found != version:
                return None
            self._chosen = chosen = where, version, rowids
        return chosen[2]

    def query_words(self, text: str) -> tuple[Word, ...]:
        """Words of a query, with other spellings of those that no text holds (an index in a folder)."""
        words = query_terms(text)
        if not words or (vocabulary := self._known_words()) is None:
            return words
        return with_spellings(words, vocabulary)

    def _known_words(self) -> Vocabulary | None:
        """The terms of the index's texts as the last `optimise` left them; None at a URL, or of an older index."""
        if self._folder is None:
            return None
        path = self._folder / VOCABULARY
        try:
            written = path.stat().st_mtime_ns
        except OSError:
            return None
        if self._vocabulary is None or self._vocabulary[0] != written:
            self._vocabulary = written, Vocabulary.read(path)
        return self._vocabulary[1]

    def match_text(self, words: Query, k: int, where: str | None = None) -> list[Match]:
        """The k rows whose text matches best; quotes and operators in `words` mean nothing."""
        wanted = self.query_words(words) if isinstance(words, str) else tuple(words)
        if k < 1 or not wanted:
            return []
        analysed = self._reader.read(lambda data: columns.has_terms(data.schema))
        if analysed:
            query, more = terms_query(wanted), [columns.TERMS]
        else:  # of an older version, until it is written again
            query, more = import_lance().query.MatchQuery(" ".join(word.text.lower() for word in wanted), "_text"), []

        def match(_: Any, table: pa.Table) -> list[Match]:
            table = table.sort_by([("_score", "descending"), ("_rowid", "ascending")])
            rows = columns.to_rows(table)
            held = table[columns.TERMS].to_pylist() if analysed else [" ".join(text_terms(row.text)) for row in rows]
            shares = [share_held(wanted, frozenset(line.split())) for line in held]
            return by_coverage(zip(rows, table["_score"].to_pylist(), shares, strict=True), k)

        names = [*self._light(), *more, "_score"]
        asked = {"full_text_query": query, "limit": max(k, TEXTS_COMPARED), "with_row_id": True}
        return self._reader.ask(where, names, match, **asked)

    def sample(self, n: int) -> Floats:
        """Vectors of ≤ n rows spread evenly."""
        total = len(self)
        if not total or n < 1:
            return np.zeros((0, self.info.dim), np.float32)
        chosen = np.unique(np.linspace(0, total - 1, min(n, total)).astype(np.intp))
        snapshot = self._snapshot(build=True)
        if snapshot and len(snapshot) == total:
            return snapshot.vectors(chosen)
        return self._reader.read(
            lambda data: columns.to_vectors(data.take(chosen.tolist(), columns=["_vector"])["_vector"])
        )

    def read_columns(self, names: Sequence[str], where: str | None = None) -> dict[str, list[Value]]:
        """Values of columns of all rows that a condition admits, in the order of the rows."""

        def read(_: Any, table: pa.Table) -> dict[str, list[Value]]:
            table = table.sort_by("_rowid")
            return {"id": table["_id"].to_pylist()} | {name: table[name].to_pylist() for name in names}

        check_columns(names, self.columns())
        return self._reader.ask(where, ["_id", *dict.fromkeys(names)], read, with_row_id=True)

    def count(self, where: str) -> int:
        """Number of rows that a condition admits."""
        return self._reader.ask(where, [], lambda _, table: int(table.num_rows), with_row_id=True)

    def state(self) -> str | None:
        """Number of the newest version."""
        if self._folder is not None:
            version = folders.newest_version(self._folder)
        else:
            version = self._reader.read(lambda data: data.version)
        return f"{version}"

    def batches(self, size: int = 4096) -> Iterator[tuple[list[str], Floats]]:
        """Batches of (ids, vectors) of the whole index."""
        for batch in self._reader.stream(["_id", "_vector"], batch_size=size):
            yield batch["_id"].to_pylist(), columns.to_vectors(batch["_vector"])

    def note(self, key: str) -> Note | None:
        """Note that was kept under a key."""
        if self._folder is not None and not self._reader.is_open:
            with store_errors(self.location, "read"):
                record = folders.read_record(self._folder)
            if record:
                return record.notes.get(key)
        return self._reader.read(read_notes).get(key)

    def set_note(self, key: str, note: Note) -> None:
        """Keep a note, inside the dataset and in the folder's own file."""
        with self._write_lock:
            had_lock = self._lock is not None and self._lock.held
            try:
                with self._writing() as data:
                    before = data.version
                    data.update_config({NOTE + key: json.dumps(note)})
                    if self._snapshots is not None:
                        self._snapshots.carry(before, data.version)
                    self._write_record(data)
            finally:
                if not had_lock:
                    self._release()

    def optimise(self) -> None:
        """Compact, bring the text and the ANN index up to date, drop old versions, write the snapshot; end writing."""
        try:
            with self._writing() as data:
                self._reader.compare(data)  # else compaction would write damaged rows again, with new checksums
                self._bring_up_to_date(data)
                maintenance.optimise(data, local=self._folder is not None)
                self._write_record(data)
                self._write_snapshot(data)
                self._write_vocabulary(data)
        finally:
            self._release()

    def check_files(self) -> FileCheck:
        """Comparison of all files of an index in a folder; a snapshot that is damaged is made again instead."""
        if self._folder is None or self._checksums is None:
            return FileCheck()
        uri = dataset_address(self.location, self._folder)
        snapshot = self._open_snapshot(whole=True)
        with store_errors(self.location, "read"):
            return check_files(self._folder, uri, self._checksums, snapshot)

    def repair(self) -> None:
        """Go back to the newest version that can be read, remove damaged fragments with their rows, build damaged
        search indexes again, and forget states before; take the checksums of files that have none.

        Raises: StoreError where no version can be read.
        """
        if self._folder is None or self._checksums is None or self._snapshots is None:
            return
        check = self.check_files()
        if check.is_lost:
            raise StoreError(
                f"The index {self.location} cannot be repaired: no version of it can be read. Delete it and make it "
                "again with: wordsight index …"
            )
        if not check.damage and not check.unrecorded:
            return
        with self._write_lock:
            self._take_lock()
            self._reader.close()  # what is open may be of a version that goes
            self._write_dataset = None
            with store_errors(self.location, "written"):
                if check.damage:
                    self._snapshots.tidy(keep=None)
                uri = dataset_address(self.location, self._folder)
                repair_files(self._folder, uri, self._checksums, check.damage)
        self.optimise()

    def versions(self) -> list[Version]:
        """States that can be gone back to, oldest first: those that the last calls of `optimise` left."""

        def states(data: Any) -> list[Version]:
            when = {version["version"]: version["timestamp"] for version in data.versions()}
            return [
                Version(number, when[number].isoformat(timespec="seconds"), data.checkout_version(number).count_rows())
                for number in maintenance.runs(data)
            ]

        return self._reader.read(states)

    def restore(self, number: int) -> None:
        """Make the rows and notes what they were at a version; what came after is a version of its own.

        Raises: InputError for a number that is none of `versions`.
        """
        known = [version.number for version in self.versions()]
        if number not in known:
            raise InputError(f"The index {self.location} keeps no version {number}; it keeps {known}.")
        try:
            with self._writing() as data:
                data.checkout_version(number).restore()
                data.checkout_latest()
                self._write_record(data)
                self._write_snapshot(data)
        finally:
            self._release()

    def close(self) -> None:
        """Close the files and release the right to write."""
        self._release()
        self._reader.close()
        self._write_dataset = None
        if self._snapshots is not None:
            self._snapshots.close()

    # reading

    def _light(self) -> list[str]:
        """The columns that a match has: all but the thumbnail and the terms."""
        return [name for name in self._reader.read(lambda data: data.schema.names) if name not in HEAVY]

    @staticmethod
    def _present(data: Any, ids: Sequence[str]) -> set[str]:
        tables = (data.to_table(columns=["_id"], filter=values_condition("_id", part)) for part in split_values(ids))
        return {id for table in tables for id in table["_id"].to_pylist()}

    def _nearest_in_lance(self, query_D: Floats, k: int, where: str | None) -> list[Match]:
        few = False
        if where is not None:
            limit = maintenance.EXACT_LIMIT
            few = self._reader.ask(
                where, [], lambda _, table: table.num_rows <= limit, with_row_id=True, limit=limit + 1
            )

        def match(_: Any, table: pa.Table) -> list[Match]:
            matches = [Match(row, float(row.vector @ query_D)) for row in columns.to_rows(table)]
            return sorted(matches, key=lambda match: -match.score)[:k]

        asked = self._reader.read(lambda data: maintenance.nearest_query(data, query_D, k, few))
        return self._reader.ask(where, self._light(), match, nearest=asked)

    def _open_snapshot(self, *, whole: bool) -> Snapshot | None:
        """The snapshot of the newest version, as it lies in the folder."""
        if self._folder is None or self._snapshots is None:
            return None
        with store_errors(self.location, "read"):
            version = folders.newest_version(self._folder)
            if version is None:
                raise FileNotFoundError(f"no version left in {ITEMS}/_versions")
            return self._snapshots.open(version, whole=whole)

    def _snapshot(self, build: bool = False) -> Snapshot | None:
        """The snapshot of the newest version, or None; `build` writes it if there is none and nobody is writing."""
        if self._folder is None or self._snapshots is None or self._lock is None:
            return None
        snapshot = self._open_snapshot(whole=build)
        if snapshot or not build or self._lock.held or self._reader.read(count_rows) > maintenance.EXACT_LIMIT:
            return snapshot
        if not self._write_lock.acquire(blocking=False):  # another thread writes
            return None
        had_lock = self._lock.held
        try:
            if had_lock:
                return None
            with self._writing() as data:
                return self._write_snapshot(data)
        except IndexDamagedError:
            raise
        except StoreError:  # another process writes, or this one may not
            return None
        finally:
            if not had_lock:
                self._release()
            self._write_lock.release()

    # writing

    @contextmanager
    def _writing(self) -> Iterator[Any]:
        """Take the right to write, which is kept; yield the dataset at its newest version."""
        with self._write_lock:
            self._take_lock()
            with store_errors(self.location, "written"):
                if self._write_dataset is None:
                    session = self._reader.dataset().session()  # and its caches
                    self._write_dataset = import_lance().dataset(
                        dataset_address(self.location, self._folder), session=session
                    )
                else:
                    self._write_dataset.checkout_latest()
                before = self._write_dataset.version
                try:
                    yield self._write_dataset
                finally:
                    self._reader.last_written_version = self._write_dataset.version
                if self._checksums is not None and self._write_dataset.version != before:
                    self._checksums.record()

    def _take_lock(self) -> None:
        """Take the right to write, or keep it. Raises: StoreError where another has it, or the folder is read-only."""
        if self._lock is None:
            return
        try:
            self._lock.acquire()
        except BlockingIOError:
            raise StoreError(
                f"The index {self.location} is in use: another process is writing it. Wait until it is done; "
                "searching is possible meanwhile."
            ) from None
        except OSError as error:
            raise store_error(self.location, "written", error) from error

    def _release(self) -> None:
        with self._write_lock:  # not in the midst of what another thread writes
            if self._lock is not None:
                self._lock.release()

    def _bring_up_to_date(self, data: Any) -> None:
        """Analyse the texts of an index that an older version made."""
        if not maintenance.ensure_terms(data):
            return
        self.info = replace(self.info, format=FORMAT)
        data.update_schema_metadata({columns.INFO_KEY.decode(): json.dumps(asdict(self.info))})
        self._write_record(data)
        warnings.warn(ANALYSED_AGAIN.format(self.location), WordsightWarning, stacklevel=2)

    def _write_vocabulary(self, data: Any) -> None:
        if self._folder is not None:
            Vocabulary.of(maintenance.count_terms(scan(data, [columns.TERMS]))).write(self._folder / VOCABULARY)

    def _write_record(self, data: Any) -> None:
        if self._folder is not None:
            folders.FolderRecord(self.info, read_notes(data)).write(self._folder)

    def _write_snapshot(self, data: Any) -> Snapshot | None:
        if self._snapshots is None:
            return None
        if count_rows(data) > maintenance.EXACT_LIMIT:
            self._snapshots.tidy(keep=None)
            return None
        self._reader.compare(data)
        names = [name for name in data.schema.names if name not in HEAVY]
        fields = [*(data.schema.field(name) for name in names), pa.field("_rowid", pa.uint64())]
        schema = pa.schema(fields, data.schema.metadata)
        batches = scan(data, names, with_row_id=True, batch_size=ROWS_PER_BATCH)
        return self._snapshots.write(data.version, schema, (batch.cast(schema) for batch in batches))


def _read_rowids(table: pa.Table) -> NDArray[np.uint64]:
    return columns.numbers(table["_rowid"].combine_chunks(), np.uint64)
