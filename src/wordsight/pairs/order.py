"""Orders of pairs: functions of seed, epoch and process, which can begin anywhere."""

from __future__ import annotations

import bisect
import functools
import itertools
import random
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from wordsight.errors import TrainError
from wordsight.pairs.references import Pairs, Reference

_PIECE = 1000  # pairs that are shuffled among shards together


@dataclass(frozen=True)
class DataState:
    """Position of a process in its stream of pairs; of use to the same process of the same run only.

    epoch: finished passes over the data. position: pairs taken, those that were skipped too; of shards in this
    epoch, else since the beginning.
    """

    epoch: int = 0
    position: int = 0


class Stream(Protocol):
    """An endless stream of references, each with the state after it."""

    def __call__(self, state: DataState) -> Iterator[tuple[Reference, DataState]]:
        """Begin after `state`."""


class JoinedPairs:
    """Several sources as one."""

    def __init__(self, sources: Sequence[Pairs]) -> None:
        self._sources = [source for source in sources if len(source)]
        self._starts = list(itertools.accumulate(map(len, self._sources), initial=0))  # and the end of all

    def __len__(self) -> int:
        return self._starts[-1]

    def reference(self, index: int, draw: tuple[int, ...]) -> Reference:
        """Pair by its number."""
        which = bisect.bisect_right(self._starts, index) - 1
        return self._sources[which].reference(index - self._starts[which], draw)


class PermutedStream:
    """Pairs that can be taken in any order: in each epoch a permutation of all, end to end.

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
                of_epoch, order_N = epoch, permute(len(self.pairs), self.seed, epoch)
            number = int(order_N[index])
            reference = self.pairs.reference(number, (self.seed, epoch, number))
            yield reference, DataState(epoch, position + 1)


class Archive(Protocol):
    """A source that is read in its own order."""

    def references(self, draw: tuple[int, ...]) -> Iterator[Reference]:
        """All that it holds."""


class ShardStream:
    """Shards, in each epoch in another order, and within it their pairs by a buffer of `buffer` references.

    Of the shards process `rank` reads every `world`th; where there are fewer shards than processes each reads the
    headers of all, and takes every `world`th pair. Pairs that can be taken in any order are cut into pieces, which
    stand among the shards. A process that reaches the end begins its next epoch at once.
    """

    def __init__(
        self, archives: Sequence[Archive], pairs: Pairs, *, buffer: int, seed: int, rank: int, world: int
    ) -> None:
        self.archives, self.pairs = archives, pairs
        self.buffer, self.seed, self.rank, self.world = buffer, seed, rank, world
        self._order_of_pairs = functools.lru_cache(maxsize=1)(functools.partial(permute, len(pairs), seed))

    def __call__(self, state: DataState) -> Iterator[tuple[Reference, DataState]]:
        """Begin after `state`; of the epoch until there headers are read, but no image."""
        for epoch in itertools.count(state.epoch):
            before, position = 0, 0
            if epoch == state.epoch:
                before = state.position
            rng = random.Random(f"{self.seed} {epoch} {self.rank}")
            for position, reference in enumerate(shuffle_within(self._epoch(epoch), self.buffer, rng), 1):
                if position > before:
                    yield reference, DataState(epoch, position)
            if not position:
                raise TrainError(f"The shards hold no pair for process {self.rank} of {self.world}; check data.pairs.")

    def _epoch(self, epoch: int) -> Iterator[Reference]:
        """References of this process, part after part."""
        parts = len(self.archives) + -(-len(self.pairs) // _PIECE)
        order = permute(parts, self.seed, epoch).tolist()
        if parts >= self.world:
            return itertools.chain.from_iterable(self._part(epoch, part) for part in order[self.rank :: self.world])
        whole = itertools.chain.from_iterable(self._part(epoch, part) for part in order)
        return itertools.islice(whole, self.rank, None, self.world)

    def _part(self, epoch: int, part: int) -> Iterator[Reference]:
        if part < len(self.archives):
            yield from self.archives[part].references((self.seed, epoch, part))
            return
        start = (part - len(self.archives)) * _PIECE
        for number in self._order_of_pairs(epoch)[start : start + _PIECE].tolist():
            yield self.pairs.reference(number, (self.seed, epoch, number))


def shuffle_within(references: Iterable[Reference], size: int, rng: random.Random) -> Iterator[Reference]:
    """References in random order, holding `size` of them: each drawn one makes room for the next to come."""
    held: list[Reference] = []
    for reference in references:
        if len(held) < size:
            held.append(reference)
            continue
        at = rng.randrange(size)
        yield held[at]
        held[at] = reference
    rng.shuffle(held)
    yield from held


def permute(count: int, *seeds: int) -> np.ndarray:
    """Numbers below `count` in an order that only the seeds decide, int64 (count,)."""
    return np.random.default_rng([seed % 2**64 for seed in seeds]).permutation(count)
