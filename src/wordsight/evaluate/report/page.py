"""A report as one HTML page that needs no other file and no script, readable on a phone, in light and dark."""

from __future__ import annotations

import html
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from wordsight.durable import write_whole
from wordsight.evaluate.report import chart_style
from wordsight.evaluate.report.json_files import write_json
from wordsight.evaluate.report.sections import Chart, ImageTiles, Report, Section, Table
from wordsight.evaluate.report.text import is_numeric
from wordsight.evaluate.report.tile_images import TileImages
from wordsight.images.names import source_name
from wordsight.output.contact_sheet import one_line
from wordsight.output.sheet_style import PAGE
from wordsight.output.sheet_style import STYLE as SHEET_STYLE

PAGE_BYTES = 2_000_000  # of the whole page, images included: it can be sent by mail
ROWS_OPEN = 25  # rows of a table that are shown before "all rows" is opened
TILES = 60  # images of one part
ROWS = 1000  # rows of a table in the page; the JSON beside it holds them all

_STYLE = """
body{max-width:860px}pre{margin:.5rem 0 1rem;padding:8px 12px;border-radius:8px;background:var(--ground);
white-space:pre-wrap;overflow-wrap:anywhere;font-size:.85rem}.answer{font-size:1.15rem;color:var(--text)!important}
.scroll{overflow-x:auto;margin:.6rem 0 1rem}table{border-collapse:collapse;font-size:.92rem;
font-variant-numeric:tabular-nums}caption,.caption{caption-side:top;text-align:left;color:var(--faint);
font-size:.9rem;padding-bottom:4px;overflow-wrap:anywhere}th,td{padding:4px 14px 4px 0;text-align:left;
vertical-align:top;border-bottom:1px solid var(--track)}th{color:var(--faint);font-weight:600}
td:first-child{overflow-wrap:anywhere;min-width:6rem}.n{text-align:right}figure.chart{max-width:600px;
padding:12px 10px 4px;margin:.6rem 0 1rem}figure.chart svg{display:block;width:100%;height:auto}
main.tiles{grid-template-columns:repeat(auto-fill,minmax(150px,1fr));gap:12px}main.tiles img{height:150px}
main.tiles figcaption{padding:8px 10px;font-size:.88rem;overflow-wrap:anywhere}summary{cursor:pointer;
color:var(--faint);margin:.3rem 0}section p{max-width:44rem}@media (max-width:480px){body{padding:14px}
main.tiles{grid-template-columns:repeat(2,1fr)}main.tiles img{height:120px}}
"""


def render_page(report: Report) -> str:
    """HTML page of a report, at most 2 MB: title, command, answer, then the sections in order.

    Thumbnails are made smaller until they fit, and left out with a note where even the smallest do not. All texts are
    escaped. Raises: nothing for images that cannot be read; they are shown as an empty ground.
    """
    style = SHEET_STYLE + chart_style.STYLE + _STYLE
    images = TileImages()
    body = "\n".join(_section(section, images) for section in report.sections)
    asked = f'<pre>{html.escape(report.command)}</pre><p class="answer">{_paragraph(report.answer)}</p>'
    page = PAGE.format(style=style, title=html.escape(one_line(report.title)), subtitle="", asked=asked, body=body)
    page = page.replace("<p></p>", "", 1)
    return images.fill(page, PAGE_BYTES)


def write_report(path: Path, report: Report) -> Path:
    """Write the page, and its figures beside it under the same name ending in .json; returns the path of those."""
    path = Path(os.path.realpath(path))
    write_whole(path, render_page(report).encode("utf-8", "backslashreplace"))
    figures = path.with_suffix(".json")
    write_json(figures, report.data)
    return figures


def _section(section: Section, images: TileImages) -> str:
    heading = f"<h2>{html.escape(one_line(section.title))}</h2>" if section.title else ""
    text = f"<p>{_paragraph(section.text)}</p>" if section.text else ""
    return f"<section>{heading}{text}{''.join(_part(part, images) for part in section.parts)}</section>"


def _part(part: Table | ImageTiles | Chart, images: TileImages) -> str:
    if isinstance(part, Table):
        return _table(part)
    if isinstance(part, ImageTiles):
        return _tiles(part, images)
    return f'<figure class="chart">{part.to_svg()}<figcaption><p>{html.escape(part.caption)}</p></figcaption></figure>'


def _table(table: Table) -> str:
    """The first rows, and the others in a part that opens by a click, which needs no script."""
    numeric = [is_numeric([row[column] for row in table.rows]) for column in range(len(table.columns))]
    marks = ["", ' class="n"']
    head = "".join(f"<th{marks[right]}>{html.escape(name)}</th>" for name, right in zip(table.columns, numeric,
                   strict=True))  # fmt: skip

    def draw(rows: Sequence[Sequence[str]], caption: str) -> str:
        lines = "".join(
            "<tr>" + "".join(f"<td{marks[right]}>{html.escape(str(cell))}</td>" for cell, right in zip(row, numeric,
            strict=True)) + "</tr>" for row in rows
        )  # fmt: skip
        title = f"<caption>{html.escape(caption)}</caption>" if caption else ""
        return f'<div class="scroll"><table>{title}<thead><tr>{head}</tr></thead><tbody>{lines}</tbody></table></div>'

    shown, more = table.rows[:ROWS_OPEN], table.rows[ROWS_OPEN:ROWS]
    page = draw(shown, table.caption)
    if more:
        page += f"<details><summary>{len(more)} more rows</summary>{draw(more, '')}</details>"
    if len(table.rows) > ROWS:
        page += f'<p class="caption">{len(table.rows) - ROWS} further rows are in the JSON file beside this page.</p>'
    return page


def _tiles(tiles: ImageTiles, images: TileImages) -> str:
    figures = "".join(
        f"<figure>{images.place(image, text)}<figcaption>{html.escape(one_line(text))}"
        f"<br><small>{html.escape(_file_name(image))}</small></figcaption></figure>"
        for image, text in tiles.tiles[:TILES]
    )
    if len(tiles.tiles) > TILES:
        figures += f"<p>and {len(tiles.tiles) - TILES} more</p>"
    caption = f'<p class="caption">{html.escape(tiles.caption)}</p>' if tiles.caption else ""
    return f'{caption}<main class="tiles">{figures}</main>' if figures else ""


def _file_name(image: Any) -> str:
    """Last part of a path; nothing of images that have no name."""
    if isinstance(image, str | os.PathLike):
        return source_name(os.path.basename(os.fsdecode(image)))
    return ""


def _paragraph(text: str) -> str:
    """Escaped text with its line breaks."""
    return "<br>".join(html.escape(line) for line in text.splitlines())
