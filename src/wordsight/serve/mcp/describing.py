"""Tools that tell what there is: galleries, columns, counts of values."""

from __future__ import annotations

import asyncio

from pydantic import BaseModel

from wordsight.columns import OWN_KINDS
from wordsight.serve.library import OpenGallery
from wordsight.serve.mcp import arguments
from wordsight.serve.mcp.answer import Answer
from wordsight.serve.mcp.asker import Asker
from wordsight.serve.mcp.quoting import NOTE, clean_text, quote_text

_COLUMNS = 60  # named in the text; the data has all


class Described(BaseModel):
    """What `describe_gallery` answers. columns: those that filters may name → kind. tuned: the words' weight was."""

    gallery: str
    galleries: list[str]
    images: int
    model: str
    columns: dict[str, str]
    tuned: bool


async def describe_gallery(asker: Asker, asked: arguments.Describe) -> Answer:
    """Galleries there are, and the contents of one."""
    opened = await asker.open_gallery(asked.gallery)
    data = await asyncio.to_thread(_describe, opened, list(asker.service.library.names))
    own = ", ".join(f"{name} ({kind})" for name, kind in data.columns.items() if name in OWN_KINDS)
    given = [f"{_column(name)} ({kind})" for name, kind in data.columns.items() if name not in OWN_KINDS]
    lines = [
        f"Gallery {quote_text(data.gallery)}: {data.images:,} images, model {clean_text(data.model)}.",
        f"Columns of its tables: {', '.join(given[:_COLUMNS]) or 'none'}"
        + (f" and {len(given) - _COLUMNS} more." if len(given) > _COLUMNS else "."),
        f"Columns of every image: {own}.",
    ]
    others = [quote_text(name) for name in data.galleries if name != data.gallery]
    if others:
        lines.append(f"Other galleries: {', '.join(others)}.")
    lines.append("Values and their counts: list_facets. Find images: search_images.")
    return Answer("\n".join([*lines, NOTE]), data)


def _describe(opened: OpenGallery, names: list[str]) -> Described:
    index = opened.gallery.index
    return Described(
        gallery=opened.name,
        galleries=names,
        images=len(index),
        model=index.info.model,
        columns=index.columns(),
        tuned=bool(index.note("fusion")),
    )


def _column(name: str) -> str:
    return name if name.isidentifier() else quote_text(name)
