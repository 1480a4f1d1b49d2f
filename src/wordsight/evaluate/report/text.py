"""A report as plain text for a terminal: the answer first, then tables in columns; charts are left to the page."""

from __future__ import annotations

import os
import textwrap
from collections.abc import Iterator, Sequence

from wordsight.evaluate.report.sections import ImageTiles, Report, Section, Table
from wordsight.images.names import source_name
from wordsight.output.text_width import pad, shorten, text_width

ROWS_SHOWN = 20  # of a table; the page and the JSON hold them all
TILES_SHOWN = 8
_NARROWEST = 8  # cells that a column keeps
_READABLE = 24  # cells that words keep as long as the columns can be divided
_GAP = "  "


def render_text(report: Report, *, width: int = 100) -> str:
    """The report as lines of at most `width` cells: answer, then each section's paragraph, tables and images.

    Charts are left to the page. A table of more than 20 rows ends with the number of those left out; cells that do
    not fit lose their middle. Control characters are left as they are: whoever prints it escapes them.
    """
    blocks = [_wrapped(report.answer, width)]
    blocks += ["\n\n".join(_section(section, width)) for section in report.sections if not section.detail]
    return "\n\n".join(block for block in blocks if block)


def render_table(table: Table, *, width: int = 100) -> str:
    """A table in columns, numbers to the right.

    Figures are never shortened: where the columns do not fit, the others stand below, behind the first column again.
    """
    rows = [[_one_line(cell) for cell in row] for row in table.rows[:ROWS_SHOWN]]
    head = [_one_line(name) for name in table.columns]
    to_right = [is_numeric([row[column] for row in rows]) for column in range(len(head))]
    widths = [max(map(text_width, column)) for column in zip(head, *rows, strict=True)]
    blocks = []
    for columns in _divide(widths, width, to_right):
        fitted = _fit([widths[k] for k in columns], width, [to_right[k] for k in columns])
        lines = [_line([cells[k] for k in columns], fitted, [to_right[k] for k in columns]) for cells in (head, *rows)]
        blocks.append("\n".join(lines))
    text = "\n\n".join(blocks)
    if table.caption:
        text = f"{_wrapped(f'{table.caption}:', width)}\n{text}"
    if len(table.rows) > ROWS_SHOWN:
        text += f"\n… and {len(table.rows) - ROWS_SHOWN} more rows (--report, --json)"
    return text


def is_numeric(cells: Sequence[str]) -> bool:
    """Whether the cells of a column are figures, which stand to the right: they begin with a digit or a sign."""
    seen = [cell for cell in cells if cell.strip(" –-—")]
    return bool(seen) and all(cell.lstrip("+-−–~<>≤≥ ")[:1].isdigit() for cell in seen)


def _section(section: Section, width: int) -> Iterator[str]:
    shown = [text for part in section.parts if (text := _part(part, width))]
    if not shown and not section.text:
        return  # a heading over charts only
    title = section.title
    if title:
        title = f"{title}\n{'-' * min(text_width(title), width)}"
    head = [part for part in (title, _wrapped(section.text, width)) if part]
    if shown and not section.text:  # nothing stands between the heading and the first table
        head.append(shown.pop(0))
    yield "\n".join(head)
    yield from shown


def _part(part: object, width: int) -> str:
    if isinstance(part, Table):
        return render_table(part, width=width)
    if isinstance(part, ImageTiles):
        return _tiles(part, width)
    return ""


def _tiles(tiles: ImageTiles, width: int) -> str:
    lines = []
    for image, text in tiles.tiles[:TILES_SHOWN]:
        line = shorten(_one_line(text), width - 2)
        if isinstance(image, str | os.PathLike):
            line += f"  {shorten(source_name(image), max(_NARROWEST, width - text_width(line) - 4))}"
        lines.append(f"  {line}")
    if not lines:
        return ""
    if tiles.caption:
        lines.insert(0, _wrapped(f"{tiles.caption}:", width))
    if len(tiles.tiles) > TILES_SHOWN:
        lines.append(f"  … and {len(tiles.tiles) - TILES_SHOWN} more (--report)")
    return "\n".join(lines)


def _divide(widths: Sequence[int], width: int, to_right: Sequence[bool]) -> list[list[int]]:
    """Columns of each block of a table: the first in all, the others in as many blocks as they need."""
    least = [size if right else min(size, _READABLE) for size, right in zip(widths, to_right, strict=True)]
    blocks = [[0]]
    for column in range(1, len(widths)):
        block = [*blocks[-1], column]
        if len(blocks[-1]) > 1 and sum(least[k] for k in block) + len(_GAP) * (len(block) - 1) > width:
            blocks.append([0, column])
        else:
            blocks[-1] = block
    return blocks


def _fit(widths: list[int], width: int, to_right: Sequence[bool]) -> list[int]:
    """Widths that fit into a line together: the widest column of words gives way first, figures last."""
    widths = list(widths)
    room = width - len(_GAP) * (len(widths) - 1)
    while sum(widths) > room:
        wide = [place for place, size in enumerate(widths) if size > _NARROWEST]
        if not wide:
            break
        words = [place for place in wide if not to_right[place]]
        widths[max(words or wide, key=lambda place: widths[place])] -= 1
    return widths


def _line(cells: Sequence[str], widths: Sequence[int], to_right: Sequence[bool]) -> str:
    placed = []
    for cell, size, right in zip(cells, widths, to_right, strict=True):
        short = shorten(cell, size)
        space = " " * max(0, size - text_width(short))
        placed.append(space + short if right else pad(short, size))
    return _GAP.join(placed).rstrip()


def _wrapped(text: str, width: int) -> str:
    """Paragraphs of a text, each filled to the width."""
    return "\n".join(textwrap.fill(line, width, break_long_words=False) for line in text.splitlines())


def _one_line(text: str) -> str:
    return " ".join(str(text).split())
