"""Results of a search as a table of text."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import click

from wordsight.cli._search import cells
from wordsight.images.names import source_name
from wordsight.output.sheet_style import UNLIKELY
from wordsight.output.text_width import pad, shorten, text_width

if TYPE_CHECKING:
    from wordsight.search.hits import Hit

_WIDE_COLUMN = 60  # cells at most, where the output is not a terminal
_COLUMN = 24  # cells at most, on a terminal
_LEAST_PATH = 24
_FRONT = 3 + 2 + cells.BAR + 1 + 4 + 2  # cells before the path


def table(hits: Sequence[Hit], first: int, *, width: int | None, show: str | None = None) -> list[str]:
    """Lines of a table: rank, probability, path, page, columns. width: of the terminal, in cells; None: no limit.

    A line separates results that are no longer likely. Below a page of a document stands the text that answers.
    """
    from wordsight.output.lead_columns import lead_columns

    if not hits:
        return []
    columns = cells.column_names(lead_columns([hit.meta for hit in hits], show))
    if any(hit.page is not None for hit in hits):
        columns.insert(0, "page")
    widest, free = _WIDE_COLUMN, None
    if width is not None:
        widest, free = _COLUMN, max(width - _FRONT, 10)
    texts = {
        column: [source_name(column), *(shorten(cells.cell(hit, column), widest) for hit in hits)] for column in columns
    }
    paths = [cells.display_path(hit) + cells.notes(hit) for hit in hits]
    longest = max(map(text_width, paths))
    shown = _columns_that_fit(texts, longest, free)
    room = longest
    if free is not None:
        room = min(longest, free - sum(2 + wide for wide in shown.values()))

    def columns_at(line: int) -> str:
        return "".join(f"  {pad(texts[column][line], wide)}" for column, wide in shown.items())

    lines = []
    if shown:
        lines.append(click.style((" " * _FRONT + pad("path", room) + columns_at(0)).rstrip(), dim=True))
    for i, hit in enumerate(hits):
        if cells.is_first_unlikely(hits, i):
            lines.append(click.style(f"     ── {UNLIKELY} ──", dim=True))
        bar = click.style(cells.probability_bar(hit.proba), fg="blue")
        line = f"{first + i:3}  {bar} {hit.proba:4.0%}  {pad(shorten(paths[i], room), room)}{columns_at(i + 1)}"
        lines.append(line.rstrip())
        for text in cells.snippet(hit):
            lines.append(click.style(" " * _FRONT + shorten(text, free or cells.SNIPPET), dim=True))
    return lines


def _columns_that_fit(texts: Mapping[str, Sequence[str]], longest: int, free: int | None) -> dict[str, int]:
    """Column → width, of the first columns that leave enough of the free cells to the path, whose longest is given."""
    widths = {column: max(map(text_width, column_texts)) for column, column_texts in texts.items()}
    if free is None:
        return widths
    left = free - min(longest, max(_LEAST_PATH, free // 2))
    shown: dict[str, int] = {}
    for column, width in widths.items():
        left -= 2 + width
        if left < 0:
            break
        shown[column] = width
    return shown
