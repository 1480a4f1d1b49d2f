"""Images of a report as one PNG: a contact sheet to be looked at, or sent, without the page."""

from __future__ import annotations

import io
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from wordsight.durable import write_whole
from wordsight.evaluate.report.sections import ImageTiles
from wordsight.output.contact_sheet import Tile
from wordsight.output.contact_sheet_png import render_png


def write_contact_sheet(path: Path, parts: Sequence[ImageTiles], title: str, subtitle: str = "") -> None:
    """Write tiles as a PNG, four per row; each line of a tile's text is a line below its image."""
    tiles = [_tile(image, text) for part in parts for image, text in part.tiles]
    content = io.BytesIO()
    render_png(tiles, title, subtitle or (parts[0].caption if parts else "")).save(content, "PNG")
    write_whole(path, content.getvalue())


def _tile(image: Any, text: str) -> Tile:
    heading, *lines = text.splitlines() or [""]
    if isinstance(image, str | os.PathLike):
        return Tile(Path(os.fsdecode(image)), heading=heading, lines=lines)
    if isinstance(image, np.ndarray):
        image = Image.fromarray(image)
    if isinstance(image, bytearray):
        image = bytes(image)
    return Tile(Path("image"), heading=heading, lines=lines, thumbnail=image)
