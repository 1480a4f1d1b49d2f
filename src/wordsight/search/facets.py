"""Facets: the values of a gallery's columns with their counts, for narrowing a search."""

from __future__ import annotations

import datetime
import itertools
import math
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from wordsight.columns import Value
from wordsight.output.lead_columns import is_id_column

MOST_VALUES = 50  # shown of one column
MOST_DISTINCT = 200  # of a text column; one of more, or of nearly as many as rows, tells rows apart
_MOST_OF_ROWS = 0.5  # share of the filled rows
RANGES = 6  # of a column of numbers, about
_FEW = {"number": 8, "integer": 24}  # distinct numbers that are listed as they are: years, sizes, stars
_MOST_ALIKE = 0.9  # share of the filled rows from which distinct whole numbers are taken for ids
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
            "values": [{"value": value, "count": count} for value, count in self.values[:MOST_VALUES]],
            "ranges": [one.to_dict() for one in self.ranges],
            "missing": self.missing,
        }


def count_again(facet: Facet, values: Sequence[Value]) -> Facet:
    """The facet with the counts of other rows of its column; its ranges stay, so that a chosen one stays chosen."""
    filled = [value for value in values if value is not None]
    missing = len(values) - len(filled)
    if not facet.ranges:
        counts = Counter(filled)
        found = [(value, counts[value]) for value, _ in facet.values if value is not None and counts[value]]
        if facet.kind not in ("number", "integer"):
            found.sort(key=lambda pair: (-pair[1], str(pair[0])))
        return replace(facet, values=found, missing=missing)
    counted = _count_dates if facet.kind == "date" else _count_numbers
    counts_R = counted(facet.ranges, filled)
    ranges = [replace(one, count=count) for one, count in zip(facet.ranges, counts_R, strict=True) if count]
    return replace(facet, ranges=ranges, missing=missing)


def _count_numbers(ranges: Sequence[Range], values: Sequence[Any]) -> list[int]:
    """Number of values in each of some ranges without gaps, the lowest first."""
    edges = [one.start for one in ranges[1:]]
    finite_N = np.array(values, np.float64)
    placed_N = np.searchsorted(np.array(edges, np.float64), finite_N[np.isfinite(finite_N)], side="right")
    return [int(count) for count in np.bincount(placed_N, minlength=len(ranges))]


def _count_dates(ranges: Sequence[Range], values: Sequence[Any]) -> list[int]:
    """Number of values in each of some years or months."""
    length = max((len(str(one.start)) for one in ranges), default=0)
    counts = Counter(str(value)[:length] for value in values)
    return [counts[str(one.start)] for one in ranges]


def count_facet(column: str, kind: str, values: Sequence[Value]) -> Facet | None:
    """Facet of a column's values; None of one that tells rows apart (titles, ids) or is the same in all."""
    if is_id_column(column):
        return None
    filled = [value for value in values if value is not None]
    missing = len(values) - len(filled)
    counts = Counter(filled)
    if len(counts) < 2:
        return None
    if kind == "integer" and len(counts) > max(_FEW[kind], _MOST_ALIKE * len(filled)):
        return None
    if kind in _FEW and len(counts) > _FEW[kind]:
        return Facet(column, kind, ranges=_number_ranges([float(value) for value in filled if value is not None]),
                     missing=missing)  # fmt: skip
    if kind == "text" and all(_DATE.match(str(value)) for value in counts):
        return Facet(column, "date", ranges=_date_ranges([str(value) for value in filled]), missing=missing)
    if kind == "text" and (len(counts) > MOST_DISTINCT or len(counts) > max(2, _MOST_OF_ROWS * len(filled))):
        return None
    ordered = sorted(counts.items(), key=lambda pair: (-pair[1], str(pair[0])))
    if kind in ("number", "integer"):
        ordered = sorted(counts.items(), key=lambda pair: float(pair[0] or 0))
    return Facet(column, kind, ordered, missing=missing)


def _number_ranges(values: Sequence[float]) -> list[Range]:
    """About `RANGES` ranges of similar counts with readable edges: quantiles, rounded to 1, 2 or 5 · 10ⁿ."""
    sorted_N = np.sort(np.array([value for value in values if math.isfinite(value)], np.float64))
    least, most = float(sorted_N[0]), float(sorted_N[-1])
    spread = (most - least) or 1.0
    edges: list[float] = []
    for part in range(1, RANGES):
        edge = _round_readably(float(sorted_N[len(sorted_N) * part // RANGES]), spread / RANGES)
        if least < edge <= most and (not edges or edge > edges[-1]):
            edges.append(edge)
    bounds: list[float | None] = [None, *edges, None]
    ends = [*np.searchsorted(sorted_N, edges, side="left").tolist(), len(sorted_N)]
    counts = np.diff([0, *ends]).tolist()
    return [
        Range(start, end, count, _label(start, end))
        for (start, end), count in zip(itertools.pairwise(bounds), counts, strict=True)
    ]


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
