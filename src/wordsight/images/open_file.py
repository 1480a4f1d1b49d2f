"""Opening files that someone else named: regular ones of a size that can be read, nothing that blocks or never ends."""

from __future__ import annotations

import os
import stat
from typing import IO

from wordsight.images.skipped import UnreadableError

# Of an image or document. TIFF ends at 4 GiB, PDF at 10; a sparse file may claim any size, and is hashed whole.
MOST_FILE_BYTES = 16 << 30


def open_regular(path: str | os.PathLike[str], most_bytes: float = MOST_FILE_BYTES) -> IO[bytes]:
    """Open a regular file of at most so many bytes. Raises: UnreadableError for others; OSError."""
    if os.fspath(path).startswith(("http:/", "https:/")):
        raise UnreadableError("is a URL, not a file; download it first")
    status = os.stat(path)
    if stat.S_ISDIR(status.st_mode):
        raise UnreadableError("is a folder; give the images in it")
    if not stat.S_ISREG(status.st_mode):  # a pipe or device would block or never end
        raise UnreadableError("is not a regular file")
    check_size(status.st_size, most_bytes)
    return open(path, "rb")


def check_size(size: int, most_bytes: float = MOST_FILE_BYTES) -> None:
    """Raise UnreadableError for a file, or a member of an archive, of more bytes than the limit."""
    if size > most_bytes:
        raise UnreadableError(
            f"has {size / 2**30:,.0f} GiB, more than the limit of {most_bytes / 2**30:g} GiB for a file"
        )
