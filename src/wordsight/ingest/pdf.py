"""PDF documents: each page an item, rendered when it is read, with the text that the file holds for it."""

from __future__ import annotations

import atexit
import functools
import os
import re
import threading
import weakref
from collections import OrderedDict
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from PIL import Image

from wordsight.errors import ImageError, MissingExtraError
from wordsight.hashes import hash_file
from wordsight.images.skipped import Skipped, describe_error
from wordsight.ingest.items import Content, Item, Unlisted
from wordsight.path_text import name_words, to_text

# Pixels of a page's longer side, whatever its size on paper: about twice what models see, enough for a thumbnail.
PAGE_SIDE = 1024
TEXT_LIMIT = 20_000  # characters of a page that are kept for search; a dense page of print has 6,000
_OPEN_AT_ONCE = 4  # documents; a closed one is opened again when one of its pages is read
_CONTROLS = re.compile(r"[\x00-\x08\x0b-\x1f\x7f\ufffe\uffff]+")

# PDFium may be in one call at a time, in the whole process. Re-entrant: a document may be collected within a call.
_lock = threading.RLock()
_open: OrderedDict[int, Any] = OrderedDict()  # Document._key → PdfDocument
_unpickled: weakref.WeakValueDictionary[str, Document] = weakref.WeakValueDictionary()


def page_items(path: str, source: str, status: os.stat_result, name: str) -> Iterator[Item | Skipped]:
    """Yield the pages of a PDF. One that needs a password, is damaged or has no pages is `Unlisted`."""
    try:
        document = Document(path)
        count = len(document)
    except (ImageError, MissingExtraError) as error:
        yield Unlisted(Path(path), str(error))
        return
    if not count:
        yield Unlisted(Path(path), "is a PDF without pages")
    text, words = to_text(path), name_words(name)
    for number in range(1, count + 1):
        yield Item(
            id=f"{text}#page={number}",
            source=source,
            path=text,
            read=functools.partial(document.read, number),
            page=number,
            size=status.st_size,
            mtime_ns=status.st_mtime_ns,
            text="\n".join(filter(None, [words, document.text(number)])),
        )


class Document:
    """A PDF file, opened when something is asked of it and closed when nothing refers to it any more.

    Raises (all methods): ImageError with the reason alone; MissingExtraError without pypdfium2.
    """

    def __init__(self, path: str) -> None:
        self.path = path
        self._key = id(self)
        self._hashing = threading.Lock()
        self._hash = ""
        weakref.finalize(self, _close, self._key)

    def __reduce__(self) -> tuple[Callable[[str], Document], tuple[str]]:
        """Let pages be read in another process, which opens the file itself, once for all pages at hand."""
        return _shared, (self.path,)

    def __len__(self) -> int:
        with _lock:
            return len(self._handle())

    def read(self, number: int) -> Content:
        """Return page `number`, counted from 1, as an item's content: its hash is that of file and page."""
        return Content(f"{self._file_hash()}#page={number}", functools.partial(self.render, number))

    def render(self, number: int) -> Image.Image:
        """Return a page as it looks on white paper, upright, RGB, its longer side about PAGE_SIDE pixels.

        number: counted from 1.
        """
        image: Image.Image = self._with_page(number, _rendered)
        return image

    def text(self, number: int) -> str:
        """Return the text of a page, at most TEXT_LIMIT characters; "" where there is none or it is damaged."""
        try:
            return str(self._with_page(number, _text))
        except ImageError:
            return ""  # `render` says what is wrong with the page

    def _file_hash(self) -> str:
        """Return the hash of the file, read once for all of its pages."""
        with self._hashing:
            if not self._hash:
                try:
                    with open(self.path, "rb") as file:
                        self._hash = hash_file(file)
                except OSError as error:
                    raise ImageError(describe_error(error)) from error
            return self._hash

    def _with_page(self, number: int, use: Callable[[Any], Any]) -> Any:
        with _lock:
            handle = self._handle()
            pdfium = _pdfium()
            if not 1 <= number <= len(handle):
                pages = f"{len(handle):,} page{'' if len(handle) == 1 else 's'}"
                raise ImageError(f"has no page {number}; it has {pages}, counted from 1")
            try:
                page = handle[number - 1]
                try:
                    return use(page)
                finally:
                    page.close()
            except (pdfium.PdfiumError, IndexError, ValueError, OSError) as error:
                raise ImageError(f"page {number} is damaged ({_pdfium_reason(error)})") from error

    def _handle(self) -> Any:
        """Return the open PDFium document; the caller holds the lock."""
        if self._key in _open:
            _open.move_to_end(self._key)
            return _open[self._key]
        handle = _opened(self.path)
        while len(_open) >= _OPEN_AT_ONCE:
            _open.popitem(last=False)[1].close()
        _open[self._key] = handle
        return handle


def _shared(path: str) -> Document:
    with _lock:
        document = _unpickled.get(path)
        if document is None:
            document = _unpickled[path] = Document(path)
        return document


def _opened(path: str) -> Any:
    pdfium = _pdfium()
    try:
        file = open(path, "rb")  # noqa: SIM115 - closed with the document; PDFium takes no path that is no UTF-8
    except OSError as error:
        raise ImageError(describe_error(error)) from error
    try:
        handle = pdfium.PdfDocument(file, autoclose=True)
        handle.init_forms()  # what was filled in is drawn
        return handle
    except pdfium.PdfiumError as error:
        file.close()
        if getattr(error, "err_code", None) == pdfium.raw.FPDF_ERR_PASSWORD:
            raise ImageError("is encrypted and needs a password; save a copy without one") from error
        raise ImageError(f"is no PDF that can be read ({_pdfium_reason(error)})") from error


def _pdfium_reason(error: Exception) -> str:
    """Return "Data format error" of "Failed to load document (PDFium: Data format error)."."""
    return str(error).rpartition("PDFium: ")[2].rstrip(".)")


def _close(key: int) -> None:
    with _lock:
        if key in _open:
            _open.pop(key).close()


def _rendered(page: Any) -> Image.Image:
    longer = max(page.get_size())
    if not 0 < longer < float("inf"):
        raise ValueError(f"its size is {page.get_size()}")
    bitmap = page.render(scale=PAGE_SIDE / longer, rev_byteorder=True)
    try:
        image: Image.Image = bitmap.to_pil()
        return image.convert("RGB").copy()  # not a view of memory that PDFium frees
    finally:
        bitmap.close()


def _text(page: Any) -> str:
    words = page.get_textpage()
    try:
        text = words.get_text_range(0, min(words.count_chars(), TEXT_LIMIT))
    finally:
        words.close()
    return _CONTROLS.sub(" ", text.replace("\r\n", "\n").replace("\ufffe", "")).strip()


def _pdfium() -> Any:
    try:
        import pypdfium2
    except ImportError:
        raise MissingExtraError("Reading PDF", "pypdfium2", "search") from None
    _close_at_exit()
    return pypdfium2


@functools.cache
def _close_at_exit() -> None:
    """Close documents before pypdfium2 ends, whose own exit function, registered earlier, runs later and complains."""
    atexit.register(_close_all)


def _close_all() -> None:
    with _lock:
        while _open:
            _open.popitem()[1].close()
