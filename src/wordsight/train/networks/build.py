"""The network of a run, and checks that its settings fit the model."""

from __future__ import annotations

from collections.abc import Mapping

import torch

from wordsight.errors import TrainError
from wordsight.nn.transformer import set_checkpointing
from wordsight.nn.vit import set_patch_dropout
from wordsight.text.tokenizer import Tokenizer
from wordsight.towers import architecture
from wordsight.train.config import TrainConfig
from wordsight.train.config.objectives import NetworkName
from wordsight.train.config.sizes import for_sigmoid
from wordsight.train.networks.base import Network
from wordsight.train.networks.images_only import TwoViews
from wordsight.train.networks.predictive import BagOfWords, Captioner
from wordsight.train.networks.two_towers import TwoTowers
from wordsight.weights.validate import check_sizes

NETWORKS: Mapping[NetworkName, type[Network]] = {
    "two_towers": TwoTowers,
    "two_views": TwoViews,
    "bag_of_words": BagOfWords,
    "captioner": Captioner,
}


def build_network(config: TrainConfig, tokenizer: Tokenizer) -> Network:
    """Network of a run with randomly initialised weights, on the CPU; for one seed the same on every process.

    With the objective "sigmoid" a spec without a bias gets one (see `sizes.for_sigmoid`); with another one the bias of
    a spec stays as it is. Checkpointing and patch dropout are set as `config.compute` says.

    Raises: CheckpointError for contradictory sizes in the spec; TrainError for a tokenizer of another
        model, for a patch_dropout of a tower without patches, and for captions with an image tower without positions to
        read.
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
    if isinstance(network, TwoTowers) and spec.logit_bias is not None and not traits.learns_bias:
        network.clip.logit_bias.requires_grad_(False)  # no other loss uses it, and DDP waits for all that learns
    set_checkpointing(network, config.compute.checkpointing)
    set_patch_dropout(network, config.compute.patch_dropout)
    return network


def _check(config: TrainConfig, tokenizer: Tokenizer) -> None:
    """Check that the parts of a run fit the spec. Raises: TrainError."""
    spec = config.model
    if tokenizer.spec != spec.tokenizer:
        raise TrainError(
            f"The given tokenizer is {tokenizer.spec}, but the model's is {spec.tokenizer}; create it from the spec."
        )
    share = config.compute.patch_dropout
    if share and not architecture(spec).transformer:
        raise TrainError(
            f"compute.patch_dropout is {share}, but the image tower ({spec.image.arch}) has no patches to drop; "
            "use a vision transformer, or set it to 0."
        )
    if config.objective.traits.reads_positions and not architecture(spec).has_map:
        raise TrainError(
            f"The image tower ({spec.image.arch}) gives one vector an image, but captions are read from its positions; "
            "use a vision transformer or a ResNet."
        )
