"""A sheet of thumbnails, each with bars, lines and a link: one PNG, or one HTML file that needs no other.

Shared by everything that answers with images: classes, search results, groups of duplicates.
"""

from __future__ import annotations

import base64
import html
import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

from PIL import Image, ImageDraw, ImageFont

from wordsight.errors import ImageError
from wordsight.images.decode import read_image
from wordsight.images.names import source_name
from wordsight.text.snippet import Marked

Source: TypeAlias = Path | bytes | Image.Image  # what cannot be read shows as an empty ground

BARS = 3

# light colours for paper and screens: page, tile, thumbnail ground, text, faint text, bar, bar's ground
_PAGE, _TILE, _GROUND, _TEXT, _FAINT, _BAR, _TRACK = (
    *("#f2f3f5", "#ffffff", "#e7e9ed", "#1d2127", "#6b7280"),
    *("#2f6fde", "#e4e8ef"),
)
_TILE_W, _THUMB_H, _PAD, _GAP, _ROW_H, _LINE_H, _HEAD_H = 300, 220, 14, 18, 40, 20, 84
_BOX, _PAGE_BOX = (560, 400), (1000, 1000)  # pixels of an image in the HTML; of a page, whose words are to be read
UNLIKELY = "probably not"
_LINK_SCHEMES = ("file:", "http:", "https:")


@dataclass(frozen=True)
class Tile:
    """One image with its answers, best first: (label, probability), drawn as bars.

    heading: above the bars; `Marked` where words of it match. lines: below the bars. snippet: the part of a document's
    text that answers, in the HTML. name: the last line of the HTML; the file's name where it is not given.
    link: an address (file:, http:, https:) that the tile in the HTML leads to.
    thumbnail: shown in place of the file, which then need be no image (pages, members of archives).
    likely: False for what probably is no answer: stands below a line in the HTML. copies: more results of the same
    image. page: is shown large enough to be read.
    """

    image: Path
    ranked: Sequence[tuple[str, float]] = ()
    lines: Sequence[str | Marked] = ()
    name: str = ""
    link: str = ""
    thumbnail: bytes | Image.Image = b""
    heading: str | Marked = ""
    snippet: Marked | None = None
    likely: bool = True
    copies: int = 0
    page: bool = False


@dataclass(frozen=True)
class Section:
    """Tiles that belong together, such as one group of duplicates."""

    heading: str
    tiles: Sequence[Tile]


def file_link(place: Path | str, page: int | None = None) -> str:
    """Return the address that a browser opens a file by, at a page of a document; an address stays itself."""
    text = str(place)
    if text.startswith(("http:/", "https:/")):  # an address that became a Path holds one slash of the two
        scheme, _, rest = text.partition(":/")
        return f"{scheme}://{rest.lstrip('/')}"
    return Path(place).absolute().as_uri() + ("" if page is None else f"#page={page}")


def render_png(tiles: Sequence[Tile], title: str, subtitle: str = "", *, columns: int = 4) -> Image.Image:
    """Return the sheet as an RGB image. Labels in scripts that Pillow's own font lacks show as boxes: use HTML."""
    columns = max(1, min(columns, len(tiles)))
    rows = -(-len(tiles) // columns)
    bars = max((min(len(tile.ranked), BARS) for tile in tiles), default=0)
    lines = max((len(tile.lines) for tile in tiles), default=0)
    heads = _LINE_H if any(tile.heading for tile in tiles) else 0
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
        _draw_thumb(sheet, tile.thumbnail or tile.image, left + _PAD, top + _PAD)
        below = top + 2 * _PAD + _THUMB_H - 4
        if heads:
            heading = _fit(_one_line(_plain(tile.heading)), 15, _TILE_W - 2 * _PAD)
            draw.text((left + _PAD, below), heading, fill=_TEXT, font=_font(15))
            below += heads
        _draw_bars(draw, tile.ranked[:BARS], left + _PAD, below)
        for number, line in enumerate(tile.lines):
            y = below + min(len(tile.ranked), BARS) * _ROW_H + number * _LINE_H
            draw.text(
                (left + _PAD, y), _fit(_one_line(_plain(line)), 15, _TILE_W - 2 * _PAD), fill=_FAINT, font=_font(15)
            )
    return sheet


def render_html(tiles: Sequence[Tile], title: str, subtitle: str = "", *, asked: Sequence[Source] = ()) -> str:
    """Return the sheet as one HTML page with its images inside; follows the reader's light or dark setting.

    asked: images that were searched by, shown beside the title. Tiles that are not likely stand below a line.
    """
    likely = [tile for tile in tiles if tile.likely]
    rest = [tile for tile in tiles if not tile.likely]
    body = _cards(likely) if likely or not rest else "<p>Nothing here is likely to match.</p>"
    if rest:
        body += f'\n<h2 class="unlikely">{UNLIKELY}</h2>\n{_cards(rest)}'
    return _page(body, title, subtitle, asked)


def render_sections_html(sections: Sequence[Section], title: str, subtitle: str = "") -> str:
    """Return the HTML page of several sections, each under its heading."""
    parts = (f"<h2>{html.escape(section.heading)}</h2>\n{_cards(section.tiles)}" for section in sections)
    return _page("\n".join(parts), title, subtitle, ())


def _page(body: str, title: str, subtitle: str, asked: Sequence[Source]) -> str:
    queries = "".join(f'<img src="{_data(image, (320, 320))}" alt="query">' for image in asked)
    if queries:
        queries = f'<div class="asked">{queries}</div>'
    return _PAGE_HTML.format(
        style=_STYLE, title=html.escape(title), subtitle=html.escape(subtitle), asked=queries, body=body
    )


def _cards(tiles: Sequence[Tile]) -> str:
    return "<main>\n" + "\n".join(_card(tile) for tile in tiles) + "\n</main>"


def _draw_thumb(sheet: Image.Image, image: Source, left: int, top: int) -> None:
    box = (_TILE_W - 2 * _PAD, _THUMB_H - _PAD)
    ImageDraw.Draw(sheet).rectangle((left, top, left + box[0] - 1, top + box[1] - 1), fill=_GROUND)
    thumb = _thumb(image, box)
    sheet.paste(thumb, (left + (box[0] - thumb.width) // 2, top + (box[1] - thumb.height) // 2))


def _draw_bars(draw: ImageDraw.ImageDraw, ranked: Sequence[tuple[str, float]], left: int, top: int) -> None:
    """Draw label, percentage and bar for each answer, the first one stronger."""
    width = _TILE_W - 2 * _PAD
    for i, (label, proba) in enumerate(ranked):
        y = top + i * _ROW_H
        size, ink = (19, _TEXT) if i == 0 else (16, _FAINT)
        percent = f"{proba:.0%}"
        draw.text((left + width, y), percent, fill=ink, font=_font(size), anchor="ra")
        draw.text((left, y), _fit(label, size, width - 58), fill=ink, font=_font(size))
        draw.rounded_rectangle((left, y + 25, left + width, y + 31), 3, fill=_TRACK)
        if proba * width >= 1:
            bar = _BAR if i == 0 else "#9db7e8"
            draw.rounded_rectangle((left, y + 25, left + max(6, round(proba * width)), y + 31), 3, fill=bar)


def _thumb(source: Source, box: tuple[int, int]) -> Image.Image:
    """Return the image scaled to fit `box`; small images are enlarged at most twice."""
    try:
        image = read_image(source, at_least=max(box))
    except ImageError:  # moved or damaged since it was found: the answer stays an answer
        image = Image.new("RGB", box, _GROUND)
    factor = min(box[0] / image.width, box[1] / image.height, 2.0)
    size = (max(1, round(image.width * factor)), max(1, round(image.height * factor)))
    return image.resize(size, Image.Resampling.LANCZOS)


def _font(size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    return ImageFont.load_default(size)


def _fit(text: str, size: int, width: int) -> str:
    """Return `text`, cut with an ellipsis where it is wider than `width` pixels."""
    font = _font(size)
    if font.getlength(text) <= width:
        return text
    while text and font.getlength(text + "…") > width:
        text = text[:-1]
    return text.rstrip() + "…"


def _one_line(text: str) -> str:
    return " ".join(text.split())


def _data(image: Source, box: tuple[int, int]) -> str:
    """Return an image, scaled to fit `box`, as the address of its own bytes."""
    file = io.BytesIO()
    _thumb(image, box).save(file, "JPEG", quality=82, optimize=True)
    return "data:image/jpeg;base64," + base64.b64encode(file.getvalue()).decode()


def _plain(text: str | Marked) -> str:
    return text if isinstance(text, str) else text.text


def _html(text: str | Marked) -> str:
    """Return a text as HTML, what matches marked."""
    if isinstance(text, str):
        return html.escape(_one_line(text))
    return "".join(
        f"<mark>{html.escape(part)}</mark>" if matches else html.escape(part) for part, matches in text.parts()
    )


def _card(tile: Tile) -> str:
    file_name = source_name(tile.image.name)
    name = html.escape(tile.name or file_name)
    label = html.escape(_plain(tile.heading) or (tile.ranked[0][0] if tile.ranked else file_name))
    heading = _html(tile.heading)
    bars = "".join(
        f"<li><span>{html.escape(answer)}</span><span>{proba:.0%}</span>"
        f'<div><i style="width:{100 * proba:.1f}%"></i></div></li>'
        for answer, proba in tile.ranked[:BARS]
    )
    bars = f"<ol>{bars}</ol>" if bars else ""
    lines = "".join(f"<p>{_html(line)}</p>" for line in tile.lines)
    if tile.snippet:
        lines = f"<blockquote>{_html(tile.snippet)}</blockquote>{lines}"
    if tile.copies:
        lines += f"<p>+{tile.copies} {'copy' if tile.copies == 1 else 'copies'}</p>"
    data = _data(tile.thumbnail or tile.image, _PAGE_BOX if tile.page else _BOX)
    image = f'<img src="{data}" alt="{label}" loading="lazy">'
    if tile.link.startswith(_LINK_SCHEMES):
        link = html.escape(tile.link)
        image, name = f'<a href="{link}">{image}</a>', f'<a href="{link}">{name}</a>'
        heading = f'<a href="{link}">{heading}</a>' if heading else ""
    heading = f"<h3>{heading}</h3>" if heading else ""
    kind = ' class="page"' if tile.page else ""
    return f"<figure{kind}>{image}<figcaption>{heading}{bars}{lines}<small>{name}</small></figcaption></figure>"


_STYLE = """
:root { color-scheme: light dark; --page: #f2f3f5; --tile: #fff; --ground: #e7e9ed; --text: #1d2127;
  --faint: #5c6470; --bar: #2f6fde; --bar2: #9db7e8; --track: #e4e8ef }
@media (prefers-color-scheme: dark) { :root { --page: #14171b; --tile: #1f242b; --ground: #2a3038; --text: #eceff3;
  --faint: #a3acb8; --bar: #6ea0ff; --bar2: #45618f; --track: #313843 } }
body { margin: 0 auto; max-width: 1360px; padding: 24px; background: var(--page); color: var(--text);
  font: 16px/1.35 system-ui, sans-serif }
h1 { margin: 0; font-size: 1.6rem; overflow-wrap: anywhere } h2 { margin: 1.6rem 0 .6rem; font-size: 1.1rem }
header p { margin: .3rem 0 1.4rem; color: var(--faint) } .asked { display: flex; gap: 10px; margin-bottom: 18px }
.asked img { width: auto; height: 120px; border-radius: 8px } a { color: inherit }
figcaption p { margin: 0 0 4px; font-size: .9rem; color: var(--faint); overflow-wrap: anywhere }
main { display: grid; align-items: start; gap: 18px; grid-template-columns: repeat(auto-fill, minmax(250px, 1fr)) }
figure { margin: 0; overflow: hidden; border-radius: 10px; background: var(--tile) }
img { display: block; width: 100%; height: 220px; object-fit: contain; background: var(--ground) }
figcaption { padding: 10px 14px 12px } ol { list-style: none; margin: 0; padding: 0 }
li { display: grid; grid-template-columns: 1fr auto; gap: 2px 12px; margin-bottom: 8px; color: var(--faint) }
li:first-child { color: var(--text); font-weight: 600; font-size: 1.1rem }
li div { grid-column: 1 / 3; height: 6px; border-radius: 3px; background: var(--track) }
li i { display: block; height: 100%; border-radius: 3px; background: var(--bar2) }
li:first-child i { background: var(--bar) } span { overflow-wrap: anywhere }
small { color: var(--faint); overflow-wrap: anywhere }
h3 { margin: 0 0 6px; font-size: 1.05rem; overflow-wrap: anywhere } h3 a { text-decoration: none }
mark { background: #ffe48a; color: #1d2127; border-radius: 2px } .unlikely { color: var(--faint);
  border-top: 1px solid var(--track); padding-top: .8rem }
blockquote { margin: 0 0 8px; padding-left: 10px; border-left: 3px solid var(--track); font-size: .9rem;
  overflow-wrap: anywhere }
main:has(.page) { grid-template-columns: repeat(auto-fill, minmax(420px, 1fr)) } .page img { height: 560px }
@media (max-width: 480px) { main:has(.page) { grid-template-columns: 1fr } .page img { height: auto } }
"""

_PAGE_HTML = """<!doctype html>
<html lang="en">
<head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title><style>{style}</style></head>
<body><header><h1>{title}</h1><p>{subtitle}</p>{asked}</header>
{body}
</body></html>
"""
