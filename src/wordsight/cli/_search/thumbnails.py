"""Results of a search on a terminal: a table, or images with lines beside them where it can show images."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

from wordsight.cli._search import cells
from wordsight.cli._search.table import table
from wordsight.errors import ImageError
from wordsight.images.names import source_name
from wordsight.output.sheet_style import UNLIKELY
from wordsight.output.text_width import shorten

if TYPE_CHECKING:
    from wordsight.index import Index
    from wordsight.output.lead_columns import Lead
    from wordsight.output.terminal_images import Way
    from wordsight.search.hits import Hit

_BOLD, _FAINT, _BLUE, _PLAIN = "\x1b[1m", "\x1b[2m", "\x1b[34m", "\x1b[0m"


def write_results(
    hits: Sequence[Hit], index: Index, *, first: int, thumbnails: bool | None, show: str | None = None
) -> None:
    """Write a table, or images with lines beside them where the terminal shows images or `thumbnails` asks for them.

    show: see `output.lead_columns`.
    """
    from wordsight.output.terminal_images import detect_way

    is_terminal = sys.stdout is not None and sys.stdout.isatty()  # None where it was closed
    way = None
    if thumbnails or (thumbnails is None and is_terminal):
        way = detect_way(os.environ)
    if thumbnails and way is None:
        way = "blocks"
    if way is not None:
        _write_images(hits, index, first=first, way=way, show=show)
        return
    width = None
    if is_terminal:
        width = shutil.get_terminal_size().columns
    for line in table(hits, first, width=width, show=show):
        click.echo(line, color=False if "NO_COLOR" in os.environ else None)


def _write_images(hits: Sequence[Hit], index: Index, *, first: int, way: Way, show: str | None) -> None:
    """Write each image with its lines beside it; one that cannot be read has its lines alone."""
    from wordsight.output.lead_columns import lead_columns
    from wordsight.output.terminal_images import CELL, COLUMNS, beside, cell_pixels
    from wordsight.row_images import row_image

    pixels = CELL
    if sys.stdout.isatty():
        pixels = cell_pixels(sys.stdout.fileno())
    width = shutil.get_terminal_size().columns - COLUMNS - 3
    lead = lead_columns([hit.meta for hit in hits], show)
    for rank, hit in enumerate(hits, first):
        if cells.is_first_unlikely(hits, rank - first):
            click.echo(click.style(f"── {UNLIKELY} ──", dim=True), color=True)
        lines = _lines(rank, hit, width, lead)
        try:
            image = row_image(index, hit.row, at_least=320)
        except ImageError:
            click.echo("\n".join(lines) + "\n", color=True)
            continue
        click.echo(beside(image, lines, way, pixels), color=True)


def _lines(rank: int, hit: Hit, width: int, lead: Lead) -> list[str]:
    """Lines beside an image."""
    width = max(width - 5, 10)
    name = shorten(cells.display_path(hit) + cells.notes(hit), width)
    if hit.page is not None:
        name += f"  page {hit.page}"
    size = ""
    if hit.row.width:
        size = f"{hit.row.width} × {hit.row.height}"
    columns = [column for column in cells.column_names(lead) if hit.meta.get(column) not in (None, "")]
    meta = "  ".join(f"{source_name(column)}: {cells.cell(hit, column)}" for column in columns)
    details = [line for line in (size, meta, *cells.snippet(hit)) if line]
    return [
        f"{_BOLD}{rank:3}{_PLAIN}  {_BLUE}{cells.probability_bar(hit.proba)}{_PLAIN} {hit.proba:4.0%}",
        f"     {name}",
        *(f"     {_FAINT}{shorten(line, width)}{_PLAIN}" for line in details),
    ]
