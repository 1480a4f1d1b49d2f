"""Adapters of PEFT: low-rank changes that lie beside a model, folded into its weights (Hu et al. 2022).

W becomes W + (alpha / r) · B · A, as `merge_and_unload` of PEFT computes it. Whatever else an adapter can hold is
rejected by name, since a model without it would silently be another one.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import Any

import numpy as np

from wordsight.errors import CheckpointError
from wordsight.weights.file_names import ADAPTER_CONFIG as FILE
from wordsight.weights.layouts.config_values import ConfigValues

_PART = re.compile(r"(?P<place>.+)\.lora_(?P<embedding>embedding_)?(?P<side>[AB])(\.default)?(\.weight)?")
_ROOT = "base_model.model."
# settings that turn LoRA into something other than W + scale·B·A
_OTHERS = ("use_dora", "use_qalora", "use_bdlora", "lora_bias", "fan_in_fan_out", "layer_replication", "arrow_config",
           "trainable_token_indices", "target_parameters", "alora_invocation_tokens", "monteclora_config",
           "velora_config", "kasa_config")  # fmt: skip
_STARTS = ("gaussian", "orthogonal", "eva", "lora_ga")  # initialisations that leave the base's weights as they are


def is_adapter(tensors: Mapping[str, np.ndarray]) -> bool:
    """Whether tensors are an adapter's, by their names."""
    return any(_PART.fullmatch(name) for name in tensors)


def fold(
    tensors: Mapping[str, np.ndarray], adapter: Mapping[str, np.ndarray], config: Mapping[str, Any]
) -> dict[str, np.ndarray]:
    """Fold an adapter into a model's tensors, under its layout's names; each keeps its dtype.

    adapter, config: the tensors of `adapter_model.safetensors` and the content of `adapter_config.json`.

    Raises: CheckpointError for an adapter that is not plain LoRA, naming its kind, and for one of another model.
    """
    _check_plain(config)
    made = dict(tensors)
    pairs: dict[str, dict[str, np.ndarray]] = {}
    for name, tensor in adapter.items():
        bare = name.removeprefix(_ROOT).replace(".base_layer.", ".")
        if match := _PART.fullmatch(bare):
            embedding = match["embedding"] or ""
            pairs.setdefault(match["place"], {})[embedding + match["side"]] = tensor
        elif bare in tensors and tensors[bare].shape == tensor.shape:  # a bias or a layer that was trained whole
            made[bare] = tensor.astype(tensors[bare].dtype)
        else:
            raise CheckpointError(
                f"{FILE}: the adapter's {name} is neither half of a low-rank pair nor a tensor of this model. {_MERGE}"
            )
    for place, pair in pairs.items():
        weight = f"{place}.weight"
        if weight not in tensors:
            raise CheckpointError(f"{FILE}: the adapter changes {weight}, which this model does not have. {_MERGE}")
        made[weight] = _change(weight, tensors[weight], pair, config)
    return made


_MERGE = "Merge it where it was trained (`model.merge_and_unload().save_pretrained(FOLDER)`) and name that folder."


def explain_missing_base(base: str) -> str:
    """Explain what to do with an adapter whose base model, named `base` in its configuration, is not at hand."""
    of = f"and {FILE} does not say of which model"
    if base:
        of = f"of {base!r}, which is not a folder here"
    return (
        f"it is a LoRA adapter without its model, {of}. Put {FILE} and the adapter's weights into the folder of the "
        "model that it belongs to and name that. Or: "
        f"{_MERGE[0].lower()}{_MERGE[1:]}"
    )


def _check_plain(config: Mapping[str, Any]) -> None:
    kind = config.get("peft_type")
    if kind != "LORA":
        raise CheckpointError(f"{FILE}: peft_type is {kind!r}, expected 'LORA'. {_MERGE}")
    for key in _OTHERS:
        if config.get(key):
            raise CheckpointError(f"{FILE}: {key} is {config[key]!r}, and only plain LoRA can be folded in. {_MERGE}")
    start = config.get("init_lora_weights")
    if isinstance(start, str) and start not in _STARTS:
        raise CheckpointError(
            f"{FILE}: init_lora_weights is {start!r}, which changed the model's weights too. {_MERGE}"
        )


def _change(weight: str, base: np.ndarray, pair: Mapping[str, np.ndarray], config: Mapping[str, Any]) -> np.ndarray:
    embedding = "embedding_" if "embedding_A" in pair else ""
    if set(pair) != {f"{embedding}A", f"{embedding}B"}:
        raise CheckpointError(f"{FILE}: of the pair for {weight} one half is missing; fetch the adapter again.")
    a, b = (pair[f"{embedding}{side}"].astype(np.float32) for side in "AB")
    rank = a.shape[0]
    a_RI, b_OR = a.reshape(rank, -1), b.reshape(b.shape[0], -1)
    if b_OR.shape[1] != rank or rank == 0:
        raise CheckpointError(
            f"{FILE}: the halves for {weight} have shapes {a.shape} and {b.shape}; their ranks differ."
        )
    shape = (b_OR.shape[0], a_RI.shape[1])
    if embedding:
        shape = shape[::-1]  # an embedding's rows are its inputs
    if math.prod(shape) != base.size or shape[0] != base.shape[0]:  # before the product is made
        raise CheckpointError(
            f"{FILE}: the adapter's change of {weight} has shape {shape}, but the weight has {base.shape}; "
            "it belongs to another model."
        )
    change = b_OR @ a_RI
    if embedding:
        change = change.T
    divisor: float = rank
    if config.get("use_rslora"):
        divisor = math.sqrt(rank)
    scale = _alpha(weight.removesuffix(".weight"), config) / divisor
    return (base.astype(np.float32) + scale * change.reshape(base.shape)).astype(base.dtype)


def _alpha(place: str, config: Mapping[str, Any]) -> float:
    """Alpha of a layer: `alpha_pattern`'s first name that its place ends with, else `lora_alpha`."""
    facts, patterns = ConfigValues(config, FILE), ConfigValues(config, FILE).within("alpha_pattern")
    for pattern in patterns.config:
        literal = pattern.removeprefix("^")
        if not re.fullmatch(r"[\w.]+", literal):
            raise CheckpointError(f"{FILE}: alpha_pattern has the expression {pattern!r}, expected names. {_MERGE}")
        if place == literal or (not pattern.startswith("^") and place.endswith(f".{literal}")):
            return patterns.real("alpha", pattern)
    return facts.real("alpha", "lora_alpha", 8.0, "PEFT's default")
