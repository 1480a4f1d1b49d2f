"""A report as Markdown with its charts as PNG files beside it: for documents, model cards and pull requests."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path

from wordsight.durable import write_whole
from wordsight.evaluate.report.json_files import write_json
from wordsight.evaluate.report.sections import Chart, ImageTiles, Report, Table
from wordsight.evaluate.report.text import is_numeric
from wordsight.images.names import source_name

ROWS = 60  # of a table; the JSON beside holds them all
TILES = 12  # images that are named: Markdown shows none, so that a document ships no image of a dataset

_MARKS = re.compile(r"([\\`*_\[\]<|])")  # what Markdown or HTML would read


def write_markdown(path: Path, report: Report) -> Path:
    """Write the report to FILE.md, its charts to FILE-1.png, …, and its figures to FILE.json; returns the last."""
    path = Path(os.path.realpath(path))
    charts: list[Chart] = []
    write_whole(path, render_markdown(report, path.stem, charts).encode("utf-8", "backslashreplace"))
    for number, chart in enumerate(charts, 1):
        chart.write_png(path.with_name(f"{path.stem}-{number}.png"))
    figures = path.with_suffix(".json")
    write_json(figures, report.data)
    return figures


def render_markdown(report: Report, stem: str, charts: list[Chart]) -> str:
    """Markdown of a report; each chart is added to `charts` and named "<stem>-<number>.png"."""
    blocks = [f"# {_plain(report.title)}", f"```shell\n{report.command}\n```", _plain(report.answer)]
    for section in report.sections:
        parts = [text for part in section.parts for text in _part(part, stem, charts)]
        if not parts and not section.text:
            continue
        if section.title:
            blocks.append(f"## {_plain(section.title)}")
        if section.text:
            blocks.append(_plain(section.text))
        blocks += parts
    return "\n\n".join(blocks) + "\n"


def _part(part: Table | ImageTiles | Chart, stem: str, charts: list[Chart]) -> Iterator[str]:
    if isinstance(part, Table):
        yield from _table(part)
    elif isinstance(part, ImageTiles):
        yield from _names(part)
    else:
        charts.append(part)
        yield f"![{_plain(part.caption)}]({stem}-{len(charts)}.png)"


def _table(table: Table) -> Iterator[str]:
    if table.caption:
        yield f"{_plain(table.caption)}:"
    columns = range(len(table.columns))
    rule = ["---:" if is_numeric([row[column] for row in table.rows]) else "---" for column in columns]
    lines = [list(map(_plain, table.columns)), rule, *(list(map(_plain, row)) for row in table.rows[:ROWS])]
    yield "\n".join(f"| {' | '.join(line)} |" for line in lines)
    if len(table.rows) > ROWS:
        yield f"… and {len(table.rows) - ROWS} more rows, in the JSON file beside."


def _names(tiles: ImageTiles) -> Iterator[str]:
    if not tiles.tiles:
        return
    if tiles.caption:
        yield f"{_plain(tiles.caption)}:"
    yield "\n".join(f"- {_plain(text)} – {_plain(_last(source_name(image)))}" for image, text in tiles.tiles[:TILES])
    if len(tiles.tiles) > TILES:
        yield f"… and {len(tiles.tiles) - TILES} more."


def _last(name: str) -> str:
    return name.replace("\\", "/").rsplit("/", 1)[-1]


def _plain(text: object) -> str:
    """Text on one line that Markdown shows as it is."""
    return _MARKS.sub(r"\\\1", " ".join(str(text).split()))
