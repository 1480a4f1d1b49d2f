"""Images of a report's page as small JPEGs inside it, made to fit into what the page may weigh."""

from __future__ import annotations

import base64
import html
import io
import os
import secrets
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from wordsight.output.contact_sheet import one_line
from wordsight.output.thumbnails import Source, scale_thumbnail

# longest side and JPEG quality, tried in this order until all images fit
_SIZES = ((300, 78), (220, 74), (160, 70), (112, 62))
_URL = "data:image/jpeg;base64,"


class TileImages:
    """Images that a page asks for while it is written, and gets when the size of all the rest is known."""

    def __init__(self) -> None:
        self._thumbnails: list[Image.Image] = []
        self._mark = f"{{image {secrets.token_hex(8)} "  # no text of a report can hold it

    def place(self, image: Any, text: str) -> str:
        """An <img> element whose source `fill` puts in."""
        self._thumbnails.append(scale_thumbnail(_as_source(image), (_SIZES[0][0], _SIZES[0][0])))
        name = html.escape(one_line(text))
        return f'<img src="{self._mark}{len(self._thumbnails) - 1}}}" alt="{name}" loading="lazy">'

    def fill(self, page: str, limit: int) -> str:
        """The page with its images, of at most `limit` bytes: smaller images where needed, then fewer, with a note."""
        room = limit - len(page.encode("utf-8", "backslashreplace")) - 400  # of the note
        urls: list[str] = []
        for side, quality in _SIZES:
            urls = [_encode(image, side, quality) for image in self._thumbnails]
            if sum(map(len, urls)) <= room:
                break
        left_out = 0
        for number, url in enumerate(urls):
            room -= len(url)
            if room < 0:
                left_out += 1
                url = "data:,"
            page = page.replace(f"{self._mark}{number}}}", url, 1)
        if left_out:
            note = f"{left_out} of {len(urls)} images are left out, to keep this page small enough to be sent."
            page = page.replace("</body>", f'<p class="caption">{note}</p></body>')
        return page


def _as_source(image: Any) -> Source:
    """An image as thumbnails are made of."""
    if isinstance(image, np.ndarray):
        return Image.fromarray(image)
    if isinstance(image, str | os.PathLike):
        return Path(os.fsdecode(image))
    if isinstance(image, bytearray | memoryview):
        return bytes(image)
    source: Source = image
    return source


def _encode(image: Image.Image, side: int, quality: int) -> str:
    """data: URL of an image whose longer side is at most `side`."""
    small = image.copy()
    small.thumbnail((side, side))
    file = io.BytesIO()
    small.save(file, "JPEG", quality=quality, optimize=True)
    return _URL + base64.b64encode(file.getvalue()).decode()
