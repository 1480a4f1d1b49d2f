"""Cells of another kind than their column has in an index: written as the column's kind, or left out."""

from __future__ import annotations

import dataclasses
import json
import math
import re

from wordsight.columns import Value
from wordsight.errors import InputError
from wordsight.index.base import Row

KIND_NAMES = {"text": "text", "integer": "whole numbers", "number": "numbers", "boolean": "true or false"}
_INTEGER = re.compile(r"-?(0|[1-9]\d{0,17})")  # "007" is a code
_NUMBER = re.compile(r"-?((0|[1-9]\d{0,17})(\.\d*)?|\.\d+)([eE][+-]?\d+)?")
_MISSING = frozenset({"", "na", "n/a", "nan", "null", "none", "-"})  # what stands for nothing among numbers


class ColumnKindError(InputError):
    """A column holds a value of another kind than in the index. column: the row's name for it; kind: the index's."""

    def __init__(self, message: str, column: str, kind: str) -> None:
        super().__init__(message)
        self.column = column
        self.kind = kind

    def __reduce__(self) -> tuple[type[ColumnKindError], tuple[str, str, str]]:
        return ColumnKindError, (str(self), self.column, self.kind)


def fit(row: Row, column: str, kind: str) -> tuple[Row, Value]:
    """Return the row with the value of a column in another kind, and the value if it had to be left out, else None."""
    value = row.meta.get(column)
    if value is None:
        return row, None
    fitting = as_kind(value, kind)
    if fitting is value:
        return row, None
    meta = {name: old for name, old in row.meta.items() if name != column}
    if fitting is not None:
        meta[column] = fitting
    lost = fitting is None and not (isinstance(value, str) and value.strip().lower() in _MISSING)
    return dataclasses.replace(row, meta=meta), value if lost else None


def as_kind(value: Value, kind: str) -> Value:
    """Return a value as one of "text", "integer", "number" or "boolean", or None where it is none of that kind."""
    if kind == "text":
        return value if isinstance(value, str) else json.dumps(value)
    if kind == "boolean":
        word = value.strip().lower() if isinstance(value, str) else ""
        return value if isinstance(value, bool) else {"true": True, "false": False}.get(word)
    if isinstance(value, bool):
        return None
    if isinstance(value, int | float):  # whole numbers become numbers with the column
        return value
    text = str(value).strip()
    if _INTEGER.fullmatch(text):
        return int(text)
    number = float(text) if kind == "number" and _NUMBER.fullmatch(text) else math.nan
    return number if math.isfinite(number) else None
