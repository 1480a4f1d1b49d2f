"""Tools that show images: a numbered sheet of several, or one."""

from __future__ import annotations

import asyncio
from pathlib import PurePath

from pydantic import BaseModel

from wordsight.errors import ImageError
from wordsight.images.decode import read_image
from wordsight.index import Row
from wordsight.row_images import page_suffix
from wordsight.serve.mcp import arguments
from wordsight.serve.mcp.answer import Answer
from wordsight.serve.mcp.asker import Asker, get_rows
from wordsight.serve.mcp.quoting import NOTE, clean_columns, clean_text, quote_columns, quote_text
from wordsight.serve.mcp.row_names import name_row
from wordsight.serve.mcp.sheet import SIDE, count_columns, draw_sheet, read_images


class ShownImage(BaseModel):
    """An image of a sheet. unread: it has an empty place there, since it cannot be read now."""

    number: int
    id: str
    name: str
    unread: bool = False


class Shown(BaseModel):
    """What `show_images` answers."""

    gallery: str
    images: list[ShownImage]


class ShownOne(BaseModel):
    """What `get_image` answers. width, height: of the image in its file; shown_*: of the one that is answered."""

    gallery: str
    id: str
    name: str
    width: int
    height: int
    shown_width: int
    shown_height: int
    page: int | None
    taken: str | None
    meta: dict[str, str | int | float | bool | None]


def file_name(row: Row) -> str:
    """Name of a row's file, with the page of a document; cleaned."""
    return clean_text((PurePath(row.path).name or row.id) + page_suffix(row.page))


async def show_images(asker: Asker, asked: arguments.Show) -> Answer:
    """Contact sheet of images, with a list of their numbers."""
    opened = await asker.open_gallery(asked.gallery)
    rows = await get_rows(opened, asked.ids)
    async with asker.drawing:
        side = SIDE // count_columns(len(rows))
        contents = await read_images(asker.service.thumbnails, opened.gallery.index, rows, side)
        image = await asyncio.to_thread(draw_sheet, contents)
    images = [
        ShownImage(number=at, id=name_row(row.id), name=file_name(row), unread=content is None)
        for at, (row, content) in enumerate(zip(rows, contents, strict=True), 1)
    ]
    lines = [
        f'{one.number}. {quote_text(one.name)} id="{one.id}"' + ("  [cannot be read now]" if one.unread else "")
        for one in images
    ]
    text = "\n".join([f"Sheet of {len(rows)} images, numbered row by row:", *lines, NOTE])
    return Answer(text, Shown(gallery=opened.name, images=images), image)


async def get_image(asker: Asker, asked: arguments.Get) -> Answer:
    """One image, at most `max_side` pixels long."""
    opened = await asker.open_gallery(asked.gallery)
    (row,) = await get_rows(opened, [asked.id])
    async with asker.drawing:
        (content,) = await read_images(asker.service.thumbnails, opened.gallery.index, [row], asked.max_side)
    if content is None:
        raise ImageError(f"The image {file_name(row)!r} cannot be read now: its file has gone or is damaged.")
    image = await asyncio.to_thread(read_image, content)
    data = ShownOne(
        gallery=opened.name,
        id=name_row(row.id),
        name=file_name(row),
        width=row.width,
        height=row.height,
        shown_width=image.width,
        shown_height=image.height,
        page=row.page,
        taken=row.taken,
        meta=clean_columns(row.meta),
    )
    facts = [f"{quote_text(data.name)}, {row.width}×{row.height}, shown at {image.width}×{image.height}"]
    if row.taken:
        facts.append(f"taken: {clean_text(row.taken)}")
    if row.meta:
        facts.append(quote_columns(row.meta, most=20))
    return Answer("\n".join([*facts, NOTE]), data, content)
