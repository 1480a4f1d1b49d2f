"""Rows of bars, and of points on their intervals."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wordsight.evaluate.report.chart_style import FAINT, SERIES, TEXT, clean_label
from wordsight.evaluate.report.drawn_chart import PERCENT, DrawnChart, axis_title, scale_values
from wordsight.metrics import Estimate


def bar_chart(
    names: Sequence[str],
    values: Sequence[float],
    *,
    caption: str,
    lows: Sequence[float] | None = None,
    highs: Sequence[float] | None = None,
    baseline: float | None = None,
    title: str = "",
    unit: str = PERCENT,
) -> DrawnChart:
    """Horizontal bars, the first on top, each with its value and, where given, its interval.

    baseline: value of a vertical line, such as the chance level. Values may be negative, such as differences.
    Raises: as `line_chart`.
    """
    value_N = scale_values(values, unit, len(names), "bar_chart")
    rows = np.arange(len(names))

    def draw(_: Any, axes: Any) -> None:
        axes.barh(rows, np.nan_to_num(value_N), height=0.66, color=SERIES[0], alpha=0.75, linewidth=0)
        ends_N = np.nan_to_num(value_N)
        if lows is not None and highs is not None:
            low_N, high_N = (scale_values(ends, unit, len(names), "bar_chart") for ends in (lows, highs))
            axes.hlines(rows, low_N, high_N, color=TEXT, linewidth=1.2)
            ends_N = np.where(value_N < 0, np.fmin(low_N, ends_N), np.fmax(high_N, ends_N))
        _write_values(axes, rows, ends_N, value_N, unit)
        if baseline is not None:
            axes.axvline(float(scale_values([baseline], unit)[0]), color=FAINT, linestyle="--", linewidth=1.2)
        _finish_rows(axes, names, axis_title(title, unit))
        spread = float(np.ptp([*ends_N, 0.0])) or 1.0
        axes.set_xlim(min(0.0, ends_N.min() - 0.2 * spread), max(0.0, ends_N.max() + 0.2 * spread))
        if unit == PERCENT and 60 < ends_N.max() <= 100 and ends_N.min() >= 0:
            axes.set_xticks(range(0, 101, 20))  # shares end at 100 %

    return DrawnChart(caption, _height_of_rows(len(names)), draw)


def interval_chart(
    rows: Mapping[str, Estimate],
    *,
    caption: str,
    chance: Mapping[str, float] | None = None,
    title: str = "",
    unit: str = PERCENT,
) -> DrawnChart:
    """Estimates as points on their 95 % intervals, one per row, the first on top (a forest plot).

    chance: chance level of the rows that have one, drawn as a tick.
    """
    places = np.arange(len(rows))

    def draw(figure: Any, axes: Any) -> None:
        ends = [[getattr(estimate, part) for estimate in rows.values()] for part in ("value", "low", "high")]
        value_N, low_N, high_N = (scale_values(values, unit) for values in ends)
        axes.hlines(places, low_N, high_N, color=SERIES[0], linewidth=2)
        axes.plot(value_N, places, "o", color=SERIES[0], markersize=5)
        _write_values(axes, places, high_N, value_N, unit)
        levels = {place: (chance or {})[name] for place, name in enumerate(rows) if name in (chance or {})}
        if levels:
            axes.plot(scale_values(list(levels.values()), unit), list(levels), "|", color=SERIES[4], markersize=13,
                      markeredgewidth=2, label="chance level")  # fmt: skip
            figure.legend(loc="outside lower center")
        _finish_rows(axes, list(rows), axis_title(title, unit))

    return DrawnChart(caption, _height_of_rows(len(rows)), draw)


def _height_of_rows(n: int) -> float:
    return 0.85 + 0.24 * max(n, 2)


def _write_values(axes: Any, rows: NDArray[Any], ends_N: NDArray[Any], value_N: NDArray[Any], unit: str) -> None:
    """Write each value behind the end of its bar or interval."""
    for row, end, value in zip(rows, ends_N, value_N, strict=True):
        if np.isfinite(value):
            side = -1 if value < 0 else 1
            axes.annotate(f"{value:.1f}" if unit == PERCENT else f"{value:.4g}", (end, row), xytext=(4 * side, 0),
                          textcoords="offset points", va="center", ha="right" if side < 0 else "left",
                          fontsize=8.5)  # fmt: skip


def _finish_rows(axes: Any, names: Sequence[str], title: str) -> None:
    """Names of the rows, the first on top, and room for the values behind their ends."""
    axes.set_yticks(range(len(names)), [clean_label(name) for name in names])
    axes.set_ylim(len(names) - 0.4, -0.6)
    axes.margins(x=0.12)
    axes.set_xlabel(title)
    axes.grid(axis="x")
    axes.tick_params(axis="y", length=0)
