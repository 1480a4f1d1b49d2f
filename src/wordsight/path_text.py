"""File names as text that every store can keep, and the words in them."""

from __future__ import annotations

import os
import re
from pathlib import Path

# Bytes 0x80–0xFF that are not UTF-8 become U+EF80–U+EFFF, private-use code points that no writing uses. A name that
# really holds one of these has its three UTF-8 bytes written so, which keeps the two apart.
_PRIVATE = 0xEF00
_TO_KEEP = re.compile("[\udc80-\udcff\uef80-\uefff]")
_KEPT = re.compile("[\uef80-\uefff]")
_ODD_BYTE = re.compile("[\udc80-\udcff]")
_WORD = re.compile(r"[^\W_]+")
_CAMEL = re.compile(r"(?<=[a-z])(?=[A-Z])")


def to_text(path: str | os.PathLike[str]) -> str:
    """Path as valid Unicode, different for different paths; `to_path` gives the path back.

    Names that are UTF-8, nearly all, stay as they are, line breaks too.
    """
    text = os.fsencode(path).decode("utf-8", "surrogateescape")
    return _TO_KEEP.sub(lambda match: _keep(match.group()), text)


def to_path(text: str) -> Path:
    """Path that `to_text` wrote."""
    escaped = _KEPT.sub(lambda match: chr(ord(match.group()) - _PRIVATE + 0xDC00), text)
    return Path(os.fsdecode(escaped.encode("utf-8", "surrogateescape")))


def json_text(item: object) -> str:
    """A path, or another item's text, as valid Unicode, for JSON: odd bytes as in `to_text`, surrogates escaped.

    `to_path` gives the path back. Text that `to_text` wrote stays as it is.
    """
    text = os.fspath(item) if isinstance(item, os.PathLike) else str(item)
    return _ODD_BYTE.sub(lambda match: _keep(match.group()), text).encode("utf-8", "backslashreplace").decode()


def name_words(path: str | os.PathLike[str]) -> str:
    """Words of a (relative) path without its extension: "Rome/redVespa_2.jpg" → "Rome red Vespa 2"."""
    stem = os.path.splitext(to_text(path))[0]
    return " ".join(_WORD.findall(_CAMEL.sub(" ", stem)))


def _keep(char: str) -> str:
    return "".join(chr(_PRIVATE + byte) for byte in char.encode("utf-8", "surrogateescape"))
