"""From a stream of references to batches: a thread puts them together ahead of the loop."""

from __future__ import annotations

import atexit
import contextlib
import itertools
import queue
import threading
import time
from collections import deque
from collections.abc import Iterator, Sequence
from typing import Any

import torch

from wordsight.errors import TrainError
from wordsight.pairs.order import DataState, Stream
from wordsight.pairs.references import Reference
from wordsight.pairs.tally import Tally
from wordsight.train.batch import Batch
from wordsight.train.data.building import BatchBuilder, BatchShape
from wordsight.train.data.chunks import Chunks, describe_dead_worker, wait_for_dead_worker
from wordsight.train.data.decode import Chunk, Decoder

# What a worker decodes at a time: enough that sending it costs little, little enough that few (each an open file, being
# shared memory) are under way.
_CHUNK, _CHUNK_BYTES = 1024, 8 << 20
_LARGE = 256 << 20  # bytes of a batch above which one, not two, is put together while another is computed with
_AHEAD = 1 << 30  # bytes of decoded images that may wait for their batch
_CHECK = 0.5  # seconds between checks that the workers are alive
_MOST_LOST = 20_000  # broken pairs in a row that do not end a run: a whole shard may be bad
_JOIN = 30.0  # seconds to wait for the thread's end


class Feed:
    """The batches of a stream from a state on; a thread puts them together while the caller computes.

    skipped: pairs left out; truncated: captions longer than the context. wait_s: seconds the caller waited.
    """

    def __init__(
        self, stream: Stream, decoder: Decoder, shape: BatchShape, *, workers: int, skipped: Tally, truncated: Tally
    ) -> None:
        self.stream, self.decoder, self.shape, self.workers = stream, decoder, shape, workers
        self.skipped, self.truncated = skipped, truncated
        self.wait_s = 0.0
        self._broken = 0
        self._ready: queue.SimpleQueue[tuple[Batch, DataState] | BaseException] = queue.SimpleQueue()
        large = shape.share * shape.image_bytes > _LARGE
        self._slots = threading.Semaphore(2 if large else 3)
        self._stop = threading.Event()
        self._started = threading.Event()
        self._thread: threading.Thread | None = None
        self._processes: Sequence[Any] = ()

    def batches(self, state: DataState) -> Iterator[tuple[Batch, DataState]]:
        """Endless batches, each with the state after it. Raises: TrainError."""
        assert self._thread is None, "batches are asked for once"
        run = (state, _cuda_device())
        self._thread = threading.Thread(target=self._run, args=run, name="wordsight-batches", daemon=True)
        atexit.register(self.close)
        try:
            self._thread.start()
            # Workers are forked by the thread, which spares the caller torch's SIGCHLD handler and its unrelated
            # errors; until then the caller waits, so that no lock is held while the process is copied.
            self._started.wait()
            while True:
                yield self._next()
                self._slots.release()
        finally:
            self.close()

    def close(self) -> None:
        """End the thread and the workers; a second call does nothing."""
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
                    if died := describe_dead_worker(self._processes):
                        raise TrainError(died) from None
        finally:
            self.wait_s += time.perf_counter() - began
        if isinstance(ready, BaseException):
            raise ready
        return ready

    def _run(self, state: DataState, device: int | None) -> None:
        """Assemble batches until told to stop; errors are passed to the caller."""
        try:
            if device is not None:
                torch.cuda.set_device(device)
            states: deque[tuple[DataState, ...]] = deque()
            with contextlib.closing(self._chunks(state, states)) as chunks:
                self._processes = chunks.processes
                self._started.set()
                try:
                    for ready in self._assembled(chunks, states, state.epoch, pin=device is not None):
                        self._ready.put(ready)
                except (RuntimeError, OSError, EOFError) as error:
                    if died := wait_for_dead_worker(chunks.processes):  # asked before all are ended
                        raise TrainError(died) from error
                    raise
        except BaseException as error:
            if not self._stop.is_set():
                self._ready.put(error)
        finally:
            self._started.set()

    def _chunks(self, state: DataState, states: deque[tuple[DataState, ...]]) -> Chunks:
        """Start the workers; `states` receives the states after each reference, chunk by chunk."""
        shape = self.shape
        each = -(-shape.share // max(1, self.workers))
        size = max(1, min(_CHUNK, _CHUNK_BYTES // shape.image_bytes, each))

        def requests() -> Iterator[tuple[Reference, ...]]:
            stream = self.stream(state)
            while some := tuple(itertools.islice(stream, size)):
                states.append(tuple(after for _, after in some))
                yield tuple(reference for reference, _ in some)

        images = min(2 * shape.share, max(1, _AHEAD // shape.image_bytes))
        return Chunks(self.decoder, requests(), workers=self.workers, ahead=-(-images // size))

    def _assembled(
        self, chunks: Iterator[Chunk], states: deque[tuple[DataState, ...]], epoch: int, *, pin: bool
    ) -> Iterator[tuple[Batch, DataState]]:
        """Full batches; the rest of a chunk goes into the next."""
        chunk: Chunk | None = None
        after: tuple[DataState, ...] = ()
        taken = 0
        while True:
            self._slots.acquire()
            building, looked_at = BatchBuilder(self.shape, pin), 0
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
        for one in chunk.left_out:
            self.skipped.add(*one)
        for one in chunk.problems:
            self._broken += self.skipped.add(*one)
        for one in chunk.truncated:
            self.truncated.add(*one)

    def _give_up(self, good: int, looked_at: int, passes: int) -> None:
        """Raise TrainError where a batch cannot be filled, or hardly."""
        shape = self.shape
        if shape.known is not None and shape.known - self._broken < shape.batch:
            seen = f"Of {shape.known:,} pairs {self._broken:,} cannot be read"
        elif good < shape.share and (passes > 1 or looked_at > _MOST_LOST + 20 * shape.share) and 2 * good < looked_at:
            seen = f"Of the last {looked_at:,} pairs only {good:,} could be read"
        else:
            return
        lines = "".join(f"\n  {line}" for line in self.skipped.lines())
        raise TrainError(
            f"{seen}, which leaves too few for a batch of {shape.batch:,}; fix the data, or make the batch smaller. "
            f"Left out:{lines}"
        )


def _cuda_device() -> int | None:
    """GPU in use; None where none is yet, since none is claimed just for faster copies."""
    in_use: bool = torch.cuda.is_initialized()  # type: ignore[no-untyped-call]
    if not in_use:
        return None
    return torch.cuda.current_device()
