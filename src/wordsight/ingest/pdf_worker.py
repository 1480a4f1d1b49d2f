"""PDFium in a process of its own, that answers requests for pages on its standard streams: see `pdf_process`.

A document of a few hundred bytes can keep PDFium busy for ever, or make it take all memory; neither can be stopped in
a thread. Here the first ends the process after so many seconds, the second is refused by the system.
"""

from __future__ import annotations

import json
import os
import re
import signal
import sys
import threading
from collections import OrderedDict
from typing import IO, Any

from PIL import Image

from wordsight.errors import ImageError
from wordsight.images.skipped import describe_error

TOO_LONG = 3  # exit status
_OPEN_AT_ONCE = 4  # documents; a closed one is opened again when one of its pages is read
_CONTROLS = re.compile(r"[\x00-\x08\x0b-\x1f\x7f\ufffe\uffff]+")


class PageReader:
    """Documents that are open, and how many were opened so far."""

    def __init__(self) -> None:
        self._open: OrderedDict[int, Any] = OrderedDict()
        self._opened = 0

    def answer(self, request: dict[str, Any]) -> tuple[dict[str, Any], bytes]:
        """Answer to a request as JSON, and the pixels of a page."""
        for key in request["close"]:
            if key in self._open:
                self._open.pop(key).close()
        if request["ask"] == "status":
            return {"value": [len(self._open), self._opened]}, b""
        try:
            handle = self._handle(request["key"], request["path"])
            if request["ask"] == "count":
                return {"value": len(handle)}, b""
            image_or_text = _use_page(handle, request)
        except ImageError as error:
            return {"error": str(error)}, b""
        if isinstance(image_or_text, str):
            return {"value": image_or_text}, b""
        return {"size": image_or_text.size}, image_or_text.tobytes()

    def _handle(self, key: int, path: str) -> Any:
        if key in self._open:
            self._open.move_to_end(key)
            return self._open[key]
        handle = _open_document(path)
        self._opened += 1
        while len(self._open) >= _OPEN_AT_ONCE:
            self._open.popitem(last=False)[1].close()
        self._open[key] = handle
        return handle


def _open_document(path: str) -> Any:
    import pypdfium2

    try:
        file = open(path, "rb")  # noqa: SIM115 - closed with the document; PDFium takes only paths that are UTF-8
    except OSError as error:
        raise ImageError(describe_error(error)) from error
    try:
        handle = pypdfium2.PdfDocument(file, autoclose=True)
        handle.init_forms()  # what was filled in is drawn
        return handle
    except pypdfium2.PdfiumError as error:
        file.close()
        if getattr(error, "err_code", None) == pypdfium2.raw.FPDF_ERR_PASSWORD:
            raise ImageError("is encrypted and needs a password; save a copy without one") from error
        raise ImageError(f"is not a PDF that can be read ({_pdfium_reason(error)})") from error


def _use_page(handle: Any, request: dict[str, Any]) -> Image.Image | str:
    import pypdfium2

    number = request["page"]
    if not 1 <= number <= len(handle):
        pages = f"{len(handle):,} page{'' if len(handle) == 1 else 's'}"
        raise ImageError(f"has no page {number}; it has {pages}, counted from 1")
    try:
        page = handle[number - 1]
        try:
            if request["ask"] == "text":
                return _read_text(page, request["limit"])
            return _render(page, request["limit"])
        finally:
            page.close()
    except (pypdfium2.PdfiumError, IndexError, ValueError, OSError, MemoryError) as error:
        raise ImageError(f"page {number} is damaged ({_pdfium_reason(error)})") from error


def _pdfium_reason(error: Exception) -> str:
    """Reason in PDFium's words: "Data format error" of "Failed to load document (PDFium: Data format error)."."""
    return str(error).rpartition("PDFium: ")[2].rstrip(".)")


def _render(page: Any, side: int) -> Image.Image:
    longer = max(page.get_size())
    if not 0 < longer < float("inf"):
        raise ValueError(f"its size is {page.get_size()}")
    bitmap = page.render(scale=side / longer, rev_byteorder=True)
    try:
        image: Image.Image = bitmap.to_pil()
        return image.convert("RGB").copy()  # not a view of memory that PDFium frees
    finally:
        bitmap.close()


def _read_text(page: Any, limit: int) -> str:
    words = page.get_textpage()
    try:
        text = words.get_text_range(0, min(words.count_chars(), limit))
    finally:
        words.close()
    return _CONTROLS.sub(" ", text.replace("\r\n", "\n").replace("\ufffe", "")).strip()


def _limit_memory(most_bytes: int) -> None:
    try:
        import resource
    except ImportError:  # Windows
        return
    resource.setrlimit(resource.RLIMIT_AS, (most_bytes, most_bytes))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def main(requests: IO[bytes], answers: IO[bytes], most_bytes: int) -> None:
    """Answer requests until there are no more."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the program that asks
    _limit_memory(most_bytes)
    reader = PageReader()
    while line := requests.readline():
        request = json.loads(line)
        alarm = threading.Timer(request["seconds"], os._exit, (TOO_LONG,))
        alarm.daemon = True
        alarm.start()
        facts, pixels = reader.answer(request)
        alarm.cancel()
        answers.write(
            json.dumps({**facts, "number": request["number"], "bytes": len(pixels)}).encode() + b"\n" + pixels
        )
        answers.flush()


if __name__ == "__main__":
    pipe = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what a library prints is not an answer
    main(sys.stdin.buffer, pipe, int(sys.argv[1]))
