"""Hits and rows as the page and programs get them: with keys, links, titles and marked words."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from urllib.parse import quote

from wordsight.images.names import source_name
from wordsight.index import Row
from wordsight.output.lead_columns import Lead, cell_text, lead_columns
from wordsight.row_images import locate_image, page_suffix
from wordsight.search.hits import Hit
from wordsight.serve.media.keys import encode_key
from wordsight.serve.media.source_file import has_own_file
from wordsight.text.analysis import Query
from wordsight.text.snippet import Marked, marked, snippet

_SNIPPET = 240  # characters
_ALT = 200
_DETAILS = 6  # columns of one result


def describe_hits(hits: Sequence[Hit], gallery: str, words: Query) -> list[dict[str, Any]]:
    """Each hit as JSON; their columns are chosen together, and words of the query marked."""
    lead = lead_columns([hit.meta for hit in hits])
    return [describe_hit(hit, gallery, words, lead) for hit in hits]


def describe_hit(hit: Hit, gallery: str, words: Query, lead: Lead) -> dict[str, Any]:
    """Hit as JSON."""
    answer = hit.to_dict() | describe_row(hit.row, gallery, words, lead)
    answer["copies"] = [describe_row(copy.row, gallery, words, lead) for copy in hit.copies]
    return answer


def describe_row(row: Row, gallery: str, words: Query = "", lead: Lead | None = None) -> dict[str, Any]:
    """Row as JSON: key and links, title, columns to show, snippet of a page, text in place of the image."""
    lead = lead or lead_columns([row.meta])
    name = source_name(locate_image(row))
    file_name = name.replace("\\", "/").rsplit("/", 1)[-1] + page_suffix(row.page)
    title = cell_text(row.meta.get(lead.heading)) if lead.heading else ""
    filled = [key for key in lead.columns if row.meta.get(key) not in (None, "")][:_DETAILS]
    shown = None
    if row.page is not None and row.text:
        shown = _mark(snippet(row.text, words, _SNIPPET))
    return {
        "id": row.id,
        "name": file_name,
        "title": _mark(marked(title or file_name, words)),
        "details": [
            {"name": source_name(key), "value": _mark(marked(cell_text(row.meta[key]), words))} for key in filled
        ],
        "snippet": shown,
        "alt": (title or file_name)[:_ALT],
        "path": row.path,
        "page": row.page,
        "width": row.width,
        "height": row.height,
        "taken": row.taken,
        "meta": dict(row.meta),
        **make_links(row, gallery),
    }


def make_links(row: Row, gallery: str) -> dict[str, Any]:
    """Key of a row, and the addresses of its thumbnail, its file and (of a document) its page.

    Of an image without a file of its own (a member of an archive, one that was fetched), file is the index's image.
    """
    key, of = encode_key(row.id), f"gallery={quote(gallery, safe='')}"
    file = f"/file/{key}?{of}"
    page = None
    if not has_own_file(row):
        file = f"/page/{key}?{of}&v={row.content_hash[:16]}"
    if row.page is not None:
        file += f"#page={row.page}"
        page = f"/page/{key}?{of}&v={row.content_hash[:16]}"
    return {"key": key, "thumb": f"/thumb/{key}?{of}&v={row.content_hash[:16]}", "file": file, "page_image": page}


def _mark(text: Marked) -> dict[str, Any]:
    """Text, and where in it words of the query are: [start, end] in characters."""
    return {"text": text.text, "marks": [list(span) for span in text.spans]}
