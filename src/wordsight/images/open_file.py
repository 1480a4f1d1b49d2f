"""Opening files that someone else named: regular ones of a size that can be read, nothing that blocks or never ends."""

from __future__ import annotations

import os
import stat
from typing import IO

from wordsight.images.skipped import UnreadableError

# Of an image or document. TIFF ends at 4 GiB, PDF at 10; a sparse file may claim any size, and is hashed whole.
MOST_FILE_BYTES = 16 << 30


def open_regular(path: str | os.PathLike[str]) -> IO[bytes]:
    """Open a regular file of at most MOST_FILE_BYTES. Raises: UnreadableError for others; OSError."""
    if os.fspath(path).startswith(("http:/", "https:/")):
        raise UnreadableError("is a URL, not a file; download it first")
    status = os.stat(path)
    if stat.S_ISDIR(status.st_mode):
        raise UnreadableError("is a folder; give the images in it")
    if not stat.S_ISREG(status.st_mode):  # a pipe or device would block or never end
        raise UnreadableError("is not a regular file")
    if status.st_size > MOST_FILE_BYTES:
        size, limit = status.st_size / 2**30, MOST_FILE_BYTES >> 30
        raise UnreadableError(f"has {size:,.0f} GiB, more than the limit of {limit} GiB for a file")
    return open(path, "rb")
