"""A copy of an index that a fresh process can search in milliseconds: a memory-mapped Arrow file and one product.

It is derived: rebuilt whenever it is missing or of another version. Opening it needs pyarrow alone, whose import takes
a tenth of the time of Lance's, and reads no vector before a search does; the pages belong to the system's file cache.
"""

from __future__ import annotations

import contextlib
import os
import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from wordsight.durable import remove_parts
from wordsight.errors import WordsightWarning
from wordsight.index.base import Floats, Row, RowVersion
from wordsight.index.lance import schema as columns
from wordsight.index.lance.snapshot_file import SnapshotDamagedError, SnapshotFile, write_snapshot

ROWS_PER_BATCH = 2048  # 4 MiB of 512-dimensional vectors; larger ones make the peak of writing grow with the index


class Snapshots:
    """The snapshots in an index's folder; only that of the newest version is of use."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._last: Snapshot | None = None

    def open(self, version: int, *, whole: bool = False) -> Snapshot | None:
        """Snapshot of a version, or None where there is none that can be read.

        whole: compare all of it with its hashes first, which a search needs; else what tells columns and numbers.
        """
        last = self._last
        try:
            if last is None or last.version != version:
                last = Snapshot(self._path(version), version)
            if whole:
                last.verify()
        except FileNotFoundError:
            last = None
        except (OSError, pa.ArrowInvalid, ValueError) as error:
            last = None
            if isinstance(error, SnapshotDamagedError):
                message = f"The snapshot {self._path(version)} is damaged; it is written again."
                warnings.warn(message, WordsightWarning, stacklevel=2)
            remove_quietly([self._path(version)])
        self._last = last
        return last

    def write(self, version: int, schema: pa.Schema, batches: Iterable[pa.RecordBatch]) -> Snapshot | None:
        """Write the snapshot of a version, if there is none yet, and remove all others."""
        if self.open(version, whole=True) is None:
            write_snapshot(self._path(version), schema, batches)
        self.tidy(keep=version)
        return self.open(version, whole=True)

    def carry(self, before: int, after: int) -> None:
        """Give the snapshot of one version the name of the next, which has the same rows."""
        self._last = None
        with contextlib.suppress(OSError):
            os.replace(self._path(before), self._path(after))

    def tidy(self, keep: int | None) -> None:
        """Remove the snapshots, whole and half written, of all versions but `keep`."""
        keep_path = None
        if keep is not None:
            keep_path = self._path(keep)
        remove_quietly(path for path in self._folder.glob("snapshot-*.arrow*") if path != keep_path)
        remove_parts(self._folder, "snapshot-*")

    def close(self) -> None:
        """Close the file."""
        self._last = None

    def _path(self, version: int) -> Path:
        return self._folder / f"snapshot-{version}.arrow"


def remove_quietly(paths: Iterable[Path]) -> None:
    """Remove files; one that Windows still has mapped stays until the next time."""
    for path in paths:
        with contextlib.suppress(OSError):
            path.unlink()


class Snapshot:
    """A snapshot, opened. Raises: OSError for a file that cannot be read; see `SnapshotFile`."""

    def __init__(self, path: Path, version: int) -> None:
        self.version = version
        self._file = SnapshotFile(path)
        self.schema: pa.Schema = self._file.schema
        self._read: list[pa.RecordBatch] | None = None
        self._starts = np.cumsum([0, *self._file.rows])
        self._fields = {name: field for name, field in columns.ROW_OF.items() if name in self.schema.names}
        self._user = {name: field.name for name, field in columns.user_fields(self.schema).items()}
        self._last: tuple[Floats, Floats] | None = None
        self._position_of: tuple[NDArray[np.uint64], NDArray[np.intp]] | None = None

    def __len__(self) -> int:
        return int(self._starts[-1])

    def verify(self) -> None:
        """Compare the file with its hashes, the first time that this is called. Raises: SnapshotDamagedError."""
        if self._read is None:
            self._read = self._file.batches()

    @property
    def _batches(self) -> list[pa.RecordBatch]:
        self.verify()
        assert self._read is not None
        return self._read

    def nearest(self, query_D: Floats, k: int, rowids: NDArray[np.uint64] | None = None) -> list[tuple[Row, float]]:
        """The k rows of the largest cosine, best first; `rowids` are the only ones that may answer, if given."""
        if not len(self) or k < 1:
            return []
        scores_N = self._cosines(query_D)
        if rowids is None:
            chosen = best(scores_N, k)
        else:
            allowed = np.sort(self._positions(rowids))
            chosen = allowed[best(scores_N[allowed], k)]
        return list(zip(self.rows(chosen), scores_N[chosen].tolist(), strict=True))

    def count_near(self, query_D: Floats, cosine: float, rowids: NDArray[np.uint64] | None = None) -> int:
        """Number of rows of a cosine from this one on, of all or of those with these row ids."""
        if not len(self):
            return 0
        scores_N = self._cosines(query_D)
        if rowids is not None:
            scores_N = scores_N[self._positions(rowids)]
        return int((scores_N >= cosine).sum())

    def _cosines(self, query_D: Floats) -> Floats:
        """Cosine of every row (N,); those of the last query are kept, since it is often asked for twice."""
        last = self._last
        if last is None or not np.array_equal(last[0], query_D):
            scores_N = np.concatenate([self._vectors(batch) @ query_D for batch in self._batches])
            last = self._last = query_D.copy(), scores_N
        return last[1]

    def rows(self, positions: Sequence[int] | NDArray[np.intp]) -> list[Row]:
        """Rows at these positions, in this order."""
        return [self._row(*self._place(int(i))) for i in positions]

    def choose_ids(self, choose: Callable[[NDArray[np.uint64]], NDArray[np.bool_]]) -> list[str]:
        """Ids of the rows whose row ids (N,) are chosen."""
        ids: list[str] = []
        for batch in self._batches:
            chosen = choose(columns.numbers(batch.column("_rowid"), np.uint64))
            ids += [batch.column("_id")[int(at)].as_py() for at in np.flatnonzero(chosen)]
        return ids

    def row_versions(self) -> Iterator[RowVersion]:
        """Yield the version of every row."""
        for batch in self._batches:
            yield from read_row_versions(batch)

    def vectors(self, positions: Sequence[int] | NDArray[np.intp]) -> Floats:
        """Vectors (N, D) at these positions."""
        dim = self.schema.field("_vector").type.list_size
        taken = np.empty((len(positions), dim), np.float32)
        at_N = np.asarray(positions, np.intp)
        batch_N = np.searchsorted(self._starts, at_N, side="right") - 1
        for b in np.unique(batch_N):  # not row by row: every search by words takes a sample of hundreds
            chosen = batch_N == b
            taken[chosen] = self._vectors(self._batches[b])[at_N[chosen] - self._starts[b]]
        return taken

    def _place(self, i: int) -> tuple[pa.RecordBatch, int]:
        """The batch that holds a position, and where in it."""
        b = int(np.searchsorted(self._starts, i, side="right")) - 1
        return self._batches[b], i - int(self._starts[b])

    def _row(self, batch: pa.RecordBatch, at: int) -> Row:
        fields = {field: batch.column(name)[at].as_py() for name, field in self._fields.items()}
        meta = {
            name: value
            for name, column in self._user.items()
            if (value := batch.column(column)[at].as_py()) is not None
        }
        # copied, so that what a search answers does not hold the file open
        return Row(vector=self._vectors(batch)[at].copy(), meta=meta, **fields)

    def _positions(self, rowids: NDArray[np.uint64]) -> NDArray[np.intp]:
        if self._position_of is None:
            every = [columns.numbers(batch.column("_rowid"), np.uint64) for batch in self._batches]
            rowids_N = np.concatenate(every)
            order = np.argsort(rowids_N, kind="stable")
            self._position_of = rowids_N[order], order
        known, order = self._position_of
        return order[np.searchsorted(known, rowids)]

    @staticmethod
    def _vectors(batch: pa.RecordBatch) -> Floats:
        return columns.to_vectors(batch.column("_vector"))


def best(scores_N: Floats, k: int) -> NDArray[np.intp]:
    """Positions of the k largest scores, best first; equal ones in their order."""
    n = len(scores_N)
    if k < n:
        # everything as good as the k-th, so that of equal scores the first ones win
        kth = np.partition(scores_N, n - k)[n - k]
        near = np.flatnonzero(scores_N >= kth)
        return near[np.argsort(-scores_N[near], kind="stable")][:k]
    return np.argsort(-scores_N, kind="stable")


def read_row_versions(batch: pa.RecordBatch) -> Iterator[RowVersion]:
    """Yield the version of each of one batch's rows."""
    names = ("_id", "_source", "path", "_digest", "_size", "_mtime_ns", "_about")
    yield from map(RowVersion, *(batch.column(name).to_pylist() for name in names))
