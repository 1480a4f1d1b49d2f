"""Decoded chunks of references from worker processes, and messages for when one dies."""

from __future__ import annotations

import contextlib
import os
import signal
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import torch
from torch.utils.data import DataLoader

from wordsight.pairs.references import Reference
from wordsight.train.data.decode import Chunk, Decoder

_PARALLELISM = "TOKENIZERS_PARALLELISM"
_SILENCE = 0.5  # seconds until the death of a worker that stopped responding is known


class Chunks:
    """Decoded chunks in the order of their requests, by worker processes or, without any, by the caller.

    ahead: chunks that may be in progress. processes: the workers.
    """

    def __init__(
        self, decoder: Decoder, requests: Iterator[tuple[Reference, ...]], *, workers: int, ahead: int
    ) -> None:
        self._iterator: Any
        self.processes: Sequence[Any] = ()
        if not workers:
            self._iterator = map(decoder.__getitem__, requests)
            return
        loader = DataLoader(
            decoder,
            batch_size=None,
            sampler=requests,  # each "index" is a chunk of references
            num_workers=workers,
            collate_fn=_identity,
            prefetch_factor=max(2, -(-ahead // workers)),
            worker_init_fn=_begin_worker,
            generator=torch.Generator(),  # else the caller's random numbers would be drawn from
        )
        with _quiet_tokenizers():
            self._iterator = iter(loader)
        self.processes = self._iterator._workers

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
    """Turn off the threads of `tokenizers` in workers that start within; otherwise each prints a warning about it."""
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
    # Ctrl-C and torchrun's SIGTERM go to a whole process group; the parent handles them, and ends its workers.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if hasattr(os, "setpgid"):
        os.setpgid(0, 0)


def _identity(chunk: Any) -> Any:
    return chunk


def describe_dead_worker(processes: Sequence[Any]) -> str:
    """Message about a worker that has died; "" while none has."""
    for process in processes:
        code = process.exitcode
        if not code:  # it is alive, or ended normally
            continue
        with contextlib.suppress(ValueError):
            code = signal.Signals(-code).name if code < 0 else f"exit status {code}"
        return (
            f"The worker process {process.pid} that decodes images died ({code}). SIGKILL mostly means that memory "
            "ran out: lower data.workers or the batch. SIGBUS: shared memory (/dev/shm) is full; enlarge it (in a "
            "container --shm-size), or set data.workers=0."
        )
    return ""


def wait_for_dead_worker(processes: Sequence[Any]) -> str:
    """Message about a worker after reading from it failed: its death may be visible only a moment later."""
    until = time.monotonic() + _SILENCE
    while not (died := describe_dead_worker(processes)) and processes and time.monotonic() < until:
        time.sleep(_SILENCE / 20)
    return died
