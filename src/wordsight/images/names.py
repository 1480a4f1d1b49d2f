"""Names of images in messages and files of paths: printable, one line each."""

from __future__ import annotations

import os
import unicodedata
from collections.abc import Callable
from typing import Any

import numpy as np
from PIL import Image

from wordsight.images.inputs import is_array

_NAME = 400  # characters of an image's name in a message: a cell of a table may hold anything


def source_name(source: Any) -> str:
    """Printable one-line name of an image's source: its path with odd bytes and controls escaped.

    Of more than 400 characters, which may be an image itself (data:image/png;base64,…), the middle is left out.
    """
    if isinstance(source, str | os.PathLike):
        path = os.fsdecode(source)
        if len(path) > _NAME:
            path = f"{path[: _NAME // 2]}…{path[-_NAME // 2 :]}"
        text = path.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
        return _escaped(text, lambda c: c.isprintable() or unicodedata.category(c) == "Zs")
    if isinstance(source, Image.Image):
        if filename := getattr(source, "filename", ""):
            return source_name(filename)
        return f"PIL image {source.mode} {source.width}×{source.height}"
    if isinstance(source, np.ndarray) or is_array(source):
        kind = "array" if isinstance(source, np.ndarray) else type(source).__name__
        return f"{kind} {tuple(source.shape)} {source.dtype}"
    if isinstance(source, bytes | bytearray):
        return f"{len(source)} bytes"
    name = getattr(source, "name", None)
    if isinstance(name, str):
        return source_name(name)
    return type(source).__name__


def recorded_path(path: str | os.PathLike[str]) -> str:
    """Path for a file of paths, one a line: only odd bytes, controls and line breaks are escaped.

    Spaces of all kinds and joiners, which names of screenshots and emoji hold, stay, so that the path can be opened.
    """
    text = os.fsdecode(path).encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
    return _escaped(text, lambda c: unicodedata.category(c) not in ("Cc", "Zl", "Zp"))


def _escaped(text: str, plain: Callable[[str], bool]) -> str:
    return "".join(c if plain(c) else c.encode("unicode_escape").decode() for c in text)
