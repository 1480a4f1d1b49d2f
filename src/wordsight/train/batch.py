"""The data of a step: a batch of pairs, and the features that a network computes from it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor


class Ids(NamedTuple):
    """Identities of the images and texts of a batch: int64 hashes, equal where they are the same, each (B,)."""

    image_B: Tensor
    text_B: Tensor


class Features(NamedTuple):
    """Output of a network for a batch: all that an objective reads besides `Ids`.

    Contrastive networks: unit rows of the two sides (B,D), float32 (with SimCLR two views of the images), the factor
    on cosines `scale` (already exp'd and clipped) and `bias` (0 but for SigLIP), both of shape ().
    Predictive ones: `first` = logits, (B,V) of a bag of words or (B,T,V) of a caption; `second` = their targets, (B,V)
    0/1 or (B,T) token ids with -100 where nothing is predicted; scale and bias unused.
    """

    first: Tensor
    second: Tensor
    scale: Tensor
    bias: Tensor


@dataclass(frozen=True, kw_only=True)
class Batch:
    """A process's share of a batch.

    pixels_BCHW: uint8 (B,3,S,S), normalised on the device. tokens_BT: int64, padding trimmed to the longest text
        where the text tower allows it. views_BCHW: second views of the images, uint8, with SimCLR only.
    keys: each sample's name (file, or shard#key), for messages.
    """

    pixels_BCHW: Tensor
    tokens_BT: Tensor
    ids: Ids
    keys: tuple[str, ...]
    views_BCHW: Tensor | None = None

    def __len__(self) -> int:
        return len(self.keys)

    def to(self, device: torch.device) -> Batch:
        """Batch with its tensors on a device."""
        return Batch(
            pixels_BCHW=self.pixels_BCHW.to(device, non_blocking=True),
            tokens_BT=self.tokens_BT.to(device, non_blocking=True),
            ids=Ids(*(ids_B.to(device, non_blocking=True) for ids_B in self.ids)),
            keys=self.keys,
            views_BCHW=None if self.views_BCHW is None else self.views_BCHW.to(device, non_blocking=True),
        )

    def slice(self, start: int, stop: int) -> Batch:
        """Samples from `start` to `stop`."""
        return Batch(
            pixels_BCHW=self.pixels_BCHW[start:stop],
            tokens_BT=self.tokens_BT[start:stop],
            ids=Ids(*(ids_B[start:stop] for ids_B in self.ids)),
            keys=self.keys[start:stop],
            views_BCHW=None if self.views_BCHW is None else self.views_BCHW[start:stop],
        )
