"""`where`, an SQL condition, read once for stores that take filters of their own (see `filters.translate`).

A row is chosen where SQL finds the condition *true*: a comparison with a value that is not there is neither true nor
false, and neither is its negation. None of these stores knows that third value, so negations are pushed down to the
leaves while reading, and each leaf says what it wants of a row without the value ("is there, and is none of these").
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from wordsight.errors import InputError, MissingExtraError, did_you_mean
from wordsight.index.filters.limits import EXAMPLE, find_excess, shorten
from wordsight.index.payload_fields import Scalar

FLIPPED = {"<": ">", "<=": ">=", ">": "<", ">=": "<=", "=": "=", "!=": "!="}
NEGATED = {"<": ">=", "<=": ">", ">": "<=", ">=": "<", "=": "!=", "!=": "="}
# what a node of sqlglot's may say beside its kind; anything else would be ignored silently
KNOWN_ARGS = {"this", "expression", "expressions", "low", "high", "negate"}
_NUMBER = re.compile(r"\s*[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?\s*")


@dataclass(frozen=True)
class Always:
    """True of every row, or of none."""

    value: bool


@dataclass(frozen=True)
class OneOf:
    """The column has one of the values (`=` and `in`)."""

    column: str
    values: tuple[Scalar, ...]


@dataclass(frozen=True)
class NoneOf:
    """The column has a value, and none of these (`!=` and `not in`)."""

    column: str
    values: tuple[Scalar, ...]


@dataclass(frozen=True)
class Compared:
    """The column's value stands in this order (<, <=, >, >=) to a value."""

    column: str
    order: str
    value: Scalar


@dataclass(frozen=True)
class Alike:
    """The column's text begins with `text` (or holds it anywhere); `negated`: it has a text, which does not."""

    column: str
    text: str
    anywhere: bool
    negated: bool = False


@dataclass(frozen=True)
class Present:
    """The column has a value, or (`negated`) has none."""

    column: str
    negated: bool = False


@dataclass(frozen=True)
class Every:
    """All of the parts hold."""

    parts: tuple[Condition, ...]


@dataclass(frozen=True)
class Some:
    """One of the parts holds, or more."""

    parts: tuple[Condition, ...]


Condition: TypeAlias = Always | OneOf | NoneOf | Compared | Alike | Present | Every | Some


def parse(where: str, columns: Mapping[str, str]) -> Condition:
    """An SQL condition as a tree of the classes above, its negations pushed down to the leaves.

    columns: name → "text", "integer", "number" or "boolean", as `Index.columns` gives. A name is looked up as it is
    written, and without regard to case where that finds nothing.

    Raises: InputError for other than an SQL condition, a column that is not there (with the ones there are), a value of
    another type than its column's, and SQL that no filter can say (functions, arithmetic, sub-queries).
    """
    try:
        import sqlglot
        from sqlglot.errors import SqlglotError
    except ImportError as error:
        raise MissingExtraError("A condition (where) on this store", "sqlglot", "qdrant") from error
    if excess := find_excess(where):
        raise InputError(_unreadable(where, excess))
    try:
        # sqlite's SQL takes a column's name in "double quotes", `backticks` and [brackets]
        statements: list[Any] = sqlglot.parse(f"SELECT 1 FROM t WHERE {where}", read="sqlite")
    except RecursionError:
        raise InputError(_unreadable(where, "its parts lie too deep in one another")) from None
    except SqlglotError as error:
        reason = re.sub(r"\s*<class.*|\s*Line \d+, Col: \d+\..*", "", str(error).splitlines()[0])
        raise InputError(_unreadable(where, reason)) from error
    if not _is_one_condition(statements):
        raise InputError(_unreadable(where, "it is more than one condition"))
    try:
        return _Reader(shorten(where), columns).read(statements[0].args["where"].this, negated=False)
    except RecursionError:
        raise InputError(_unreadable(where, "its parts lie too deep in one another")) from None


def _is_one_condition(statements: Sequence[Any]) -> bool:
    """Whether there is a single statement, which has nothing after its condition."""
    if len(statements) != 1 or statements[0] is None:
        return False
    parts = {name for name, value in statements[0].args.items() if value}
    return {"where"} <= parts <= {"where", "from", "from_", "expressions", "kind"}


def _unreadable(where: str, reason: str) -> str:
    return f"The condition {shorten(where)!r} cannot be read: {shorten(reason)}. Conditions are SQL, such as: {EXAMPLE}"


def _joined(kind: type[Every] | type[Some], parts: Sequence[Condition]) -> Condition:
    """Join parts, folding what is always (or never) true."""
    ends = kind is Some  # the value of one part that decides the whole
    rest = [part for part in parts if not isinstance(part, Always)]
    if any(isinstance(part, Always) and part.value is ends for part in parts):
        return Always(ends)
    if not rest:
        return Always(not ends)
    if len(rest) == 1:
        return rest[0]
    return kind(tuple(rest))


def _number(text: str) -> int | float:
    if re.fullmatch(r"\s*[+-]?\d+\s*", text):
        return int(text)
    return float(text)


class _Reader:
    """Turns sqlglot's nodes into conditions; `negated` asks for the rows of which the node is *false*."""

    def __init__(self, where: str, columns: Mapping[str, str]) -> None:
        self.where = where
        self.columns = columns

    def read(self, node: Any, negated: bool) -> Condition:
        """Condition of a node of the syntax tree, or its opposite."""
        kind = type(node).__name__
        if kind not in ("Column", "Boolean") and {name for name, value in node.args.items() if value} - KNOWN_ARGS:
            raise self.unknown(node)
        if node.args.get("negate"):  # newer sqlglots read "not like" as a Like of this mark
            negated = not negated
        if kind == "Paren":
            return self.read(node.this, negated)
        if kind == "Not":
            return self.read(node.this, not negated)
        if kind in ("And", "Or"):
            parts = [self.read(side, negated) for side in (node.this, node.expression)]
            return _joined(Every if (kind == "And") is not negated else Some, parts)
        if kind in ("EQ", "NEQ", "LT", "LTE", "GT", "GTE"):
            order = {"EQ": "=", "NEQ": "!=", "LT": "<", "LTE": "<=", "GT": ">", "GTE": ">="}[kind]
            return self.compared(node, node.this, order, node.expression, negated)
        if kind == "Between":
            low, high = node.args["low"], node.args["high"]
            sides = [self.compared(node, node.this, o, v, negated) for o, v in ((">=", low), ("<=", high))]
            return _joined(Some if negated else Every, sides)
        if kind == "In":
            return self.membership(node, negated)
        if kind == "Is":
            return self.is_it(node, negated)
        if kind in ("Like", "Escape"):
            return self.alike(node, negated)
        if kind == "Boolean":
            return Always(bool(node.this) is not negated)
        if kind == "Null":
            return Always(False)
        if kind == "Column" and self.columns[name := self.column(node)] == "boolean":
            return OneOf(name, (not negated,))
        raise self.unknown(node)

    def compared(self, node: Any, left: Any, order: str, right: Any, negated: bool) -> Condition:
        """Condition of a comparison of a column with a value, on either side."""
        left, right = left.unnest(), right.unnest()
        if type(left).__name__ != "Column":
            left, right, order = right, left, FLIPPED[order]
        if type(left).__name__ != "Column" or type(right).__name__ == "Column":
            raise self.unknown(node)
        name = self.column(left)
        value = self.value(right, name)
        if value is None:
            return Always(False)
        if negated:
            order = NEGATED[order]
        if order == "=":
            return OneOf(name, (value,))
        if order == "!=":
            return NoneOf(name, (value,))
        if self.columns[name] == "boolean":
            raise InputError(f"The condition {self.where!r} orders {name!r}, which is true or false; use =.")
        return Compared(name, order, value)

    def membership(self, node: Any, negated: bool) -> Condition:
        """Condition of `column in (…)`."""
        if not node.expressions:
            raise self.unknown(node)
        name = self.column(node.this)
        values = [self.value(each, name) for each in node.expressions]
        there = tuple(value for value in values if value is not None)
        if negated and len(there) == len(values):
            return NoneOf(name, there)
        if negated or not there:  # "not in (…, null)" is never true
            return Always(False)
        return OneOf(name, there)

    def is_it(self, node: Any, negated: bool) -> Condition:
        """Condition of `column is …`."""
        name = self.column(node.this)
        kind = type(node.expression).__name__
        if kind == "Null":
            return Present(name, negated=not negated)
        if kind == "Boolean" and self.columns[name] == "boolean":
            asked = bool(node.expression.this)
            if negated:
                return Some((OneOf(name, (not asked,)), Present(name, negated=True)))
            return OneOf(name, (asked,))
        raise self.unknown(node)

    def alike(self, node: Any, negated: bool) -> Condition:
        """Condition of `column like …`."""
        escape = ""
        if type(node).__name__ == "Escape":
            node, escape = node.this, str(node.expression.this)
            if node.args.get("negate"):
                negated = not negated
        if type(node).__name__ != "Like":
            raise self.unknown(node)
        name = self.column(node.this)
        if self.columns[name] != "text":
            raise InputError(f"The condition {self.where!r} asks {name!r} for a pattern; it is not a text.")
        pattern = self.value(node.expression, name)
        if pattern is None:
            return Always(False)
        piece = "."
        if escape:
            piece = rf"{re.escape(escape)}.|."
        pieces = re.findall(piece, str(pattern), re.DOTALL)
        wild = [part in ("%", "_") for part in pieces]
        text = "".join(part[-1] for part, is_wild in zip(pieces, wild, strict=True) if not is_wild)
        shape = re.sub(r"%+", "%", "".join(p if w else "x" for p, w in zip(pieces, wild, strict=True)))
        shape = re.sub(r"x+", "x", shape)
        if shape in ("", "x"):
            return (NoneOf if negated else OneOf)(name, (text,))
        if shape == "%":
            return Always(False) if negated else Present(name)
        if shape in ("x%", "%x%"):
            return Alike(name, text, anywhere=shape == "%x%", negated=negated)
        raise InputError(
            f"The condition {self.where!r} has the pattern {pattern!r}; this store knows 'begins with%' and "
            "'%holds%' only."
        )

    def column(self, node: Any) -> str:
        """Name of the column that a node is. Raises: InputError for another node, or an unknown column."""
        node = node.unnest()
        if type(node).__name__ != "Column" or node.table:
            raise self.unknown(node)
        name = str(node.name)
        if name in self.columns:
            return name
        loose = [each for each in self.columns if each.lower() == name.lower()]
        if len(loose) == 1:
            return loose[0]
        raise InputError(
            f"The condition {self.where!r} names the column {name!r}, which is not there; the columns are: "
            f"{', '.join(self.columns)}.{did_you_mean(name, self.columns)}"
        )

    def value(self, node: Any, column: str) -> Scalar | None:
        """A literal as a value of the column's type; None is SQL's null."""
        kind, sign = type(node).__name__, 1
        while kind in ("Paren", "Neg"):
            if kind == "Neg":
                sign = -sign
            node, kind = node.this, type(node.this).__name__
        if kind == "Null":
            return None
        value: Scalar
        if kind == "Boolean":
            value = bool(node.this)
        elif kind == "Literal" and node.is_string:
            value = str(node.this)
        elif kind == "Literal":
            value = sign * _number(node.this)
        else:
            raise self.unknown(node)
        type_ = self.columns[column]
        if type_ in ("integer", "number") and isinstance(value, str) and _NUMBER.fullmatch(value):  # price < '50'
            value = _number(value)
        fits = {"text": (str,), "boolean": (bool,), "integer": (int, float), "number": (int, float)}[type_]
        if not isinstance(value, fits) or (isinstance(value, bool) and type_ != "boolean"):
            seen = repr(value)
            raise InputError(f"The condition {self.where!r} compares {column!r}, which is {type_}, with {seen}.")
        return value

    def unknown(self, node: Any) -> InputError:
        """Error for a node that no condition here can have."""
        return InputError(
            f"The condition {self.where!r} has {shorten(node.sql())!r}, which this store cannot do; it knows columns "
            "compared with values (=, !=, <, <=, >, >=, between, in, like, is null), joined by and, or, not."
        )
