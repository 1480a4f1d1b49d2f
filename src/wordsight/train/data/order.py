"""In which order pairs come: a function of seed, epoch and process, which can begin anywhere."""

from __future__ import annotations

import bisect
import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from wordsight.train.data.references import Pairs, Reference


@dataclass(frozen=True)
class DataState:
    """Where a process stands in its stream of pairs; of use to the same process of the same run only.

    epoch: passes over the data that are behind. position: pairs taken, those that were skipped too; of shards in this
    epoch, else since the beginning.
    """

    epoch: int = 0
    position: int = 0


class Stream(Protocol):
    """An endless stream of references, each with the state after it."""

    def __call__(self, state: DataState) -> Iterator[tuple[Reference, DataState]]:
        """Begin after `state`."""


class Together:
    """Several sources as one."""

    def __init__(self, sources: Sequence[Pairs]) -> None:
        self._sources = [source for source in sources if len(source)]
        self._ends = list(itertools.accumulate(map(len, self._sources)))

    def __len__(self) -> int:
        return self._ends[-1] if self._ends else 0

    def reference(self, index: int, draw: tuple[int, ...]) -> Reference:
        """Return a pair by its number."""
        which = bisect.bisect_right(self._ends, index)
        return self._sources[which].reference(index - (self._ends[which - 1] if which else 0), draw)


class Permuted:
    """Pairs that can be taken in any order: in each epoch a permutation of all, one after the other without a seam.

    Of each global batch process `rank` takes its part, so that any number of processes sees the same global batches;
    a process that had to skip a pair fills up with its own next one, and sees others from there on.
    """

    def __init__(self, pairs: Pairs, *, seed: int, batch: int, rank: int, world: int) -> None:
        self.pairs, self.seed = pairs, seed
        self.batch, self.share, self.first = batch, batch // world, rank * (batch // world)

    def __call__(self, state: DataState) -> Iterator[tuple[Reference, DataState]]:
        """Begin after `state`, without reading what is before."""
        of_epoch, order_N = -1, np.empty(0, np.int64)
        for position in itertools.count(state.position):
            whole, rest = divmod(position, self.share)
            epoch, index = divmod(whole * self.batch + self.first + rest, len(self.pairs))
            if epoch != of_epoch:
                of_epoch, order_N = epoch, permutation(len(self.pairs), self.seed, epoch)
            number = int(order_N[index])
            reference = self.pairs.reference(number, (self.seed, epoch, number))
            yield reference, DataState(epoch, position + 1)


def permutation(count: int, *seeds: int) -> np.ndarray:
    """Return the numbers below `count` in an order that only the seeds decide, int64 (count,)."""
    return np.random.default_rng([seed % 2**64 for seed in seeds]).permutation(count)
