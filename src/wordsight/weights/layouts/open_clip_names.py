"""open_clip's names ↔ canonical names.

Three spellings exist: CLIP (OpenAI's names), CustomTextCLIP (the text tower under `text.`), and SigLIP, whose image
tower is timm's (`visual.trunk.`). A plain ResNet in CLIP is timm's too, with its projection in `visual.head`.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from wordsight.errors import CheckpointError
from wordsight.spec import ModelSpec, PlainResNetTower, VitTower
from wordsight.weights.layouts.config_values import count_blocks, read_shape
from wordsight.weights.layouts.renames import Pairs, blocks, rename, split_qkv, weight_and_bias

_TIMM_BLOCK = (
    ("norm1", "ln_1"),
    ("norm2", "ln_2"),
    ("attn.qkv", "attn.in_proj"),
    ("attn.proj", "attn.out_proj"),
    ("mlp.fc1", "mlp.c_fc"),
    ("mlp.fc2", "mlp.c_proj"),
)
_PROBE = "visual.attn_pool.probe"
_POSITIONS = "visual.positional_embedding"
_HEAD = "visual.head.proj.weight"


def _timm_table(layers: int) -> Pairs:
    trunk, pool = "visual.trunk", "visual.trunk.attn_pool"
    return [
        *weight_and_bias(f"{trunk}.patch_embed.proj", "visual.conv1"),
        (f"{trunk}.pos_embed", _POSITIONS),
        *blocks(f"{trunk}.blocks.{{}}", "visual.transformer.resblocks.{}", layers, _TIMM_BLOCK),
        *weight_and_bias(f"{trunk}.norm", "visual.ln_post"),
        (f"{pool}.latent", _PROBE),
        (f"{pool}.qkv.weight", "visual.attn_pool.attn.in_proj_weight"),
        (f"{pool}.qkv.bias", "visual.attn_pool.attn.in_proj_bias"),
        *weight_and_bias(f"{pool}.proj", "visual.attn_pool.attn.out_proj"),
        *weight_and_bias(f"{pool}.norm", "visual.attn_pool.ln"),
        *weight_and_bias(f"{pool}.mlp.fc1", "visual.attn_pool.mlp.c_fc"),
        *weight_and_bias(f"{pool}.mlp.fc2", "visual.attn_pool.mlp.c_proj"),
    ]


def to_canonical(tensors: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Rename any of open_clip's three spellings; batch counters and masks are dropped."""
    made = {}
    for name, tensor in tensors.items():
        if name.endswith((".num_batches_tracked", "attn_mask")):
            continue
        if name.startswith("text."):
            name = name.removeprefix("text.")
            if name == "text_projection.weight":
                name, tensor = "text_projection", tensor.T
            elif name == "text_projection.bias":
                name = "text_projection_bias"
        if name in ("logit_scale", "logit_bias") and tensor.size == 1:
            tensor = tensor.reshape(())
        made[name] = tensor
    if "visual.trunk.pos_embed" in made:
        made = _from_timm(made)
    if "visual.trunk.layer1.0.conv1.weight" in made:
        made = {name.replace("visual.trunk.", "visual."): tensor for name, tensor in made.items()}
        if _HEAD in made:
            made["visual.proj"] = made.pop(_HEAD).T
    return made


def _from_timm(tensors: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    pool = "visual.trunk.attn_pool"
    for leaf in ("weight", "bias"):
        if f"{pool}.kv.{leaf}" in tensors and f"{pool}.q.{leaf}" in tensors:
            parts = [tensors.pop(f"{pool}.q.{leaf}"), tensors.pop(f"{pool}.kv.{leaf}")]
            if parts[0].dtype != parts[1].dtype or 2 * parts[0].shape[0] != parts[1].shape[0]:
                raise CheckpointError(f"{pool}.q.{leaf} and {pool}.kv.{leaf} do not fit together.")
            tensors[f"{pool}.qkv.{leaf}"] = np.concatenate(parts, axis=0)
    made = rename(tensors, dict(_timm_table(count_blocks(tensors, "visual.trunk.blocks."))))
    made[_POSITIONS] = made[_POSITIONS].reshape(read_shape(made, _POSITIONS, made[_POSITIONS].ndim)[-2:])
    if _PROBE in made:
        made[_PROBE] = made[_PROBE].reshape(-1)
    return made


def _as_clip(spec: ModelSpec, tensors: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Tensors in CLIP's spelling; batch norms get a batch counter of 0."""
    counters = {n.removesuffix("running_var") + "num_batches_tracked" for n in tensors if n.endswith(".running_var")}
    made = {**tensors, **{name: np.array(0, np.int64) for name in counters}}
    if isinstance(spec.image, PlainResNetTower):
        made = {name.replace("visual.", "visual.trunk."): tensor for name, tensor in made.items()}
        made[_HEAD] = made.pop("visual.trunk.proj").T
    return made


def from_canonical(spec: ModelSpec, tensors: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Tensors as open_clip names them: CLIP's spelling, or SigLIP's with timm's trunk."""
    if not isinstance(spec.image, VitTower) or spec.image.pooling == "cls":
        return _as_clip(spec, tensors)
    shaped = dict(tensors)
    shaped[_POSITIONS] = tensors[_POSITIONS][None]
    shaped[_PROBE] = tensors[_PROBE].reshape(1, 1, -1)
    made: dict[str, np.ndarray] = {}
    for name, tensor in rename(shaped, {ours: theirs for theirs, ours in _timm_table(spec.image.layers)}).items():
        if name == "text_projection":
            made["text.text_projection.weight"] = tensor.T
        elif name == "text_projection_bias":
            made["text.text_projection.bias"] = tensor
        elif name.startswith("visual.trunk.attn_pool.qkv."):
            query, key, value = split_qkv(tensor)
            made[name.replace(".qkv.", ".q.")] = query
            made[name.replace(".qkv.", ".kv.")] = np.concatenate([key, value], axis=0)
        elif name.startswith(("visual.", "logit_")):
            made[name] = tensor
        else:
            made[f"text.{name}"] = tensor
    return made
