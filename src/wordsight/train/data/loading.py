"""The data of a run: sources opened, put in order, decoded, batched."""

from __future__ import annotations

from collections.abc import Iterator

from wordsight.errors import InputError, TrainError
from wordsight.pairs.order import DataState, PermutedStream, ShardStream, Stream
from wordsight.pairs.shards import count_samples
from wordsight.pairs.sources import PairSources
from wordsight.pairs.tally import Tally
from wordsight.text.tokenizer import Tokenizer
from wordsight.train.batch import Batch
from wordsight.train.config import TrainConfig
from wordsight.train.data.building import BatchShape
from wordsight.train.data.decode import Decoder, make_pair_options, may_trim
from wordsight.train.data.feed import Feed


class TrainData:
    """The batches of one process. Made by `open_data`; close it when done, or use it in a `with`.

    steps_per_epoch: batches of an epoch. skipped: the pairs left out, by reason; truncated: those whose caption was
    longer than the context. Both are of this process since it was opened, those decoded ahead too; each pair counts
    once. wait_s: seconds that were spent waiting.
    """

    def __init__(self, feed: Feed, steps_per_epoch: int) -> None:
        self._feed = feed
        self.steps_per_epoch = steps_per_epoch
        self.skipped, self.truncated = feed.skipped, feed.truncated

    @property
    def wait_s(self) -> float:
        """Seconds the caller has waited for batches so far."""
        return self._feed.wait_s

    def batches(self, state: DataState | None = None) -> Iterator[tuple[Batch, DataState]]:
        """Yield this process's share of each batch, forever, with the state from which to resume after it.

        state: one that was yielded by the same process of the same run; what follows is bit-identical with any
        number of workers. To be called once.
        Raises: TrainError where too few pairs can be read and where a worker dies.
        """
        return self._feed.batches(state or DataState())

    def close(self) -> None:
        """End the workers."""
        self._feed.close()

    def __enter__(self) -> TrainData:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def open_data(config: TrainConfig, tokenizer: Tokenizer, *, rank: int = 0, world: int = 1) -> TrainData:
    """Data of a run as process `rank` of `world` sees it.

    config: its numbers are in their ranges, as `train` sees to (`limits.validate_settings`).
    Shards are counted first, by the headers of all (some 0.1 ms a sample), unless data.samples says what an epoch is.

    Raises: TrainError for sources that cannot be read, and for fewer pairs than a batch;
        MissingExtraError for what a source needs.
    """
    _check(config, world)
    data = config.data
    try:
        sources = PairSources(data.pairs, make_pair_options(config))
    except InputError as error:
        raise TrainError(str(error)) from error
    damage = Tally()  # of shards, as far as counting sees it; it is reported when they are read
    there = _count_pairs(sources, config, damage)
    count = there if data.samples is None else data.samples
    fewest = count if there is None else min(count or 0, there)
    if fewest is not None and fewest < config.batch:
        lines = "".join(f"\n  {line}" for line in [*sources.tally.lines(), *damage.lines()])
        raise TrainError(
            f"There are {fewest:,} pairs, fewer than a batch of {config.batch:,}; make the batch smaller or name more "
            f"sources.{' Left out:' if lines else ''}{lines}"
        )
    decoder = Decoder(config, tokenizer, sources.datasets)
    shape = BatchShape(
        batch=config.batch,
        share=config.batch // world,
        known=there,
        image_size=config.model.preprocess.image_size,
        context_length=tokenizer.spec.context_length,
        pad_id=tokenizer.spec.pad_id,
        views=decoder.views,
        trim=may_trim(config.model.text),
    )
    skipped = Tally() if rank else sources.tally  # what opening left out is the same for all, and reported once
    feed = Feed(
        _order(sources, config, rank, world), decoder, shape, workers=data.workers, skipped=skipped, truncated=Tally()
    )
    assert count is not None
    return TrainData(feed, count // config.batch)


def _count_pairs(sources: PairSources, config: TrainConfig, damage: Tally) -> int | None:
    """Number of pairs; None for shards whose epoch is given, which are not counted then."""
    if sources.shards and config.data.samples is not None:
        return None
    return len(sources.listed) + count_samples(sources.shards, damage)


def _order(sources: PairSources, config: TrainConfig, rank: int, world: int) -> Stream:
    """Order of the pairs of process `rank`."""
    seed = config.seed
    if not sources.shards:
        return PermutedStream(sources.listed, seed=seed, batch=config.batch, rank=rank, world=world)
    return ShardStream(sources.shards, sources.listed, buffer=config.data.buffer, seed=seed, rank=rank, world=world)


def _check(config: TrainConfig, world: int) -> None:
    if config.batch % world:
        raise TrainError(
            f"The batch of {config.batch:,} cannot be shared by {world} processes; make it a multiple of {world}."
        )
    if not config.data.pairs:
        raise TrainError("data.pairs is empty; name tables, folders of images, shards or datasets.")
