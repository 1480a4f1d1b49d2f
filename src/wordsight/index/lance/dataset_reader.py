"""Reading an index's dataset: always its newest version, while other processes write or rewrite it."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar

import pyarrow as pa

from wordsight.errors import StoreError
from wordsight.index.lance import folder as folders
from wordsight.index.lance import maintenance
from wordsight.index.lance import schema as columns
from wordsight.index.lance.checksums import COMPARED_AT_OPENING, Checksums, IndexDamagedError
from wordsight.index.lance.dataset import dataset_address, import_lance, list_data_files, scan
from wordsight.index.lance.messages import OF_A_ROW, checked, store_errors, unreadable

TRIES = 5  # how often a read that another process or thread rewrites the index under is begun
CHECK_AGAIN = 5.0  # seconds after which an index at a URL is asked whether another process has written it
Answer = TypeVar("Answer")


class DatasetReader:
    """The dataset of one index, opened when it is first needed.

    Lance refuses to read a dataset in one thread while another changes that object: readers are given states that never
    change. Raises (all methods): StoreError.
    """

    def __init__(self, location: str, folder: Path | None, checksums: Checksums | None) -> None:
        self.location = location
        self.last_written_version = 0  # by this process
        self._folder = folder
        self._checksums = checksums
        self._dataset: Any = None
        self._checked_at = 0.0

    @property
    def is_open(self) -> bool:
        """Whether the dataset was opened already."""
        return self._dataset is not None

    def close(self) -> None:
        """Release the dataset."""
        self._dataset = None

    def dataset(self) -> Any:
        """The newest version of the dataset, which stays as it is; at a URL, others' writings come late."""
        found = self._dataset
        if found is None:
            self._compare_manifest()
            found = import_lance().dataset(dataset_address(self.location, self._folder), **maintenance.CACHES)
        elif self._folder is not None:
            newest = folders.newest_version(self._folder)
            if newest is None or newest == found.version:
                return found
            self._compare_manifest()
            found = found.checkout_version(newest)
        elif time.monotonic() - self._checked_at > CHECK_AGAIN or found.version < self.last_written_version:
            found = found.checkout_version(found.latest_version)
        else:
            return found
        self.compare(found, COMPARED_AT_OPENING)
        self._dataset, self._checked_at = found, time.monotonic()
        return found

    def compare(self, dataset: Any, limit: float = float("inf")) -> None:
        """Raise IndexDamagedError where files of a version, not compared before, are not as they were written.

        limit: bytes beyond which nothing is compared: files of large indexes are compared before they are compacted or
        copied into a snapshot, and by `wordsight index --check`. Files that only states before refer to do not count.
        """
        if self._checksums is None or self._folder is None:
            return
        used = {name for _, name in list_data_files(dataset)}
        damaged = self._checksums.find_damaged(limit, of=lambda name: name in used or _is_shared(name))
        if damaged:
            raise IndexDamagedError(self.location, damaged)

    def _compare_manifest(self) -> None:
        """Raise IndexDamagedError where the newest manifest, by which Lance finds all else, was damaged."""
        if self._folder is None or self._checksums is None:
            return
        newest = folders.newest_manifest(self._folder)
        if damaged := self._checksums.find_damaged(of=lambda name: name.endswith(f"/{newest}")):
            raise IndexDamagedError(self.location, damaged)

    def read(self, call: Callable[[Any], Answer]) -> Answer:
        """Answer of `call` to the dataset; it is called again if another rewrote the dataset under it.

        Where a file is missing it is called once more, with the newest version opened afresh: a writer removes files
        after its last version was written.
        """
        with store_errors(self.location, "read"):
            reopened = False
            for _ in range(TRIES - 1):
                newest = self._newest()
                try:
                    return call(self.dataset())
                except (OSError, ValueError, RuntimeError) as error:
                    if self._newest() != newest:
                        continue
                    if reopened or not _is_missing_file(error):
                        raise
                    reopened = True
                    self.close()
            return call(self.dataset())

    def stream(self, names: list[str], **more: Any) -> Iterator[pa.RecordBatch]:
        """Batches of some columns of the whole dataset."""
        with store_errors(self.location, "read"):
            newest = self._newest()
            try:
                yield from scan(self.dataset(), names, **more)
            except (OSError, ValueError, RuntimeError) as error:
                if self._newest() == newest:
                    raise
                raise StoreError(
                    f"The index {self.location} was rewritten by another process while it was read; run it again."
                ) from error

    def ask(
        self, where: str | None, names: list[str], convert: Callable[[Any, pa.Table], Answer], **query: Any
    ) -> Answer:
        """One query of Lance: `convert`, called with the dataset that answers and the table, makes the answer of it.

        Raises: InputError for a condition that cannot be read.
        """

        def ask(data: Any) -> Answer:
            known = columns.list_columns(data.schema)
            condition = None
            if where is not None:
                condition = checked(where, known)
                # reading a condition on its own tells the user's mistakes from the store's troubles
                try:
                    data.scanner(columns=["_id"], filter=condition).explain_plan()
                except (OSError, ValueError, RuntimeError) as error:
                    raise unreadable(where, str(error), known) from None
            scanner = data.scanner(
                names, filter=condition, prefilter=True, disable_scoring_autoprojection=True, **query
            )
            try:
                table = scanner.to_table()
            except (OSError, ValueError, RuntimeError) as error:
                if OF_A_ROW not in str(error):
                    raise
                raise unreadable(where or "", str(error), known) from None
            return convert(data, table)

        return self.read(ask)

    def _newest(self) -> int | None:
        """The number of the newest version; None at a URL, where old versions are kept for a day."""
        if self._folder is None:
            return None
        return folders.newest_version(self._folder)


def _is_missing_file(error: Exception) -> bool:
    said = str(error)
    return isinstance(error, FileNotFoundError) or "Not found: " in said or "(os error 2)" in said  # as Lance says it


def _is_shared(name: str) -> bool:
    """Whether a file may be of any version: of a search index, or a list of deleted rows."""
    return "/_indices/" in name or "/_deletions/" in name
