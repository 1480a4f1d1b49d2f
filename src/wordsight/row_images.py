"""The image of a row: its file, its page, or what the index keeps in its place."""

from __future__ import annotations

from pathlib import Path

from PIL import Image

from wordsight.errors import ImageError, MissingExtraError
from wordsight.images.decode import read_image
from wordsight.index import Index, Row
from wordsight.path_text import to_path


def locate_image(row: Row) -> Path | str:
    """Path of a row's file, names of odd bytes restored, or the URL (a str) that it was fetched from."""
    return row.path if "://" in row.path else to_path(row.path)


def page_suffix(page: int | None) -> str:
    """The page of a document as it follows a name: ", page 3"; "" for what is not a page."""
    if page is None:
        return ""
    return f", page {page}"


def row_image(index: Index, row: Row, *, at_least: int | None = None) -> Image.Image:
    """RGB image of a row: of its file, else (pages, members of archives) the thumbnail in the index.

    at_least: as of `images.decode.read_image`. Raises: ImageError where there is neither.
    """
    if row.page is None:
        try:
            return read_image(to_path(row.path), at_least=at_least)
        except ImageError:
            if not (kept := row.thumbnail or index.thumbnail(row.id)):
                raise
    elif not (kept := row.thumbnail or index.thumbnail(row.id)):
        raise ImageError(f"{row.id}: the index keeps no image of this page; index it again.")
    return read_image(kept)


def shown_image(index: Index, row: Row) -> Image.Image:
    """RGB image of a row as a person wants to see it: a page is rendered, so that it can be read.

    The page's thumbnail where its file has changed or gone. Raises: ImageError where there is neither.
    """
    if row.page is None:
        return row_image(index, row)
    from wordsight.ingest.pdf import Document

    path = to_path(row.path)
    try:
        if path.stat().st_mtime_ns == row.mtime_ns:
            return Document(str(path)).render(row.page)
    except (OSError, ImageError, MissingExtraError):
        pass
    return row_image(index, row)
