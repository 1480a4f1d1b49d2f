"""Contact sheets: thumbnails, each with bars, lines and a link, as one HTML file that needs no other.

Shared by everything that answers with images: classes, search results, groups of duplicates. As a PNG:
`contact_sheet_png`.
"""

from __future__ import annotations

import html
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from PIL import Image

from wordsight.durable import write_whole
from wordsight.images.names import source_name
from wordsight.output.cards import LINK_SCHEMES
from wordsight.output.sheet_style import PAGE, STYLE, UNLIKELY
from wordsight.output.thumbnails import Source, thumbnail_url
from wordsight.text.snippet import Marked

BARS = 3

_BOX, _PAGE_BOX = (560, 400), (1000, 1000)  # pixels of an image; of a page, whose words are to be read


@dataclass(frozen=True)
class Tile:
    """One image with its answers, best first: (label, probability), drawn as bars.

    heading: above the bars; `Marked` where words of it match. lines: below the bars. snippet: the part of a document's
    text that answers, in the HTML. name: the last line of the HTML; the file's name where it is not given.
    link: a URL (file:, http:, https:) that the tile in the HTML leads to.
    thumbnail: shown in place of the file, which then need not be an image (pages, members of archives).
    likely: False for what is probably not an answer: shown below a line in the HTML. copies: number of further results
    of the same image. page: shown large enough to be read.
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
    """URL by which a browser opens a file, at a page of a document; a URL stays itself."""
    if isinstance(place, str) and "://" in place:
        return place
    text = str(place)
    if text.startswith(("http:/", "https:/")):  # a URL that became a Path holds one slash of the two
        scheme, _, rest = text.partition(":/")
        return f"{scheme}://{rest.lstrip('/')}"
    link = Path(place).absolute().as_uri()
    if page is not None:
        link += f"#page={page}"
    return link


def render_html(tiles: Sequence[Tile], title: str, subtitle: str = "", *, asked: Sequence[Source] = ()) -> str:
    """The sheet as one HTML page with its images inside; follows the reader's light or dark setting.

    asked: query images, shown beside the title. Tiles that are not likely are below a line.
    """
    likely = [tile for tile in tiles if tile.likely]
    rest = [tile for tile in tiles if not tile.likely]
    body = _cards(likely)
    if rest and not likely:
        body = "<p>Nothing here is likely to match.</p>"
    if rest:
        body += f'\n<h2 class="unlikely">{UNLIKELY}</h2>\n{_cards(rest)}'
    return _page(body, title, subtitle, asked)


def render_sections_html(sections: Sequence[Section], title: str, subtitle: str = "") -> str:
    """HTML page of several sections, each under its heading."""
    parts = (f"<h2>{html.escape(section.heading)}</h2>\n{_cards(section.tiles)}" for section in sections)
    return _page("\n".join(parts), title, subtitle, ())


def write_sheet(path: Path, page: str) -> None:
    """Write a contact sheet whole, through a link to its file; halves of characters, which UTF-8 lacks, escaped."""
    write_whole(Path(os.path.realpath(path)), page.encode("utf-8", "backslashreplace"))


def _page(body: str, title: str, subtitle: str, asked: Sequence[Source]) -> str:
    queries = "".join(f'<img src="{thumbnail_url(image, (320, 320))}" alt="query">' for image in asked)
    if queries:
        queries = f'<div class="asked">{queries}</div>'
    return PAGE.format(style=STYLE, title=html.escape(title), subtitle=html.escape(subtitle), asked=queries, body=body)


def _cards(tiles: Sequence[Tile]) -> str:
    return "<main>\n" + "\n".join(_card(tile) for tile in tiles) + "\n</main>"


def one_line(text: str) -> str:
    """The text with its line breaks and runs of white space as single spaces."""
    return " ".join(text.split())


def plain_text(text: str | Marked) -> str:
    """The text without marks."""
    return text if isinstance(text, str) else text.text


def _html(text: str | Marked) -> str:
    """A text as HTML, with the matches marked."""
    if isinstance(text, str):
        return html.escape(one_line(text))
    return "".join(
        f"<mark>{html.escape(part)}</mark>" if matches else html.escape(part) for part, matches in text.parts()
    )


def _card(tile: Tile) -> str:
    file_name = source_name(tile.image.name)
    name = html.escape(tile.name or file_name)
    best = tile.ranked[0][0] if tile.ranked else file_name
    label = html.escape(plain_text(tile.heading) or best)
    heading = _html(tile.heading)
    bars = "".join(
        f"<li><span>{html.escape(answer)}</span><span>{proba:.0%}</span>"
        f'<div><i style="width:{100 * proba:.1f}%"></i></div></li>'
        for answer, proba in tile.ranked[:BARS]
    )
    if bars:
        bars = f"<ol>{bars}</ol>"
    lines = "".join(f"<p>{_html(line)}</p>" for line in tile.lines)
    if tile.snippet:
        lines = f"<blockquote>{_html(tile.snippet)}</blockquote>{lines}"
    if tile.copies:
        lines += f"<p>+{tile.copies} {'copy' if tile.copies == 1 else 'copies'}</p>"
    box, kind = _BOX, ""
    if tile.page:
        box, kind = _PAGE_BOX, ' class="page"'
    data = thumbnail_url(tile.thumbnail or tile.image, box)
    image = f'<img src="{data}" alt="{label}" loading="lazy">'
    if tile.link.startswith(LINK_SCHEMES):
        link = html.escape(tile.link)
        image, name = f'<a href="{link}">{image}</a>', f'<a href="{link}">{name}</a>'
        heading = heading and f'<a href="{link}">{heading}</a>'
    heading = heading and f"<h3>{heading}</h3>"
    return f"<figure{kind}>{image}<figcaption>{heading}{bars}{lines}<small>{name}</small></figcaption></figure>"
