"""Matrices as shaded cells, such as confusions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from wordsight.errors import InputError
from wordsight.evaluate.report.chart_style import GROUND, SERIES, TEXT, clean_label
from wordsight.evaluate.report.drawn_chart import DrawnChart


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
