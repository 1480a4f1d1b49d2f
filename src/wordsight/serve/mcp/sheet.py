"""Images for agents: one by itself, or a sheet of numbered ones; always new pixels, so that no EXIF travels along."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Sequence

from PIL import Image, ImageDraw, ImageFont

from wordsight.errors import ImageError
from wordsight.images.decode import read_image
from wordsight.index import Index, Row
from wordsight.output.thumbnails import GROUND
from wordsight.row_images import shown_image
from wordsight.serve.media.rendering import encode_image
from wordsight.serve.media.source_file import find_source_file
from wordsight.serve.media.thumbnails import Thumbnails

SIDE = 1024  # pixels of a sheet's longer side: models scale larger images down
MOST = 36  # images of a sheet, each then 170 pixels wide
_GAP = 4
_READABLE = 400  # pixels of a tile from which pages are rendered, to be read


async def read_images(thumbnails: Thumbnails, index: Index, rows: Sequence[Row], side: int) -> list[bytes | None]:
    """JPEG of each row, about so many pixels long; None of what cannot be read. Pages are rendered, to be read."""
    return [await _read(thumbnails, index, row, side) for row in rows]


def count_columns(images: int) -> int:
    """Number of columns of a sheet."""
    return math.ceil(math.sqrt(images))


def draw_sheet(images: Sequence[bytes | None]) -> bytes:
    """JPEG of a sheet of images, numbered from 1 row by row; those that could not be read are grey."""
    columns = count_columns(len(images))
    lines = math.ceil(len(images) / columns)
    side = SIDE // columns
    sheet = Image.new("RGB", (columns * side, lines * side), "white")
    for at, content in enumerate(images):
        left, top = (at % columns) * side, (at // columns) * side
        tile = Image.new("RGB", (side, side), GROUND) if content is None else read_image(content)
        tile = _fit(tile, side - _GAP)
        sheet.paste(tile, (left + (side - tile.width) // 2, top + (side - tile.height) // 2))
        _write_number(sheet, at + 1, left, top, side)
    return encode_image(sheet, SIDE, "JPEG")


async def _read(thumbnails: Thumbnails, index: Index, row: Row, side: int) -> bytes | None:
    try:
        if row.page is not None and side >= _READABLE and await asyncio.to_thread(find_source_file, row) is not None:
            image = await asyncio.to_thread(shown_image, index, row)
            return await asyncio.to_thread(encode_image, image, side, "JPEG")
        return (await thumbnails.get(index, row, side, "JPEG")).content
    except ImageError:
        return None


def _fit(image: Image.Image, side: int) -> Image.Image:
    """The image scaled to fit; a small one is enlarged at most twice."""
    factor = min(side / max(image.size), 2.0)
    size = (max(1, round(image.width * factor)), max(1, round(image.height * factor)))
    return image.resize(size, Image.Resampling.LANCZOS)


def _write_number(sheet: Image.Image, number: int, left: int, top: int, side: int) -> None:
    """White on black in the corner: readable on any image."""
    size = max(16, side // 8)
    font = ImageFont.load_default(size)
    draw = ImageDraw.Draw(sheet)
    right, bottom = draw.textbbox((left + 4, top + 2), str(number), font=font)[2:]
    draw.rectangle((left, top, right + 4, bottom + 4), fill="black")
    draw.text((left + 4, top + 2), str(number), fill="white", font=font)
