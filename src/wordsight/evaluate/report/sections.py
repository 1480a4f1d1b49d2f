"""Parts of a report, as each evaluation fills them in; `page` renders them, `charts` draws."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol


class Chart(Protocol):
    """A drawn chart; made by the functions of `report.line_charts`, `row_charts`, `matrix_charts`, `scatter_charts`."""

    @property
    def caption(self) -> str:
        """Content of the chart in words, for those who do not see it."""

    def to_svg(self) -> str:
        """An <svg> element that needs nothing else."""

    def write_png(self, path: Path) -> None:
        """Write it as a PNG file."""


@dataclass(frozen=True)
class Table:
    """Rows of cells, texts as they are to be read: "71.2 % [68.0, 74.1]"."""

    columns: Sequence[str]
    rows: Sequence[Sequence[str]]
    caption: str = ""


@dataclass(frozen=True)
class ImageTiles:
    """Images with a line of text each: errors, wins and losses, pairs beside a threshold."""

    tiles: Sequence[tuple[Any, str]]
    caption: str = ""


@dataclass(frozen=True)
class Section:
    """One part of a report: a heading, a paragraph, and what is shown below it.

    detail: whether a terminal leaves it out, and only the page shows it.
    """

    title: str
    text: str = ""
    parts: Sequence[Table | ImageTiles | Chart] = ()
    detail: bool = False


@dataclass(frozen=True)
class Report:
    """Result of one evaluation in words, tables, charts and images; the command line prints and writes it.

    answer: the result in one to three sentences, the first thing that is read. command: what was run, to repeat it.
    data: the figures behind it as JSON holds them (no NaN), written beside the page as report.json.
    """

    title: str
    answer: str
    command: str
    sections: Sequence[Section]
    data: Mapping[str, Any] = field(default_factory=dict)
