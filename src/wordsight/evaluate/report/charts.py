"""Charts of reports: lines, bars, intervals, matrices and points, drawn small enough to be read on a phone.

Each function returns a `Chart`. Values are shares unless `unit` says otherwise; NaN leaves a gap.
"""

from __future__ import annotations

import contextlib
import io
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from wordsight.durable import written_whole
from wordsight.errors import InputError, MissingExtraError
from wordsight.evaluate.report.chart_style import (
    DASHES,
    FAINT,
    GROUND,
    MARKERS,
    RC,
    SERIES,
    TEXT,
    clean_label,
    page_svg,
)
from wordsight.metrics import Estimate

_WIDTH = 5.2  # inches: 374 points, about the width of a phone, so that text keeps its size there
_PNG_DPI = 200
PERCENT = "%"


@dataclass(frozen=True)
class DrawnChart:
    """A chart that is drawn when it is asked for, on a figure that no window and no global state of matplotlib knows.

    height: inches. draw: called with the figure and its axes. Raises: MissingExtraError without matplotlib, when drawn.
    """

    caption: str
    height: float = field(repr=False)
    draw: Callable[[Any, Any], None] = field(repr=False)

    def to_svg(self) -> str:
        """An <svg> element that needs nothing else; its colours follow the page's, where that has any."""
        file = io.StringIO()
        self._save(file, format="svg", metadata={"Date": None, "Creator": None, "Type": None})
        return page_svg(file.getvalue(), self.caption)

    def write_png(self, path: Path) -> None:
        """Write it as a PNG file on white, 1,040 pixels wide."""
        with written_whole(path) as part:
            self._save(part, format="png", dpi=_PNG_DPI, facecolor="white")

    def _save(self, file: Any, **options: Any) -> None:
        try:
            from matplotlib.figure import Figure
        except ImportError:
            raise MissingExtraError("Drawing charts", "matplotlib", "eval") from None
        with _style():
            figure = Figure(figsize=(_WIDTH, self.height), layout="constrained")
            self.draw(figure, figure.subplots())
            figure.savefig(file, **options)


@dataclass(frozen=True)
class Series:
    """One line of a chart: a value for each place on the x axis, with the ends of its interval where it has one."""

    name: str
    values: Sequence[float]
    lows: Sequence[float] | None = None
    highs: Sequence[float] | None = None

    @classmethod
    def from_estimates(cls, name: str, estimates: Sequence[Estimate]) -> Series:
        """Series of estimates with their intervals."""
        return cls(name, *([getattr(e, part) for e in estimates] for part in ("value", "low", "high")))


@dataclass(frozen=True)
class Point:
    """One point of a scatter chart, with its name and, where it has one, the interval of y."""

    name: str
    x: float
    y: float
    low: float | None = None
    high: float | None = None


def line_chart(
    series: Sequence[Series],
    x_labels: Sequence[str],
    *,
    caption: str,
    baselines: Mapping[str, float] | None = None,
    x_title: str = "",
    y_title: str = "",
    unit: str = PERCENT,
) -> DrawnChart:
    """Lines over the same labelled places, such as 1, 2, 4, 8, 16 shots, with bands for their intervals.

    baselines: name → value of horizontal lines, such as zero-shot accuracy.
    Raises: InputError for a series of another length.
    """
    places = np.arange(len(x_labels))
    names = [clean_label(line.name) for line in series]
    lines = [[_scaled(values, unit, len(places), line.name) for values in _ends_of(line)] for line in series]

    def draw(figure: Any, axes: Any) -> None:
        for number, (values, lows, highs) in enumerate(lines):
            colour = SERIES[number % len(SERIES)]
            axes.fill_between(places, lows, highs, color=colour, alpha=0.16, linewidth=0)
            axes.plot(places, values, color=colour, marker=MARKERS[number % len(MARKERS)], markersize=4,
                      linestyle=DASHES[number // len(SERIES) % len(DASHES)], label=names[number])  # fmt: skip
        for number, (name, value) in enumerate((baselines or {}).items()):
            axes.axhline(float(_scaled([value], unit)[0]), color=FAINT, linewidth=1.2,
                         linestyle=DASHES[1 + number % (len(DASHES) - 1)], label=clean_label(name))  # fmt: skip
        axes.set_xticks(places, [clean_label(label, 14) for label in x_labels])
        axes.set_xlabel(x_title)
        axes.set_ylabel(_title(y_title, unit))
        axes.grid(axis="y")
        if len(series) + len(baselines or {}) > 1:
            figure.legend(loc="outside lower center", ncols=2)

    return DrawnChart(caption, 3.5, draw)


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
    value_N = _scaled(values, unit, len(names), "bar_chart")
    rows = np.arange(len(names))

    def draw(_: Any, axes: Any) -> None:
        axes.barh(rows, np.nan_to_num(value_N), height=0.66, color=SERIES[0], alpha=0.75, linewidth=0)
        ends_N = np.nan_to_num(value_N)
        if lows is not None and highs is not None:
            low_N, high_N = (_scaled(ends, unit, len(names), "bar_chart") for ends in (lows, highs))
            axes.hlines(rows, low_N, high_N, color=TEXT, linewidth=1.2)
            ends_N = np.where(value_N < 0, np.fmin(low_N, ends_N), np.fmax(high_N, ends_N))
        _write_values(axes, rows, ends_N, value_N, unit)
        if baseline is not None:
            axes.axvline(float(_scaled([baseline], unit)[0]), color=FAINT, linestyle="--", linewidth=1.2)
        _finish_rows(axes, names, _title(title, unit))
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
    """Estimates as points on their 95 % intervals, one a row, the first on top (a forest plot).

    chance: chance level of the rows that have one, drawn as a tick.
    """
    places = np.arange(len(rows))

    def draw(figure: Any, axes: Any) -> None:
        value_N, low_N, high_N = (
            _scaled([getattr(estimate, part) for estimate in rows.values()], unit) for part in ("value", "low", "high")
        )
        axes.hlines(places, low_N, high_N, color=SERIES[0], linewidth=2)
        axes.plot(value_N, places, "o", color=SERIES[0], markersize=5)
        _write_values(axes, places, high_N, value_N, unit)
        levels = {place: (chance or {})[name] for place, name in enumerate(rows) if name in (chance or {})}
        if levels:
            axes.plot(_scaled(list(levels.values()), unit), list(levels), "|", color=SERIES[4], markersize=13,
                      markeredgewidth=2, label="chance level")  # fmt: skip
            figure.legend(loc="outside lower center")
        _finish_rows(axes, list(rows), _title(title, unit))

    return DrawnChart(caption, _height_of_rows(len(rows)), draw)


def heat_map(
    matrix_RC: ArrayLike,
    row_names: Sequence[str],
    column_names: Sequence[str],
    *,
    caption: str,
    row_title: str = "",
    column_title: str = "",
    form: str = "{:.0f}",
) -> DrawnChart:
    """Matrix (R, C) as shaded cells with their numbers, such as a confusion matrix or cosines of classes.

    The darkest cell holds the greatest value. form: how a number is written in its cell; "" leaves them out.
    Raises: InputError for other numbers of names.
    """
    value_RC = np.asarray(matrix_RC, np.float64)
    if value_RC.shape != (len(row_names), len(column_names)):
        raise InputError(f"The matrix is {value_RC.shape} but has {len(row_names)} row and {len(column_names)} column "
                         "names; expected a name for each.")  # fmt: skip

    def draw(_: Any, axes: Any) -> None:
        from matplotlib.patches import Rectangle

        finite = value_RC[np.isfinite(value_RC)]
        low, high = (float(finite.min()), float(finite.max())) if finite.size else (0.0, 0.0)
        size = min(9.0, 92 / max(len(column_names), 1))
        for (row, column), value in np.ndenumerate(value_RC):
            if not np.isfinite(value):
                continue
            shade = (value - low) / (high - low or 1.0)
            if shade > 0.004:
                axes.add_patch(Rectangle((column - 0.5, row - 0.5), 1, 1, color=SERIES[0], alpha=shade, linewidth=0))
            if form and value != 0:
                axes.text(column, row, form.format(value), ha="center", va="center", fontsize=size,
                          color=GROUND if shade > 0.55 else TEXT)  # fmt: skip
        axes.set(xlim=(-0.5, len(column_names) - 0.5), ylim=(len(row_names) - 0.5, -0.5))
        axes.set_xticks(range(len(column_names)), [clean_label(name, 18) for name in column_names], rotation=60,
                        ha="right", rotation_mode="anchor", fontsize=size)  # fmt: skip
        axes.set_yticks(range(len(row_names)), [clean_label(name, 18) for name in row_names], fontsize=size)
        axes.set(xlabel=column_title, ylabel=row_title)
        axes.tick_params(length=0)

    return DrawnChart(caption, min(8.0, 1.7 + 0.3 * len(row_names)), draw)


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
        axes.plot([p.x for p in line], _scaled([p.y for p in line], unit), "-", color=SERIES[1], linewidth=1.4)
        for point, up in zip(points, _spread_labels(points, log_x), strict=True):
            y, low, high = _scaled([point.y, *(point.y if end is None else end for end in (point.low, point.high))],
                                   unit)  # fmt: skip
            colour = SERIES[1] if point.name in front else SERIES[0]
            axes.vlines(point.x, low, high, color=colour, alpha=0.5, linewidth=1.5)
            axes.plot([point.x], [y], "o", color=colour, markersize=6)
            axes.annotate(clean_label(point.name, 26), (point.x, y), xytext=(6, up), textcoords="offset points",
                          fontsize=8.5)  # fmt: skip
        if log_x:
            _set_log_scale(axes)
        axes.margins(x=0.22, y=0.14)
        axes.set(xlabel=x_title, ylabel=_title(y_title, unit))
        axes.grid()

    return DrawnChart(caption, 3.7, draw)


@contextlib.contextmanager
def _style() -> Iterator[None]:
    """Context in which matplotlib draws as the reports do, whatever the user's own settings are.

    Names in writings that its font lacks are left to the browser's fonts, so its warning about them is not ours.
    """
    import matplotlib

    settings: dict[Any, Any] = {
        name: value for name, value in matplotlib.rcParamsDefault.items() if not name.startswith("backend")
    }
    settings.update(RC)
    with matplotlib.rc_context(settings), warnings.catch_warnings():
        warnings.filterwarnings("ignore", r"Glyph .* missing from", UserWarning)
        warnings.filterwarnings("ignore", r".*Matplotlib currently does not support", UserWarning)
        yield


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


def _ends_of(line: Series) -> tuple[Sequence[float], Sequence[float], Sequence[float]]:
    """Values, lows and highs of a series; where it has no interval, one without width."""
    return (
        line.values,
        line.values if line.lows is None else line.lows,
        line.values if line.highs is None else line.highs,
    )


def _scaled(values: Sequence[float], unit: str, length: int | None = None, name: str = "") -> NDArray[np.float64]:
    """Values as they are drawn: shares in percent where the unit is that."""
    if length is not None and len(values) != length:
        raise InputError(f"{name!r} has {len(values)} values for {length} places of the chart; expected one for each.")
    factor = 100.0 if unit == PERCENT else 1.0
    return factor * np.asarray(values, np.float64)


def _title(title: str, unit: str) -> str:
    return f"{title} ({unit})" if title and unit else title or unit


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
