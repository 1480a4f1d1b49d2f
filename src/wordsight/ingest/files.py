"""Image files, and folders of them, of documents and of archives."""

from __future__ import annotations

import functools
import os
import stat
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeAlias

from wordsight.errors import ImageError
from wordsight.hashes import hash_content, hash_file
from wordsight.images.files import EXTENSIONS, walk
from wordsight.images.open_file import open_regular
from wordsight.images.skipped import Skipped, UnreadableError, describe_error
from wordsight.ingest.items import Content, Item, Unit, Unlisted
from wordsight.ingest.options import IngestOptions
from wordsight.ingest.patterns import excluder
from wordsight.path_text import name_words, to_text

# Lists the items of a file: called with its path, source, status and its name below the source.
Opener: TypeAlias = Callable[[str, str, os.stat_result, str], Iterator[Item | Skipped]]

# A file larger than this is hashed piece by piece and decoded from its path, not held in memory.
_HELD = 64 << 20


def folder_units(
    folder: str, source: str, options: IngestOptions, openers: dict[str, Opener]
) -> Iterator[Unit | Skipped]:
    """Yield the images below an absolute folder, and the files that an opener is known for, as they are found."""
    start = len(os.path.join(folder, ""))
    for found in walk(folder, EXTENSIONS | openers.keys(), excluder(options.exclude)):
        if isinstance(found, OSError):
            yield Unlisted(Path(found.filename), f"cannot be listed ({found.strerror})")
        else:
            yield file_unit(found, source, openers, found[start:])


def file_unit(path: str, source: str, openers: dict[str, Opener], name: str | None = None) -> Unit | Skipped:
    """Unit of one file by its absolute path, or the reason why it has none. name: whose words are searched."""
    try:
        status = os.stat(path)
    except FileNotFoundError:
        return Skipped(Path(path), "is a link to a file that does not exist" if os.path.islink(path) else "is gone")
    except OSError as error:
        return Unlisted(Path(path), describe_error(error))
    if not stat.S_ISREG(status.st_mode):
        return Skipped(Path(path), "is not a regular file")
    opener = openers.get(os.path.splitext(path)[1].lower(), image_item)
    items = functools.partial(opener, path, source, status, name or os.path.basename(path))
    return Unit(source, to_text(path), status.st_size, status.st_mtime_ns, items)


def image_item(path: str, source: str, status: os.stat_result, name: str) -> Iterator[Item | Skipped]:
    """Yield the one item of an image file."""
    text = to_text(path)
    read = functools.partial(read_file, path)
    yield Item(text, source, text, read, size=status.st_size, mtime_ns=status.st_mtime_ns, text=name_words(name))


def read_file(path: str) -> Content:
    """Content of an image file. Raises: ImageError with the reason alone."""
    try:
        with open_regular(path) as file:
            content = file.read(_HELD)
            if len(content) < _HELD:
                return Content(hash_content(content), lambda: content)
            file.seek(0)
            return Content(hash_file(file), lambda: path)
    except (OSError, UnreadableError) as error:
        raise ImageError(describe_error(error)) from error
