"""Search results, galleries and groups of copies as a notebook shows them."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

from PIL import Image

from wordsight.cards import CARDS, SIDE, Card, render_cards
from wordsight.images import read_image, source_name
from wordsight.index import Index, Row
from wordsight.search.hits import Hit, place_of
from wordsight.search.lead_columns import cell_text, lead_columns
from wordsight.search.pictures import row_picture

if TYPE_CHECKING:
    from wordsight.search.gallery import Gallery

_COLUMNS = 3  # of a table, shown below an image


def html_of_hits(hits: Sequence[Hit], index: Index | None = None) -> str:
    """Return the first hits with their probabilities and columns as an HTML fragment of bounded size.

    index: where the small images of pages and members of archives are; without it they show as missing.
    """
    cards = (_card(hit.row, index, [f"{hit.proba:.0%}", *_columns(hit.row)]) for hit in hits)
    return render_cards(f"{len(hits):,} hits" if len(hits) != 1 else "1 hit", cards, len(hits))


def html_of_gallery(gallery: Gallery) -> str:
    """Return what a gallery is and its first images as an HTML fragment of bounded size."""
    try:
        ids = [stamp.id for stamp in islice(gallery.index.stamps(), CARDS)]
        rows, total = gallery.index.get(ids), len(gallery)
    except Exception:  # closed, or a store that does not answer: what shows objects must not fail
        rows, total = [], 0
    return render_cards(repr(gallery)[1:-1], (_card(row, gallery.index, _columns(row)) for row in rows), total)


def html_of_rows(heading: str, rows: Sequence[Row], index: Index | None = None) -> str:
    """Return rows under a heading as an HTML fragment of bounded size; index: as of `html_of_hits`."""
    return render_cards(heading, (_card(row, index, _columns(row)) for row in rows), len(rows))


def _card(row: Row, index: Index | None, lines: Sequence[str]) -> Card:
    page = "" if row.page is None else f", page {row.page}"
    place = place_of(row)
    name = source_name(Path(row.path).name or row.id)
    link = place.absolute().as_uri() if isinstance(place, Path) else place
    link += "" if row.page is None else f"#page={row.page}"
    return Card(functools.partial(_read, row, index), name + page, tuple(lines), link)


def _read(row: Row, index: Index | None) -> Image.Image:
    if index is not None:
        return row_picture(index, row, at_least=SIDE)
    return read_image(row.thumbnail or place_of(row), at_least=SIDE)


def _columns(row: Row) -> list[str]:
    lead = lead_columns([row.meta])
    keys = (*((lead.heading,) if lead.heading else ()), *lead.columns)
    return [f"{source_name(key)}: {cell_text(row.meta[key])}" for key in keys[:_COLUMNS]]
