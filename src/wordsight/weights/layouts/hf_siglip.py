"""Hugging Face's SiglipModel folders (SigLIP, and SigLIP 2 of fixed resolution): configuration and names.

Defaults are those of transformers' SiglipTextConfig and SiglipVisionConfig.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from wordsight.errors import CheckpointError
from wordsight.spec import ModelSpec, Preprocess, TextTower, TokenizerSpec, VitTower
from wordsight.weights.layouts.config_values import ConfigValues, activation, scalar
from wordsight.weights.layouts.hf_clip import DEFAULT, INSIDE, join_blocks, split, text_and_image, tower_configs
from wordsight.weights.layouts.renames import Pairs, blocks, rename, weight_and_bias

_PROBE = "visual.attn_pool.probe"
_ACT = "gelu_pytorch_tanh"


def read_towers(config: Mapping[str, Any], log: dict[str, str]) -> tuple[VitTower, TextTower]:
    """Both towers of a SiglipModel's `config.json`."""
    text, image = text_and_image(config, log)
    if image.config.get("vision_use_head") is False:
        raise CheckpointError("config.json: vision_config.vision_use_head is false; expected the attention-pool head.")
    vision = VitTower(
        image_size=image.whole("image.image_size", "image_size", 224, DEFAULT),
        patch_size=image.whole("image.patch_size", "patch_size", 16, DEFAULT),
        width=image.whole("image.width", "hidden_size", 768, DEFAULT),
        layers=image.whole("image.layers", "num_hidden_layers", 12, DEFAULT),
        heads=image.whole("image.heads", "num_attention_heads", 12, DEFAULT),
        mlp_width=image.whole("image.mlp_width", "intermediate_size", 3072, DEFAULT),
        activation=activation(
            image.get("image.activation", "hidden_act", _ACT, DEFAULT), "config.json: vision_config.hidden_act"
        ),
        pooling="attention",
        patch_bias=True,
        pre_norm=False,
        norm_eps=image.real("image.norm_eps", "layer_norm_eps", 1e-6, DEFAULT),
    )
    log["text.pooling"] = "SigLIP's rule: the last position"
    words = TextTower(
        context_length=text.whole("text.context_length", "max_position_embeddings", 64, DEFAULT),
        vocab_size=text.whole("text.vocab_size", "vocab_size", 32000, DEFAULT),
        width=text.whole("text.width", "hidden_size", 768, DEFAULT),
        layers=text.whole("text.layers", "num_hidden_layers", 12, DEFAULT),
        heads=text.whole("text.heads", "num_attention_heads", 12, DEFAULT),
        mlp_width=text.whole("text.mlp_width", "intermediate_size", 3072, DEFAULT),
        activation=activation(
            text.get("text.activation", "hidden_act", _ACT, DEFAULT), "config.json: text_config.hidden_act"
        ),
        causal=False,
        pooling="last",
        projection_bias=True,
        norm_eps=text.real("text.norm_eps", "layer_norm_eps", 1e-6, DEFAULT),
    )
    return vision, words


def read_spec(
    config: Mapping[str, Any],
    tensors: Mapping[str, np.ndarray],
    preprocess: Preprocess,
    tokenizer: TokenizerSpec,
    log: dict[str, str],
) -> ModelSpec:
    """Spec of a SiglipModel folder; name and source are filled in by the caller."""
    image, text = read_towers(config, log)
    projected = ConfigValues(config.get("text_config") or {}, "config.json", "text_config", log)
    log["logit_scale"], log["logit_bias"] = "tensor logit_scale", "tensor logit_bias"
    log["text_projection"] = "text_model.head.weight, transposed on reading"
    return ModelSpec(
        name="",
        family="siglip",
        embed_dim=projected.whole("embed_dim", "projection_size", text.width, f"{DEFAULT}: the text tower's width"),
        image=image,
        text=text,
        preprocess=preprocess,
        tokenizer=tokenizer,
        logit_scale=scalar(tensors, "logit_scale"),
        logit_bias=scalar(tensors, "logit_bias"),
        provenance=log,
    )


def table(image_layers: int, text_layers: int) -> Pairs:
    """Return (Hugging Face's name, canonical name); q, k, v stand joined as `self_attn.qkv`."""
    return [
        ("logit_scale", "logit_scale"),
        ("logit_bias", "logit_bias"),
        ("text_model.embeddings.token_embedding.weight", "token_embedding.weight"),
        ("text_model.embeddings.position_embedding.weight", "positional_embedding"),
        *blocks("text_model.encoder.layers.{}", "transformer.resblocks.{}", text_layers, INSIDE),
        *weight_and_bias("text_model.final_layer_norm", "ln_final"),
        ("text_model.head.weight", "text_projection"),
        ("text_model.head.bias", "text_projection_bias"),
        *weight_and_bias("vision_model.embeddings.patch_embedding", "visual.conv1"),
        ("vision_model.embeddings.position_embedding.weight", "visual.positional_embedding"),
        *blocks("vision_model.encoder.layers.{}", "visual.transformer.resblocks.{}", image_layers, INSIDE),
        *weight_and_bias("vision_model.post_layernorm", "visual.ln_post"),
        ("vision_model.head.probe", _PROBE),
        ("vision_model.head.attention.in_proj_weight", "visual.attn_pool.attn.in_proj_weight"),
        ("vision_model.head.attention.in_proj_bias", "visual.attn_pool.attn.in_proj_bias"),
        *weight_and_bias("vision_model.head.attention.out_proj", "visual.attn_pool.attn.out_proj"),
        *weight_and_bias("vision_model.head.layernorm", "visual.attn_pool.ln"),
        *weight_and_bias("vision_model.head.mlp.fc1", "visual.attn_pool.mlp.c_fc"),
        *weight_and_bias("vision_model.head.mlp.fc2", "visual.attn_pool.mlp.c_proj"),
    ]


def to_canonical(tensors: Mapping[str, np.ndarray], config: Mapping[str, Any]) -> dict[str, np.ndarray]:
    """Rename, join q, k, v, transpose the text projection, flatten the probe and the two scalars."""
    image, text = read_towers(config, {})
    made = rename(join_blocks(tensors), dict(table(image.layers, text.layers)))
    return {name: _canonical_shape(name, tensor) for name, tensor in made.items()}


def _canonical_shape(name: str, tensor: np.ndarray) -> np.ndarray:
    if name == "text_projection":
        return tensor.T
    if name == _PROBE:
        return tensor.reshape(-1)
    if name in ("logit_scale", "logit_bias") and tensor.size == 1:
        return tensor.reshape(())
    return tensor


def from_canonical(spec: ModelSpec, tensors: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Tensors under Hugging Face's names and in its shapes."""
    assert isinstance(spec.image, VitTower)
    shaped = dict(tensors)
    shaped["text_projection"] = tensors["text_projection"].T
    shaped[_PROBE] = tensors[_PROBE].reshape(1, 1, -1)
    for name in ("logit_scale", "logit_bias"):
        shaped[name] = tensors[name].reshape(1)
    names = {ours: theirs for theirs, ours in table(spec.image.layers, spec.text.layers)}
    return split(rename(shaped, names))


def make_config(spec: ModelSpec) -> dict[str, Any]:
    """The `config.json` of a spec, as transformers reads it."""
    text, image = tower_configs(spec)
    text |= {
        "model_type": "siglip_text_model", "projection_size": spec.embed_dim, "bos_token_id": spec.tokenizer.bos_id,
        "eos_token_id": spec.tokenizer.eos_id, "pad_token_id": spec.tokenizer.pad_id,
    }  # fmt: skip
    image |= {"model_type": "siglip_vision_model", "vision_use_head": True}
    return {"architectures": ["SiglipModel"], "model_type": "siglip", "text_config": text, "vision_config": image}
