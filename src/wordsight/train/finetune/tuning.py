"""Fine-tuning of a finished model: its initial weights, and which parts of it learn.

A run is given `start_spec(name)` as its model and `tuning.start=name`. Each tower learns in full,
not at all ("locked"; the image tower's: LiT, Zhai et al. 2022), or through low-rank adapters ("lora"). The scale always
learns.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping

import numpy as np
import torch
from torch.nn.modules.batchnorm import _NormBase

from wordsight.checkpoint import Checkpoint
from wordsight.errors import CheckpointError, InputError
from wordsight.nn.clip import CLIP
from wordsight.nn.efficientnet import EfficientNet
from wordsight.spec import ModelSpec
from wordsight.text.tokenizer import Tokenizer
from wordsight.towers import architecture
from wordsight.train.config import TrainConfig, settings
from wordsight.train.finetune.feature_cache import FeatureCache
from wordsight.train.finetune.lora import add_adapters
from wordsight.train.networks import Network, TwoTowers
from wordsight.weights.read import read_checkpoint

# What may differ in a run's spec: descriptions, and parameters that learn.
_FREE = ("name", "licence", "source", "provenance", "logit_scale", "logit_bias")
_OF_IMAGES = ("image.", "preprocess.", "embed_dim", "normalisation")


def start_spec(name: str) -> ModelSpec:
    """Spec for `TrainConfig.model` of a run that tunes the model of a name, file or folder.

    Raises: what `read_checkpoint` does.
    """
    spec = read_checkpoint(name).spec
    return dataclasses.replace(spec, source=f"tuned from {spec.name} ({spec.source}) with wordsight")


def read_start(config: TrainConfig) -> Checkpoint | None:
    """Checkpoint that a run starts from; None where it starts from randomly initialised weights.

    Raises: InputError where the run's model is another one (the facts that differ are named), CheckpointError for one
        that is quantised, and what `read_checkpoint` does.
    """
    name = config.tuning.start
    if name is None:
        return None
    start = read_checkpoint(name)
    whole = [name for name, tensor in start.tensors.items() if tensor.dtype.kind in "iu"]
    if whole:
        raise CheckpointError(
            f"{name} is quantised ({whole[0]} holds whole numbers), and such weights cannot learn; start from the "
            "model that it was quantised from."
        )
    asked, there = config.model, start.spec
    differ = {
        key: values
        for key, values in settings.differences(there, asked).items()
        if not key.startswith(_FREE) and (config.tuning.take == "both" or key.startswith(_OF_IMAGES))
    }
    if differ:
        shown = [f"{key} is {seen!r} there, {wanted!r} here" for key, (seen, wanted) in differ.items()]
        raise InputError(
            f"The run's model is not that of tuning.start ({name!r}): {settings.join_first(shown, 6)}. Give the "
            f"run its spec: model=start_spec({name!r}), from wordsight.train."
        )
    return start


def open_tokenizer(config: TrainConfig, start: Checkpoint | None) -> Tokenizer:
    """Tokenizer of a run's model, made of the files of the checkpoint it starts from."""
    return Tokenizer(config.model.tokenizer, tokenizer_files(config, start))


def tokenizer_files(config: TrainConfig, start: Checkpoint | None) -> Mapping[str, bytes]:
    """Files of a run's tokenizer: those of the checkpoint it starts from, if the tokenizer is the same."""
    if start is None or start.spec.tokenizer != config.model.tokenizer:
        return {}
    return start.tokenizer_files


def prepare(network: Network, config: TrainConfig, start: Checkpoint | None) -> None:
    """Load the initial weights into a fresh network, lock what does not learn, and add adapters.

    Call it before the network is wrapped, and before weights of the same run are loaded into it.
    """
    if start is None:
        return
    assert isinstance(network, TwoTowers), "check_config lets no other objective begin with a model"
    clip, tuning = network.clip, config.tuning
    taken = {
        name: torch.from_numpy(np.array(tensor, dtype=np.float32))
        for name, tensor in start.tensors.items()
        if tuning.take == "both" or name.startswith("visual.")
    }
    own = clip.state_dict()
    if "logit_bias" in own and "logit_bias" not in taken:
        taken.pop("logit_scale", None)  # of another loss: the bias needs the scale that belongs to it
    clip.load_state_dict({**own, **taken})
    image = list(clip.visual.parameters())
    mine = {id(p) for p in image} | {id(p) for name, p in clip.named_parameters() if name.startswith("logit_")}
    text = [p for p in clip.parameters() if id(p) not in mine]
    for what, parameters, adapted in ((tuning.image, image, clip.visual), (tuning.text, text, clip.transformer)):
        if what != "full":
            for parameter in parameters:
                parameter.requires_grad_(False)
        if what == "lora":
            add_adapters(adapted, tuning.lora_rank, seed=config.seed)
    if not architecture(config.model).transformer and config.compute.sharding == "ddp":  # FSDP takes no such weights
        # Convolutions, depthwise ones most of all, are faster on a CPU where the channels of a position are adjacent.
        clip.visual.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    if tuning.image == "locked":
        network.eval_only = (clip.visual,)
    elif tuning.image == "lora":
        network.eval_only = tuple(module for module in clip.visual.modules() if isinstance(module, _NormBase))
    # Not with FSDP: its processes gather a block's weights together, so none may leave one out.
    if tuning.image != "full" and not config.compute.compile and config.compute.sharding == "ddp":
        _cache_features(clip, all_of_it=tuning.image == "locked")


def _cache_features(clip: CLIP, *, all_of_it: bool) -> None:
    """Cache the features of the image tower, or those of the trunk where only the head has adapters."""
    if isinstance(clip.visual, EfficientNet):
        clip.visual.pooled = FeatureCache(clip.visual.pooled)  # type: ignore[method-assign]
    elif all_of_it:
        clip.encode_image = FeatureCache(clip.encode_image)  # type: ignore[method-assign]
