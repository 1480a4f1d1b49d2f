"""Facets: the values of a gallery's columns with their counts, for narrowing a search."""

from __future__ import annotations

import datetime
import itertools
import math
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from wordsight.columns import Value

MOST_VALUES = 50  # shown of one column
MOST_DISTINCT = 200  # of a text column; one of more, or of nearly as many as rows, tells rows apart
_MOST_OF_ROWS = 0.5  # share of the filled rows
RANGES = 6  # of a column of numbers, about
_FEW_NUMBERS = 8  # distinct numbers that are listed as they are
_DATE = re.compile(r"(\d{4})-(\d\d)(?:-(\d\d))?")


@dataclass(frozen=True)
class Range:
    """Part of an ordered column: start ≤ value < end; None is open. label: how people read it."""

    start: Value
    end: Value
    count: int
    label: str

    def to_dict(self) -> dict[str, Any]:
        """The range as JSON."""
        return {"from": self.start, "to": self.end, "count": self.count, "label": self.label}


@dataclass(frozen=True)
class Facet:
    """One column. kind: "text", "boolean", "number", "integer" or "date". missing: rows without a value."""

    column: str
    kind: str
    values: Sequence[tuple[Value, int]] = ()
    ranges: Sequence[Range] = ()
    missing: int = 0

    def to_dict(self) -> dict[str, Any]:
        """The facet as JSON."""
        return {
            "column": self.column,
            "kind": self.kind,
            "values": [{"value": value, "count": count} for value, count in self.values],
            "ranges": [one.to_dict() for one in self.ranges],
            "missing": self.missing,
        }


def count_facet(column: str, kind: str, values: Sequence[Value]) -> Facet | None:
    """Facet of a column's values; None of one that tells rows apart (titles, ids) or is the same in all."""
    filled = [value for value in values if value is not None]
    missing = len(values) - len(filled)
    counts = Counter(filled)
    if len(counts) < 2:
        return None
    if kind in ("number", "integer") and len(counts) > _FEW_NUMBERS:
        return Facet(column, kind, ranges=_number_ranges([float(value) for value in filled if value is not None]),
                     missing=missing)  # fmt: skip
    if kind == "text" and all(_DATE.match(str(value)) for value in counts):
        return Facet(column, "date", ranges=_date_ranges([str(value) for value in filled]), missing=missing)
    if kind == "text" and (len(counts) > MOST_DISTINCT or len(counts) > max(2, _MOST_OF_ROWS * len(filled))):
        return None
    ordered = sorted(counts.items(), key=lambda pair: (-pair[1], str(pair[0])))
    if kind in ("number", "integer"):
        ordered = sorted(counts.items(), key=lambda pair: float(pair[0] or 0))
    return Facet(column, kind, ordered[:MOST_VALUES], missing=missing)


def _number_ranges(values: Sequence[float]) -> list[Range]:
    """About `RANGES` ranges of similar counts with readable edges: quantiles, rounded to 1, 2 or 5 · 10ⁿ."""
    values = sorted(value for value in values if math.isfinite(value))
    cuts = [values[len(values) * part // RANGES] for part in range(1, RANGES)]
    spread = (values[-1] - values[0]) or 1.0
    edges: list[float] = []
    for cut in cuts:
        edge = _round_readably(cut, spread / RANGES)
        if values[0] < edge <= values[-1] and (not edges or edge > edges[-1]):
            edges.append(edge)
    bounds: list[float | None] = [None, *edges, None]
    ranges = []
    for start, end in itertools.pairwise(bounds):
        count = sum((start is None or value >= start) and (end is None or value < end) for value in values)
        ranges.append(Range(start, end, count, _label(start, end)))
    return [one for one in ranges if one.count]


def _round_readably(value: float, step: float) -> float:
    """The multiple of 1, 2 or 5 · 10ⁿ nearest to a value, no coarser than the step, or than the value itself."""
    size = 10.0 ** math.floor(math.log10(max(min(step, abs(value) or step), 1e-12)))
    best = next(unit for unit in (5 * size, 2 * size, size) if unit <= max(step, size))
    return round(value / best) * best


def _label(start: float | None, end: float | None) -> str:
    if start is None:
        return f"under {end:g}"
    if end is None:
        return f"{start:g} and more"
    return f"{start:g} to {end:g}"


def _date_ranges(values: Sequence[str]) -> list[Range]:
    """Years, newest first, or months where all are of one year."""
    years = Counter(value[:4] for value in values)
    if len(years) > 1:
        return [Range(year, f"{int(year) + 1:04}", years[year], year) for year in sorted(years, reverse=True)]
    months = Counter(value[:7] for value in values)
    return [
        Range(month, _next_month(month), months[month], _name_month(month)) for month in sorted(months, reverse=True)
    ]


def _next_month(month: str) -> str:
    year, number = int(month[:4]), int(month[5:7])
    return f"{year + number // 12:04}-{number % 12 + 1:02}"


def _name_month(month: str) -> str:
    number = int(month[5:7])
    if not 1 <= number <= 12:
        return month
    return f"{datetime.date(2000, number, 1):%B} {month[:4]}"
