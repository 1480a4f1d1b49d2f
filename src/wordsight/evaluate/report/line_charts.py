"""Lines over labelled places, such as accuracy by the number of shots."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from wordsight.evaluate.report.chart_style import DASHES, FAINT, MARKERS, SERIES, clean_label
from wordsight.evaluate.report.drawn_chart import PERCENT, DrawnChart, axis_title, scale_values
from wordsight.metrics import Estimate


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
    lines = [[scale_values(values, unit, len(places), line.name) for values in _find_ends(line)] for line in series]

    def draw(figure: Any, axes: Any) -> None:
        for number, (values, lows, highs) in enumerate(lines):
            colour = SERIES[number % len(SERIES)]
            axes.fill_between(places, lows, highs, color=colour, alpha=0.16, linewidth=0)
            axes.plot(places, values, color=colour, marker=MARKERS[number % len(MARKERS)], markersize=4,
                      linestyle=DASHES[number // len(SERIES) % len(DASHES)], label=names[number])  # fmt: skip
        for number, (name, value) in enumerate((baselines or {}).items()):
            axes.axhline(float(scale_values([value], unit)[0]), color=FAINT, linewidth=1.2,
                         linestyle=DASHES[1 + number % (len(DASHES) - 1)], label=clean_label(name))  # fmt: skip
        axes.set_xticks(places, [clean_label(label, 14) for label in x_labels])
        axes.set_xlabel(x_title)
        axes.set_ylabel(axis_title(y_title, unit))
        axes.grid(axis="y")
        if len(series) + len(baselines or {}) > 1:
            figure.legend(loc="outside lower center", ncols=2)

    return DrawnChart(caption, 3.5, draw)


def _find_ends(line: Series) -> tuple[Sequence[float], Sequence[float], Sequence[float]]:
    """Values, lows and highs of a series; where it has no interval, one without width."""
    return (
        line.values,
        line.values if line.lows is None else line.lows,
        line.values if line.highs is None else line.highs,
    )
