"""Hugging Face's CLIPModel folders: `config.json` ↔ ModelSpec and names ↔ canonical names.

Defaults are those of transformers' CLIPTextConfig and CLIPVisionConfig, which leave out keys that equal them.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

import numpy as np

from wordsight.errors import CheckpointError
from wordsight.spec import ModelSpec, Preprocess, TextTower, TokenizerSpec, VitTower
from wordsight.weights.layouts.config_values import ConfigValues, activation, scalar
from wordsight.weights.layouts.renames import Pairs, blocks, join_qkv, rename, split_qkv, weight_and_bias

DEFAULT = "transformers' default (key absent)"
INSIDE = (
    ("self_attn.qkv", "attn.in_proj"),
    ("self_attn.out_proj", "attn.out_proj"),
    ("layer_norm1", "ln_1"),
    ("layer_norm2", "ln_2"),
    ("mlp.fc1", "mlp.c_fc"),
    ("mlp.fc2", "mlp.c_proj"),
)
QKV = r"(?P<head>.*\.self_attn\.)(?P<part>[qkv])_proj\.(?P<leaf>weight|bias)"
TRANSPOSED = ("text_projection", "visual.proj")


def merge_config(config: Mapping[str, Any], part: str) -> dict[str, Any]:
    """Return `text_config` or `vision_config`; the older key `…_config_dict` overrides it, as in transformers."""
    return {**(config.get(part) or {}), **(config.get(f"{part}_dict") or {})}


def text_and_image(config: Mapping[str, Any], log: dict[str, str]) -> tuple[ConfigValues, ConfigValues]:
    """Readers of both towers' parts of `config.json`."""
    text = ConfigValues(merge_config(config, "text_config"), "config.json", "text_config", log)
    return text, ConfigValues(merge_config(config, "vision_config"), "config.json", "vision_config", log)


def read_towers(config: Mapping[str, Any], log: dict[str, str]) -> tuple[VitTower, TextTower]:
    """Both towers of a CLIPModel's `config.json`."""
    text, image = text_and_image(config, log)
    act = image.get("image.activation", "hidden_act", "quick_gelu", DEFAULT)
    vision = VitTower(
        image_size=image.whole("image.image_size", "image_size", 224, DEFAULT),
        patch_size=image.whole("image.patch_size", "patch_size", 32, DEFAULT),
        width=image.whole("image.width", "hidden_size", 768, DEFAULT),
        layers=image.whole("image.layers", "num_hidden_layers", 12, DEFAULT),
        heads=image.whole("image.heads", "num_attention_heads", 12, DEFAULT),
        mlp_width=image.whole("image.mlp_width", "intermediate_size", 3072, DEFAULT),
        activation=activation(act, "config.json: vision_config.hidden_act"),
        pooling="cls",
        norm_eps=image.real("image.norm_eps", "layer_norm_eps", 1e-5, DEFAULT),
    )
    act = text.get("text.activation", "hidden_act", "quick_gelu", DEFAULT)
    eos = text.get("text.pooling", "eos_token_id", 49407, DEFAULT)
    pooling: Literal["argmax", "eos"] = "eos"
    rule = f"the first token {eos}"
    if eos == 2:
        pooling, rule = "argmax", "2 means the highest token id"
    log["text.pooling"] += f": {rule}"
    words = TextTower(
        context_length=text.whole("text.context_length", "max_position_embeddings", 77, DEFAULT),
        vocab_size=text.whole("text.vocab_size", "vocab_size", 49408, DEFAULT),
        width=text.whole("text.width", "hidden_size", 512, DEFAULT),
        layers=text.whole("text.layers", "num_hidden_layers", 12, DEFAULT),
        heads=text.whole("text.heads", "num_attention_heads", 8, DEFAULT),
        mlp_width=text.whole("text.mlp_width", "intermediate_size", 2048, DEFAULT),
        activation=activation(act, "config.json: text_config.hidden_act"),
        causal=True,
        pooling=pooling,
        norm_eps=text.real("text.norm_eps", "layer_norm_eps", 1e-5, DEFAULT),
    )
    return vision, words


def read_spec(
    config: Mapping[str, Any],
    tensors: Mapping[str, np.ndarray],
    preprocess: Preprocess,
    tokenizer: TokenizerSpec,
    log: dict[str, str],
) -> ModelSpec:
    """Spec of a CLIPModel folder; name and source are filled in by the caller."""
    image, text = read_towers(config, log)
    eos = merge_config(config, "text_config").get("eos_token_id", 49407)
    if text.pooling == "eos" and tokenizer.eos_id != eos:
        raise CheckpointError(
            f"config.json: text_config.eos_token_id is {eos}, but the tokenizer ends texts with {tokenizer.eos_id}; "
            "expected the same, or 2 for the highest token id."
        )
    log["logit_scale"] = "tensor logit_scale"
    log["text_projection"] = "text_projection.weight, transposed on reading"
    log["visual.proj"] = "visual_projection.weight, transposed on reading"
    return ModelSpec(
        name="",
        family="clip",
        embed_dim=ConfigValues(config, "config.json", log=log).whole("embed_dim", "projection_dim", 512, DEFAULT),
        image=image,
        text=text,
        preprocess=preprocess,
        tokenizer=tokenizer,
        logit_scale=scalar(tensors, "logit_scale"),
        provenance=log,
    )


def table(image_layers: int, text_layers: int) -> Pairs:
    """Return (Hugging Face's name, canonical name); q, k, v stand joined as `self_attn.qkv`."""
    return [
        ("logit_scale", "logit_scale"),
        ("text_model.embeddings.token_embedding.weight", "token_embedding.weight"),
        ("text_model.embeddings.position_embedding.weight", "positional_embedding"),
        *blocks("text_model.encoder.layers.{}", "transformer.resblocks.{}", text_layers, INSIDE),
        *weight_and_bias("text_model.final_layer_norm", "ln_final"),
        ("text_projection.weight", "text_projection"),
        ("vision_model.embeddings.class_embedding", "visual.class_embedding"),
        ("vision_model.embeddings.patch_embedding.weight", "visual.conv1.weight"),
        ("vision_model.embeddings.position_embedding.weight", "visual.positional_embedding"),
        *weight_and_bias("vision_model.pre_layrnorm", "visual.ln_pre"),
        *blocks("vision_model.encoder.layers.{}", "visual.transformer.resblocks.{}", image_layers, INSIDE),
        *weight_and_bias("vision_model.post_layernorm", "visual.ln_post"),
        ("visual_projection.weight", "visual.proj"),
    ]


def join_blocks(tensors: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Tensors with q, k, v joined as `self_attn.qkv` and without the position buffers."""
    kept = {name: tensor for name, tensor in tensors.items() if not name.endswith(".position_ids")}
    join_qkv(kept, QKV, "{head}qkv.{leaf}")
    return kept


def to_canonical(tensors: Mapping[str, np.ndarray], config: Mapping[str, Any]) -> dict[str, np.ndarray]:
    """Rename, join q, k, v, and transpose both projections."""
    image, text = read_towers(config, {})
    made = rename(join_blocks(tensors), dict(table(image.layers, text.layers)))
    if "logit_scale" in made and made["logit_scale"].size == 1:
        made["logit_scale"] = made["logit_scale"].reshape(())
    return _transpose_projections(made)


def _transpose_projections(tensors: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    return {**tensors, **{name: tensors[name].T for name in TRANSPOSED if name in tensors}}


def split(tensors: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Tensors with every `self_attn.qkv` split into three."""
    made = {}
    for name, tensor in tensors.items():
        if ".self_attn.qkv." in name:
            for part, piece in zip("qkv", split_qkv(tensor), strict=True):
                made[name.replace(".qkv.", f".{part}_proj.")] = piece
        else:
            made[name] = tensor
    return made


def from_canonical(spec: ModelSpec, tensors: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Tensors under Hugging Face's names."""
    assert isinstance(spec.image, VitTower)
    names = {ours: theirs for theirs, ours in table(spec.image.layers, spec.text.layers)}
    return split(rename(_transpose_projections(tensors), names))


def tower_configs(spec: ModelSpec) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return `text_config` and `vision_config` but for what differs between CLIP and SigLIP."""
    assert isinstance(spec.image, VitTower)
    acts = {"quick_gelu": "quick_gelu", "gelu": "gelu", "gelu_tanh": "gelu_pytorch_tanh"}
    text = {
        "hidden_act": acts[spec.text.activation],
        "hidden_size": spec.text.width,
        "intermediate_size": spec.text.mlp_width,
        "layer_norm_eps": spec.text.norm_eps,
        "max_position_embeddings": spec.text.context_length,
        "num_attention_heads": spec.text.heads,
        "num_hidden_layers": spec.text.layers,
        "vocab_size": spec.text.vocab_size,
    }
    image = {
        "hidden_act": acts[spec.image.activation],
        "hidden_size": spec.image.width,
        "image_size": spec.image.image_size,
        "intermediate_size": spec.image.mlp_width,
        "layer_norm_eps": spec.image.norm_eps,
        "num_attention_heads": spec.image.heads,
        "num_channels": 3,
        "num_hidden_layers": spec.image.layers,
        "patch_size": spec.image.patch_size,
    }
    return text, image


def make_config(spec: ModelSpec) -> dict[str, Any]:
    """The `config.json` of a spec, as transformers reads it."""
    text, image = tower_configs(spec)
    eos = spec.tokenizer.eos_id if spec.text.pooling == "eos" else 2
    text |= {
        "model_type": "clip_text_model", "projection_dim": spec.embed_dim, "eos_token_id": eos,
        "bos_token_id": spec.tokenizer.bos_id or 0, "pad_token_id": spec.tokenizer.pad_id,
    }  # fmt: skip
    image |= {"model_type": "clip_vision_model", "projection_dim": spec.embed_dim}
    return {
        "architectures": ["CLIPModel"],
        "model_type": "clip",
        "projection_dim": spec.embed_dim,
        "logit_scale_init_value": spec.logit_scale,
        "text_config": text,
        "vision_config": image,
    }
