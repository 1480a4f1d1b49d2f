"""An index in the Lance format: a folder, or a place in an object store, and a snapshot beside it for fast starts."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from wordsight.errors import InputError, MissingExtraError, StoreError
from wordsight.index import folder as folders
from wordsight.index import schema as columns
from wordsight.index import upkeep
from wordsight.index.conditions import checked, store_errors, trouble, unreadable
from wordsight.index.rows import About, Floats, Index, Match, Note, Row, Stamp
from wordsight.index.snapshot import Snapshot, snapshot_path, stamps_of, write_snapshot

NOTE = "wordsight.note."
IDS_PER_CONDITION = 500
SCAN = {"batch_size": 4096, "batch_readahead": 2, "io_buffer_size": 64 * 2**20}  # so that memory does not grow
HAS_SCHEME = "://"


def open_store(location: str, about: About | None) -> LanceIndex:
    """Open the index in a folder or at an address; with `about`, make it where there is none.

    Raises: StoreError where there is none, for a damaged one, or one of another model; MissingExtraError.
    """
    folder = None if HAS_SCHEME in location else Path(location)
    found = _found(location, folder)
    if about is None and found is None:
        raise StoreError(f"There is no index in {location}; make one with: wordsight index FOLDER --into {location}")
    if about is not None and found is not None and found.fingerprint != about.fingerprint:
        raise StoreError(
            f"The index {location} was made with the model {found.model} (fingerprint {found.fingerprint}), not with "
            f"{about.model} ({about.fingerprint}); use that model, or another folder."
        )
    if found is None:
        assert about is not None
        found = _create(location, folder, about)
    return LanceIndex(location, folder, found)


def _found(location: str, folder: Path | None) -> About | None:
    """Return what the index there was made with, or None where there is none."""
    if folder is not None:
        with store_errors(location, "read"):
            if folder.is_file():
                raise StoreError(f"{location} is a file; an index is a folder.")
            facts = folders.read_facts(folder)
            version = folders.newest_version(folder)
        if version is not None and facts is not None:
            return facts.about
        if version is None:
            if facts is None and not (folder / folders.ITEMS).exists():
                return None
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
    return columns.about_of(dataset.schema, location)


def _create(location: str, folder: Path | None, about: About) -> About:
    with store_errors(location, "written"):
        schema = columns.base_schema(about)
        if folder is not None:
            folder.mkdir(parents=True, exist_ok=True)
        dataset = _lance().write_dataset(schema.empty_table(), _address(location, folder), schema=schema)
        upkeep.ensure_text_index(dataset)
        if folder is not None:
            folders.Facts(about, {}).write(folder)
    return about


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

    A process that only searches (up to `upkeep.EXACT_LIMIT` rows, no condition) does not import Lance.
    """

    def __init__(self, location: str, folder: Path | None, about: About) -> None:
        self.location = location
        self.about = about
        self._folder = folder
        self._data: Any = None
        self._seen: Snapshot | None = None
        self._seen_version = -1
        self._lock: folders.WriterLock | None = None

    def __len__(self) -> int:
        if snapshot := self._snapshot():
            return len(snapshot)
        with store_errors(self.location, "read"):
            return int(self._dataset().count_rows())

    def columns(self) -> dict[str, str]:
        """Return the columns that `where` may name → their kind."""
        return columns.columns_of(self._schema())

    def stamps(self) -> Iterator[Stamp]:
        """Yield the stamp of every row."""
        names = ["_id", "_source", "path", "_digest", "_size", "_mtime_ns", "_about"]
        with store_errors(self.location, "read"):
            for batch in self._scan(names):
                yield from stamps_of(batch)

    def add(self, rows: Sequence[Row]) -> None:
        """Add rows in one transaction; of rows with the same id the last one stays."""
        rows = list({row.id: row for row in rows}.values())
        if not rows:
            return
        self._begin()
        schema = self._dataset().schema
        known = {name: columns.KIND_OF[field.type] for name, field in columns.user_fields(schema).items()}
        kinds = columns.kinds_in((row.meta for row in rows), known)
        wider, fields = columns.widened(schema, kinds)
        table = columns.to_table(rows, wider)
        with store_errors(self.location, "written"):
            dataset = self._dataset()
            if wider is not schema:
                upkeep.widen(dataset, schema, fields)
                table = table.select(dataset.schema.names)
            present = self._present([row.id for row in rows])
            if present:
                merge = dataset.merge_insert("_id").when_matched_update_all().when_not_matched_insert_all()
                merge.execute(table)
            else:
                dataset.insert(table)
        self._checked_out()

    def remove(self, ids: Sequence[str]) -> None:
        """Remove rows, all or none."""
        present = sorted(self._present(ids))
        if not present:
            return
        self._begin()
        with store_errors(self.location, "written"):
            # one condition, hence one transaction
            self._dataset().delete(_among("_id", present))
        self._checked_out()

    def get(self, ids: Sequence[str]) -> list[Row]:
        """Return the rows of those ids that are there, whole, in the order asked."""
        found: dict[str, Row] = {}
        wanted = list(dict.fromkeys(ids))
        with store_errors(self.location, "read"):
            for part in _parts(wanted):
                table = self._dataset().to_table(filter=_among("_id", part))
                found.update((row.id, row) for row in columns.to_rows(table))
        return [found[id] for id in ids if id in found]

    def vectors_of(self, digests: Sequence[str]) -> dict[str, Floats]:
        """Return digest → vector of the contents that are there."""
        found: dict[str, Floats] = {}
        with store_errors(self.location, "read"):
            for part in _parts(list(dict.fromkeys(digests))):
                for batch in self._scan(["_digest", "_vector"], filter=_among("_digest", part)):
                    found |= zip(batch["_digest"].to_pylist(), columns.to_vectors(batch["_vector"]), strict=True)
        return found

    def nearest(self, query_D: Floats, k: int, where: str | None = None) -> list[Match]:
        """Return the k rows of the largest cosine: exact up to `upkeep.EXACT_LIMIT` rows."""
        query_D = np.asarray(query_D, np.float32)
        if query_D.shape != (self.about.dim,):
            raise InputError(
                f"The query has the shape {query_D.shape}; the index holds vectors of ({self.about.dim},)."
            )
        if k < 1:
            return []
        snapshot = self._snapshot(build=True)
        if snapshot is None:
            return self._nearest_in_lance(query_D, k, where)
        if where is None:
            return [Match(row, score) for row, score in snapshot.nearest(query_D, k)]
        rowids = self._filtered(where)
        return [Match(row, score) for row, score in snapshot.nearest(query_D, k, rowids)]

    def match_text(self, words: str, k: int, where: str | None = None) -> list[Match]:
        """Return the k rows whose text matches best; quotes and operators in `words` mean nothing."""
        if k < 1:
            return []
        lance = _lance()
        query = lance.query.MatchQuery(words, "_text")
        table = self._ask(where, full_text_query=query, limit=k, columns=[*self._light(), "_score"], with_row_id=True)
        table = table.sort_by([("_score", "descending"), ("_rowid", "ascending")])
        return list(map(Match, columns.to_rows(table), table["_score"].to_pylist()))

    def sample(self, n: int) -> Floats:
        """Return the vectors of ≤ n rows spread evenly."""
        total = len(self)
        chosen = (
            np.unique(np.linspace(0, total - 1, min(n, total)).astype(np.intp))
            if total and n > 0
            else np.zeros(0, np.intp)
        )
        if not len(chosen):
            return np.zeros((0, self.about.dim), np.float32)
        if snapshot := self._snapshot(build=True):
            return snapshot.vectors(chosen)
        with store_errors(self.location, "read"):
            return columns.to_vectors(self._dataset().take([int(i) for i in chosen], columns=["_vector"])["_vector"])

    def batches(self, size: int = 4096) -> Iterator[tuple[list[str], Floats]]:
        """Yield (ids, vectors) of the whole index."""
        with store_errors(self.location, "read"):
            for batch in self._scan(["_id", "_vector"], batch_size=size):
                yield batch["_id"].to_pylist(), columns.to_vectors(batch["_vector"])

    def note(self, key: str) -> Note | None:
        """Return what was noted under a key."""
        if self._folder is not None and self._data is None:
            facts = folders.read_facts(self._folder)
            if facts is not None:
                return facts.notes.get(key)
        with store_errors(self.location, "read"):
            return self._notes().get(key)

    def set_note(self, key: str, note: Note) -> None:
        """Keep a note, inside the data set and in the folder's own file."""
        held = self._lock is not None and self._lock.held
        self._begin()
        try:
            with store_errors(self.location, "written"):
                before = self._dataset().version
                self._dataset().update_config({NOTE + key: json.dumps(note)})
                self._carry_snapshot(before)
                if self._folder is not None:
                    folders.Facts(self.about, self._notes()).write(self._folder)
        finally:
            if not held:
                self._end()

    def optimise(self) -> None:
        """Compact, bring the text and the ANN index up to date, drop old versions, write the snapshot; end writing."""
        self._begin()
        try:
            with store_errors(self.location, "written"):
                dataset = self._dataset()
                upkeep.optimise(dataset, local=self._folder is not None)
                if self._folder is not None:
                    folders.Facts(self.about, self._notes()).write(self._folder)
                    self._write_snapshot()
        finally:
            self._end()

    def close(self) -> None:
        """Let go of the files and of the right to write."""
        self._end()
        self._data = self._seen = None
        self._seen_version = -1

    # reading

    def _dataset(self) -> Any:
        """The data set at its newest version."""
        if self._data is None:
            with store_errors(self.location, "read"):
                self._data = _lance().dataset(_address(self.location, self._folder), **upkeep.CACHES)
        elif self._folder is not None and self._data.version != folders.newest_version(self._folder):
            self._data.checkout_latest()
        return self._data

    def _schema(self) -> pa.Schema:
        if snapshot := self._snapshot():
            schema: pa.Schema = snapshot.schema
            return schema
        with store_errors(self.location, "read"):
            return self._dataset().schema

    def _light(self) -> list[str]:
        """The columns that a match has: all but the thumbnail."""
        return [name for name in self._dataset().schema.names if name != "_thumbnail"]

    def _scan(self, names: Sequence[str], **more: Any) -> Iterator[pa.RecordBatch]:
        for batch in self._dataset().scanner(columns=list(names), **{**SCAN, **more}).to_batches():
            if batch.num_rows:
                yield batch

    def _present(self, ids: Sequence[str]) -> set[str]:
        found: set[str] = set()
        with store_errors(self.location, "read"):
            for part in _parts(list(dict.fromkeys(ids))):
                for batch in self._scan(["_id"], filter=_among("_id", part)):
                    found.update(batch["_id"].to_pylist())
        return found

    def _ask(self, where: str | None, **query: Any) -> pa.Table:
        """Run one query of Lance. Raises: InputError for a condition that cannot be read; StoreError."""
        condition = None if where is None else checked(where, self.columns())
        with store_errors(self.location, "read"):
            dataset = self._dataset()
            if condition is not None:
                # reading a condition on its own tells the user's mistakes from the store's troubles
                try:
                    dataset.scanner(columns=["_id"], filter=condition).explain_plan()
                except (OSError, ValueError, RuntimeError) as error:
                    raise unreadable(where or "", str(error), self.columns()) from None
            scanner = dataset.scanner(filter=condition, prefilter=True, disable_scoring_autoprojection=True, **query)
            return scanner.to_table()

    def _filtered(self, where: str) -> np.ndarray[Any, np.dtype[np.uint64]]:
        table = self._ask(where, columns=[], with_row_id=True)
        return np.asarray(table["_rowid"].to_numpy(), np.uint64)

    def _nearest_in_lance(self, query_D: Floats, k: int, where: str | None) -> list[Match]:
        asked = upkeep.nearest_query(query_D, k)
        rows = columns.to_rows(self._ask(where, nearest=asked, columns=self._light()))
        matches = [Match(row, float(row.vector @ query_D)) for row in rows]
        return sorted(matches, key=lambda match: -match.score)[:k]

    def _notes(self) -> dict[str, Note]:
        config = self._dataset().config()
        return {key.removeprefix(NOTE): json.loads(note) for key, note in config.items() if key.startswith(NOTE)}

    # the snapshot

    def _snapshot(self, build: bool = False) -> Snapshot | None:
        """The snapshot of the newest version, or None; `build` writes it if there is none and nobody is writing."""
        if self._folder is None:
            return None
        version = folders.newest_version(self._folder)
        if version is None:
            raise trouble(self.location, "read", FileNotFoundError("it has no version left"))
        if version == self._seen_version:
            return self._seen
        try:
            self._seen, self._seen_version = Snapshot(snapshot_path(self._folder, version)), version
        except (OSError, pa.ArrowInvalid):
            self._seen, self._seen_version = None, -1
            if build and not (self._lock and self._lock.held) and self._dataset().count_rows() <= upkeep.EXACT_LIMIT:
                return self._rebuilt()
        return self._seen

    def _rebuilt(self) -> Snapshot | None:
        """The snapshot that a killed writer did not come to write; None where this process may not write it."""
        try:
            self._begin()
        except StoreError:
            return None
        try:
            return self._write_snapshot()
        except OSError:
            return None
        finally:
            self._end()

    def _write_snapshot(self) -> Snapshot | None:
        assert self._folder is not None
        dataset = self._dataset()
        path = snapshot_path(self._folder, dataset.version)
        if dataset.count_rows() > upkeep.EXACT_LIMIT:
            upkeep.remove_leftovers(self._folder, keep=None)
            return None
        if not path.exists():
            names = self._light()
            fields = [dataset.schema.field(name) for name in names]
            schema = pa.schema([*fields, pa.field("_rowid", pa.uint64())], dataset.schema.metadata)
            batches = self._scan(names, with_row_id=True, batch_size=16384)
            write_snapshot(path, schema, (batch.select(schema.names).cast(schema) for batch in batches))
        upkeep.remove_leftovers(self._folder, keep=path)
        self._seen, self._seen_version = Snapshot(path), dataset.version
        return self._seen

    def _carry_snapshot(self, before: int) -> None:
        """Give the snapshot of `before` the newest version's name: no row has changed since."""
        if self._folder is None:
            return
        old = snapshot_path(self._folder, before)
        if old.exists():
            self._seen, self._seen_version = None, -1
            try:
                os.replace(old, snapshot_path(self._folder, self._dataset().version))
            except OSError:
                return

    # writing

    def _begin(self) -> None:
        """Take the right to write, if this object has it not. Raises: StoreError if another process has it."""
        if self._folder is not None:
            self._lock = self._lock or folders.WriterLock(self._folder)
            self._lock.acquire()

    def _end(self) -> None:
        if self._lock is not None:
            self._lock.release()

    def _checked_out(self) -> None:
        self._seen, self._seen_version = None, -1


def _among(column: str, values: Sequence[str]) -> str:
    quoted = ", ".join("'" + value.replace("'", "''") + "'" for value in values)
    return f"{column} in ({quoted})"


def _parts(values: Sequence[str]) -> Iterator[Sequence[str]]:
    for start in range(0, len(values), IDS_PER_CONDITION):
        yield values[start : start + IDS_PER_CONDITION]
