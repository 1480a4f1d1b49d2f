"""Listing a gallery: all rows that a condition admits, the newest first where their time is known."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from wordsight.errors import InputError
from wordsight.index import Index, Row
from wordsight.serve.kept import keep_while_unchanged

MOST_LISTINGS = 3  # of one index: a million ids take 100 MB


@dataclass(frozen=True, eq=False)
class Listing:
    """Ids of all rows of one state of an index, in order. rows: those of one page."""

    ids: Sequence[str]

    def page(self, index: Index, offset: int, limit: int) -> list[Row]:
        """Rows of a page; those that were removed since are left out."""
        return index.get(self.ids[offset : offset + limit])


def list_rows(index: Index, where: str | None = None) -> Listing:
    """All rows that a condition admits: by time taken, the newest first, then those without one by path and page.

    Kept while the index stays as it is. Raises: InputError for a condition that cannot be read, and of a store that
    cannot list its rows.
    """
    return keep_while_unchanged(index, "listing", where, lambda: _read(index, where), most=MOST_LISTINGS)


def count_rows(index: Index, where: str | None) -> int | None:
    """Number of rows that a condition admits; None of a store that cannot tell. Kept as `list_rows`."""
    if where is None:
        return len(index)
    try:
        return keep_while_unchanged(index, "count", where, lambda: index.count(where))
    except InputError:
        return None


def _read(index: Index, where: str | None) -> Listing:
    read = index.read_columns(["taken", "path", "page"], where)
    rows = list(zip(read["id"], read["taken"], read["path"], read["page"], strict=True))
    rows.sort(key=lambda row: (str(row[2]), row[3] or 0))
    rows.sort(key=lambda row: str(row[1] or ""), reverse=True)
    return Listing([str(row[0]) for row in rows])
