"""The process that draws PDF pages (`pdf_worker`): started when one is asked for, and again after a page ended it."""

from __future__ import annotations

import atexit
import importlib.util
import json
import os
import subprocess
import sys
import threading
from collections import deque
from typing import Any

from wordsight.errors import ImageError, MissingExtraError
from wordsight.images.memory import most_bytes
from wordsight.ingest.pdf_worker import TOO_LONG

PAGE_SECONDS = 30.0  # for a page, or for opening a document; a page of a dense map takes 2
_BESIDE_PIXELS = 1 << 30  # bytes that the process may take beside what an image may
_MOST = 16 << 30  # where images have no limit


class PageEndedError(ImageError):
    """A page that took too long or too much memory, or made PDFium break off."""


class PdfProcess:
    """One process, asked one thing at a time, as PDFium wants it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._pid = 0
        self._asked = 0  # requests so far; an answer carries the number of its request
        self._closing: deque[int] = deque()

    def ask(self, what: str, key: int, path: str, page: int = 0, limit: int = 0) -> Any:
        """Answer of the process; of a page to draw (size, pixels).

        Raises: ImageError with the reason alone, also where the process was ended by the page; MissingExtraError.
        """
        if importlib.util.find_spec("pypdfium2") is None:
            raise MissingExtraError("Reading PDF", "pypdfium2", "search")
        with self._lock:
            close = [self._closing.popleft() for _ in range(len(self._closing))]
            request = {"ask": what, "key": key, "path": path, "page": page, "limit": limit}
            try:
                facts, pixels = self._exchange({**request, "close": close, "seconds": PAGE_SECONDS})
            except (OSError, ValueError) as error:  # it ended
                raise PageEndedError(self._describe_end(page)) from error
            except BaseException:  # an interrupt: the answer, or its rest, would be read as that of the next request
                self.end()
                raise
        if "error" in facts:
            raise ImageError(facts["error"])
        if "size" in facts:
            return tuple(facts["size"]), pixels
        return facts["value"]

    def _exchange(self, request: dict[str, Any]) -> tuple[dict[str, Any], bytes]:
        """Write a request and read its answer whole. Raises: OSError or ValueError where the process ended."""
        process = self._running()
        assert process.stdin is not None
        assert process.stdout is not None
        self._asked += 1
        process.stdin.write(json.dumps({**request, "number": self._asked}).encode() + b"\n")
        process.stdin.flush()
        facts = json.loads(process.stdout.readline())
        if facts["number"] != self._asked:
            raise ValueError(f"answer {facts['number']} to request {self._asked}")
        pixels = process.stdout.read(facts["bytes"])
        if len(pixels) != facts["bytes"]:
            raise ValueError(f"{len(pixels)} of {facts['bytes']} bytes of pixels")
        return facts, pixels

    def close_later(self, key: int) -> None:
        """Close a document with the next request; called while objects are collected, so it may not wait."""
        self._closing.append(key)

    def end(self) -> None:
        """End the process."""
        process, self._process = self._process, None
        if process is not None and self._pid == os.getpid():
            process.kill()
            process.communicate()

    def _running(self) -> subprocess.Popen[bytes]:
        if self._process is None or self._pid != os.getpid():  # of a parent that forked it is not ours
            limit = int(min(most_bytes(), _MOST)) + _BESIDE_PIXELS
            self._process = subprocess.Popen(
                [sys.executable, "-m", "wordsight.ingest.pdf_worker", str(limit)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path)), "OMP_NUM_THREADS": "1"},
            )
            self._pid = os.getpid()
            atexit.register(self.end)
        return self._process

    def _describe_end(self, page: int) -> str:
        assert self._process is not None
        try:
            status = self._process.wait(1)
        except subprocess.TimeoutExpired:
            status = 0
        finally:
            self.end()
        what = "the document"
        if page:
            what = f"page {page}"
        if status == TOO_LONG:
            return f"{what} takes longer than {PAGE_SECONDS:g} seconds to read; print it to a new PDF"
        return f"{what} made PDFium break off, or needs too much memory; print it to a new PDF"


PROCESS = PdfProcess()
