"""From a stream of references to batches: decoded by worker processes or a thread, put together ahead of the loop."""

from __future__ import annotations

import atexit
import contextlib
import itertools
import os
import queue
import signal
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch.utils.data import DataLoader

from wordsight.errors import TrainError
from wordsight.train.batch import Batch, Ids
from wordsight.train.data.decode import Chunk, Decoder
from wordsight.train.data.order import DataState, Stream
from wordsight.train.data.references import Reference, Tally

# What a worker decodes at a time: enough that sending it costs little, little enough that few (each an open file, being
# shared memory) are under way.
_CHUNK, _CHUNK_BYTES = 1024, 8 << 20
_LARGE = 256 << 20  # bytes of a batch above which only one is put together ahead
_AHEAD = 1 << 30  # bytes of decoded pictures that may wait for their batch
_CHECK = 0.5  # seconds between looks at whether the workers live
_JOIN = 30.0  # seconds to wait for the thread's end
_PARALLELISM = "TOKENIZERS_PARALLELISM"
_PAD_TO = 8  # lengths of texts are multiples of this: fewer shapes to compile for


@dataclass(frozen=True, kw_only=True)
class Shape:
    """What this process's share of a batch is to look like. trim: cut padding to the longest text.

    batch: pairs of all processes' shares. known: how many pairs there are in all, None if they were not counted.
    """

    batch: int
    share: int
    known: int | None
    image_size: int
    context_length: int
    pad_id: int
    views: int
    trim: bool

    @property
    def picture_bytes(self) -> int:
        """Bytes of one sample's pictures."""
        return 3 * self.image_size**2 * self.views


class Feed:
    """The batches of a stream from a state on; a thread puts them together while the caller computes.

    skipped, cut: what was left out, and captions whose ends were not read. wait_s: seconds the caller waited.
    """

    def __init__(
        self, stream: Stream, decoder: Decoder, shape: Shape, *, workers: int, skipped: Tally, cut: Tally
    ) -> None:
        self.stream, self.decoder, self.shape, self.workers = stream, decoder, shape, workers
        self.skipped, self.cut = skipped, cut
        self.wait_s = 0.0
        self._broken = 0
        self._ready: queue.SimpleQueue[tuple[Batch, DataState] | BaseException] = queue.SimpleQueue()
        large = shape.share * shape.picture_bytes > _LARGE
        self._slots = threading.Semaphore(1 if large else 2)
        self._stop = threading.Event()
        self._started = threading.Event()
        self._thread: threading.Thread | None = None
        self._processes: Sequence[Any] = ()

    def batches(self, state: DataState) -> Iterator[tuple[Batch, DataState]]:
        """Yield batches, each with the state after it, for ever. Raises: TrainError."""
        assert self._thread is None, "batches are asked for once"
        run = (state, _cuda_device())
        self._thread = threading.Thread(target=self._run, args=run, name="wordsight-batches", daemon=True)
        atexit.register(self.close)
        try:
            self._thread.start()
            # Workers are forked by the thread, which spares the caller torch's handler of SIGCHLD, an error out of
            # nowhere; until then the caller stands still, so that no lock is held while the process is copied.
            self._started.wait()
            while True:
                yield self._next()
                self._slots.release()
        finally:
            self.close()

    def close(self) -> None:
        """End the thread and the workers; again does nothing."""
        self._stop.set()
        self._slots.release()
        if self._thread is not None and self._thread is not threading.current_thread():
            self._thread.join(_JOIN)
        atexit.unregister(self.close)

    def _next(self) -> tuple[Batch, DataState]:
        began = time.perf_counter()
        try:
            while True:
                try:
                    ready = self._ready.get(timeout=_CHECK)
                    break
                except queue.Empty:
                    if self._stop.is_set():
                        raise TrainError("The data was closed while batches were asked of it.") from None
                    if died := _died(self._processes):
                        raise TrainError(died) from None
        finally:
            self.wait_s += time.perf_counter() - began
        if isinstance(ready, BaseException):
            raise ready
        return ready

    def _run(self, state: DataState, device: int | None) -> None:
        """Put batches together until told to stop; what goes wrong is handed to the caller."""
        try:
            if device is not None:
                torch.cuda.set_device(device)
            states: deque[tuple[DataState, ...]] = deque()
            with contextlib.closing(self._chunks(state, states)) as chunks:
                self._started.set()
                try:
                    for ready in self._assembled(chunks, states, state.epoch, pin=device is not None):
                        self._ready.put(ready)
                except (RuntimeError, OSError, EOFError) as error:
                    if died := _who_died(self._processes):  # asked before all are ended
                        raise TrainError(died) from error
                    raise
        except BaseException as error:
            if not self._stop.is_set():
                self._ready.put(error)
        finally:
            self._started.set()

    def _chunks(self, state: DataState, states: deque[tuple[DataState, ...]]) -> _Chunks:
        each = -(-self.shape.share // max(1, self.workers))
        size = max(1, min(_CHUNK, _CHUNK_BYTES // self.shape.picture_bytes, each))

        def requests() -> Iterator[tuple[Reference, ...]]:
            stream = self.stream(state)
            while some := tuple(itertools.islice(stream, size)):
                states.append(tuple(after for _, after in some))
                yield tuple(reference for reference, _ in some)

        return _Chunks(self, requests(), size)

    def _assembled(
        self, chunks: Iterator[Chunk], states: deque[tuple[DataState, ...]], epoch: int, *, pin: bool
    ) -> Iterator[tuple[Batch, DataState]]:
        """Yield full batches; what a chunk has over goes into the next."""
        chunk: Chunk | None = None
        after: tuple[DataState, ...] = ()
        taken = 0
        while True:
            self._slots.acquire()
            building, looked_at = _Building(self.shape, pin), 0
            while not building.full:
                if self._stop.is_set():
                    return
                if chunk is None or taken == len(chunk.keys):
                    chunk, taken = next(chunks), 0
                    after = states.popleft()
                    looked_at += len(after)
                    self._count(chunk)
                    self._give_up(building.count + len(chunk.keys), looked_at, after[-1].epoch - epoch)
                taken = building.take(chunk, taken)
            assert chunk is not None
            state = after[chunk.places[taken - 1]]
            epoch = state.epoch
            yield building.batch(), state

    def _count(self, chunk: Chunk) -> None:
        for key, reason in chunk.left_out:
            self.skipped.add(key, reason)
        for key, reason in chunk.problems:
            self._broken += self.skipped.add(key, reason)
        for key in chunk.cut:
            self.cut.add(key, "its caption is longer than the context; the end is not read")

    def _give_up(self, good: int, looked_at: int, passes: int) -> None:
        """Raise TrainError where a batch cannot be filled, or hardly."""
        shape = self.shape
        if shape.known is not None and shape.known - self._broken < shape.batch:
            seen = f"Of {shape.known:,} pairs {self._broken:,} cannot be read"
        elif good < shape.share and (passes > 1 or looked_at > 20 * shape.share + 1000):
            seen = f"Of the last {looked_at:,} pairs only {good:,} could be read"
        else:
            return
        lines = "".join(f"\n  {line}" for line in self.skipped.lines())
        raise TrainError(
            f"{seen}, which leaves too few for a batch of {shape.batch:,}; mend the data, or make the batch smaller. "
            f"Left out:{lines}"
        )


class _Building:
    """A batch that is being filled."""

    def __init__(self, shape: Shape, pin: bool) -> None:
        self.shape, self.count = shape, 0
        size = (shape.share, 3, shape.image_size, shape.image_size)
        self.pixels = [torch.empty(size, dtype=torch.uint8, pin_memory=pin) for _ in range(shape.views)]
        self.tokens_BT = torch.full((shape.share, shape.context_length), shape.pad_id, dtype=torch.int64)
        self.lengths_B = np.zeros(shape.share, np.int64)
        self.ids = torch.empty((2, shape.share), dtype=torch.int64)
        self.keys: list[str] = []

    @property
    def full(self) -> bool:
        return self.count == self.shape.share

    def take(self, chunk: Chunk, start: int) -> int:
        """Copy rows of a chunk from `start` on, as many as there is room for; return how many are done."""
        stop = min(len(chunk.keys), start + self.shape.share - self.count)
        here, there = slice(self.count, self.count + stop - start), slice(start, stop)
        for mine, theirs in zip(self.pixels, (chunk.pixels, chunk.views), strict=False):
            assert theirs is not None
            mine.numpy()[here] = theirs.numpy()[there]  # not torch: its thread pool would be one more
        self.tokens_BT.numpy()[here] = chunk.tokens[there]
        self.lengths_B[here] = chunk.lengths[there]
        self.ids.numpy()[:, here] = chunk.ids[:, there]
        self.keys += chunk.keys[there]
        self.count += stop - start
        return stop

    def batch(self) -> Batch:
        longest = int(self.lengths_B.max())
        width = min(self.shape.context_length, -(-longest // _PAD_TO) * _PAD_TO)
        return Batch(
            pixels_BCHW=self.pixels[0],
            tokens_BT=self.tokens_BT[:, :width].contiguous() if self.shape.trim else self.tokens_BT,
            ids=Ids(self.ids[0], self.ids[1]),
            keys=tuple(self.keys),
            views_BCHW=self.pixels[1] if self.shape.views == 2 else None,
        )


class _Chunks:
    """Decoded chunks in the order of their requests, by worker processes, or by the thread that asks."""

    def __init__(self, feed: Feed, requests: Iterator[tuple[Reference, ...]], size: int) -> None:
        self._iterator: Any
        if not feed.workers:
            self._iterator = map(feed.decoder.__getitem__, requests)
            return
        wanted = 2 * feed.shape.share
        held = max(1, _AHEAD // feed.shape.picture_bytes)
        loader = DataLoader(
            feed.decoder,
            batch_size=None,
            sampler=requests,  # each "index" is a chunk of references
            num_workers=feed.workers,
            collate_fn=_as_it_is,
            prefetch_factor=max(2, -(-min(wanted, held) // (size * feed.workers))),
            worker_init_fn=_begin_worker,
            generator=torch.Generator(),  # else the caller's random numbers would be drawn from
        )
        with _quiet_tokenizers():
            self._iterator = iter(loader)
        feed._processes = self._iterator._workers

    def __iter__(self) -> Iterator[Chunk]:
        return self

    def __next__(self) -> Chunk:
        chunk: Chunk = next(self._iterator)
        return chunk

    def close(self) -> None:
        """End the workers."""
        shut: Callable[[], None] = getattr(self._iterator, "_shutdown_workers", lambda: None)
        shut()


@contextlib.contextmanager
def _quiet_tokenizers() -> Iterator[None]:
    """Switch the threads of `tokenizers` off in workers that begin now; else each prints that it did so itself."""
    before = os.environ.get(_PARALLELISM)
    os.environ[_PARALLELISM] = "false"
    try:
        yield
    finally:
        if before is None:
            del os.environ[_PARALLELISM]
        else:
            os.environ[_PARALLELISM] = before


def _begin_worker(_: int) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent is interrupted too, and ends its workers in order


def _as_it_is(chunk: Any) -> Any:
    return chunk


def _cuda_device() -> int | None:
    """Return the GPU in use; where none is yet, none is taken for the sake of faster copies."""
    in_use: bool = torch.cuda.is_initialized()  # type: ignore[no-untyped-call]
    return torch.cuda.current_device() if in_use else None


def _died(processes: Sequence[Any]) -> str:
    """Return what to say of a worker that has died, "" while none has."""
    for process in processes:
        code = process.exitcode
        if not code:  # it lives, or was ended in order
            continue
        with contextlib.suppress(ValueError):
            code = signal.Signals(-code).name if code < 0 else f"exit status {code}"
        return (
            f"The worker process {process.pid} that decodes pictures died ({code}). SIGKILL mostly means that memory "
            "ran out: lower data.workers or the batch. SIGBUS: shared memory (/dev/shm) is full; enlarge it (in a "
            "container --shm-size), or set data.workers=0."
        )
    return ""


def _who_died(processes: Sequence[Any]) -> str:
    """Return the same after reading from a worker failed: its end may be seen a moment later than its silence."""
    until = time.monotonic() + _CHECK
    while not (died := _died(processes)) and processes and time.monotonic() < until:
        time.sleep(_CHECK / 20)
    return died
