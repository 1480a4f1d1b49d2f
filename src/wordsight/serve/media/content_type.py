"""Types of files by their first bytes: names lie, and some types run scripts in a browser."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

_HEAD = 16


@dataclass(frozen=True)
class ContentType:
    """mime: what is sent. inline: whether a browser may show it itself."""

    mime: str
    inline: bool


_MAGIC = (
    (0, b"\xff\xd8\xff", "image/jpeg"),
    (0, b"\x89PNG\r\n\x1a\n", "image/png"),
    (0, b"GIF87a", "image/gif"),
    (0, b"GIF89a", "image/gif"),
    (8, b"WEBP", "image/webp"),
    (4, b"ftypavif", "image/avif"),
    (0, b"BM", "image/bmp"),
    (0, b"%PDF-", "application/pdf"),
)
OTHER = ContentType("application/octet-stream", inline=False)


def find_content_type(path: Path) -> ContentType:
    """Type of a file: an image that browsers show, a PDF, or else bytes to be saved (SVG and HTML too)."""
    with open(path, "rb") as file:
        head = file.read(_HEAD)
    for at, magic, mime in _MAGIC:
        if head[at : at + len(magic)] == magic:
            return ContentType(mime, inline=True)
    return OTHER
