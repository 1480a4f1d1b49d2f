"""PDF documents: each page an item, rendered when it is read, with the text that the file holds for it."""

from __future__ import annotations

import functools
import itertools
import os
import threading
import weakref
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from PIL import Image

from wordsight.errors import ImageError, MissingExtraError
from wordsight.hashes import hash_file
from wordsight.images.open_file import open_regular
from wordsight.images.skipped import Skipped, UnreadableError, describe_error
from wordsight.ingest.items import Content, Item, Unlisted
from wordsight.ingest.pdf_process import PROCESS, PageEndedError
from wordsight.path_text import name_words, to_text

# Pixels of a page's longer side, whatever its size on paper: about twice what models see, enough for a thumbnail.
PAGE_SIDE = 1024
TEXT_LIMIT = 20_000  # characters of a page that are kept for search; a dense page of print has 6,000
# Pages of a document. The longest in use have some ten thousand; a file of 334 bytes may claim two thousand million.
MOST_PAGES = 100_000
_MOST_ENDED = 3  # pages that took too long, after which nothing more is asked of their document
_MOST_DAMAGED = 100  # pages in a row, after which the others are taken for damaged too

_keys = itertools.count()
_unpickled: weakref.WeakValueDictionary[str, Document] = weakref.WeakValueDictionary()
_unpickling = threading.RLock()  # a document may be collected meanwhile


def page_items(path: str, source: str, status: os.stat_result, name: str) -> Iterator[Item | Skipped]:
    """Yield the pages of a PDF. One that needs a password, is damaged or has no pages, or too many, is `Unlisted`."""
    try:
        document = Document(path)
        count = len(document)
    except (ImageError, MissingExtraError) as error:
        yield Unlisted(Path(path), str(error))
        return
    if not count:
        yield Unlisted(Path(path), "is a PDF without pages")
    if count > MOST_PAGES:
        yield Unlisted(Path(path), f"has {count:,} pages, more than the limit of {MOST_PAGES:,}; split it")
        return
    text, words = to_text(path), name_words(name)
    damaged = 0
    for number in range(1, count + 1):
        said = document.read_text(number)
        damaged += 1
        if said is not None:
            damaged = 0
        yield Item(
            id=f"{text}#page={number}",
            source=source,
            path=text,
            read=functools.partial(document.read, number),
            page=number,
            size=status.st_size,
            mtime_ns=status.st_mtime_ns,
            text="\n".join(filter(None, [words, said])),
        )
        if damaged == _MOST_DAMAGED < count:
            first = number - _MOST_DAMAGED + 1
            yield Unlisted(Path(path), f"is damaged: of its {count:,} pages none can be read from page {first:,} on")
            return


class Document:
    """A PDF file, opened when something is asked of it and closed when nothing refers to it any more.

    Pages are read in a process of their own (`pdf_process`), within limits of time and memory.
    Raises (all methods): ImageError with the reason alone; MissingExtraError without pypdfium2.
    """

    def __init__(self, path: str) -> None:
        self.path = path
        self._key = next(_keys)
        self._hashing = threading.Lock()
        self._hash = ""
        self._ended = 0
        weakref.finalize(self, PROCESS.close_later, self._key)

    def __reduce__(self) -> tuple[Callable[[str], Document], tuple[str]]:
        """Let pages be read in another process, which opens the file itself, once for all pages at hand."""
        return _shared, (self.path,)

    def __len__(self) -> int:
        return int(self._ask("count"))

    def read(self, number: int) -> Content:
        """Page `number`, counted from 1, as an item's content: its hash is that of file and page."""
        return Content(f"{self._file_hash()}#page={number}", functools.partial(self.render, number))

    def render(self, number: int) -> Image.Image:
        """Image of a page as it looks on white paper, upright, RGB, its longer side about PAGE_SIDE pixels.

        number: counted from 1.
        """
        size, pixels = self._ask("render", number, PAGE_SIDE)
        return Image.frombytes("RGB", size, pixels)

    def read_text(self, number: int) -> str | None:
        """Text of a page, at most TEXT_LIMIT characters; None of a damaged page, "" where there is none."""
        try:
            return str(self._ask("text", number, TEXT_LIMIT))
        except ImageError:
            return None  # `render` says what is wrong with the page

    def _ask(self, what: str, number: int = 0, limit: int = 0) -> Any:
        if self._ended >= _MOST_ENDED:
            raise ImageError(f"page {number} is not read: others of this document take too long or too much memory")
        try:
            return PROCESS.ask(what, self._key, os.path.abspath(self.path), number, limit)
        except PageEndedError:
            self._ended += 1
            raise

    def _file_hash(self) -> str:
        """Hash of the file, read once for all of its pages."""
        with self._hashing:
            if not self._hash:
                try:
                    with open_regular(self.path) as file:
                        self._hash = hash_file(file)
                except (OSError, UnreadableError) as error:
                    raise ImageError(describe_error(error)) from error
            return self._hash


def _shared(path: str) -> Document:
    with _unpickling:
        document = _unpickled.get(path)
        if document is None:
            document = _unpickled[path] = Document(path)
        return document
