"""Files of rows: the only ones that a server reads from the disk."""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass
from pathlib import Path

from wordsight.index import Row
from wordsight.index.base import belongs_to
from wordsight.path_text import to_path


@dataclass(frozen=True)
class SourceFile:
    """A row's file, links followed. unchanged: since it was indexed. version: of what is there now."""

    path: Path
    unchanged: bool
    version: str


def has_own_file(row: Row) -> bool:
    """Whether the file at a row's path is its image or document: not an archive of many, not a URL."""
    return "://" not in row.path and (row.page is not None or not belongs_to(row.id, row.path))


def find_source_file(row: Row) -> SourceFile | None:
    """File of a row, where it is a regular file below the source that it was indexed from, links followed.

    Tables, links and Python code may name images elsewhere; those count while they are as they were indexed (size and
    time), so that a link which was put in their place leads nowhere. None for all others, of images that were fetched,
    and of members of archives, which have no file of their own.
    """
    if not has_own_file(row):
        return None
    path, source = to_path(row.path), to_path(row.source)
    try:
        real = Path(os.path.realpath(path, strict=True))
        status = real.stat()
        if not stat.S_ISREG(status.st_mode):
            return None
        unchanged = (status.st_size, status.st_mtime_ns) == (row.size, row.mtime_ns)
        root = Path(os.path.realpath(source if source.is_dir() else source.parent, strict=True))
    except (OSError, ValueError):
        return None
    if real.is_relative_to(root) or unchanged:
        return SourceFile(real, unchanged, f"{real} {status.st_size} {status.st_mtime_ns}")
    return None
