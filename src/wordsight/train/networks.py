"""What is trained: for each objective a network from a batch to `Features`, all with one interface."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from typing import Any, Self

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from wordsight.checkpoint import Checkpoint
from wordsight.errors import TrainError
from wordsight.nn.clip import CLIP, build_image_tower, to_tensors
from wordsight.nn.heads import NOT_PREDICTED, BagOfWordsHead, CaptionDecoder, bag_of_words, next_tokens
from wordsight.nn.simclr import ProjectionHead
from wordsight.nn.transformer import set_checkpointing
from wordsight.nn.vit import set_patch_dropout
from wordsight.spec import EfficientNetTower, ModelSpec, VitTower
from wordsight.text.tokenizer import Tokenizer
from wordsight.train.batch import Batch, Features
from wordsight.train.config import TrainConfig
from wordsight.train.config.objectives import NetworkName
from wordsight.train.config.sizes import for_sigmoid
from wordsight.train.finetune.lora import fold_adapters
from wordsight.weights.validate import check_sizes, expected_shapes

MAX_LOGIT_SCALE = math.log(100)  # Radford et al. 2021, §2.5


class Network(nn.Module):
    """What a run trains: `forward` takes what `inputs` makes of a batch, so that wrappers (DDP, FSDP) see one call.

    spec: what the finished model is; `logit_scale` and `logit_bias` in it are the initial ones (see `checkpoint`).
    eval_only: modules that stay in eval mode while the others train: what is locked, whose batch norms must not move.
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
        """Return uint8 pixels (B,3,S,S) as the towers take them: float32, (x/255 - mean)/std."""
        return torch.addcmul(self.pixel_shift, pixels_BCHW.float(), self.pixel_gain)

    def inputs(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """Return the two arguments of `forward`, of a batch on the network's device."""
        return self.normalise(batch.pixels_BCHW), batch.tokens_BT

    def forward(self, first: Tensor, second: Tensor) -> Features:
        """Return the features of both inputs, float32 also under autocast."""
        raise NotImplementedError

    def train(self, mode: bool = True) -> Self:
        """Set the mode of all modules but those that stay still."""
        super().train(mode)
        for module in self.eval_only:
            module.eval()
        return self

    def clamp(self) -> None:
        """Bring parameters back into their bounds; called after each step."""

    def passes(self) -> list[tuple[nn.Module, str]]:
        """Return the forward passes that take the time: modules, and the names of their methods."""
        raise NotImplementedError

    def compile_passes(self) -> None:
        """Compile them, each by itself: compiled by `Module.compile` they would share shapes and limits."""
        for module, name in self.passes():
            setattr(module, name, torch.compile(getattr(module, name)))

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
        """Return the tensors whose names begin with `prefix`, without it, adapters folded in."""
        return to_tensors(fold_adapters({**self.state_dict(), **(state or {})}), prefix)


class Contrastive(Network):
    """Two towers and a scale (Radford et al. 2021), with a bias for SigLIP's loss (Zhai et al. 2023).

    largest: of the log of the scale: ln 100, or where a model to be tuned begins with more, as SigLIP's do.
    """

    def __init__(self, spec: ModelSpec) -> None:
        super().__init__(spec)
        self.clip = CLIP(spec)
        self.largest = max(MAX_LOGIT_SCALE, spec.logit_scale)

    def forward(self, first: Tensor, second: Tensor) -> Features:
        """Return unit rows (B,D) of images (B,3,S,S) and token ids (B,T), the scale and the bias."""
        image_BD, text_BD = self.clip(first, second)
        scale = self.clip.logit_scale.float().clamp(max=self.largest).exp()
        bias = self.clip.logit_bias.float() if self.spec.logit_bias is not None else torch.zeros_like(scale)
        return Features(image_BD, text_BD, scale, bias)

    @torch.no_grad()
    def clamp(self) -> None:
        """Bring the scale back to its largest (Radford et al. 2021, §2.5)."""
        self.clip.logit_scale.clamp_(max=self.largest)

    def passes(self) -> list[tuple[nn.Module, str]]:
        """Return those of the image tower and of the text tower's layers."""
        return [(self.clip.visual, "forward"), (self.clip.transformer, "forward")]

    def checkpoint_tensors(self, state: Mapping[str, Tensor] | None = None) -> dict[str, np.ndarray]:
        """Return both towers, the scale and the bias."""
        return self._arrays(state, "clip.")


class ImagesOnly(Network):
    """A network whose finished model has an image tower alone: it searches by example, and refuses texts.

    Its `spec` has a text tower of width 1 in which all is zero: `wordsight.load` opens the folder, and a text has no
    embedding. `texts` is the text tower that the run was given, for decoders that are as large.
    """

    def __init__(self, spec: ModelSpec) -> None:
        nothing = dataclasses.replace(spec.text, width=1, layers=1, heads=1, mlp_width=1)
        provenance = {**spec.provenance, "text": "none: trained without a text tower; texts have no embedding"}
        super().__init__(dataclasses.replace(spec, text=nothing, provenance=provenance))
        self.texts = spec.text
        self.visual = build_image_tower(spec)

    def passes(self) -> list[tuple[nn.Module, str]]:
        """Return that of the image tower."""
        return [(self.visual, "forward")]

    def checkpoint_tensors(self, state: Mapping[str, Tensor] | None = None) -> dict[str, np.ndarray]:
        """Return the image tower, the spec's scale, and zeros for all else."""
        visual = {f"visual.{name}": array for name, array in self._arrays(state, "visual.").items()}
        others = {
            name: np.zeros(shape, np.float32)
            for name, shape in expected_shapes(self.spec).items()
            if not name.startswith("visual.")
        }
        return {**others, **visual, "logit_scale": np.asarray(self.spec.logit_scale, np.float32)}


class TwoViews(ImagesOnly):
    """SimCLR: an image tower and an MLP, which is thrown away in the end (Chen et al. 2020)."""

    def __init__(self, spec: ModelSpec) -> None:
        super().__init__(spec)
        self.projection = ProjectionHead(spec.embed_dim)

    def inputs(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """Return the two views of the images.

        Raises: TrainError for a batch that has one view only.
        """
        if batch.views_BCHW is None:
            raise TrainError("The batch has one view of each image, expected two: SimCLR's data draws them both.")
        return self.normalise(batch.pixels_BCHW), self.normalise(batch.views_BCHW)

    def forward(self, first: Tensor, second: Tensor) -> Features:
        """Return unit rows (B,128) of both views (B,3,S,S); batch norms see both together."""
        projected_VD = F.normalize(self.projection(self.visual(torch.cat([first, second]))).float(), dim=-1)
        return _features(*projected_VD.chunk(2))


class BagOfWords(ImagesOnly):
    """An image tower and a logit for each token: which of them are in the text (Joulin et al. 2016)."""

    def __init__(self, spec: ModelSpec) -> None:
        super().__init__(spec)
        self.head = BagOfWordsHead(spec.embed_dim, spec.text.vocab_size)

    def inputs(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """Return pixels, and which tokens each text has (B,V)."""
        return self.normalise(batch.pixels_BCHW), self._bags(batch.tokens_BT)

    def forward(self, first: Tensor, second: Tensor) -> Features:
        """Return logits (B,V) of images (B,3,S,S), and the bags (B,V) as they came."""
        return _features(self.head(self.visual(first)).float(), second)

    def score_texts(self, pixels_BCHW: Tensor, tokens_KT: Tensor) -> Tensor:
        """Return the mean log-probability (B,K) of each prompt's tokens; pixels normalised, as `forward` takes them."""
        log_p_BV: Tensor = self.head(self.visual(pixels_BCHW)).float().log_softmax(dim=-1)
        bags_KV = self._bags(tokens_KT).float()
        return log_p_BV @ (bags_KV / bags_KV.sum(dim=1, keepdim=True).clamp_min(1)).T

    def _bags(self, tokens_BT: Tensor) -> Tensor:
        return bag_of_words(tokens_BT, self.spec.tokenizer, self.texts.vocab_size)


class Captioner(ImagesOnly):
    """An image tower and a decoder that writes the text, token by token (Desai & Johnson 2021)."""

    def __init__(self, spec: ModelSpec) -> None:
        super().__init__(spec)
        self.decoder = CaptionDecoder(spec.text, spec.embed_dim)

    def passes(self) -> list[tuple[nn.Module, str]]:
        """Return those of the image tower and of the decoder."""
        return [(self.visual, "tokens"), (self.decoder, "forward")]

    def forward(self, first: Tensor, second: Tensor) -> Features:
        """Return logits (B,T-1,V) of images (B,3,S,S) and token ids (B,T), and the ids they are to predict."""
        read_BT, targets_BT = next_tokens(second, self.spec.tokenizer)
        return _features(self.decoder(read_BT, self._places(first)).float(), targets_BT)

    def score_texts(self, pixels_BCHW: Tensor, tokens_KT: Tensor) -> Tensor:
        """Return the log-likelihood per token (B,K) of each prompt; pixels normalised, as `forward` takes them."""
        places_BSD = self._places(pixels_BCHW)
        scores = [self._likelihood(places_BSD, tokens_T) for tokens_T in tokens_KT]  # all at once would be B·K·T·V
        return torch.stack(scores, dim=1)

    def _places(self, pixels_BCHW: Tensor) -> Tensor:
        tower: Any = self.visual
        places_BSD: Tensor = tower.tokens(pixels_BCHW)
        return places_BSD

    def _likelihood(self, places_BSD: Tensor, tokens_T: Tensor) -> Tensor:
        """Return the mean log-probability (B,) of one text's tokens."""
        read_1T, targets_1T = next_tokens(tokens_T[None], self.spec.tokenizer)
        length = int((targets_1T != NOT_PREDICTED).sum())
        read_BT = read_1T[:, :length].expand(len(places_BSD), -1)
        log_p_BTV: Tensor = self.decoder(read_BT, places_BSD).float().log_softmax(dim=-1)
        told_BT = targets_1T[:, :length].expand(len(places_BSD), -1)
        return log_p_BTV.gather(2, told_BT[:, :, None])[:, :, 0].mean(dim=1)


def _features(first: Tensor, second: Tensor) -> Features:
    """Return features with a scale of 1 and a bias of 0, which are not used."""
    return Features(first, second, first.new_ones(()), first.new_zeros(()))


NETWORKS: Mapping[NetworkName, type[Network]] = {
    "two_towers": Contrastive,
    "two_views": TwoViews,
    "bag_of_words": BagOfWords,
    "captioner": Captioner,
}


def build_network(config: TrainConfig, tokenizer: Tokenizer) -> Network:
    """Return the network of a run with fresh weights, on the CPU; the same ones for the same seed, on every process.

    With the objective "sigmoid" a spec without a bias gets one (see `sizes.for_sigmoid`); with another one the bias of
    a spec stays as it is. Checkpointing and patch dropout are set as `config.compute` says.

    Raises: CheckpointError for sizes of the spec that contradict each other; TrainError for a tokenizer of another
        model, for a patch_dropout of a tower without patches, and for captions with an image tower that has no places
        to read.
    """
    traits = config.objective.traits
    spec = config.model
    if traits.learns_bias:
        spec = for_sigmoid(spec)
    check_sizes(spec, "The model to train")
    _check(config, tokenizer)
    with torch.random.fork_rng(devices=[]), torch.device("cpu"):
        torch.default_generator.manual_seed(config.seed)
        network = NETWORKS[traits.network](spec)
    if isinstance(network, Contrastive) and spec.logit_bias is not None and not traits.learns_bias:
        network.clip.logit_bias.requires_grad_(False)  # no other loss uses it, and DDP waits for all that learns
    set_checkpointing(network, config.compute.checkpointing)
    set_patch_dropout(network, config.compute.patch_dropout)
    return network


def _check(config: TrainConfig, tokenizer: Tokenizer) -> None:
    """Raise TrainError for parts of a run that do not fit the spec."""
    spec = config.model
    if spec.embed_dim < 1:
        raise TrainError(f"model.embed_dim is {spec.embed_dim}, expected 1 or more.")
    if min(spec.preprocess.std) <= 0:
        raise TrainError(f"model.preprocess.std is {spec.preprocess.std}, by which is divided; expected more than 0.")
    for name, given, most in (
        ("context_length", spec.tokenizer.context_length, spec.text.context_length),
        ("vocab_size", spec.tokenizer.vocab_size, spec.text.vocab_size),
    ):
        if given > most:
            raise TrainError(
                f"model.tokenizer.{name} is {given:,}, but the text tower takes {most:,} (model.text.{name}); set "
                "both to the same."
            )
    if spec.tokenizer.context_length < 3:
        raise TrainError(
            f"model.tokenizer.context_length is {spec.tokenizer.context_length}, which leaves no room for a word "
            "between the tokens of start and end; expected 3 or more."
        )
    if tokenizer.spec != spec.tokenizer:
        raise TrainError(
            f"The tokenizer given is {tokenizer.spec}, but the model's is {spec.tokenizer}; make it of the spec."
        )
    share = config.compute.patch_dropout
    if share and not isinstance(spec.image, VitTower):
        raise TrainError(
            f"compute.patch_dropout is {share}, but the image tower ({spec.image.arch}) has no patches to leave out; "
            "use a vision transformer, or set it to 0."
        )
    if config.objective.traits.reads_positions and isinstance(spec.image, EfficientNetTower):
        raise TrainError(
            f"The image tower ({spec.image.arch}) gives one vector an image, but captions are read from its places; "
            "use a vision transformer or a ResNet."
        )
