"""The data of a run: sources opened, put in order, decoded, batched."""

from __future__ import annotations

import os
from collections.abc import Iterator

from wordsight.errors import TrainError
from wordsight.ingest.kinds import DATASET_PREFIX, SAVED_DATASET_FILES, TABLE_EXTENSIONS
from wordsight.pairs.datasets import DatasetPairs, DatasetRows, dataset_rows, parquet_rows
from wordsight.pairs.folders import folder_pairs
from wordsight.pairs.order import DataState, Permuted, Stream, Streamed, Together
from wordsight.pairs.references import Pairs, Tally
from wordsight.pairs.shards import Shard, count_samples, shard_paths
from wordsight.pairs.tables import column_that_holds, table_pairs
from wordsight.text.tokenizer import Tokenizer
from wordsight.train.batch import Batch
from wordsight.train.config import TrainConfig
from wordsight.train.data.building import BatchShape
from wordsight.train.data.decode import Decoder, may_trim
from wordsight.train.data.feed import Feed


class TrainData:
    """The batches of one process. Made by `open_data`; close it when done, or use it in a `with`.

    steps_per_epoch: batches of an epoch. skipped: the pairs left out, by reason; cut: those whose caption was longer
    than the context. Both are of this process since it was opened, those decoded ahead too; each pair counts once.
    wait_s: seconds that were spent waiting.
    """

    def __init__(self, feed: Feed, steps_per_epoch: int) -> None:
        self._feed = feed
        self.steps_per_epoch = steps_per_epoch
        self.skipped, self.cut = feed.skipped, feed.cut

    @property
    def wait_s(self) -> float:
        """Seconds the caller has waited for batches so far."""
        return self._feed.wait_s

    def batches(self, state: DataState | None = None) -> Iterator[tuple[Batch, DataState]]:
        """Yield this process's share of each batch, for ever, with the state from which to go on after it.

        state: one that was yielded by the same process of the same run; what follows is the same, bit by bit, with any
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
    """Return the data of a run as process `rank` of `world` sees it.

    config: its numbers are in their ranges, as `train` sees to (`limits.validate_settings`).
    Shards are counted first, by the headers of all (some 0.1 ms a sample), unless data.samples says what an epoch is.

    Raises: TrainError for sources that cannot be read, and for fewer pairs than a batch;
        MissingExtraError for what a source needs.
    """
    _check(config, world)
    data = config.data
    sources = _Sources(config)
    there = sources.count()
    count = there if data.samples is None else data.samples
    fewest = count if there is None else min(count or 0, there)
    if fewest is not None and fewest < config.batch:
        lines = "".join(f"\n  {line}" for line in [*sources.tally.lines(), *sources.damage.lines()])
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
    skipped = Tally() if rank else sources.tally  # what was left out on opening is the same for all, and told once
    feed = Feed(sources.stream(rank, world), decoder, shape, workers=data.workers, skipped=skipped, cut=Tally())
    assert count is not None
    return TrainData(feed, count // config.batch)


class _Sources:
    """All that data.pairs names, opened."""

    def __init__(self, config: TrainConfig) -> None:
        self.config, self.data = config, config.data
        self.tally = Tally()
        self.damage = Tally()  # of shards, as far as it was seen when they were counted; it is told when they are read
        self.texts = config.objective.traits.uses_texts
        self.shards: list[Shard] = []
        self.datasets: list[DatasetRows] = []
        listed = [pairs for source in self.data.pairs if (pairs := self._open(source)) is not None]
        self.listed = Together(listed)

    def _open(self, source: str) -> Pairs | None:
        """Return what can be taken in any order; note the shards."""
        source = os.path.expanduser(source)
        lower = source.lower()
        if source.startswith(DATASET_PREFIX) and not os.path.lexists(source):
            return self._dataset(dataset_rows(source, self.data, texts=self.texts))
        if os.path.isdir(source):
            if any(os.path.exists(os.path.join(source, name)) for name in SAVED_DATASET_FILES):
                return self._dataset(dataset_rows(DATASET_PREFIX + source, self.data, texts=self.texts))
            pairs, archives = folder_pairs(source, self.tally, texts=self.texts)
            self.shards += map(Shard, archives)
            return pairs
        if lower.startswith(("http:", "https:", "s3:", "gs:", "pipe:")):
            raise TrainError(f"data.pairs names the address {source!r}; download it, or mount it as a folder.")
        if lower.endswith(".tar"):
            self.shards += map(Shard, shard_paths(source))
            return None
        if not os.path.exists(source) or not lower.endswith(TABLE_EXTENSIONS):
            seen = "which is none of these" if os.path.exists(source) else "which does not exist"
            raise TrainError(
                f"data.pairs names {source!r}, {seen}: a table (.csv, .tsv, .jsonl, .parquet), a folder of images, "
                f"shards ('shards/{{00000..00099}}.tar'), or a dataset ('{DATASET_PREFIX}NAME')."
            )
        if held := column_that_holds(source, self.data):
            return self._dataset(parquet_rows(source, self.data, held, texts=self.texts))
        return table_pairs(source, self.data, self.tally, texts=self.texts)

    def _dataset(self, rows: DatasetRows) -> DatasetPairs:
        self.datasets.append(rows)
        return DatasetPairs(rows, len(self.datasets) - 1)

    def count(self) -> int | None:
        """Return how many pairs there are; None of shards whose epoch is given, which are not counted then."""
        if self.shards and self.data.samples is not None:
            return None
        return len(self.listed) + count_samples(self.shards, self.damage)

    def stream(self, rank: int, world: int) -> Stream:
        """Return the order of a process."""
        seed = self.config.seed
        if not self.shards:
            return Permuted(self.listed, seed=seed, batch=self.config.batch, rank=rank, world=world)
        buffer = self.data.buffer
        return Streamed(self.shards, self.listed, buffer=buffer, seed=seed, rank=rank, world=world)


def _check(config: TrainConfig, world: int) -> None:
    if config.batch % world:
        raise TrainError(
            f"The batch of {config.batch:,} cannot be shared by {world} processes; make it a multiple of {world}."
        )
    if not config.data.pairs:
        raise TrainError("data.pairs is empty; name tables, folders of images, shards or datasets.")
