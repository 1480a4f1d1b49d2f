"""Rows of an index as a notebook shows them: cards with an image, its name and some of its columns."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from itertools import islice
from pathlib import Path

from PIL import Image

from wordsight.images.decode import read_image
from wordsight.images.names import source_name
from wordsight.index import Index, Row
from wordsight.output.cards import CARDS, SIDE, Card, render_cards
from wordsight.output.lead_columns import cell_text, lead_columns
from wordsight.row_images import locate_image, row_image

_COLUMNS = 3  # of a table, shown below an image


def render_rows(heading: str, rows: Sequence[Row], index: Index | None = None) -> str:
    """Rows under a heading as an HTML fragment of bounded size.

    index: where the small images of pages and members of archives are; without it they show as missing.
    """
    return render_cards(heading, (row_card(row, index) for row in rows), len(rows))


def render_index(heading: str, index: Index) -> str:
    """The first images of an index under a heading as an HTML fragment of bounded size."""
    try:
        ids = [version.id for version in islice(index.row_versions(), CARDS)]
        rows, total = index.get(ids), len(index)
    except Exception:  # closed, or a store that does not answer: what shows objects must not fail
        rows, total = [], 0
    return render_cards(heading, (row_card(row, index) for row in rows), total)


def row_card(row: Row, index: Index | None = None, *lines: str) -> Card:
    """Card of a row: its image, the name of its file, a link to it, `lines`, and the columns that lead."""
    page = "" if row.page is None else f", page {row.page}"
    place = locate_image(row)
    name = source_name(Path(row.path).name or row.id)
    link = place.absolute().as_uri() if isinstance(place, Path) else place
    link += "" if row.page is None else f"#page={row.page}"
    return Card(functools.partial(_read, row, index), name + page, (*lines, *_columns(row)), link)


def _read(row: Row, index: Index | None) -> Image.Image:
    if index is not None:
        return row_image(index, row, at_least=SIDE)
    return read_image(row.thumbnail or locate_image(row), at_least=SIDE)


def _columns(row: Row) -> list[str]:
    lead = lead_columns([row.meta])
    keys = (*((lead.heading,) if lead.heading else ()), *lead.columns)
    return [f"{source_name(key)}: {cell_text(row.meta[key])}" for key in keys[:_COLUMNS]]
