"""Batches under construction: rows of decoded chunks copied into their places."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch

from wordsight.train.batch import Batch, Ids
from wordsight.train.data.decode import Chunk

_PAD_TO = 8  # lengths of texts are multiples of this: fewer shapes to compile for


@dataclass(frozen=True, kw_only=True)
class BatchShape:
    """Shape of this process's share of a batch. trim: whether padding is trimmed to the longest text.

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
    def image_bytes(self) -> int:
        """Bytes of one sample's images."""
        return 3 * self.image_size**2 * self.views


class BatchBuilder:
    """A batch that is being filled. pin: whether it is in pinned memory, from which a GPU copies by itself."""

    def __init__(self, shape: BatchShape, pin: bool) -> None:
        self.shape, self.count = shape, 0
        size = (shape.share, 3, shape.image_size, shape.image_size)
        self.pixels = [torch.empty(size, dtype=torch.uint8, pin_memory=pin) for _ in range(shape.views)]
        self.tokens_BT = torch.full((shape.share, shape.context_length), shape.pad_id, dtype=torch.int64)
        self.lengths_B = np.zeros(shape.share, np.int64)
        self.ids = torch.empty((2, shape.share), dtype=torch.int64)
        self.keys: list[str] = []

    @property
    def full(self) -> bool:
        """Whether all rows are filled."""
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
        """Full batch."""
        tokens_BT = self.tokens_BT
        if self.shape.trim:
            longest = int(self.lengths_B.max())
            width = min(self.shape.context_length, -(-longest // _PAD_TO) * _PAD_TO)
            tokens_BT = tokens_BT[:, :width].contiguous()
        return Batch(
            pixels_BCHW=self.pixels[0],
            tokens_BT=tokens_BT,
            ids=Ids(self.ids[0], self.ids[1]),
            keys=tuple(self.keys),
            views_BCHW=self.pixels[1] if self.shape.views == 2 else None,
        )
