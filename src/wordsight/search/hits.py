"""What a search answers with."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from wordsight.index import Row
from wordsight.index.rows import Value
from wordsight.ingest.paths import to_path


def place_of(row: Row) -> Path | str:
    """Return the file of a row, names of odd bytes restored, or the address (a str) that it was fetched from."""
    return row.path if "://" in row.path else to_path(row.path)


@dataclass(frozen=True, eq=False)
class Hit:
    """One answer, best first in its list.

    path: the file; of a picture that was fetched, `row.path` has the address. score: the cosine with the query's
    vector. proba: the probability that the picture answers the query (see `search.cutoff`). bm25: the text score, or
    None where texts were not searched or held no word of it.
    """

    id: str
    path: Path
    score: float
    proba: float
    row: Row = field(repr=False)
    bm25: float | None = None

    @property
    def page(self) -> int | None:
        """The page, counted from 1, or None for what is no document."""
        return self.row.page

    @property
    def meta(self) -> Mapping[str, Value]:
        """The columns of the table that the picture came with."""
        return self.row.meta
