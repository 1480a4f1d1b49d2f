"""The data of a run: sources opened, put in order, decoded, batched."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any

from wordsight.errors import TrainError
from wordsight.ingest.hf import PREFIX
from wordsight.ingest.table_files import ENDINGS
from wordsight.tokenizer import Tokenizer
from wordsight.train.batch import Batch
from wordsight.train.config import TrainConfig
from wordsight.train.data.decode import Decoder, may_trim
from wordsight.train.data.feed import Feed, Shape
from wordsight.train.data.folders import folder_pairs
from wordsight.train.data.order import DataState, Permuted, Stream, Together
from wordsight.train.data.references import Pairs, Tally
from wordsight.train.data.tables import table_pairs


class TrainData:
    """The batches of one process. Made by `open_data`; close it when done, or use it in a `with`.

    steps_per_epoch: batches of an epoch. skipped: the pairs left out, by reason; cut: those whose caption was longer
    than the context. Both are of this process, and each pair counts once. wait_s: seconds that were spent waiting.
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

    Raises: TrainError for sources that cannot be read, numbers that make no sense, fewer pairs than a batch;
        MissingExtraError for what a source needs.
    """
    _check(config, world)
    data = config.data
    tally, cut = Tally(), Tally()
    pairs = _pairs(config, tally)
    count = len(pairs) if data.samples is None else data.samples
    if min(count, len(pairs)) < config.batch:
        lines = "".join(f"\n  {line}" for line in tally.lines())
        raise TrainError(
            f"There are {min(count, len(pairs)):,} pairs, fewer than a batch of {config.batch:,}; make the batch "
            f"smaller or name more sources.{' Left out:' if lines else ''}{lines}"
        )
    stream: Stream = Permuted(pairs, seed=config.seed, batch=config.batch, rank=rank, world=world)
    if rank:  # what was left out on opening is the same for all, and told once
        tally = Tally()
    decoder = Decoder(config, tokenizer)
    shape = Shape(
        batch=config.batch,
        share=config.batch // world,
        known=len(pairs),
        image_size=config.model.preprocess.image_size,
        context_length=tokenizer.spec.context_length,
        pad_id=tokenizer.spec.pad_id,
        views=decoder.views,
        trim=may_trim(config.model.text),
    )
    feed = Feed(stream, decoder, shape, workers=data.workers, skipped=tally, cut=cut)
    return TrainData(feed, count // config.batch)


def _pairs(config: TrainConfig, tally: Tally) -> Together:
    """Return all sources as one."""
    data = config.data
    texts = config.objective.name != "nt_xent"  # which learns from pictures alone
    sources: list[Pairs] = []
    for source in data.pairs:
        if not os.path.exists(source):
            raise TrainError(
                f"data.pairs names {source!r}, which does not exist; expected a table (.csv, .tsv, .jsonl, .parquet), "
                f"a folder of pictures, shards ('shards/{{00000..00099}}.tar') or '{PREFIX}NAME'."
            )
        if os.path.isdir(source):
            sources.append(folder_pairs(source, tally, texts=texts)[0])
        elif source.lower().endswith(ENDINGS):
            sources.append(table_pairs(source, data, tally, texts=texts))
        else:
            raise TrainError(
                f"data.pairs names the file {source!r}, expected a table (.csv, .tsv, .jsonl, .parquet) or .tar shards."
            )
    return Together(sources)


def _check(config: TrainConfig, world: int) -> None:
    data: Any = config.data
    for name, value, least in (
        ("batch", config.batch, 1),
        ("data.workers", data.workers, 0),
        ("data.buffer", data.buffer, 1),
        ("data.samples", 1 if data.samples is None else data.samples, 1),
    ):
        if value < least:
            raise TrainError(f"{name} is {value}, expected {least} or more.")
    if config.batch % world:
        raise TrainError(
            f"The batch of {config.batch:,} cannot be shared by {world} processes; make it a multiple of {world}."
        )
    if not data.pairs:
        raise TrainError("data.pairs is empty; name tables, folders of pictures, shards or data sets.")
