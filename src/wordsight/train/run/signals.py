"""A run that is asked to stop: it ends its step and saves what it has, and then stops."""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Iterator
from types import FrameType

_ASKED_BY = (signal.SIGINT, signal.SIGTERM)


class Stopped(KeyboardInterrupt):
    """A run that stopped because it was asked to, with its checkpoint written; the message says how to go on.

    number: of the signal that asked, SIGINT (Ctrl-C) or SIGTERM.
    """

    def __init__(self, message: str, number: int) -> None:
        super().__init__(message)
        self.number = number


class Request:
    """Whether a stop was asked for, and by which signal."""

    number: int | None = None


@contextlib.contextmanager
def on_signals() -> Iterator[Request]:
    """Note Ctrl-C or SIGTERM instead of dying of it; Ctrl-C after either acts at once, as ever.

    SIGTERM is noted however often: a scheduler and torchrun may both send it to a process.
    Outside of the main thread nothing is changed: only there does Python take signals.
    """
    request = Request()
    if threading.current_thread() is not threading.main_thread():
        yield request
        return
    before = {number: signal.getsignal(number) for number in _ASKED_BY}

    def note(number: int, _: FrameType | None) -> None:
        request.number = number
        signal.signal(signal.SIGINT, before[signal.SIGINT])

    for number in _ASKED_BY:
        if before[number] is not signal.SIG_IGN:  # as in the background of a shell: not to be woken for that
            signal.signal(number, note)
    try:
        yield request
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
