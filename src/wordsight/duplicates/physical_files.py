"""Files of rows: one file may have several names, by links or by folders that are links."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable
from dataclasses import dataclass

from wordsight.index import Row
from wordsight.index.base import belongs_to
from wordsight.path_text import to_path

Key = tuple[object, ...]


@dataclass(frozen=True, eq=False)
class Present:
    """Rows whose image is there, each image once. gone: rows whose file is not there (now)."""

    rows: tuple[Row, ...]
    gone: tuple[Row, ...]


def is_file(row: Row) -> bool:
    """Whether the row's path is that of a file; else it is a URL or a dataset's name."""
    return "://" not in row.path and os.path.isabs(row.path)


def is_part(row: Row) -> bool:
    """Whether the row's file holds more than this image: it is a page, or the member of an archive."""
    return row.page is not None or (belongs_to(row.id, row.path) and is_file(row))


def part_name(row: Row) -> str:
    """The part of its file that a row is, "#page=3"; "" of a whole file."""
    if not belongs_to(row.id, row.path):
        return ""
    return row.id.removeprefix(row.path)


def each_once(rows: Iterable[Row]) -> Present:
    """Rows in order, without those whose file is gone and those that name an image again.

    The same image is the same part of the same file, whatever the names: a file's own name comes before links to it.
    """
    by_image: dict[Key, Row] = {}
    gone = []
    for row in rows:
        key = _key(row)
        if key is None:
            gone.append(row)
        elif key not in by_image or (_is_link(by_image[key]) and not _is_link(row)):
            by_image[key] = row
    return Present(tuple(by_image.values()), tuple(gone))


def freed_bytes(row: Row) -> int:
    """Bytes that deleting a row's file would free: 0 for a link, a part of a file, a file with other names."""
    if not is_file(row) or is_part(row):
        return 0
    try:
        status = to_path(row.path).lstat()
    except OSError:
        return 0
    if status.st_nlink > 1 or stat.S_ISLNK(status.st_mode):
        return 0
    return status.st_size


def _key(row: Row) -> Key | None:
    """Key that rows of one image share; None where the file is gone."""
    part = part_name(row)
    if not is_file(row):
        return row.path, part
    try:
        status = os.stat(to_path(row.path))
    except OSError:
        return None
    if status.st_ino == 0:  # some network file systems number no files
        return os.path.realpath(to_path(row.path)), part
    return status.st_dev, status.st_ino, part


def _is_link(row: Row) -> bool:
    """Whether the path leads over a link."""
    return is_file(row) and os.path.realpath(to_path(row.path)) != os.path.abspath(to_path(row.path))
