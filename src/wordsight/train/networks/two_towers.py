"""Two towers that learn from pairs."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np
import torch
from torch import Tensor, nn

from wordsight.nn.clip import CLIP
from wordsight.spec import ModelSpec
from wordsight.train.batch import Features
from wordsight.train.networks.base import Network

MAX_LOGIT_SCALE = math.log(100)  # Radford et al. 2021, §2.5


class TwoTowers(Network):
    """Two towers and a scale (Radford et al. 2021), with a bias for SigLIP's loss (Zhai et al. 2023).

    largest: bound of the log of the scale: ln 100, or the initial value of a tuned model that has more, as SigLIP's do.
    """

    def __init__(self, spec: ModelSpec) -> None:
        super().__init__(spec)
        self.clip = CLIP(spec)
        self.largest = max(MAX_LOGIT_SCALE, spec.logit_scale)

    def forward(self, first: Tensor, second: Tensor) -> Features:
        """Unit rows (B,D) of images (B,3,S,S) and token ids (B,T), the scale and the bias."""
        image_BD, text_BD = self.clip(first, second)
        scale = self.clip.logit_scale.float().clamp(max=self.largest).exp()
        bias = self.clip.logit_bias.float() if self.spec.logit_bias is not None else torch.zeros_like(scale)
        return Features(image_BD, text_BD, scale, bias)

    @torch.no_grad()
    def clamp(self) -> None:
        """Clamp the scale to its bound (Radford et al. 2021, §2.5)."""
        self.clip.logit_scale.clamp_(max=self.largest)

    def passes(self) -> list[tuple[nn.Module, str]]:
        """Forward passes of the image tower and of the text tower's layers."""
        return [(self.clip.visual, "forward"), (self.clip.transformer, "forward")]

    def checkpoint_tensors(self, state: Mapping[str, Tensor] | None = None) -> dict[str, np.ndarray]:
        """Both towers, the scale and the bias."""
        return self._arrays(state, "clip.")
