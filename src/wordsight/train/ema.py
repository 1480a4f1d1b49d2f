"""An average of the weights over the steps, which generalises better than the last weights."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import torch
from torch import Tensor, nn

from wordsight.train.optim import local_part


class WeightAverage:
    """Exponential moving average of the parameters that learn, in float32 (Polyak & Juditsky 1992).

    The decay of the n-th update is min(decay, (1 + n) / (10 + n)): the initial weights, which are random, soon carry
    no weight (as in TensorFlow's `ExponentialMovingAverage`). Batch norms' statistics are averages already, so
    the newest are used. `updates` and the average are the whole state.
    """

    def __init__(self, network: nn.Module, decay: float) -> None:
        self.decay, self.updates = decay, 0
        self._parameters = [p for p in network.parameters() if p.requires_grad]
        self._kept = [local_part(p).detach().float().clone() for p in self._parameters]

    def update(self) -> None:
        """Add the parameters after a step to the average."""
        decay = min(self.decay, (1 + self.updates) / (10 + self.updates))
        self.updates += 1
        torch._foreach_lerp_(self._kept, [local_part(p).detach().float() for p in self._parameters], 1 - decay)

    @torch.no_grad()
    def reset(self, updates: int) -> None:
        """Set the average to the current parameters, as after this many updates."""
        self.updates = updates
        for kept, parameter in zip(self._kept, self._parameters, strict=True):
            kept.copy_(local_part(parameter))

    @contextlib.contextmanager
    def swapped_in(self) -> Iterator[None]:
        """Put the average in place of the network's weights for the duration of the block."""
        held = [local_part(p).detach().clone() for p in self._parameters]
        self._put(self._kept)
        try:
            yield
        finally:
            self._put(held)

    @torch.no_grad()
    def _put(self, tensors: list[Tensor]) -> None:
        for parameter, tensor in zip(self._parameters, tensors, strict=True):
            local_part(parameter).copy_(tensor)
