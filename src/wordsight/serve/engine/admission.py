"""How much may wait: requests beyond it are refused, with the time after which there should be room."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from wordsight.errors import WordsightError
from wordsight.serve.engine.callers import Lane

QUEUED_BYTES = 512 << 20  # encoded images that wait; one request may exceed it alone
SEARCH_SHARE = 0.25  # of the limits, which only searches may use beyond them
LEAST_WAIT = 1.0  # seconds that a refused client is asked to wait
_FIRST_GUESS = 0.02  # seconds of an input, before any was measured
_MEMORY = 0.98  # weight that a measured time keeps with each further input


class BusyError(WordsightError):
    """The queue is full. retry_after: seconds until there should be room."""

    def __init__(self, retry_after: float) -> None:
        super().__init__(f"The server is busy; try again in {retry_after:.0f} seconds.")
        self.retry_after = retry_after


class Admission:
    """Counts the inputs that were accepted and not answered yet, and measures how fast they are.

    limit: inputs that may wait; searches may wait beyond it, so that bulk work does not shut them out. An empty queue
        accepts a request of any size, so that none is refused for ever.
    """

    def __init__(self, limit: int, clock: Callable[[], float] = time.monotonic) -> None:
        self.limit = limit
        self.waiting = 0
        self._bytes = 0
        self._clock = clock
        self._last = 0.0
        self._seconds_each = _FIRST_GUESS
        self._lock = threading.Lock()

    def enter(self, inputs: int, n_bytes: int = 0, lane: Lane = Lane.BULK) -> None:
        """Accept so many inputs of so many bytes. Raises: BusyError."""
        share = 1 + SEARCH_SHARE * (lane is Lane.SEARCH)
        with self._lock:
            full = self.waiting + inputs > share * self.limit or self._bytes + n_bytes > share * QUEUED_BYTES
            if self.waiting and full:
                raise BusyError(self._retry_after(inputs))
            if not self.waiting:
                self._last = self._clock()
            self.waiting += inputs
            self._bytes += n_bytes

    def leave(self, inputs: int, *, answered: bool = True) -> None:
        """Count inputs out; `answered` ones tell how long an input takes."""
        if not inputs:
            return
        with self._lock:
            self.waiting -= inputs
            if answered:
                now = self._clock()
                kept = _MEMORY**inputs
                self._seconds_each = kept * self._seconds_each + (1 - kept) * (now - self._last) / inputs
                self._last = now

    def release(self, n_bytes: int) -> None:
        """Count out the bytes of a request that ended."""
        with self._lock:
            self._bytes -= n_bytes

    def _retry_after(self, inputs: int) -> float:
        """Seconds until a request of so many inputs has room, and at least half of the queue is done."""
        first = max(self.waiting + inputs - self.limit, self.waiting // 2)
        return max(LEAST_WAIT, min(first, self.waiting) * self._seconds_each)
