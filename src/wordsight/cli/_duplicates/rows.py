"""Rows of an index as `wordsight duplicates` shows them: file, name, size, role in a group."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from wordsight.duplicates.groups import Group
    from wordsight.index import Row


def file(row: Row) -> Path:
    """The file of a row, whole documents and archives included."""
    from wordsight.path_text import to_path

    return to_path(row.path)


def place(row: Row) -> Path | str:
    """The file of a row, or the URL that it was fetched from."""
    from wordsight.row_images import locate_image

    return locate_image(row)


def display_name(row: Row) -> str:
    """The place of a row as it is printed."""
    from wordsight.images.names import source_name
    from wordsight.row_images import page_suffix

    return source_name(place(row)) + page_suffix(row.page)


def role(group: Group, row: Row, cosine: float) -> str:
    """Role of a row: "keep", "shot" (kept too), "same" (identical content), otherwise its cosine."""
    if row is group.keep:
        return "keep"
    if row.id in group.shot:
        return "shot"
    if row.content_hash == group.keep.content_hash:
        return "same"
    return f"{cosine:.3f}"


def size_text(n: float) -> str:
    """A number of bytes in short form: "999 B", "1.5 KB", "52 KB"."""
    for unit in ("B", "KB", "MB"):
        if n < 1000:
            digits = int(n < 10 and unit != "B")
            return f"{n:.{digits}f} {unit}"
        n /= 1000
    return f"{n:.1f} GB"
