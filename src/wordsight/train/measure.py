"""Zero-shot accuracy of a network in training, which is left as it was."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any

import numpy as np
from torch import nn

from wordsight.evaluate.embedder import Embedder, TextScorer
from wordsight.evaluate.held_out.config import ZeroShotConfig
from wordsight.evaluate.held_out.zero_shot import ZeroShot
from wordsight.metrics import Estimate, estimate_share
from wordsight.spec import ModelSpec
from wordsight.text.tokenizer import Tokenizer
from wordsight.train.in_training import InTraining

Autocast = Callable[[], AbstractContextManager[Any]]


class ZeroShotInTraining(ZeroShot):
    """Zero-shot accuracy of networks and opened models alike. spec, tokenizer: of the networks."""

    def __init__(self, config: ZeroShotConfig, spec: ModelSpec, tokenizer: Tokenizer) -> None:
        super().__init__(config, spec.preprocess)
        self.spec, self.tokenizer = spec, tokenizer

    def measure(
        self, model: nn.Module | Embedder | TextScorer, *, autocast: Autocast = contextlib.nullcontext
    ) -> Estimate:
        """Share of images whose best-scoring class is theirs."""
        return estimate_share(self.find_hits(model, autocast=autocast))

    def find_hits(
        self, model: nn.Module | Embedder | TextScorer, *, autocast: Autocast = contextlib.nullcontext
    ) -> np.ndarray:
        """Whether each image that can be read is classified correctly, (N,) bool. autocast: of a network."""
        if not isinstance(model, nn.Module):
            return super().find_hits(model)
        with InTraining(model, self.spec, self.tokenizer, autocast=autocast) as embedder:
            return super().find_hits(embedder)
