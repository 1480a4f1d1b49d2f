"""Filters as programs write them: a tree of JSON, compiled to the SQL condition that every `Index` takes.

{"and": [{"gender": "Women"}, {"price": {"gte": 10, "lt": 50}}, {"not": {"colour": {"in": ["red", "blue"]}}}]}
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from wordsight.columns import KIND_NAMES
from wordsight.errors import InputError, did_you_mean

MOST_DEPTH = 20
MOST_CONDITIONS = 100  # conditions have at most 200 operators
MOST_VALUES = 1000

_ORDERS = {"eq": "=", "ne": "!=", "lt": "<", "lte": "<=", "gt": ">", "gte": ">="}
OPERATORS = (*_ORDERS, "in", "not_in", "like", "exists")
_GROUPS = {"and": " AND ", "or": " OR "}


def compile_filter(tree: Any, columns: Mapping[str, str]) -> str:
    """SQL condition of a filter.

    tree: {"and": […]}, {"or": […]}, {"not": …}, {column: value} or {column: {operator: value, …}}, whose operators are
        `OPERATORS`; an object of several columns, and several operators of one, must all hold. "like" takes "begins%"
        and "%holds%".
    columns: name → kind, as `Index.columns` gives.
    Raises: InputError for anything else, naming it.
    """
    compiler = _Compiler(columns)
    return compiler.read(tree, 0)


def omit_column(tree: Mapping[str, Any], column: str) -> dict[str, Any]:
    """Filter without the conditions on a column that must hold by themselves; {} where nothing is left.

    Those below "or" and "not" stay: what is left without them would select other rows.
    """
    left: dict[str, Any] = {}
    for name, value in tree.items():
        if name == "and" and isinstance(value, list):
            parts = [omit_column(part, column) if isinstance(part, Mapping) else part for part in value]
            if kept := [part for part, given in zip(parts, value, strict=True) if part or not given]:
                left[name] = kept
        elif name != column:
            left[name] = value
    return left


class _Compiler:
    def __init__(self, columns: Mapping[str, str]) -> None:
        self.columns = columns
        self.conditions = 0

    def read(self, tree: Any, depth: int) -> str:
        if not isinstance(tree, Mapping) or not tree:
            raise InputError(f'The filter holds {tree!r:.80}, expected an object such as {{"price": {{"lt": 50}}}}.')
        if depth > MOST_DEPTH:
            raise InputError(f"The filter is more than {MOST_DEPTH} levels deep.")
        parts = [self._read_entry(str(name), value, depth) for name, value in tree.items()]
        return _join(parts, " AND ")

    def _read_entry(self, name: str, value: Any, depth: int) -> str:
        if name in _GROUPS and name not in self.columns:
            if not isinstance(value, list) or not value:
                raise InputError(f"{name!r} in the filter is {value!r:.80}, expected a list of filters.")
            return _join([self.read(part, depth + 1) for part in value], _GROUPS[name])
        if name == "not" and name not in self.columns:
            return f"(NOT {self.read(value, depth + 1)})"
        if name not in self.columns:
            raise InputError(
                f"The filter names the column {name!r}, which is not there; there are: {', '.join(self.columns)}."
                f"{did_you_mean(name, self.columns)}"
            )
        tests = value if isinstance(value, Mapping) else {"eq": value}
        if not tests:
            raise InputError(f"The filter on {name!r} is empty, expected one of: {', '.join(OPERATORS)}.")
        return _join([self._test(name, str(operator), wanted) for operator, wanted in tests.items()], " AND ")

    def _test(self, name: str, operator: str, value: Any) -> str:
        self.conditions += 1
        if self.conditions > MOST_CONDITIONS:
            raise InputError(f"The filter has more than {MOST_CONDITIONS} conditions; name many values with 'in'.")
        column = "`" + name.replace("`", "``") + "`"
        if operator == "exists":
            if not isinstance(value, bool):
                raise InputError(f"'exists' of {name!r} is {value!r:.80}, expected true or false.")
            return f"({column} IS {'NOT ' if value else ''}NULL)"
        if operator == "like":
            if self.columns[name] != "text" or not isinstance(value, str):
                raise InputError(f"'like' of {name!r} is {value!r:.80}; it compares texts with a pattern: '%coat%'.")
            return f"({column} LIKE {_quote(value)})"
        if operator in ("in", "not_in"):
            if not isinstance(value, list) or not 0 < len(value) <= MOST_VALUES:
                raise InputError(f"{operator!r} of {name!r} is {value!r:.80}, expected a list of 1 to {MOST_VALUES} "
                                 "values.")  # fmt: skip
            given = [self._literal(name, each) for each in value if not self._is_between(name, each)]
            if not given:
                return _all_or_none(column, all=operator == "not_in")
            listed = ", ".join(given)
            return f"({column} {'NOT ' if operator == 'not_in' else ''}IN ({listed}))"
        if operator not in _ORDERS:
            raise InputError(f"The filter on {name!r} has the operator {operator!r}, expected one of: "
                             f"{', '.join(OPERATORS)}.{did_you_mean(operator, OPERATORS)}")  # fmt: skip
        if value is None and operator in ("eq", "ne"):
            return f"({column} IS {'NOT ' if operator == 'ne' else ''}NULL)"
        if self.columns[name] == "boolean" and operator not in ("eq", "ne"):
            raise InputError(f"The filter orders {name!r}, which is true or false; use eq or ne.")
        if self._is_between(name, value):
            if operator in ("eq", "ne"):
                return _all_or_none(column, all=operator == "ne")
            value, operator = math.floor(value), "lte" if operator in ("lt", "lte") else "gt"
        return f"({column} {_ORDERS[operator]} {self._literal(name, value)})"

    def _is_between(self, name: str, value: Any) -> bool:
        """Whether a number lies between two that its column can hold: stores refuse to compare them."""
        return (
            self.columns[name] == "integer"
            and isinstance(value, float)
            and math.isfinite(value)
            and not value.is_integer()
        )

    def _literal(self, name: str, value: Any) -> str:
        """Value as SQL. Raises: InputError for one of another kind than its column."""
        kind = self.columns[name]
        if kind == "text" and isinstance(value, str):
            return _quote(value)
        if kind == "boolean" and isinstance(value, bool):
            return str(value).lower()
        if kind in ("integer", "number") and type(value) in (int, float) and math.isfinite(value):
            if abs(value) < 2**63:
                return repr(int(value) if kind == "integer" else value)
            raise InputError(f"The filter compares {name!r} with {value:g}, which needs more than 64 bits.")
        raise InputError(f"The filter compares {name!r}, which holds {KIND_NAMES[kind]}, with {value!r:.80}.")


def _all_or_none(column: str, *, all: bool) -> str:
    """Condition that all values of a column meet, or none; of a missing one it is unknown, as every comparison."""
    if all:
        return f"({column} <= 0 OR {column} > 0)"
    return f"({column} < 0 AND {column} > 0)"


def _join(parts: list[str], word: str) -> str:
    if len(parts) == 1:
        return parts[0]
    return f"({word.join(parts)})"


def _quote(text: str) -> str:
    if "\0" in text:
        raise InputError(f"The filter compares with {text!r:.80}, which holds a NUL character.")
    escaped = text.replace("'", "''")
    return f"'{escaped}'"
