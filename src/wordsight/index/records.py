"""Shared base of Qdrant's and Pinecone's indexes, which keep JSON records (model, columns, notes) beside the rows."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import asdict
from typing import Any, TypeVar

from wordsight.columns import OWN_KINDS
from wordsight.errors import InputError, NoIndexError
from wordsight.index.base import Floats, Index, IndexInfo, Note, Row, check_same_model, describe_absence
from wordsight.index.filters.parse import Condition, parse

T = TypeVar("T")

# field of `RowVersion`, and of `Row` → its name in the store: old names stay, so that old indexes open
STORED_FIELD = {"id": "id", "source": "source", "path": "path", "content_hash": "digest", "size": "size"}
STORED_FIELD |= {"mtime_ns": "mtime_ns", "annotation_hash": "about"}


class RecordIndex(Index):
    """An index whose store has no place for notes: records under keys, which a store reads and writes its own way."""

    _location: str
    _columns: dict[str, str]  # as last read: another process may have added some since

    @abstractmethod
    def _asking(self) -> AbstractContextManager[None]:
        """Turn what the store's client raises into StoreError."""

    @abstractmethod
    def _record(self, key: str) -> Any:
        """Record under a key, or None."""

    @abstractmethod
    def _set_record(self, key: str, value: Any) -> None:
        """Keep a record."""

    def _begin(self, kept: Any, info: IndexInfo | None) -> None:
        """Take what the index was made with from its record `kept`; of a new one (None) write it down.

        Raises: StoreError where there is neither, or where a model of another fingerprint made the index.
        """
        if kept is not None:
            self.info = IndexInfo(**kept)
        elif info is not None:
            self.info = info
            self._set_record("about", asdict(info))
        else:
            raise NoIndexError(describe_absence(self._location))
        if info is not None:
            check_same_model(self.info, info.model, info.fingerprint, info.dim, self._location)
        self._columns = self._record("columns") or dict(OWN_KINDS)

    def note(self, key: str) -> Note | None:
        """Note that was kept under a key, or None."""
        with self._asking():
            note: Note | None = self._record(f"note:{key}")
            return note

    def set_note(self, key: str, note: Note) -> None:
        """Keep a note."""
        with self._asking():
            self._set_record(f"note:{key}", note)

    def columns(self) -> dict[str, str]:
        """Columns that `where` may name, with their types."""
        with self._asking():
            self._columns = self._record("columns") or dict(OWN_KINDS)
        return dict(self._columns)

    def _condition(self, where: str) -> Condition:
        try:
            return parse(where, self._columns)
        except InputError:
            return parse(where, self.columns())  # another process may have added columns

    def _check_query(self, query_D: Floats) -> None:
        if query_D.shape != (self.info.dim,):
            raise InputError(f"The query's vector has the shape {query_D.shape}; expected ({self.info.dim},).")

    def _checked(self, rows: Sequence[Row]) -> list[Row]:
        """Rows, of those with the same id the last. Raises: InputError for a vector of another shape."""
        rows = list({row.id: row for row in rows}.values())
        for row in rows:
            if row.vector.shape != (self.info.dim,):
                seen = row.vector.shape
                raise InputError(f"The vector of {row.id!r} has the shape {seen}; expected ({self.info.dim},).")
        return rows


def portions(
    items: Iterable[T], count: int, size: float = float("inf"), weigh: Callable[[T], int] = lambda _: 0
) -> Iterator[list[T]]:
    """Yield items in lists of `count` at most, which by `weigh` come to `size` at most or hold a single item."""
    portion: list[T] = []
    held = 0
    for item in items:
        weight = weigh(item)
        if portion and held + weight > size:
            yield portion
            portion, held = [], 0
        portion.append(item)
        held += weight
        if len(portion) == count:
            yield portion
            portion, held = [], 0
    if portion:
        yield portion
