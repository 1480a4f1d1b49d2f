"""Images that could not be read: the record of each, and the reason in words."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from PIL import Image

from wordsight.errors import ImageError, WordsightError
from wordsight.images.names import source_name


@dataclass(frozen=True)
class Skipped:
    """An image that could not be read: the item as it was given, and why. Counted and listed, never silent."""

    item: Any
    reason: str

    def __repr__(self) -> str:
        """Item's name, not its bytes or pixels."""
        return f"<{type(self).__name__} {source_name(self.item)}: {self.reason}>"


class UnreadableError(Exception):
    """A reason of ours, to be reported with the image's name."""


def record_skipped(item: Any, error: ImageError) -> Skipped:
    """Record of an image that raised `error`, its reason without the name."""
    return Skipped(item, str(error).removeprefix(f"{source_name(item)}: "))


def describe_error(error: Exception) -> str:
    """Words for the user about an error while reading an image."""
    if isinstance(error, Image.DecompressionBombError):
        return f"is larger than Pillow reads ({error}); make it smaller"
    if isinstance(error, FileNotFoundError):
        return "no such file"
    if isinstance(error, PermissionError):
        return "no permission to read it"
    if isinstance(error, MemoryError):
        return "not enough memory to decode it"
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    if isinstance(error, UnreadableError | OSError | WordsightError):
        return str(error)
    return f"is damaged ({type(error).__name__}: {error})"
