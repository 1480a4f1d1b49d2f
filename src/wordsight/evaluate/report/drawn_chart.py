"""Charts of reports, small enough to be read on a phone, and what their kinds have in common.

Values are shares unless `unit` says otherwise; NaN leaves a gap.
"""

from __future__ import annotations

import contextlib
import io
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wordsight.durable import write_whole, written_whole
from wordsight.errors import InputError, MissingExtraError
from wordsight.evaluate.report.chart_style import RC, page_svg

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

    def write_files(self, stem: Path) -> Path:
        """Write it as STEM.png and STEM.svg; returns the path of the first."""
        path = stem.with_name(f"{stem.name}.png")
        path.parent.mkdir(parents=True, exist_ok=True)
        self.write_png(path)
        write_whole(path.with_suffix(".svg"), self.to_svg())
        return path

    def _save(self, file: Any, **options: Any) -> None:
        try:
            from matplotlib.figure import Figure
        except ImportError:
            raise MissingExtraError("Drawing charts", "matplotlib", "eval") from None
        with _style():
            figure = Figure(figsize=(_WIDTH, self.height), layout="constrained")
            self.draw(figure, figure.subplots())
            figure.savefig(file, **options)


def scale_values(values: Sequence[float], unit: str, length: int | None = None, name: str = "") -> NDArray[np.float64]:
    """Values as they are drawn: shares in percent where the unit is that."""
    if length is not None and len(values) != length:
        raise InputError(f"{name!r} has {len(values)} values for {length} places of the chart; expected one for each.")
    factor = 100.0 if unit == PERCENT else 1.0
    return factor * np.asarray(values, np.float64)


def axis_title(title: str, unit: str) -> str:
    """Title of an axis with its unit."""
    return f"{title} ({unit})" if title and unit else title or unit


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
