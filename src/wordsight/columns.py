"""Columns of tables: one kind for the whole of each (integer, number, boolean, text), names that clash with nothing."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from typing import Any, TypeAlias

Value: TypeAlias = str | int | float | bool | None

# columns of every row, which `where` may name; a table's column of the same name becomes "table_<name>"
OWN_COLUMNS = ("path", "page", "width", "height", "taken")

# Cells as people and programs write them. Codes are no numbers: "00123", "12E4", and more digits than 64 bits hold.
_INTEGER = re.compile(r"-?(0|[1-9]\d{0,17})")
_NUMBER = re.compile(
    r"-?(?:(?:0|[1-9]\d{0,17})(?:\.\d*(?:[eE][+-]?\d+)?|[eE][+-]\d+)|\.\d+(?:[eE][+-]?\d+)?)"  # 1.5 1. 2e-05 .5
)
_TRUTH = {"true": True, "false": False}
_LONE = re.compile("[\ud800-\udfff]")  # halves of characters, which JSON can spell and no store can keep
# what stands for nothing in a column of numbers (pandas, R, SQL); in a column of words it is a word
_MISSING = frozenset({"na", "n/a", "nan", "null", "none", "-"})


class Kinds:
    """The kind of each column, learnt in a first pass (`see`) and applied in a second (`typed`).

    A column with values of several kinds is text; integers beside numbers are numbers.
    cells: whether values are cells of text, as in CSV, whose kind is read from how they are written.
    """

    def __init__(self, *, cells: bool = False) -> None:
        self._kind_of = _cell_kind if cells else _value_kind
        self._typed = _typed_cell if cells else _typed_value
        self.kinds: dict[str, str] = {}

    def see(self, record: Mapping[str, Any]) -> None:
        """Take note of one row's values."""
        for name, value in record.items():
            kind = self.kinds.get(name, "")
            if kind != "text":
                self.kinds[name] = _wider(kind, self._kind_of(value))

    def settle(self) -> None:
        """Say that all rows were seen: a column of nothing but words for nothing is text."""
        self.kinds = {name: "text" if kind == "missing" else kind for name, kind in self.kinds.items()}

    def typed(self, record: Mapping[str, Any]) -> dict[str, Value]:
        """Return a row's values in their columns' kinds; empty ones are None."""
        return {name: self._typed(value, self.kinds.get(name, "text")) for name, value in record.items()}


def meta_of(record: Mapping[str, Value]) -> dict[str, Value]:
    """Return a row as `Item.meta`: without empty values; names that an index keeps to itself begin with "table_"."""
    meta: dict[str, Value] = {}
    for name, value in record.items():
        if value is None:
            continue
        kept = f"table_{name.lstrip('_')}" if name in OWN_COLUMNS or name.startswith("_") else name
        while kept in meta or (kept != name and kept in record):
            kept += "_"
        meta[kept] = value
    return meta


def plain(value: Any) -> Value:
    """Return a value of JSON as one that a column holds: a list of words line by line, other nested values as JSON."""
    if isinstance(value, str):
        return _LONE.sub("\ufffd", value)
    if value is None or isinstance(value, bool | int | float):
        return value
    if isinstance(value, list) and value and all(isinstance(part, str) for part in value):
        return _LONE.sub("\ufffd", "\n".join(value))
    return json.dumps(value, ensure_ascii=False, default=str) if value else None


def _wider(a: str, b: str) -> str:
    """Return the kind that holds values of both."""
    if a == b or not b:
        return a
    if a in ("", "missing"):
        return b
    if b == "missing":
        return a
    return "number" if {a, b} == {"integer", "number"} else "text"


def _cell_kind(cell: str | None) -> str:
    if not cell:
        return ""
    if _INTEGER.fullmatch(cell):
        return "integer"
    if _NUMBER.fullmatch(cell):
        return "number"
    word = cell.lower()
    return "boolean" if word in _TRUTH else "missing" if word in _MISSING else "text"


def _typed_cell(cell: str | None, kind: str) -> Value:
    if not cell:
        return None
    if kind == "text":
        return cell
    if cell.lower() in _MISSING:
        return None
    if kind == "integer":
        return int(cell)
    return _finite(float(cell)) if kind == "number" else _TRUTH[cell.lower()]


def _value_kind(value: Value) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "boolean"
    if isinstance(value, int):
        return "integer" if -(2**63) <= value < 2**63 else "text"
    return "number" if isinstance(value, float) else "text" if value else ""


def _typed_value(value: Value, kind: str) -> Value:
    if value is None or value == "":
        return None
    if kind == "text":
        return value if isinstance(value, str) else json.dumps(value)
    return _finite(float(value)) if kind == "number" else value


def _finite(number: float) -> float | None:
    return number if math.isfinite(number) else None
