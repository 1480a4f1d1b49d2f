"""Contact sheets as one PNG."""

from __future__ import annotations

from collections.abc import Sequence

from PIL import Image, ImageDraw, ImageFont

from wordsight.output.contact_sheet import BARS, Tile, one_line, plain_text
from wordsight.output.thumbnails import GROUND, Source, scale_thumbnail

# light colours for paper and screens: page, tile, text, faint text, bar, other bars, bar's ground
_PAGE, _TILE, _TEXT, _FAINT = "#f2f3f5", "#ffffff", "#1d2127", "#6b7280"
_BAR, _OTHER_BAR, _TRACK = "#2f6fde", "#9db7e8", "#e4e8ef"
_TILE_W, _THUMB_H, _PAD, _GAP, _ROW_H, _LINE_H, _HEAD_H = 300, 220, 14, 18, 40, 20, 84
_COLUMNS = 4


def render_png(tiles: Sequence[Tile], title: str, subtitle: str = "") -> Image.Image:
    """The sheet as an RGB image. Labels in scripts that Pillow's own font lacks show as boxes: use HTML."""
    columns = max(1, min(_COLUMNS, len(tiles)))
    rows = -(-len(tiles) // columns)
    bars = max((min(len(tile.ranked), BARS) for tile in tiles), default=0)
    lines = max((len(tile.lines) for tile in tiles), default=0)
    heads = _LINE_H * any(tile.heading for tile in tiles)
    tile_h = _THUMB_H + 2 * _PAD + heads + bars * _ROW_H + lines * _LINE_H
    width = columns * (_TILE_W + _GAP) + _GAP
    sheet = Image.new("RGB", (width, _HEAD_H + rows * (tile_h + _GAP)), _PAGE)
    draw = ImageDraw.Draw(sheet)
    draw.text((_GAP, 16), _fit(title, 28, width - 2 * _GAP), fill=_TEXT, font=_font(28))
    draw.text((_GAP, 52), _fit(subtitle, 16, width - 2 * _GAP), fill=_FAINT, font=_font(16))
    for i, tile in enumerate(tiles):
        left = _GAP + (i % columns) * (_TILE_W + _GAP)
        top = _HEAD_H + (i // columns) * (tile_h + _GAP)
        draw.rounded_rectangle((left, top, left + _TILE_W, top + tile_h), 10, fill=_TILE)
        _draw_tile(sheet, tile, left + _PAD, top + _PAD, heads)
    return sheet


def _draw_tile(sheet: Image.Image, tile: Tile, left: int, top: int, heads: int) -> None:
    """Draw a tile's image, heading, bars and lines. heads: pixels that headings take in this sheet."""
    draw = ImageDraw.Draw(sheet)
    width = _TILE_W - 2 * _PAD
    _draw_thumb(sheet, tile.thumbnail or tile.image, left, top)
    below = top + _PAD + _THUMB_H - 4
    if heads:
        heading = _fit(one_line(plain_text(tile.heading)), 15, width)
        draw.text((left, below), heading, fill=_TEXT, font=_font(15))
        below += heads
    _draw_bars(draw, tile.ranked[:BARS], left, below)
    below += min(len(tile.ranked), BARS) * _ROW_H
    for number, line in enumerate(tile.lines):
        text = _fit(one_line(plain_text(line)), 15, width)
        draw.text((left, below + number * _LINE_H), text, fill=_FAINT, font=_font(15))


def _draw_thumb(sheet: Image.Image, image: Source, left: int, top: int) -> None:
    box = (_TILE_W - 2 * _PAD, _THUMB_H - _PAD)
    ImageDraw.Draw(sheet).rectangle((left, top, left + box[0] - 1, top + box[1] - 1), fill=GROUND)
    thumb = scale_thumbnail(image, box)
    sheet.paste(thumb, (left + (box[0] - thumb.width) // 2, top + (box[1] - thumb.height) // 2))


def _draw_bars(draw: ImageDraw.ImageDraw, ranked: Sequence[tuple[str, float]], left: int, top: int) -> None:
    """Draw label, percentage and bar for each answer, the first one stronger."""
    width = _TILE_W - 2 * _PAD
    for i, (label, proba) in enumerate(ranked):
        y = top + i * _ROW_H
        size, ink, bar = 19, _TEXT, _BAR
        if i > 0:
            size, ink, bar = 16, _FAINT, _OTHER_BAR
        percent = f"{proba:.0%}"
        draw.text((left + width, y), percent, fill=ink, font=_font(size), anchor="ra")
        draw.text((left, y), _fit(label, size, width - 58), fill=ink, font=_font(size))
        draw.rounded_rectangle((left, y + 25, left + width, y + 31), 3, fill=_TRACK)
        if proba * width >= 1:
            draw.rounded_rectangle((left, y + 25, left + max(6, round(proba * width)), y + 31), 3, fill=bar)


def _font(size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    return ImageFont.load_default(size)


def _fit(text: str, size: int, width: int) -> str:
    """The text, shortened with an ellipsis where it is wider than `width` pixels."""
    font = _font(size)
    if font.getlength(text) <= width:
        return text
    while text and font.getlength(text + "…") > width:
        text = text[:-1]
    return text.rstrip() + "…"
