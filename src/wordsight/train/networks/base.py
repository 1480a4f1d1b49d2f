"""The interface of all networks that are trained: from a batch to `Features`, and to a checkpoint."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Self

import numpy as np
import torch
from torch import Tensor, nn

from wordsight.checkpoint import Checkpoint
from wordsight.nn.clip import to_tensors
from wordsight.spec import ModelSpec
from wordsight.train.batch import Batch, Features
from wordsight.train.finetune.lora import fold_adapters


class Network(nn.Module):
    """Trained network: `forward` takes the output of `inputs` for a batch, so that wrappers (DDP, FSDP) see one call.

    spec: of the finished model; `logit_scale` and `logit_bias` in it are the initial ones (see `checkpoint`).
    eval_only: modules that stay in eval mode while the others train: locked ones, whose batch norms must not change.
    """

    pixel_gain: Tensor
    pixel_shift: Tensor
    eval_only: tuple[nn.Module, ...] = ()

    def __init__(self, spec: ModelSpec) -> None:
        super().__init__()
        self.spec = spec
        mean, std = (torch.tensor(v, dtype=torch.float64) for v in (spec.preprocess.mean, spec.preprocess.std))
        self.register_buffer("pixel_gain", (1 / (255 * std)).float().view(3, 1, 1), persistent=False)
        self.register_buffer("pixel_shift", (-mean / std).float().view(3, 1, 1), persistent=False)

    def normalise(self, pixels_BCHW: Tensor) -> Tensor:
        """Input of the towers from uint8 pixels (B,3,S,S): float32, (x/255 - mean)/std."""
        return torch.addcmul(self.pixel_shift, pixels_BCHW.float(), self.pixel_gain)

    def inputs(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """Arguments of `forward` for a batch on the network's device."""
        return self.normalise(batch.pixels_BCHW), batch.tokens_BT

    def forward(self, first: Tensor, second: Tensor) -> Features:
        """Features of both inputs, float32 also under autocast."""
        raise NotImplementedError

    def train(self, mode: bool = True) -> Self:
        """Set the mode of all modules except those in `eval_only`."""
        super().train(mode)
        for module in self.eval_only:
            module.eval()
        return self

    def clamp(self) -> None:
        """Clamp parameters to their bounds; called after each step."""

    def passes(self) -> list[tuple[nn.Module, str]]:
        """Expensive forward passes: modules, and the names of their methods."""
        raise NotImplementedError

    def compile_passes(self) -> None:
        """Compile the expensive passes one by one: `Module.compile` would make them share shapes and limits."""
        for module, name in self.passes():
            setattr(module, name, torch.compile(getattr(module, name)))

    def checkpoint_tensors(self, state: Mapping[str, Tensor] | None = None) -> dict[str, np.ndarray]:
        """Tensors that `wordsight.load` opens: float32 arrays under canonical names.

        state: parameters and statistics to take in the place of the network's own, under its names (an average of the
            weights, or the whole of a sharded network).
        """
        raise NotImplementedError

    def checkpoint(self, state: Mapping[str, Tensor] | None = None) -> Checkpoint:
        """Current model, with the learned scale and bias in its spec."""
        tensors = self.checkpoint_tensors(state)
        bias = float(tensors["logit_bias"]) if "logit_bias" in tensors else None
        spec = dataclasses.replace(self.spec, logit_scale=float(tensors["logit_scale"]), logit_bias=bias)
        return Checkpoint(spec, tensors)

    def _arrays(self, state: Mapping[str, Tensor] | None, prefix: str) -> dict[str, np.ndarray]:
        """Tensors whose names begin with `prefix`, without it, adapters folded in."""
        return to_tensors(fold_adapters({**self.state_dict(), **(state or {})}), prefix)
