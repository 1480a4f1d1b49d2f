"""Images with a title and lines as HTML for notebooks: a fragment of bounded size, all text escaped.

Styles are inline and without colours of their own, so that they suit light and dark notebooks and change nothing else.
"""

from __future__ import annotations

import base64
import html
import io
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from itertools import islice

from PIL import Image

from wordsight.errors import WordsightError

CARDS = 12  # shown at most, about 8 KB each
SIDE = 160  # pixels of a thumbnail's longer side
_TEXT = 120  # characters of a title or line
_LINES = 4
LINK_SCHEMES = ("file:", "http:", "https:")

_GRID = "display:flex;flex-wrap:wrap;gap:12px;margin:6px 0"
_CARD = "width:170px;font-size:12px;line-height:1.35;overflow-wrap:anywhere"
_FRAME = f"height:{SIDE}px;display:flex;align-items:center;justify-content:center;background:rgba(128,128,128,.12)"


@dataclass(frozen=True)
class Card:
    """One image. read: returns it; called when it is shown. title: stands first, bold; lines: below. link: a URL."""

    read: Callable[[], Image.Image]
    title: str
    lines: tuple[str, ...] = ()
    link: str = ""


@dataclass(frozen=True)
class Html:
    """HTML that a notebook shows in place of the object; `str` gives it as text."""

    text: str

    def __repr__(self) -> str:
        """Length of the text, which is long."""
        return f"<Html {len(self.text):,} characters; a notebook shows it>"

    def __str__(self) -> str:
        """The HTML."""
        return self.text

    def _repr_html_(self) -> str:
        """The HTML, as notebooks ask for it."""
        return self.text


def render_cards(heading: str, cards: Iterable[Card], total: int | None = None) -> str:
    """Heading and the first cards in a row that wraps.

    total: number of all cards, where it is known, for the number of those that are not shown.
    """
    shown = list(islice(cards, CARDS))
    body = more = ""
    if total is not None and total > len(shown):
        more = f"<div>… and {total - len(shown):,} more</div>"
    if shown:
        body = f'<div style="{_GRID}">{"".join(map(_card, shown))}</div>'
    return f"<div><div>{html.escape(_short(heading))}</div>{body}{more}</div>"


def thumbnail_uri(image: Image.Image) -> str:
    """Image, no larger than SIDE, as a data: URL of a JPEG."""
    small = image.convert("RGB")
    small.thumbnail((SIDE, SIDE))
    out = io.BytesIO()
    small.save(out, "JPEG", quality=80)
    return "data:image/jpeg;base64," + base64.b64encode(out.getvalue()).decode()


def _card(card: Card) -> str:
    title = html.escape(_short(card.title))
    try:
        image = f'<img src="{thumbnail_uri(card.read())}" alt="{title}" style="max-width:100%;max-height:100%">'
    except (WordsightError, OSError) as error:  # moved, damaged, or the index is closed
        image = html.escape(_short(str(error)))
    title = f"<b>{title}</b>"
    if card.link.startswith(LINK_SCHEMES):
        title = f'<a href="{html.escape(card.link)}">{title}</a>'
    lines = "".join(f"<div>{html.escape(_short(line))}</div>" for line in card.lines[:_LINES])
    return f'<div style="{_CARD}"><div style="{_FRAME}">{image}</div>{title}{lines}</div>'


def _short(text: str) -> str:
    text = " ".join(text.encode("utf-8", "replace").decode().split())
    if len(text) > _TEXT:
        return f"{text[: _TEXT - 1]}…"
    return text
