"""Results of a search as tiles of a contact sheet."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from PIL import Image

from wordsight.errors import ImageError
from wordsight.images.names import source_name
from wordsight.index import Index
from wordsight.output.contact_sheet import Tile, file_link
from wordsight.output.lead_columns import Lead, cell_text, lead_columns
from wordsight.row_images import locate_image, shown_image
from wordsight.search.hits import Hit
from wordsight.text.analysis import Query, coverage
from wordsight.text.snippet import Marked, marked, snippet

_COLUMNS_SHOWN = 4
_SNIPPET = 240  # characters


def hit_tile(
    hit: Hit,
    thumbnail: bytes | Image.Image = b"",
    *,
    lead: Lead | None = None,
    words: Query = "",
    likely: bool = True,
    copies: int = 0,
) -> Tile:
    """Tile of a search result: headed by its title, or the name of its file, with a link to the file.

    thumbnail: for what is not an image file (pages, members of tars); the file is read where it is empty. lead: the
    columns, as `lead_columns` chose them for all results; None: for this one. words: those of the query, which
    are marked; columns that are not chosen are shown where they alone hold one. likely, copies: see `Tile`.
    """
    page = "" if hit.page is None else f", page {hit.page}"
    place = locate_image(hit.row)
    lead = lead or lead_columns([hit.meta])
    file_name = source_name(hit.path.name) + page
    title = cell_text(hit.meta.get(lead.heading)) if lead.heading else ""
    return Tile(
        image=hit.path,
        ranked=[(file_name if title else "", hit.proba)],
        lines=_lines(hit, lead, words),
        name=source_name(place),
        link=file_link(place, hit.page),
        thumbnail=thumbnail,
        heading=marked(title or file_name, words),
        snippet=snippet(hit.row.text, words, _SNIPPET) if hit.page is not None and hit.row.text else None,
        likely=likely,
        copies=copies,
        page=hit.page is not None,
    )


def hit_tiles(
    hits: Sequence[Hit],
    index: Index,
    *,
    words: Query = "",
    show: str | None = None,
    unlikely: Collection[str] = (),
    copies: Mapping[str, int] | None = None,
) -> list[Tile]:
    """Tiles of search results, their pages rendered to be read and their columns chosen together.

    words, show: see `hit_tile` and `lead_columns`. unlikely: ids of those below the cut-off; copies: id → their number.
    Raises: InputError for a column in `show` that no result has.
    """
    lead = lead_columns([hit.meta for hit in hits], show)
    tiles = []
    for hit in hits:
        try:
            seen = shown_image(index, hit.row) if hit.page is not None else hit.row.thumbnail or index.thumbnail(hit.id)
        except ImageError:
            seen = b""
        more = (copies or {}).get(hit.id, 0)
        tiles.append(hit_tile(hit, seen, lead=lead, words=words, likely=hit.id not in unlikely, copies=more))
    return tiles


def _lines(hit: Hit, lead: Lead, words: Query) -> list[str | Marked]:
    """Columns that lead, those that alone hold a word of the query, and the cosine."""
    filled = [key for key in lead.columns if hit.meta.get(key) not in (None, "")]
    shown = [*((lead.heading,) if lead.heading else ()), *filled[:_COLUMNS_SHOWN]]
    text = " ".join(cell_text(hit.meta.get(key)) for key in shown)
    more = [key for key in hit.meta if key not in shown and isinstance(hit.meta[key], str)]
    held = coverage(words, text) if more else 0.0
    found = [key for key in more if coverage(words, f"{text} {hit.meta[key]}") > held]
    lines = [
        *(_line(key, marked(cell_text(hit.meta[key]), words)) for key in filled[:_COLUMNS_SHOWN]),
        *(_line(key, snippet(cell_text(hit.meta[key]), words)) for key in found[:_COLUMNS_SHOWN]),
    ]
    return [*lines, f"cosine {hit.score:.3f}"]


def _line(key: str, value: Marked) -> Marked:
    head = f"{source_name(key)}: "
    return Marked(head + value.text, tuple((start + len(head), end + len(head)) for start, end in value.spans))
