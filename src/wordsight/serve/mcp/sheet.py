"""Images for agents: one by itself, or a sheet of numbered ones; always new pixels, so that no EXIF travels along."""

from __future__ import annotations

import io
import math
from collections.abc import Sequence

from PIL import Image, ImageDraw, ImageFont

from wordsight.errors import ImageError
from wordsight.index import Index, Row
from wordsight.output.thumbnails import GROUND
from wordsight.row_images import row_image, shown_image

SIDE = 1024  # pixels of a sheet's longer side: models scale larger images down
MOST = 36  # images of a sheet, each then 170 pixels wide
_GAP = 4
_READABLE = 400  # pixels of a tile from which pages are rendered, to be read
_QUALITY = 88


def draw_sheet(index: Index, rows: Sequence[Row]) -> tuple[bytes, list[int]]:
    """JPEG of a sheet of images, numbered from 1 row by row, and the numbers of those that could not be read."""
    columns = math.ceil(math.sqrt(len(rows)))
    lines = math.ceil(len(rows) / columns)
    side = SIDE // columns
    sheet = Image.new("RGB", (columns * side, lines * side), "white")
    unread = []
    for at, row in enumerate(rows):
        left, top = (at % columns) * side, (at // columns) * side
        try:
            tile = _read(index, row, side)
        except ImageError:
            tile = Image.new("RGB", (side, side), GROUND)
            unread.append(at + 1)
        tile = _fit(tile, side - _GAP)
        sheet.paste(tile, (left + (side - tile.width) // 2, top + (side - tile.height) // 2))
        _write_number(sheet, at + 1, left, top, side)
    return encode_jpeg(sheet), unread


def draw_image(index: Index, row: Row, side: int) -> Image.Image:
    """One image at most `side` pixels long; a page is rendered. Raises: ImageError where it cannot be read."""
    image = shown_image(index, row) if row.page is not None else row_image(index, row, at_least=side)
    image.thumbnail((side, side), Image.Resampling.LANCZOS)
    return image


def encode_jpeg(image: Image.Image) -> bytes:
    """JPEG file of the pixels alone."""
    file = io.BytesIO()
    Image.frombytes("RGB", image.size, image.convert("RGB").tobytes()).save(file, "JPEG", quality=_QUALITY)
    return file.getvalue()


def _read(index: Index, row: Row, side: int) -> Image.Image:
    if row.page is not None and side >= _READABLE:
        return shown_image(index, row)
    return row_image(index, row, at_least=side)


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
