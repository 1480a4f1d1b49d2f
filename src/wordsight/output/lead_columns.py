"""Columns of tables to show first, chosen by their contents or named by a person."""

from __future__ import annotations

import re
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from wordsight.columns import Value
from wordsight.errors import InputError, did_you_mean

Meta: TypeAlias = Mapping[str, Value]

# words of a column's name, the first the best: "productDisplayName" is a name
HEADINGS = ("title", "name", "caption", "headline", "label", "description", "text")
FIRST = ("price", "brand", "color", "colour", "size", "category", "type", "year", "date")
NO_HEADING = ("file", "path", "image", "user", "brand", "category", "class", "host", "short")
IDS = ("id", "ids", "uuid", "guid", "sku", "key", "hash", "md5", "sha256", "index", "rowid")
LONG = 60  # characters beyond which a cell takes reading


@dataclass(frozen=True)
class Lead:
    """heading: the column whose text names a row, or None; columns: the others, those that matter most first."""

    heading: str | None
    columns: tuple[str, ...]

    @property
    def in_order(self) -> tuple[str, ...]:
        """All columns, the heading first."""
        if self.heading is None:
            return self.columns
        return (self.heading, *self.columns)


def lead_columns(rows: Sequence[Meta], show: str | None = None) -> Lead:
    """Columns of rows in the order in which they are shown.

    show: "name,price" – these alone, the first as the heading. Of None: the heading is the column that is called a
    title or the like; before others stand prices, brands and colours, and what differs between the rows; numbers of
    rows, long texts and what is the same in all come last. Columns that no row fills are left out.
    Raises: InputError for a column in `show` that no row has.
    """
    filled = dict.fromkeys(key for row in rows for key, value in row.items() if value not in (None, ""))
    if show is not None:
        chosen = [_named(name.strip(), list(filled)) for name in show.split(",") if name.strip()]
        return Lead(next(iter(chosen), None), tuple(dict.fromkeys(chosen[1:])))
    cells = {key: [row[key] for row in rows if row.get(key) not in (None, "")] for key in filled}
    headings = [key for key in filled if _heading_rank(key, cells[key]) is not None]
    heading = min(headings, key=lambda key: _heading_rank(key, cells[key]) or 0, default=None)
    rest = sorted((key for key in filled if key != heading), key=lambda key: _rank(key, cells[key], len(rows)))
    return Lead(heading, tuple(rest))


def cell_text(value: Value) -> str:
    """A cell as it is shown: on one line, numbers without needless digits."""
    if value is None:
        return ""
    if isinstance(value, float):
        return f"{value:g}"
    return " ".join(str(value).split())


def _named(name: str, columns: Sequence[str]) -> str:
    """Column that a person means, whatever its case."""
    same = [column for column in columns if column == name] or [c for c in columns if c.lower() == name.lower()]
    if not same:
        known = ", ".join(columns) or "none"
        raise InputError(f"No result has a column {name!r}; there are: {known}.{did_you_mean(name, columns)}")
    return same[0]


def is_id_column(name: str) -> bool:
    """Whether a column is named as one of ids: "product_id", "SKU"."""
    return bool(set(_words(name)[-1:]) & set(IDS))


def _words(key: str) -> list[str]:
    return re.findall(r"[^\W\d_]+", re.sub(r"(?<=[a-z])(?=[A-Z])", " ", key).lower())


def _heading_rank(key: str, cells: Sequence[Value]) -> tuple[int, int] | None:
    """Rank of a column as a heading, less is better; None for one that cannot be."""
    words = _words(key)
    found = [HEADINGS.index(word) for word in words if word in HEADINGS]
    texts = [cell for cell in cells if isinstance(cell, str)]
    if not found or len(texts) < len(cells) or set(words) & {*NO_HEADING, *IDS}:
        return None
    return min(found), len(words)


def _rank(key: str, cells: Sequence[Value], rows: int) -> tuple[bool, bool, bool, int]:
    """Rank of a column among others, less is earlier."""
    words = _words(key)
    same = rows > 1 and len(cells) == rows and len(set(map(str, cells))) == 1
    is_id = is_id_column(key) or any(isinstance(cell, str) and "://" in cell for cell in cells)
    long = statistics.median(len(str(cell)) for cell in cells) > LONG
    important = min((FIRST.index(word) for word in words if word in FIRST), default=len(FIRST))
    return is_id, long, same, important
