"""Columns of tables: their kinds (integer, number, boolean, text), how cells are read, names that clash with nothing.

The one place for the algebra of kinds: tables and archives find the kind of each column (`Kinds`), indexes merge what
comes with what they hold (`merge_kinds`) and fit single cells (`fit_meta`).
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Iterable, Mapping
from decimal import Decimal
from typing import Any, TypeAlias

import numpy as np

from wordsight.errors import InputError

Value: TypeAlias = str | int | float | bool | None

KIND_NAMES = {"text": "text", "integer": "whole numbers", "number": "numbers", "boolean": "true or false"}
# columns of every row, which `where` may name; a table's column of the same name becomes "table_<name>"
OWN_KINDS = {"path": "text", "page": "integer", "width": "integer", "height": "integer", "taken": "text"}
OWN_COLUMNS = tuple(OWN_KINDS)
# Columns of one table. Stores handle each apart: an index of 1,000 opens in seconds, one of 100,000 never.
MOST_COLUMNS = 1000
TOO_MANY_COLUMNS = f"has metadata of more than {MOST_COLUMNS:,} columns; the others were left out"

INT_64 = range(-(2**63), 2**63)
# Cells as people and programs write them. Codes are not numbers: "00123", "12E4", and more digits than 64 bits hold.
_INTEGER = re.compile(r"-?(0|[1-9]\d{0,17})")
_NUMBER = re.compile(
    r"-?(?:(?:0|[1-9]\d{0,17})(?:\.\d*(?:[eE][+-]?\d+)?|[eE][+-]\d+)|\.\d+(?:[eE][+-]?\d+)?)"  # 1.5 1. 2e-05 .5
)
_TRUTH = {"true": True, "false": False}
_LONE = re.compile("[\ud800-\udfff]")  # halves of characters, which JSON can spell and no store can keep
# what stands for nothing in a column of numbers (pandas, R, SQL); in a column of words it is a word
_MISSING = frozenset({"na", "n/a", "nan", "null", "none", "-"})
_NULLS = ("NAType", "NaTType")  # what pandas puts for a missing value of text, numbers or dates


class ColumnKindError(InputError):
    """A column holds a value of another kind than in the index. column: the row's name for it; kind: the index's."""

    def __init__(self, message: str, column: str, kind: str) -> None:
        super().__init__(message)
        self.column = column
        self.kind = kind

    def __reduce__(self) -> tuple[type[ColumnKindError], tuple[str, str, str]]:
        return ColumnKindError, (str(self), self.column, self.kind)


class Kinds:
    """The kind of each column, learnt in a first pass (`see`) and applied in a second (`typed`).

    A column with values of several kinds is text; integers beside numbers are numbers.
    Columns beyond the first MOST_COLUMNS are left out of `typed`, and `too_many` is true.
    cells: whether values are cells of text, as in CSV, whose kind is read from how they are written.
    """

    def __init__(self, *, cells: bool = False) -> None:
        self._kind_of: Callable[[Any], str] = _json_kind
        self._typed: Callable[[Any, str], Value] = _typed_value
        if cells:
            self._kind_of, self._typed = cell_kind, _typed_cell
        self.kinds: dict[str, str] = {}
        self.too_many = False

    def see(self, record: Mapping[str, Any]) -> None:
        """Take note of one row's values."""
        for name, value in record.items():
            kind = self.kinds.get(name, "")
            if not kind and name not in self.kinds and len(self.kinds) == MOST_COLUMNS:
                self.too_many = True
            elif kind != "text":
                self.kinds[name] = wider_kind(kind, self._kind_of(value))

    def settle(self) -> None:
        """End the first pass: a column of nothing but words for nothing is text."""
        for name, kind in self.kinds.items():
            if kind == "missing":
                self.kinds[name] = "text"

    def typed(self, record: Mapping[str, Any]) -> dict[str, Value]:
        """Values of a row in their columns' kinds; empty ones are None."""
        if self.too_many:
            record = {name: value for name, value in record.items() if name in self.kinds}
        return {name: self._typed(value, self.kinds.get(name, "text")) for name, value in record.items()}


def value_kind(value: Any) -> str:
    """Kind of a value; "" of anything that no column holds: None, lists, integers of more than 64 bits."""
    if isinstance(value, bool | np.bool_):
        return "boolean"
    if isinstance(value, int | np.integer) and not isinstance(value, np.timedelta64):
        return "integer" if int(value) in INT_64 else ""
    if isinstance(value, float | np.floating):
        return "number"
    if isinstance(value, str):
        return "text"
    return ""


def cell_kind(cell: str | None) -> str:
    """Kind of a cell by how it is written; "missing" of a word for nothing, "" of an empty cell."""
    if not cell:
        return ""
    if _INTEGER.fullmatch(cell):
        return "integer"
    if _NUMBER.fullmatch(cell):
        return "number"
    word = cell.lower()
    if word in _TRUTH:
        return "boolean"
    if word in _MISSING:
        return "missing"
    return "text"


def wider_kind(a: str, b: str) -> str:
    """Kind that holds values of both: integers and numbers are numbers, other different kinds text."""
    if a == b or not b:
        return a
    if a in ("", "missing"):
        return b
    if b == "missing":
        return a
    if {a, b} == {"integer", "number"}:
        return "number"
    return "text"


def merge_kinds(
    known: Mapping[str, str], metas: Iterable[Mapping[str, Value]], rename: Callable[[str], str] = str
) -> dict[str, str]:
    """Kinds of an index's columns together with those that rows bring; integers and numbers make a column of numbers.

    rename: from the rows' names of columns to the index's.
    Raises: ColumnKindError for a column that would hold, say, text and numbers; InputError for a value of no kind.
    """
    kinds = dict(known)
    for meta in metas:
        for name, value in meta.items():
            if value is None:
                continue
            kind = value_kind(value)
            if not kind:
                raise InputError(_unknown_kind(name, value))
            column = rename(name)
            before = kinds.setdefault(column, kind)
            if kind == before:
                continue
            kinds[column] = wider_kind(before, kind)
            if kinds[column] == "text":
                raise ColumnKindError(
                    f"The column {name!r} holds {kind} ({value!r}), where the index has {before}; "
                    "rename the column in one of the tables, or write the same kind of value in all.",
                    name,
                    before,
                )
    return kinds


def fit_meta(meta: Mapping[str, Value], column: str, kind: str) -> tuple[Mapping[str, Value], Value]:
    """A row's metadata with the value of one column in another kind, and the value if it had to be left out."""
    value = meta.get(column)
    if value is None:
        return meta, None
    fitting = fit_value(value, kind)
    if fitting is value:
        return meta, None
    fitted = {name: old for name, old in meta.items() if name != column}
    if fitting is not None:
        fitted[column] = fitting
        return fitted, None
    missing = isinstance(value, str) and value.strip().lower() in {"", *_MISSING}
    return fitted, None if missing else value


def fit_value(value: Value, kind: str) -> Value:
    """A value as one of a kind, or None where it cannot be one; an integer is a number as it is."""
    if kind == "text":
        return _as_text(value)
    if isinstance(value, str):
        return parse_cell(value.strip(), kind)
    if isinstance(value, bool) != (kind == "boolean"):
        return None
    return value


def parse_cell(cell: str, kind: str) -> Value:
    """Value that a cell spells in a kind; None where it spells none of that kind, as "n/a" among numbers."""
    if kind == "text":
        return cell
    if kind == "boolean":
        return _TRUTH.get(cell.lower())
    if kind == "integer":
        return int(cell) if _INTEGER.fullmatch(cell) else None
    if not (_INTEGER.fullmatch(cell) or _NUMBER.fullmatch(cell)):
        return None
    return _finite(float(cell))


def make_meta(record: Mapping[str, Value]) -> dict[str, Value]:
    """A row as `Item.meta`: without empty values; names that an index keeps to itself begin with "table_"."""
    meta: dict[str, Value] = {}
    for name, value in record.items():
        if value is None:
            continue
        kept = name
        if name in OWN_COLUMNS or name.startswith("_"):
            kept = f"table_{name.lstrip('_')}"
        while kept in meta or (kept != name and kept in record):
            kept += "_"
        meta[kept] = value
    return meta


def plain(value: Any) -> Value:
    """A value of JSON as one that a column holds: a list of words line by line, other nested values as JSON."""
    if isinstance(value, str):
        return _LONE.sub("\ufffd", value)
    if value is None or isinstance(value, bool | int | float):
        return value
    if isinstance(value, list) and value and all(isinstance(part, str) for part in value):
        return _LONE.sub("\ufffd", "\n".join(value))
    if not value:
        return None
    return json.dumps(value, ensure_ascii=False, default=str)


def is_null(value: Any) -> bool:
    """Whether a value is None, or what pandas puts in its place."""
    return value is None or type(value).__name__ in _NULLS


def as_python(value: Any) -> Any:
    """A value of Python for one of NumPy, dates in ISO 8601 and decimals as numbers; other values as they are."""
    if is_null(value):
        return None
    if isinstance(value, np.datetime64):
        return None if np.isnat(value) else str(value)
    if isinstance(value, np.timedelta64):  # an integer to NumPy
        return value
    if isinstance(value, np.bool_):
        return bool(value)
    if isinstance(value, np.integer):
        return int(value)
    if isinstance(value, np.floating):
        return float(value)
    if isinstance(value, Decimal):
        return None if value.is_nan() else float(value)
    if callable(getattr(value, "isoformat", None)):
        return str(value.isoformat())
    return value


def _unknown_kind(name: str, value: Any) -> str:
    if isinstance(value, int | np.integer):
        return f"The column {name!r} holds {value}, which needs more than 64 bits; write it as text."
    return f"The column {name!r} holds {value!r} ({type(value).__name__}); expected text, a number, true or false."


def _json_kind(value: Value) -> str:
    if value is None or value == "":
        return ""
    return value_kind(value) or "text"


def _typed_cell(cell: str | None, kind: str) -> Value:
    return parse_cell(cell, kind) if cell else None


def _typed_value(value: Value, kind: str) -> Value:
    if value is None or value == "":
        return None
    if kind == "text":
        return _as_text(value)
    if kind == "number":
        return _finite(float(value))
    return value


def _as_text(value: Value) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def _finite(number: float) -> float | None:
    return number if math.isfinite(number) else None
