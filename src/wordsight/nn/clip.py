"""CLIP as a torch module whose parameters have the checkpoint's canonical names."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch
from torch import Tensor, nn

from wordsight.nn.text import TextTransformer
from wordsight.spec import ModelSpec
from wordsight.towers import architecture, find


class CLIP(TextTransformer):
    """Two towers and the scale of their cosines (Radford et al. 2021).

    Every checkpoint keeps the text tower's tensors at the root and the image tower's under `visual`, so this class
    does too: it is a text tower that can also see. Parameters are freshly initialised; `logit_scale`, in log space,
    starts at the spec's.
    """

    def __init__(self, spec: ModelSpec) -> None:
        super().__init__(spec)
        self.visual = build_image_tower(spec)
        self.logit_scale = nn.Parameter(torch.tensor(spec.logit_scale))
        if spec.logit_bias is not None:
            self.logit_bias = nn.Parameter(torch.tensor(spec.logit_bias))

    def encode_image(self, pixels_BCHW: Tensor) -> Tensor:
        """Features (B,D), not normalised, of normalised float pixels (B,3,S,S)."""
        features_BD: Tensor = self.visual(pixels_BCHW)
        return features_BD

    def forward(self, pixels_BCHW: Tensor, tokens_BT: Tensor) -> tuple[Tensor, Tensor]:  # type: ignore[override]
        """Image and text features (B,D), float32, each row of unit length."""
        # Under autocast the features come in bfloat16, in which no length is 1 to better than 0.4 %.
        image_BD, text_BD = self.encode_image(pixels_BCHW).float(), self.encode_text(tokens_BT).float()
        return nn.functional.normalize(image_BD, dim=-1), nn.functional.normalize(text_BD, dim=-1)


def build_image_tower(spec: ModelSpec) -> nn.Module:
    """Build the image tower alone: `visual` of `CLIP(spec)`."""
    tower: nn.Module = find(architecture(spec).network)(spec.image, spec.embed_dim)
    return tower


def build_text_tower(spec: ModelSpec) -> TextTransformer:
    """Text tower alone: `CLIP(spec)` without `visual` and `logit_scale`."""
    return TextTransformer(spec)


def load_tensors(module: nn.Module, tensors: Mapping[str, np.ndarray], prefix: str = "") -> None:
    """Load a checkpoint's tensors as float32 into a module built from its spec, on any device, `meta` included.

    Only names that start with `prefix` are read, without it; the match is strict. The tensors are copied.

    Raises: RuntimeError for missing, unexpected or ill-shaped tensors, which `read_checkpoint` rules out.
    """
    state = {
        name.removeprefix(prefix): torch.from_numpy(np.array(tensor, dtype=np.float32))
        for name, tensor in tensors.items()
        if name.startswith(prefix)
    }
    module.load_state_dict(state, strict=True, assign=True)


def to_tensors(state: Mapping[str, Tensor], prefix: str = "") -> dict[str, np.ndarray]:
    """Checkpoint's tensors in a module's `state_dict()`: float32 NumPy arrays under canonical names, copied.

    Only names that start with `prefix` are taken, without it.
    """
    return {
        name.removeprefix(prefix): tensor.detach().to("cpu", torch.float32).numpy().copy()
        for name, tensor in state.items()
        if name.startswith(prefix) and not name.endswith("num_batches_tracked")
    }
