"""Names of uploaded files as text that can be shown; they never become paths."""

from __future__ import annotations

import re
import unicodedata

LONGEST = 120  # characters
_HIDDEN = {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}  # controls, direction marks, surrogates, private, unassigned
_SEPARATORS = re.compile(r"[/\\]")


def shown_name(name: str) -> str:
    """Last part of a name that a client gave, without what could steer a terminal or turn text around.

    A long name is shortened in its middle, so that its extension stays.
    """
    return _tidy(_SEPARATORS.split(name)[-1]) or "unnamed"


def shown_member(name: str) -> str:
    """Name of an archive's member as shown: with its folders, "holiday/rome.jpg"."""
    parts = [_tidy(part) for part in _SEPARATORS.split(name)]
    return _shorten("/".join(part for part in parts if part)) or "unnamed"


def _tidy(text: str) -> str:
    kept = "".join(letter for letter in text if unicodedata.category(letter) not in _HIDDEN)
    return _shorten(unicodedata.normalize("NFC", " ".join(kept.split())))


def _shorten(text: str) -> str:
    if len(text) <= LONGEST:
        return text
    return f"{text[: LONGEST - 21]}…{text[-20:]}"
