"""How columns, an index's own and those of tables, become fields of stores that keep JSON: names, types, times."""

from __future__ import annotations

import datetime
import math
import re
from collections.abc import Iterable, Mapping
from typing import TypeAlias, TypeVar

from wordsight.columns import OWN_COLUMNS, merge_kinds
from wordsight.index.base import Row

Scalar: TypeAlias = str | int | float | bool
T = TypeVar("T")

# Stores that order numbers only keep the time of `taken` beside it as a number; `field_name` is asked for its place by
# this name, which no table's column has.
TAKEN_SECONDS = "taken\0seconds"


def columns_with(columns: Mapping[str, str], rows: Iterable[Row]) -> dict[str, str]:
    """Columns together with those of rows to come; whole numbers and others make a column of numbers.

    A table's column that is called as one of an index's own is known to conditions as "table_<name>".
    Raises: InputError for a column that would hold values of two types, or of none that there is, naming it.
    """
    return merge_kinds(columns, (row.meta for row in rows), condition_name)


def condition_name(name: str) -> str:
    """Name that conditions have for a table's column."""
    if name in OWN_COLUMNS:
        return f"table_{name}"
    return name


def meta_fields(row: Row) -> dict[str, Scalar]:
    """A row's meta under names and with values that JSON stores take: none that are null, NaN or infinite."""
    return {
        encode_field_name(clean(name)): clean_value(value)
        for name, value in row.meta.items()
        if value is not None and not (isinstance(value, float) and not math.isfinite(value))
    }


def field_name(column: str, meta: str) -> str:
    """Field that a condition's column is kept in; `meta` stands before those that `meta_fields` names."""
    if column == TAKEN_SECONDS:
        return "taken_seconds"
    if column in OWN_COLUMNS:
        return column
    own_name = column.removeprefix("table_")
    return meta + encode_field_name(own_name if own_name in OWN_COLUMNS else column)


def clean(text: str) -> str:
    """A text with question marks for halves of surrogate pairs, which UTF-8 does not know."""
    return text.encode("utf-8", "replace").decode()


def clean_value(value: T) -> T | str:
    """A text as `clean` leaves it, any other value as it is."""
    if isinstance(value, str):
        return clean(value)
    return value


def encode_field_name(column: str) -> str:
    """A column's name as a field's name that every store takes (letters, digits, _), reversibly."""
    return re.sub(r"[^A-Za-z0-9_]|_(?=x[0-9A-F]+_)", lambda found: f"_x{ord(found[0]):X}_", column)


def decode_field_name(field: str) -> str:
    """Column that `encode_field_name` made a field of."""
    return re.sub(r"_x([0-9A-F]+)_", lambda found: chr(int(found[1], 16)), field)


def parse_seconds(text: str) -> float | None:
    """An ISO 8601 time as seconds, in the order of the texts (time zones are ignored), or None for others.

    "2023", "2023-06" and "2023-06-01" are the beginnings of that year, month and day.
    """
    found = re.fullmatch(
        r"(\d{4})(?:-(\d\d)(?:-(\d\d)(?:[T ](\d\d)(?::(\d\d)(?::(\d\d)(\.\d+)?)?)?)?)?)?(Z|[+-]\d\d:?\d\d)?", text
    )
    if found is None:
        return None
    year, month, day, hour, minute, second = (int(part or 0) for part in found.groups()[:6])
    try:
        moment = datetime.datetime(year, month or 1, day or 1, hour, minute, second)
    except ValueError:
        return None
    return (moment - datetime.datetime(1970, 1, 1)).total_seconds() + float(found[7] or 0)
