"""Cache of the features of a locked part of a network: on a CPU each image is encoded once."""

from __future__ import annotations

import hashlib
from collections.abc import Callable

import torch
from torch import Tensor

MEMORY = 1 << 30  # bytes
_AT_ONCE = 16


class FeatureCache:
    """A function from images (B,3,S,S) to rows (B,D) that looks up images it has seen, by a hash of their pixels.

    That pays off where an epoch shows an image as the last one did (no random crop or colour; square images). Rows are
    computed without gradients, always 16 at once, so that a row's last bits do not depend on its neighbours and a
    resumed run is bit-identical. Once `memory` bytes are full the rest is computed each time. On a GPU, where hashing
    an image costs as much as encoding it, all are computed.
    """

    def __init__(self, function: Callable[[Tensor], Tensor], *, memory: int = MEMORY) -> None:
        self.function, self.memory = function, memory
        self._rows: dict[bytes, Tensor] = {}
        self._bytes = 0

    @torch.no_grad()
    def __call__(self, pixels_BCHW: Tensor) -> Tensor:
        """Rows (B,D) of images."""
        if pixels_BCHW.device.type != "cpu":
            return self.function(pixels_BCHW)
        keys = [hashlib.blake2b(image.numpy().tobytes(), digest_size=16).digest() for image in pixels_BCHW]
        found = {key: self._rows[key] for key in keys if key in self._rows}
        missing = {key: place for place, key in enumerate(keys) if key not in found}
        places, names = list(missing.values()), list(missing)
        for start in range(0, len(places), _AT_ONCE):
            some = places[start : start + _AT_ONCE]
            rows_BD = self.function(pixels_BCHW[some + some[-1:] * (_AT_ONCE - len(some))])
            for name, row_D in zip(names[start : start + _AT_ONCE], rows_BD, strict=False):
                found[name] = self._kept(name, row_D.clone())
        return torch.stack([found[key] for key in keys])

    def _kept(self, key: bytes, row_D: Tensor) -> Tensor:
        size = row_D.nbytes + len(key)
        if self._bytes + size <= self.memory:
            self._rows[key] = row_D
            self._bytes += size
        return row_D
