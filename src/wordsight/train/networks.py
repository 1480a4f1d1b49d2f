"""What is trained: for each objective a network from a batch to `Features`, all with one interface."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from wordsight.checkpoint import Checkpoint
from wordsight.convert.validate import check_sizes
from wordsight.errors import TrainError
from wordsight.nn.clip import CLIP
from wordsight.spec import ModelSpec, VitTower
from wordsight.tokenizer import Tokenizer
from wordsight.train.batch import Batch, Features
from wordsight.train.config import ObjectiveName, TrainConfig
from wordsight.train.sizes import for_sigmoid

MAX_LOGIT_SCALE = math.log(100)  # Radford et al. 2021, §2.5


class Network(nn.Module):
    """What a run trains: `forward` takes what `inputs` makes of a batch, so that wrappers (DDP, FSDP) see one call.

    spec: what the finished model is; `logit_scale` and `logit_bias` in it are the initial ones (see `checkpoint`).
    """

    pixel_gain: Tensor
    pixel_shift: Tensor

    def __init__(self, spec: ModelSpec) -> None:
        super().__init__()
        self.spec = spec
        mean, std = (torch.tensor(v, dtype=torch.float64) for v in (spec.preprocess.mean, spec.preprocess.std))
        self.register_buffer("pixel_gain", (1 / (255 * std)).float().view(3, 1, 1), persistent=False)
        self.register_buffer("pixel_shift", (-mean / std).float().view(3, 1, 1), persistent=False)

    def normalise(self, pixels_BCHW: Tensor) -> Tensor:
        """Return uint8 pixels (B,3,S,S) as the towers take them: float32, (x/255 - mean)/std."""
        return torch.addcmul(self.pixel_shift, pixels_BCHW.float(), self.pixel_gain)

    def inputs(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """Return the two arguments of `forward`, of a batch on the network's device."""
        return self.normalise(batch.pixels_BCHW), batch.tokens_BT

    def forward(self, first: Tensor, second: Tensor) -> Features:
        """Return the features of both inputs, float32 also under autocast."""
        raise NotImplementedError

    def clamp(self) -> None:
        """Bring parameters back into their bounds; called after each step."""

    def score_texts(self, pixels_BCHW: Tensor, tokens_KT: Tensor) -> Tensor:
        """Return scores (B,K) of K prompts for each picture, larger where they fit better; pixels as uint8."""
        raise TrainError(f"{type(self).__name__} has no texts to score pictures with; train it with another objective.")

    def checkpoint_tensors(self, state: Mapping[str, Tensor] | None = None) -> dict[str, np.ndarray]:
        """Return what `wordsight.load` opens: float32 arrays under canonical names.

        state: parameters and statistics to take in the place of the network's own, under its names (an average of the
            weights, or the whole of a sharded network).
        """
        raise NotImplementedError

    def checkpoint(self, state: Mapping[str, Tensor] | None = None) -> Checkpoint:
        """Return the model as it is now, with the learned scale and bias in its spec."""
        tensors = self.checkpoint_tensors(state)
        bias = float(tensors["logit_bias"]) if "logit_bias" in tensors else None
        spec = dataclasses.replace(self.spec, logit_scale=float(tensors["logit_scale"]), logit_bias=bias)
        return Checkpoint(spec, tensors)

    def _arrays(self, state: Mapping[str, Tensor] | None, prefix: str) -> dict[str, np.ndarray]:
        """Return the tensors whose names begin with `prefix`, without it."""
        tensors = {**self.state_dict(), **(state or {})}
        return {
            name.removeprefix(prefix): tensor.detach().to("cpu", torch.float32).numpy().copy()
            for name, tensor in tensors.items()
            if name.startswith(prefix) and not name.endswith("num_batches_tracked")
        }


class Contrastive(Network):
    """Two towers and a scale (Radford et al. 2021), with a bias for SigLIP's loss (Zhai et al. 2023)."""

    def __init__(self, spec: ModelSpec) -> None:
        super().__init__(spec)
        self.clip = CLIP(spec)

    def forward(self, first: Tensor, second: Tensor) -> Features:
        """Return unit rows (B,D) of pictures (B,3,S,S) and token ids (B,T), the scale and the bias."""
        image_BD, text_BD = self.clip(first, second)
        scale = self.clip.logit_scale.float().clamp(max=MAX_LOGIT_SCALE).exp()
        bias = self.clip.logit_bias.float() if self.spec.logit_bias is not None else torch.zeros_like(scale)
        return Features(image_BD, text_BD, scale, bias)

    @torch.no_grad()
    def clamp(self) -> None:
        """Bring the scale back to 100 at most (Radford et al. 2021, §2.5)."""
        self.clip.logit_scale.clamp_(max=MAX_LOGIT_SCALE)

    def score_texts(self, pixels_BCHW: Tensor, tokens_KT: Tensor) -> Tensor:
        """Return scaled cosines (B,K), plus the bias."""
        image_BD = F.normalize(self.clip.encode_image(self.normalise(pixels_BCHW)).float(), dim=-1)
        text_KD = F.normalize(self.clip.encode_text(tokens_KT).float(), dim=-1)
        scores_BK = self.clip.logit_scale.float().exp() * image_BD @ text_KD.T
        return scores_BK + self.clip.logit_bias.float() if self.spec.logit_bias is not None else scores_BK

    def checkpoint_tensors(self, state: Mapping[str, Tensor] | None = None) -> dict[str, np.ndarray]:
        """Return both towers, the scale and the bias."""
        return self._arrays(state, "clip.")


NETWORKS: dict[ObjectiveName, type[Network]] = {
    "info_nce": Contrastive,
    "sigmoid": Contrastive,
}


def build_network(config: TrainConfig, tokenizer: Tokenizer) -> Network:
    """Return the network of a run with fresh weights, on the CPU; the same ones for the same seed, on every process.

    With the objective "sigmoid" a spec without a bias gets one (see `sizes.for_sigmoid`).

    Raises: CheckpointError for sizes of the spec that contradict each other; TrainError for a tokenizer of another
        model, and for a patch_dropout that cannot be.
    """
    spec = for_sigmoid(config.model) if config.objective.name == "sigmoid" else config.model
    check_sizes(spec, "The model to train")
    _check(config, tokenizer)
    with torch.random.fork_rng(devices=[]), torch.device("cpu"):
        torch.default_generator.manual_seed(config.seed)
        return NETWORKS[config.objective.name](spec)


def _check(config: TrainConfig, tokenizer: Tokenizer) -> None:
    """Raise TrainError for parts of a run that do not fit the spec."""
    spec = config.model
    if tokenizer.spec != spec.tokenizer:
        raise TrainError(
            f"The tokenizer given is {tokenizer.spec}, but the model's is {spec.tokenizer}; make it of the spec."
        )
    share = config.compute.patch_dropout
    if not 0 <= share < 1:
        raise TrainError(f"compute.patch_dropout is {share}, expected a share of at least 0 and below 1.")
    if share and not isinstance(spec.image, VitTower):
        raise TrainError(
            f"compute.patch_dropout is {share}, but the image tower ({spec.image.arch}) has no patches to leave out; "
            "use a vision transformer, or set it to 0."
        )
