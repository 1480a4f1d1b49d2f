"""Stopping a run on a signal: it finishes its step and saves a checkpoint first."""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Iterator
from types import FrameType

_SIGNALS = (signal.SIGINT, signal.SIGTERM)


class Stopped(KeyboardInterrupt):
    """A run that stopped on a signal, with its checkpoint written; the message says how to resume.

    number: of the signal, SIGINT (Ctrl-C) or SIGTERM.
    """

    def __init__(self, message: str, number: int) -> None:
        super().__init__(message)
        self.number = number


class Request:
    """Request to stop. number: of the signal; None while there is none."""

    number: int | None = None


@contextlib.contextmanager
def on_signals() -> Iterator[Request]:
    """Note Ctrl-C or SIGTERM instead of terminating; Ctrl-C after either acts at once, as usual.

    SIGTERM is noted however often it comes: a scheduler and torchrun may both send it.
    Outside the main thread nothing changes: only there does Python handle signals.
    """
    request = Request()
    if threading.current_thread() is not threading.main_thread():
        yield request
        return
    before = {number: signal.getsignal(number) for number in _SIGNALS}

    def note(number: int, _: FrameType | None) -> None:
        request.number = number
        signal.signal(signal.SIGINT, before[signal.SIGINT])

    for number in _SIGNALS:
        if before[number] is not signal.SIG_IGN:  # ignored, as for a shell's background job
            signal.signal(number, note)
    try:
        yield request
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
