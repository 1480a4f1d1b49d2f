"""Checks of what callers give: a value of another type is an InputError that says what was expected."""

from __future__ import annotations

import operator
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from wordsight.errors import InputError, did_you_mean


def check_type(name: str, value: Any, types: type | tuple[type, ...], expected: str) -> None:
    """Raise InputError for a value of another type."""
    if not isinstance(value, types):
        raise InputError(f"{name} is {_shown(value)}, expected {expected}.")


def check_path(name: str, value: Any, expected: str) -> None:
    """Raise InputError for anything but a str or Path, and for text that no file name can hold."""
    check_type(name, value, (str, os.PathLike), expected)
    try:
        os.fsencode(value)
    except UnicodeEncodeError as error:
        raise InputError(f"{name} is {_shown(value)}, which holds half a character; expected {expected}.") from error


def check_items(name: str, value: Any, expected: str) -> None:
    """Raise InputError for what is not a list or other iterable of items, such as a single text."""
    if isinstance(value, str | bytes | bytearray | os.PathLike) or not isinstance(value, Iterable):
        raise InputError(f"{name} is {_shown(value)}, expected {expected}.")


def check_choice(name: str, value: Any, known: Iterable[str]) -> None:
    """Raise InputError for a value that is not among those known, with the ones that are closest."""
    known = list(known)
    if isinstance(value, str) and value in known:
        return
    hint = ""
    if isinstance(value, str):
        hint = did_you_mean(value, known)
    raise InputError(f"{name} is {value!r:.80}, expected one of {', '.join(known)}.{hint}")


def check_count(name: str, value: Any, *, least: int, meaning: str) -> None:
    """Raise InputError for what is not a whole number from `least` on."""
    try:
        valid = operator.index(value) >= least
    except TypeError:
        valid = False
    if not valid:
        raise InputError(f"{name} is {value!r:.80}, expected a whole number, {least} or more: {meaning}.")


def _shown(value: Any) -> str:
    """The value, shortened, and its type where that does not show."""
    text = repr(value)
    if len(text) > 80:
        text = f"{text[:79]}…"
    if value is None:
        return text
    return f"{text} ({type(value).__name__})"


def check_folder_of(path: Path, name: str) -> None:
    """Raise InputError for a file to be written in a folder that does not exist. name: of the option or parameter."""
    if not path.parent.is_dir():
        raise InputError(
            f"{name} is {str(path)!r}, but the folder {str(path.parent)!r} does not exist; create it, or name another "
            "file."
        )
