"""Named points, such as quality over speed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from wordsight.errors import InputError
from wordsight.evaluate.report.chart_style import SERIES, clean_label
from wordsight.evaluate.report.drawn_chart import PERCENT, DrawnChart, axis_title, scale_values


@dataclass(frozen=True)
class Point:
    """One point of a scatter chart, with its name and, where it has one, the interval of y."""

    name: str
    x: float
    y: float
    low: float | None = None
    high: float | None = None


def scatter_chart(
    points: Sequence[Point],
    *,
    caption: str,
    front: Sequence[str] = (),
    x_title: str = "",
    y_title: str = "",
    log_x: bool = False,
    unit: str = PERCENT,
) -> DrawnChart:
    """Named points, such as quality over speed. front: names of those that a line connects (the Pareto front).

    Raises: InputError for a name of the front that no point has.
    """
    by_name = {point.name: point for point in points}
    if missing := [name for name in front if name not in by_name]:
        raise InputError(f"The front names {missing[0]!r}, but the points are {', '.join(by_name)}.")

    def draw(_: Any, axes: Any) -> None:
        line = sorted((by_name[name] for name in front), key=lambda point: point.x)
        axes.plot([p.x for p in line], scale_values([p.y for p in line], unit), "-", color=SERIES[1], linewidth=1.4)
        for point, up in zip(points, _spread_labels(points, log_x), strict=True):
            ends = [point.y if end is None else end for end in (point.low, point.high)]
            y, low, high = scale_values([point.y, *ends], unit)
            colour = SERIES[1] if point.name in front else SERIES[0]
            axes.vlines(point.x, low, high, color=colour, alpha=0.5, linewidth=1.5)
            axes.plot([point.x], [y], "o", color=colour, markersize=6)
            axes.annotate(clean_label(point.name, 26), (point.x, y), xytext=(6, up), textcoords="offset points",
                          fontsize=8.5)  # fmt: skip
        if log_x:
            _set_log_scale(axes)
        axes.margins(x=0.22, y=0.14)
        axes.set(xlabel=x_title, ylabel=axis_title(y_title, unit))
        axes.grid()

    return DrawnChart(caption, 3.7, draw)


def _spread_labels(points: Sequence[Point], log_x: bool) -> list[float]:
    """Height of each point's label over the point, in typographic points, such that no label covers another."""
    across, up, line, letter = 200.0, 150.0, 11.0, 4.8  # points: the ranges of x and y as drawn; a line and a letter
    x_N = np.array([point.x for point in points], np.float64)
    if log_x:
        x_N = np.log(x_N)
    y_N = np.array([point.y for point in points], np.float64)
    if not len(points):
        return []
    ends = [end for point in points for end in (point.low, point.y, point.high) if end is not None]
    left_N = across * x_N / (float(np.ptp(x_N)) or 1.0)
    base_N = up * y_N / (float(np.ptp(ends)) or 1.0)
    placed: list[tuple[float, float, float]] = []  # left, right, height
    heights = []
    for point, left, base in zip(points, left_N, base_N, strict=True):
        right = left + letter * len(clean_label(point.name, 26))
        beside = [height - base for start, end, height in placed if left < end and start < right]
        steps = (5 + sign * number * line for number in range(len(points) + 1) for sign in (1, -1))
        over = next(step for step in steps if all(abs(step - height) >= line for height in beside))
        placed.append((left, right, base + over))
        heights.append(over)
    return heights


def _set_log_scale(axes: Any) -> None:
    """Logarithmic x axis with ticks as plain numbers: 1, 2, 5, 10, 20, …"""
    from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

    axes.set_xscale("log")
    axes.xaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.xaxis.set_minor_formatter(NullFormatter())
