"""OpenAI's own files: canonical names are theirs; every fact follows from shapes and from `clip/model.py`'s rules.

Source: Radford et al. 2021; the rules by which OpenAI's `build_model` reads a state dict (heads are width / 64,
QuickGELU, CLIP's preprocessing), which hold for its released files and for whatever is written in this layout.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from wordsight.errors import CheckpointError
from wordsight.spec import ModelSpec, Preprocess, ResNetTower, TextTower, VitTower
from wordsight.weights.layouts import SUPPORTED
from wordsight.weights.layouts.config_values import clip_tokenizer, count_blocks, read_shape, scalar, square_root

HEAD_WIDTH = 64
MARKS = ("input_resolution", "context_length", "vocab_size")
_RULE = "OpenAI's rule"


def is_openai(tensors: Mapping[str, np.ndarray]) -> bool:
    """Whether a state dict is OpenAI's by its own account: it carries their three size buffers."""
    return all(mark in tensors for mark in MARKS) and "visual.conv1.weight" in tensors


def to_canonical(tensors: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Drop what carries no weight: the size buffers, attention masks and batch counters."""
    return {
        name: tensor
        for name, tensor in tensors.items()
        if name not in MARKS and not name.endswith((".attn_mask", ".num_batches_tracked")) and name != "attn_mask"
    }


def from_canonical(spec: ModelSpec, tensors: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Add the size buffers, by which `read_checkpoint` knows the layout; batch norms get a batch counter of 0."""
    written = dict(tensors)
    for name in tensors:
        if name.endswith(".running_var"):
            written[name.removesuffix("running_var") + "num_batches_tracked"] = np.array(0, np.int64)
    sizes = (spec.image.image_size, spec.text.context_length, spec.text.vocab_size)
    return {**written, **{mark: np.array(size, np.int64) for mark, size in zip(MARKS, sizes, strict=True)}}


def read_spec(tensors: Mapping[str, np.ndarray], name: str, source: str) -> ModelSpec:
    """Infer the spec from canonical tensors by OpenAI's rules.

    Raises: CheckpointError for tensors that are not a CLIP of OpenAI's architectures.
    """
    log: dict[str, str] = {}
    image = image_tower(tensors, log)
    text = text_tower(tensors, log)
    log["preprocess"] = f"{_RULE}: shorter side to {image.image_size} px, bicubic, centre crop, CLIP's mean and std"
    log["tokenizer"] = "CLIP's byte-pair merges (bundled)"
    log["logit_scale"] = "tensor logit_scale"
    return ModelSpec(
        name=name,
        family="clip",
        embed_dim=read_shape(tensors, "text_projection", 2)[1],
        image=image,
        text=text,
        preprocess=Preprocess(image_size=image.image_size),
        tokenizer=clip_tokenizer(text.context_length, text.vocab_size),
        logit_scale=scalar(tensors, "logit_scale"),
        source=source,
        provenance=log,
    )


def image_tower(tensors: Mapping[str, np.ndarray], log: dict[str, str]) -> VitTower | ResNetTower:
    """Infer the image tower's sizes from shapes."""
    if "visual.proj" in tensors:
        width, _, patch, _ = read_shape(tensors, "visual.conv1.weight", 4)
        positions = read_shape(tensors, "visual.positional_embedding", 2)[0]
        log["image.patch_size"] = log["image.width"] = "inferred from shape of visual.conv1.weight"
        log["image.image_size"] = "inferred from shape of visual.positional_embedding"
        log["image.layers"] = "counted visual.transformer.resblocks"
        log["image.heads"] = f"{_RULE}: width / {HEAD_WIDTH}"
        log["image.activation"] = f"{_RULE}: quick_gelu"
        return VitTower(
            image_size=patch * square_root(positions - 1, "visual.positional_embedding without the class token"),
            patch_size=patch,
            width=width,
            layers=count_blocks(tensors, "visual.transformer.resblocks."),
            heads=max(1, width // HEAD_WIDTH),
            mlp_width=read_shape(tensors, "visual.transformer.resblocks.0.mlp.c_fc.weight", 2)[0],
            activation="quick_gelu",
            pooling="cls",
        )
    if "visual.attnpool.positional_embedding" in tensors:
        return resnet_tower(tensors, log)
    raise CheckpointError(f"The image tower has neither visual.proj nor visual.attnpool; {SUPPORTED}.")


def resnet_tower(tensors: Mapping[str, np.ndarray], log: dict[str, str]) -> ResNetTower:
    """Infer a ModifiedResNet's sizes from shapes."""
    width = read_shape(tensors, "visual.layer1.0.conv1.weight", 4)[0]
    positions = read_shape(tensors, "visual.attnpool.positional_embedding", 2)[0]
    first, second, third, fourth = (count_blocks(tensors, f"visual.layer{i}.") for i in (1, 2, 3, 4))
    log["image.width"] = "inferred from shape of visual.layer1.0.conv1.weight"
    log["image.layers"] = "counted visual.layer1 … visual.layer4"
    log["image.image_size"] = "inferred from shape of visual.attnpool.positional_embedding"
    log["image.heads"] = f"{_RULE}: width · 32 / {HEAD_WIDTH}"
    return ResNetTower(
        image_size=32 * square_root(positions - 1, "visual.attnpool.positional_embedding without the mean"),
        width=width,
        layers=(first, second, third, fourth),
        heads=max(1, width * 32 // HEAD_WIDTH),
    )


def text_tower(tensors: Mapping[str, np.ndarray], log: dict[str, str]) -> TextTower:
    """Infer the text tower's sizes from shapes."""
    context_length, width = read_shape(tensors, "positional_embedding", 2)
    log["text.context_length"] = log["text.width"] = "inferred from shape of positional_embedding"
    log["text.vocab_size"] = "inferred from shape of token_embedding.weight"
    log["text.layers"] = "counted transformer.resblocks"
    log["text.heads"] = f"{_RULE}: width / {HEAD_WIDTH}"
    log["text.activation"] = f"{_RULE}: quick_gelu"
    log["text.pooling"] = f"{_RULE}: the highest token id"
    return TextTower(
        context_length=context_length,
        vocab_size=read_shape(tensors, "token_embedding.weight", 2)[0],
        width=width,
        layers=count_blocks(tensors, "transformer.resblocks."),
        heads=max(1, width // HEAD_WIDTH),
        mlp_width=read_shape(tensors, "transformer.resblocks.0.mlp.c_fc.weight", 2)[0],
        activation="quick_gelu",
        causal=True,
        pooling="argmax",
    )
