"""An index in the Lance format: a folder, or a place in an object store, and a snapshot beside it for fast starts."""

from __future__ import annotations

import json
import os
import threading
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from itertools import starmap
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import pyarrow as pa

from wordsight.columns import merge_kinds
from wordsight.errors import InputError, MissingExtraError, StoreError
from wordsight.index.base import (
    ANALYSED_AGAIN,
    FORMAT,
    TEXTS_COMPARED,
    Floats,
    Index,
    IndexInfo,
    Match,
    Note,
    Row,
    RowVersion,
    by_coverage,
)
from wordsight.index.lance import folder as folders
from wordsight.index.lance import maintenance as upkeep
from wordsight.index.lance import schema as columns
from wordsight.index.lance.messages import OF_A_ROW, checked, store_errors, trouble, unreadable
from wordsight.index.lance.snapshot import ROWS_PER_BATCH, Snapshot, Snapshots, read_row_versions
from wordsight.text.analysis import GUESSED, Query, Word, coverage_of_terms, query_terms, terms_of
from wordsight.text.analysis import terms as text_terms
from wordsight.text.vocabulary import Vocabulary, with_spellings

NOTE = "wordsight.note."
VALUES_PER_CONDITION = 2000
TRIES = 5  # how often a read that another process or thread rewrites the index under is begun
CHECK_AGAIN = 5.0  # seconds after which an index at an address is asked whether another process has written it
# so that memory does not grow with the index
SCAN = {"batch_size": 4096, "batch_readahead": 1, "fragment_readahead": 1, "io_buffer_size": 8 * 2**20}
HAS_SCHEME = "://"
HEAVY = ("_thumbnail", columns.TERMS)  # columns that no answer has
VOCABULARY = "vocabulary.txt"  # in the folder: the terms of the texts, for words that none of them holds
Answer = TypeVar("Answer")


@dataclass(frozen=True)
class Version:
    """A state of an index: its number, when it came about (ISO 8601, the machine's own time), how many rows it had."""

    number: int
    when: str
    rows: int


def open_store(location: str, info: IndexInfo | None) -> LanceIndex:
    """Open the index in a folder or at an address; with `info`, make it where there is none.

    Raises: StoreError where there is none, for a damaged one, or one of another model; MissingExtraError.
    """
    folder = None if HAS_SCHEME in location else Path(location)
    found = _found(location, folder)
    if info is None and found is None:
        raise StoreError(f"There is no index in {location}; make one with: wordsight index FOLDER --in {location}")
    if info is not None and found is not None and found.fingerprint != info.fingerprint:
        raise StoreError(
            f"The index {location} was made with the model {found.model} (fingerprint {found.fingerprint}), not with "
            f"{info.model} ({info.fingerprint}); use that model, or another folder."
        )
    if found is None:
        assert info is not None
        found = _create(location, folder, info)
    return LanceIndex(location, folder, found)


def _found(location: str, folder: Path | None) -> IndexInfo | None:
    """Return what the index there was made with, or None where there is none."""
    if folder is not None:
        with store_errors(location, "read"):
            if folder.is_file():
                raise StoreError(f"{location} is a file; an index is a folder.")
            facts = folders.read_facts(folder)
            version = folders.newest_version(folder)
        if version is not None and facts is not None:
            return facts.info
        if version is None:
            if facts is None and not any((folder / folders.ITEMS / "data").glob("*")):
                return None  # nothing, or what was left of making it on a full disk
            raise StoreError(
                f"The index {location} is damaged: it has no version left in {folders.ITEMS}/_versions. Put the folder "
                "back from a copy, or delete it and make the index anew with: wordsight index …"
            )
    try:
        dataset = _lance().dataset(_address(location, folder))
    except ValueError as error:
        if folder is None and "was not found" in str(error):
            return None
        raise trouble(location, "read", error) from error
    except (OSError, RuntimeError) as error:
        raise trouble(location, "read", error) from error
    return columns.read_info(dataset.schema, location)


def _create(location: str, folder: Path | None, info: IndexInfo) -> IndexInfo:
    with store_errors(location, "written"):
        schema = columns.base_schema(info)
        if folder is not None:
            folder.mkdir(parents=True, exist_ok=True)
            others = sorted({path.name for path in folder.iterdir()} - {folders.ITEMS, folders.LOCK})
            if others:
                raise StoreError(
                    f"{location} is no index and holds other things ({', '.join(map(repr, others[:3]))}); "
                    "name a new or an empty folder for the index."
                )
        dataset = _lance().write_dataset(schema.empty_table(), _address(location, folder), schema=schema)
        upkeep.ensure_text_index(dataset)
        if folder is not None:
            folders.Facts(info, {}).write(folder)
    return info


def _address(location: str, folder: Path | None) -> str:
    return location.rstrip("/") if folder is None else str(folder.absolute() / folders.ITEMS)


def _lance() -> Any:
    """Import Lance, which writes to standard error on its own unless told not to."""
    os.environ.setdefault("LANCE_LOG", "error")
    try:
        import lance
    except ImportError:
        raise MissingExtraError("An index on disk", "pylance", "search") from None
    return lance


class LanceIndex(Index):
    """See `Index`. Readers never wait; one process writes at a time, from its first `add` to `optimise` or `close`.

    Any thread may search while another writes; threads that write take turns, call by call.
    A process that only searches (up to `upkeep.EXACT_LIMIT` rows, no condition) does not import Lance.
    """

    def __init__(self, location: str, folder: Path | None, info: IndexInfo) -> None:
        self.location = location
        self.info = info
        self._folder = folder
        self._snapshots = None if folder is None else Snapshots(folder)
        self._lock = None if folder is None else folders.WriterLock(folder)
        self._write_lock = threading.RLock()  # held by the thread that writes or gives the right to write back
        # Lance refuses to read a dataset in one thread while another changes that object: readers are given states
        # that never change, and what is written goes through an object of its own
        self._read_dataset: Any = None
        self._vocabulary: tuple[int, Vocabulary | None] | None = None  # and when its file was written
        self._write_dataset: Any = None
        self._checked_at = 0.0
        self._last_written_version = 0  # the version that the last writing here left

    def __len__(self) -> int:
        if snapshot := self._snapshot():
            return len(snapshot)
        return self._read(_count)

    def columns(self) -> dict[str, str]:
        """Return the columns that `where` may name → their kind."""
        snapshot = self._snapshot()
        return columns.columns_of(snapshot.schema if snapshot else self._read(lambda data: data.schema))

    def row_versions(self) -> Iterator[RowVersion]:
        """Yield the version of every row."""
        for batch in self._stream(["_id", "_source", "path", "_digest", "_size", "_mtime_ns", "_about"]):
            yield from read_row_versions(batch)

    def begin_writing(self) -> None:
        """Take the right to write, until `optimise` or `close`."""
        with self._write_lock:
            if self._lock is not None:
                self._lock.acquire()

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
            upkeep.widen(data, fields)
            if self._present(data, [row.id for row in rows]):
                merge = data.merge_insert("_id").when_matched_update_all().when_not_matched_insert_all()
                merge.execute(table.select(data.schema.names))
            else:
                data.insert(table.select(data.schema.names))

    def remove(self, ids: Sequence[str]) -> None:
        """Remove rows, all or none."""
        if not self._read(lambda data: self._present(data, ids)):
            return
        with self._writing() as data:
            data.delete(_among("_id", sorted(self._present(data, ids))))  # one condition, hence one transaction

    def get(self, ids: Sequence[str]) -> list[Row]:
        """Return the rows of those ids that are there, whole, in the order asked."""

        def rows_of(data: Any) -> dict[str, Row]:
            tables = (data.to_table(filter=_among("_id", part)) for part in _parts(ids))
            return {row.id: row for table in tables for row in columns.to_rows(table)}

        found = self._read(rows_of)
        return [found[id] for id in ids if id in found]

    def find_vectors(self, content_hashes: Sequence[str]) -> dict[str, Floats]:
        """Return content hash → vector of the contents that are there."""

        def vectors(data: Any) -> dict[str, Floats]:
            names = ["_digest", "_vector"]
            tables = (data.to_table(columns=names, filter=_among("_digest", part)) for part in _parts(content_hashes))
            return {
                content_hash: vector
                for table in tables
                for content_hash, vector in zip(
                    table["_digest"].to_pylist(), columns.to_vectors(table["_vector"]), strict=True
                )
            }

        return self._read(vectors)

    def nearest(self, query_D: Floats, k: int, where: str | None = None) -> list[Match]:
        """Return the k rows of the largest cosine: exact up to `upkeep.EXACT_LIMIT` rows."""
        query_D = np.asarray(query_D, np.float32)
        if query_D.shape != (self.info.dim,):
            raise InputError(f"The query has the shape {query_D.shape}; the index holds ({self.info.dim},).")
        if k < 1:
            return []
        snapshot = self._snapshot(build=True)
        if snapshot and where is None:
            return list(starmap(Match, snapshot.nearest(query_D, k)))
        if snapshot:
            version, rowids = self._ask(where, [], with_row_id=True)
            if version == snapshot.version:  # else another process has written between the two
                found = snapshot.nearest(query_D, k, columns.numbers(rowids["_rowid"].combine_chunks(), np.uint64))
                return list(starmap(Match, found))
        return self._nearest_in_lance(query_D, k, where)

    def count_near(self, query_D: Floats, cosine: float, where: str | None = None) -> tuple[int, bool]:
        """Return how many rows have a cosine from this one on: all of them, where the snapshot answers."""
        snapshot = self._snapshot(build=True)
        if snapshot is None or where is not None:
            return super().count_near(query_D, cosine, where)
        return snapshot.count_near(np.asarray(query_D, np.float32), cosine), False

    def query_words(self, text: str) -> tuple[Word, ...]:
        """Return the words of a query, with other spellings of those that no text holds (an index in a folder)."""
        words = query_terms(text)
        vocabulary = self._known_words() if words else None
        return words if vocabulary is None else with_spellings(words, vocabulary)

    def _known_words(self) -> Vocabulary | None:
        """The terms of the index's texts as the last `optimise` left them; None at an address, or of an older index."""
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
        """Return the k rows whose text matches best; quotes and operators in `words` mean nothing."""
        wanted = self.query_words(words) if isinstance(words, str) else tuple(words)
        if k < 1 or not wanted:
            return []
        analysed = self._read(lambda data: columns.has_terms(data.schema))
        if analysed:
            query, more = _terms_query(wanted), [columns.TERMS]
        else:  # of an older version, until it is written again
            query, more = _lance().query.MatchQuery(" ".join(word.text.lower() for word in wanted), "_text"), []
        names = [*self._light(), *more, "_score"]
        _, table = self._ask(where, names, full_text_query=query, limit=max(k, TEXTS_COMPARED), with_row_id=True)
        table = table.sort_by([("_score", "descending"), ("_rowid", "ascending")])
        rows = columns.to_rows(table)
        held = table[columns.TERMS].to_pylist() if analysed else [" ".join(text_terms(row.text)) for row in rows]
        shares = [coverage_of_terms(wanted, frozenset(line.split())) for line in held]
        return by_coverage(zip(rows, table["_score"].to_pylist(), shares, strict=True), k)

    def sample(self, n: int) -> Floats:
        """Return the vectors of ≤ n rows spread evenly."""
        total = len(self)
        if not total or n < 1:
            return np.zeros((0, self.info.dim), np.float32)
        chosen = np.unique(np.linspace(0, total - 1, min(n, total)).astype(np.intp))
        snapshot = self._snapshot(build=True)
        if snapshot and len(snapshot) == total:
            return snapshot.vectors(chosen)
        taken = self._read(lambda data: data.take(chosen.tolist(), columns=["_vector"]))
        return columns.to_vectors(taken["_vector"])

    def batches(self, size: int = 4096) -> Iterator[tuple[list[str], Floats]]:
        """Yield (ids, vectors) of the whole index."""
        for batch in self._stream(["_id", "_vector"], batch_size=size):
            yield batch["_id"].to_pylist(), columns.to_vectors(batch["_vector"])

    def note(self, key: str) -> Note | None:
        """Return what was noted under a key."""
        if self._folder is not None and self._read_dataset is None:
            with store_errors(self.location, "read"):
                facts = folders.read_facts(self._folder)
            if facts:
                return facts.notes.get(key)
        return self._read(_notes).get(key)

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
                    self._write_facts(data)
            finally:
                if not had_lock:
                    self._release()

    def optimise(self) -> None:
        """Compact, bring the text and the ANN index up to date, drop old versions, write the snapshot; end writing."""
        try:
            with self._writing() as data:
                self._bring_up_to_date(data)
                upkeep.optimise(data, local=self._folder is not None)
                self._write_facts(data)
                self._write_snapshot(data)
                self._write_vocabulary(data)
        finally:
            self._release()

    def versions(self) -> list[Version]:
        """Return the states that can be gone back to, oldest first: those that the last calls of `optimise` left."""

        def states(data: Any) -> list[Version]:
            when = {version["version"]: version["timestamp"] for version in data.versions()}
            return [
                Version(number, when[number].isoformat(timespec="seconds"), data.checkout_version(number).count_rows())
                for number in upkeep.runs(data)
            ]

        return self._read(states)

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
                self._write_facts(data)
                self._write_snapshot(data)
        finally:
            self._release()

    def close(self) -> None:
        """Let go of the files and of the right to write."""
        self._release()
        self._read_dataset = self._write_dataset = None
        if self._snapshots is not None:
            self._snapshots.close()

    # reading

    def _dataset(self) -> Any:
        """The newest version of the dataset, which stays as it is; at an address, others' writings come late."""
        opened = self._read_dataset
        if opened is None:
            opened = _lance().dataset(_address(self.location, self._folder), **upkeep.CACHES)
        elif self._folder is not None:
            newest = folders.newest_version(self._folder)
            opened = opened.checkout_version(opened.version if newest is None else newest)
        elif time.monotonic() - self._checked_at > CHECK_AGAIN or opened.version < self._last_written_version:
            opened = opened.checkout_version(opened.latest_version)
        else:
            return opened
        self._read_dataset, self._checked_at = opened, time.monotonic()
        return opened

    def _read(self, call: Callable[[Any], Answer]) -> Answer:
        """Return what `call` reads from the dataset; anew if another rewrote it under the call."""
        with store_errors(self.location, "read"):
            for _ in range(TRIES - 1):
                newest = self._newest()
                try:
                    return call(self._dataset())
                except (OSError, ValueError, RuntimeError):
                    if self._newest() == newest:
                        raise
            return call(self._dataset())

    def _newest(self) -> int | None:
        """The number of the newest version; None at an address, where old versions are kept for a day."""
        return None if self._folder is None else folders.newest_version(self._folder)

    def _stream(self, names: list[str], **more: Any) -> Iterator[pa.RecordBatch]:
        with store_errors(self.location, "read"):
            newest = self._newest()
            try:
                yield from _scan(self._dataset(), names, **more)
            except (OSError, ValueError, RuntimeError) as error:
                if self._newest() == newest:
                    raise
                raise StoreError(
                    f"The index {self.location} was rewritten by another process while it was read; run it again."
                ) from error

    def _light(self) -> list[str]:
        """The columns that a match has: all but the thumbnail and the terms."""
        return [name for name in self._read(lambda data: data.schema.names) if name not in HEAVY]

    @staticmethod
    def _present(data: Any, ids: Sequence[str]) -> set[str]:
        tables = (data.to_table(columns=["_id"], filter=_among("_id", part)) for part in _parts(ids))
        return {id for table in tables for id in table["_id"].to_pylist()}

    def _ask(self, where: str | None, names: list[str], **query: Any) -> tuple[int, pa.Table]:
        """Run one query of Lance; return the version that answered, and the answer.

        Raises: InputError for a condition that cannot be read; StoreError.
        """
        condition = None if where is None else checked(where, self.columns())

        def ask(data: Any) -> tuple[int, pa.Table]:
            if condition is not None:
                # reading a condition on its own tells the user's mistakes from the store's troubles
                try:
                    data.scanner(columns=["_id"], filter=condition).explain_plan()
                except (OSError, ValueError, RuntimeError) as error:
                    raise unreadable(where or "", str(error), columns.columns_of(data.schema)) from None
            scanner = data.scanner(
                names, filter=condition, prefilter=True, disable_scoring_autoprojection=True, **query
            )
            try:
                return data.version, scanner.to_table()
            except (OSError, ValueError, RuntimeError) as error:
                if OF_A_ROW not in str(error):
                    raise
                raise unreadable(where or "", str(error), columns.columns_of(data.schema)) from None

        return self._read(ask)

    def _nearest_in_lance(self, query_D: Floats, k: int, where: str | None) -> list[Match]:
        few = False
        if where is not None:
            _, found = self._ask(where, [], with_row_id=True, limit=upkeep.EXACT_LIMIT + 1)
            few = found.num_rows <= upkeep.EXACT_LIMIT
        asked = self._read(lambda data: upkeep.nearest_query(data, query_D, k, few))
        _, table = self._ask(where, self._light(), nearest=asked)
        matches = [Match(row, float(row.vector @ query_D)) for row in columns.to_rows(table)]
        return sorted(matches, key=lambda match: -match.score)[:k]

    def _snapshot(self, build: bool = False) -> Snapshot | None:
        """The snapshot of the newest version, or None; `build` writes it if there is none and nobody is writing."""
        if self._folder is None or self._snapshots is None or self._lock is None:
            return None
        with store_errors(self.location, "read"):
            version = folders.newest_version(self._folder)
            if version is None:
                raise FileNotFoundError(f"no version left in {folders.ITEMS}/_versions")
            snapshot = self._snapshots.open(version)
        if snapshot or not build or self._lock.held or self._read(_count) > upkeep.EXACT_LIMIT:
            return snapshot
        if not self._write_lock.acquire(blocking=False):  # another thread writes
            return None
        had_lock = self._lock.held
        try:
            if had_lock:
                return None
            with self._writing() as data:
                return self._write_snapshot(data)
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
            if self._lock is not None:
                self._lock.acquire()
            with store_errors(self.location, "written"):
                if self._write_dataset is None:
                    session = self._dataset().session()  # and its caches
                    self._write_dataset = _lance().dataset(_address(self.location, self._folder), session=session)
                else:
                    self._write_dataset.checkout_latest()
                try:
                    yield self._write_dataset
                finally:
                    self._last_written_version = self._write_dataset.version

    def _release(self) -> None:
        with self._write_lock:  # not in the midst of what another thread writes
            if self._lock is not None:
                self._lock.release()

    def _bring_up_to_date(self, data: Any) -> None:
        """Analyse the texts of an index that an older version made."""
        if not upkeep.ensure_terms(data):
            return
        self.info = replace(self.info, format=FORMAT)
        data.update_schema_metadata({columns.INFO_KEY.decode(): json.dumps(asdict(self.info))})
        self._write_facts(data)
        warnings.warn(ANALYSED_AGAIN.format(self.location), stacklevel=2)

    def _write_vocabulary(self, data: Any) -> None:
        if self._folder is not None:
            Vocabulary.of(upkeep.count_terms(_scan(data, [columns.TERMS]))).write(self._folder / VOCABULARY)

    def _write_facts(self, data: Any) -> None:
        if self._folder is not None:
            folders.Facts(self.info, _notes(data)).write(self._folder)

    def _write_snapshot(self, data: Any) -> Snapshot | None:
        if self._snapshots is None:
            return None
        if _count(data) > upkeep.EXACT_LIMIT:
            self._snapshots.tidy(keep=None)
            return None
        names = [name for name in data.schema.names if name not in HEAVY]
        fields = [*(data.schema.field(name) for name in names), pa.field("_rowid", pa.uint64())]
        schema = pa.schema(fields, data.schema.metadata)
        batches = _scan(data, names, with_row_id=True, batch_size=ROWS_PER_BATCH)
        return self._snapshots.write(data.version, schema, (batch.cast(schema) for batch in batches))


def _terms_query(words: Sequence[Word]) -> Any:
    """Return the query for any of the terms; what was only guessed scores less."""
    lance = _lance().query
    asked = lance.MatchQuery(" ".join(terms_of(words)), columns.TERMS)
    if not (guesses := " ".join(dict.fromkeys(term for word in words for term in word.guesses))):
        return asked
    less = lance.MatchQuery(guesses, columns.TERMS, boost=GUESSED)
    return lance.BooleanQuery([(lance.Occur.SHOULD, asked), (lance.Occur.SHOULD, less)])


def _scan(data: Any, names: list[str], **more: Any) -> Iterator[pa.RecordBatch]:
    batches = data.scanner(names, **{**SCAN, **more}).to_batches()
    yield from (batch for batch in batches if batch.num_rows)


def _count(data: Any) -> int:
    return int(data.count_rows())


def _notes(data: Any) -> dict[str, Note]:
    return {key.removeprefix(NOTE): json.loads(note) for key, note in data.config().items() if key.startswith(NOTE)}


def _among(column: str, values: Sequence[str]) -> str:
    return f"{column} in ({', '.join(_literal(value) for value in values)})"


def _literal(value: str) -> str:
    return "'" + value.replace("'", "''") + "'"


def _parts(values: Sequence[str]) -> Iterator[Sequence[str]]:
    unique = list(dict.fromkeys(values))
    for start in range(0, len(unique), VALUES_PER_CONDITION):
        yield unique[start : start + VALUES_PER_CONDITION]
