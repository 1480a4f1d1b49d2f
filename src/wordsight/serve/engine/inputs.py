"""Requests in the queues: what one caller asked for together, and its single inputs."""

from __future__ import annotations

import asyncio
import contextlib
import threading
import time
from dataclasses import dataclass, field
from typing import Any, Literal

from wordsight.serve.engine.admission import Admission
from wordsight.serve.engine.callers import Caller

Kind = Literal["text", "image"]


class Asked:
    """Inputs that one caller asked for together; `future` resolves with all answers once the last is there.

    Made in the event loop, answered from the threads of the decoders and the encoder. Its inputs are counted out of
    `admission` before anybody learns of an answer, so that who asks again at once finds room.
    """

    def __init__(self, kind: Kind, size: int, caller: Caller, admission: Admission) -> None:
        self.kind = kind
        self.caller = caller
        self._admission = admission
        self.remaining = size
        self.loop = asyncio.get_running_loop()
        self.future: asyncio.Future[list[Any]] = self.loop.create_future()
        self._answers: list[Any] = [None] * size
        self._open = True
        self._lock = threading.Lock()

    @property
    def open(self) -> bool:
        """Whether somebody still waits for it."""
        return self._open

    def answer(self, index: int, answer: Any) -> None:
        """Record an input's answer; nothing where nobody waits for it any more."""
        with self._lock:
            if not self._open:
                return
            self._answers[index] = answer
            self.remaining -= 1
            self._open = self.remaining > 0
            self._admission.leave(1)
            if not self._open:
                self._resolve(self._answers)

    def close(self, error: Exception | None = None) -> None:
        """End it, with an error or (a client that left) without any; nothing where it ended before."""
        with self._lock:
            if not self._open:
                return
            self._open = False
            self._admission.leave(self.remaining, answered=False)
        if error is not None:
            self._resolve(error)

    def _resolve(self, outcome: list[Any] | Exception) -> None:
        with contextlib.suppress(RuntimeError):  # the loop was closed meanwhile
            self.loop.call_soon_threadsafe(self._set, outcome)

    def _set(self, outcome: list[Any] | Exception) -> None:
        if self.future.done():
            return
        if isinstance(outcome, Exception):
            self.future.set_exception(outcome)
        else:
            self.future.set_result(outcome)


@dataclass(slots=True, eq=False)
class Input:
    """One text or image that waits.

    payload: token ids (T,) of a text; bytes or a path of an image, then its pixels (S, S, 3).
    counts: of a text's tokens, those that are read and those beyond the context.
    """

    asked: Asked
    index: int
    payload: Any
    text: str = ""
    counts: tuple[int, int] = (0, 0)
    since: float = field(default_factory=time.perf_counter)

    @property
    def kind(self) -> Kind:
        """Tower that it is for."""
        return self.asked.kind

    @property
    def caller(self) -> Caller:
        """Who asked for it."""
        return self.asked.caller
