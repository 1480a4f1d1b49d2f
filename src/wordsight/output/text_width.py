"""Width of text on a terminal, in cells."""

from __future__ import annotations

import unicodedata


def text_width(text: str) -> int:
    """Cells that a text takes: two for a letter of East Asia, none for an accent that follows its letter."""
    if text.isascii():
        return len(text)
    return sum(map(_char_width, text))


def _char_width(char: str) -> int:
    if unicodedata.combining(char):
        return 0
    return 2 if unicodedata.east_asian_width(char) in "WF" else 1


def pad(text: str, width: int) -> str:
    """Text with spaces up to a width."""
    return text + " " * max(0, width - text_width(text))


def shorten(text: str, width: int) -> str:
    """Text within a width, its middle left out: the end of a path tells most."""
    if text_width(text) <= width:
        return text
    head, tail = text[: max(0, (width - 1) // 3)], text[-(max(1, width - 1 - (width - 1) // 3)) :]
    while text_width(head) + 1 + text_width(tail) > width and (head or tail):
        if len(head) > len(tail) // 2:
            head = head[:-1]
        else:
            tail = tail[1:]
    return f"{head}…{tail}"
