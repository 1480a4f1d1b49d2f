"""The pool of processes that decode: jobs of all engines, searches first, a time limit for each image."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from wordsight.errors import ImageError
from wordsight.model import decode_threads
from wordsight.serve.engine.decode_process import Command, DecodeProcess
from wordsight.serve.engine.inputs import Asked, Input
from wordsight.serve.engine.lanes import LaneQueue
from wordsight.serve.engine.metrics import Metrics
from wordsight.serve.settings import Limits
from wordsight.spec import Preprocess

MOST_PROCESSES = 8  # of 40 MB each
AHEAD = 48  # decoded bulk images that may wait for the encoder: 10 MB of pixels with mini
_CHECK = 0.25  # seconds between two looks at the time limit

Decoded = NDArray[np.uint8] | ImageError


@dataclass(frozen=True, eq=False)
class Target:
    """Where an input's pixels go. deliver: called in a thread of the pool, with pixels or the reason there are none."""

    preprocess: Preprocess
    deliver: Callable[[Input, Decoded], None]


class Decoders:
    """Processes that decode, each asked by a thread of its own; started with the first image.

    Foreign bytes are touched in the processes alone: one that crashes, takes too long or too much memory costs its
    image. One process more takes searches alone, so that slow bulk images do not hold them up; it is started by the
    first that finds it waiting.
    processes: how many for all images; None: one for each core, up to `MOST_PROCESSES`.
    idle_seconds: after which a process without work ends; None: never.
    """

    def __init__(
        self,
        limits: Limits,
        metrics: Metrics,
        *,
        processes: int | None = None,
        idle_seconds: float | None = None,
        command: Command | None = None,
    ) -> None:
        self._metrics = metrics
        self._idle_seconds = idle_seconds
        count = processes or min(decode_threads(), MOST_PROCESSES)
        self._processes = [DecodeProcess(limits.decode_seconds, limits.pixels, command) for _ in range(count + 1)]
        self._queue = LaneQueue()
        self._targets: dict[Asked, Target] = {}
        self._ahead = 0
        self._running = 0
        self._changed = threading.Condition()
        self._threads: list[threading.Thread] = []
        self._stopping = False
        metrics.watch_depth("decode", self._queue)

    @property
    def pids(self) -> list[int]:
        """Ids of the processes that run."""
        return [one.pid for one in self._processes if one.pid is not None]

    @property
    def running(self) -> int:
        """Number of images that are being decoded."""
        return self._running

    def submit(self, inputs: list[Input], target: Target) -> None:
        """Decode images of one request."""
        with self._changed:
            self._start_threads()
            self._targets[inputs[0].asked] = target
            for entry in inputs:
                self._queue.put(entry)
            self._changed.notify_all()

    def remove(self, asked: Asked) -> None:
        """Forget a request, and drop what waits of it."""
        with self._changed:
            self._targets.pop(asked, None)
            if asked.remaining:
                self._queue.remove(asked)

    def taken(self, images: int) -> None:
        """Say that so many decoded images went to the encoder, or were dropped."""
        with self._changed:
            self._ahead -= images
            self._changed.notify_all()

    def start(self) -> None:
        """Start all processes, so that the first image need not wait."""
        with self._changed:
            self._start_threads()

    def stop(self) -> None:
        """End all threads and processes; what waits is dropped."""
        with self._changed:
            self._stopping = True
            self._queue.clear()
            self._changed.notify_all()
        for one in self._processes:
            one.close()
        for thread in self._threads:
            thread.join()
        for one in self._processes:  # started between the two
            one.end()

    def _start_threads(self) -> None:
        if self._threads or self._stopping:
            return
        for i, process in enumerate(self._processes):
            searches = process is self._processes[-1]
            thread = threading.Thread(
                target=self._work, args=(process, searches), name=f"wordsight-decode-{i}", daemon=True
            )
            self._threads.append(thread)
        self._threads.append(threading.Thread(target=self._watch, name="wordsight-decode-limit", daemon=True))
        for thread in self._threads:
            thread.start()

    def _work(self, process: DecodeProcess, searches: bool) -> None:
        if not searches:
            with contextlib.suppress(ImageError, OSError):  # where it cannot start, each image says so
                process.start()
        while (entry := self._next(process, searches)) is not None:
            with self._changed:
                target = self._targets.get(entry.asked)
            decoded: Decoded = ImageError("nobody waits for it")
            if target is not None and entry.asked.open:
                decoded = self._decode(process, entry, target)
                target.deliver(entry, decoded)
            with self._changed:
                self._running -= 1
            if isinstance(decoded, ImageError):
                self.taken(1)

    def _decode(self, process: DecodeProcess, entry: Input, target: Target) -> Decoded:
        start = time.perf_counter()
        self._metrics.queue_seconds.labels("decode", entry.caller.lane.value).observe(start - entry.since)
        try:
            return process.read_pixels(entry.payload, target.preprocess)
        except ImageError as error:
            return error
        except Exception as error:  # no image may end the thread
            process.end()
            return ImageError(f"cannot be decoded ({type(error).__name__})")
        finally:
            self._metrics.decode_seconds.observe(time.perf_counter() - start)

    def _next(self, process: DecodeProcess, searches: bool) -> Input | None:
        """Next image to decode, of searches alone or of all; None when the pool stops."""
        with self._changed:
            while not self._stopping:
                batch = self._queue.take(lambda *_: 1, bulk=not searches and self._ahead < AHEAD)
                if batch:
                    self._ahead += 1
                    self._running += 1
                    return batch[0]
                if not self._changed.wait(self._idle_seconds):
                    process.end()
            return None

    def _watch(self) -> None:
        while not self._stopping:
            for process in self._processes:
                process.check()
            time.sleep(min(_CHECK, self._processes[0].seconds / 4))
