"""Sizes of batches: a few fixed ones, since a tower is compiled for each, chosen by measuring this machine."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

# Seconds that a batch may take: a search that arrives waits for the one that runs. See benchmarks/serve_load.py.
BATCH_SECONDS = 0.06
_WORTH = 1.2  # speed-up from which on the next size is tried: what a larger one gains is less, and memory it takes more
# From 2 on: one row alone would need a tower compiled for latency, which takes as much memory again (mini: 90 MB) and
# saves 5 ms of 14.
IMAGES = (2, 4, 8, 16, 32, 64)
TEXTS = (2, 8, 32)
_FULL = 0.75  # share of a batch from which it is worth padding


@dataclass(frozen=True)
class Buckets:
    """Sizes that a tower is compiled for, growing."""

    sizes: tuple[int, ...]

    def pick(self, waiting: int) -> int:
        """Size of the next batch, where so many wait: the largest that they fill, or nearly."""
        full = [size for size in self.sizes if waiting >= _FULL * size]
        return full[-1] if full else self.sizes[0]

    def fit(self, rows: int) -> int:
        """Smallest size that holds so many rows, of which there are at most the largest."""
        return next(size for size in self.sizes if size >= rows)


def measure_buckets(
    prepare: Callable[[int], object],
    run: Callable[[int], object],
    candidates: Sequence[int],
    limit: float = BATCH_SECONDS,
    clock: Callable[[], float] = time.perf_counter,
) -> Buckets:
    """Sizes whose batches take no longer than `limit` seconds, while they gain; the smallest in any case.

    prepare: compiles a size. run: encodes a batch of it; the best of three times counts.
    """
    sizes: list[int] = []
    seconds, gain = 0.0, _WORTH
    for size in candidates:
        if sizes and (seconds * size / sizes[-1] > limit or gain < _WORTH):
            break
        prepare(size)
        times = []
        for _ in range(3):
            start = clock()
            run(size)
            times.append(clock() - start)
        if sizes:
            gain = seconds * size / (sizes[-1] * min(times))
        seconds = min(times)
        sizes.append(size)
    return Buckets(tuple(sizes))
