"""The image towers there are: one literal row each, from which whatever depends on the architecture takes its part.

To add one: its record in `spec`, a row here, and the functions that the row names. Functions are named as
"module:function", so that the table loads neither torch nor OpenVINO; `find` imports one when it is needed.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from wordsight.spec import EfficientNetTower, ModelSpec, PlainResNetTower, ResNetTower, VitTower

ImageTower = VitTower | ResNetTower | PlainResNetTower | EfficientNetTower


@dataclass(frozen=True, kw_only=True)
class Architecture:
    """Facts that depend on an image tower's architecture.

    name: as people call it. layouts: the checkpoint layouts that can hold it.
    shapes: (tower, embed_dim) → {canonical name: shape}. network: (tower, embed_dim) → torch module.
    graph: (tower, preprocess, tensors, pixels) → OpenVINO node. reference: (tower, tensors, pixels) → features.
    transformer: whether it is one, with patches, heads and an activation, as a text tower has.
    positions: the table of positions, whose size settles `image_size`; "" where any size fits the tensors.
    first: parts that come before the first numbered layer, for rates that decay with depth.
    has_map: whether it ends in a map of places, which captions can be read from, rather than in one vector.
    """

    name: str
    layouts: tuple[str, ...]
    shapes: str
    network: str
    graph: str
    reference: str
    transformer: bool = False
    positions: str = ""
    first: frozenset[str]
    has_map: bool = True


ARCHITECTURES: dict[str, Architecture] = {
    "vit": Architecture(
        name="vision transformer",
        layouts=("wordsight", "hf", "open_clip", "openai"),
        shapes="wordsight.weights.shapes:vit",
        network="wordsight.nn.vit:VisionTransformer",
        graph="wordsight.encoder.openvino.vit:image_graph",
        reference="wordsight.encoder.reference:vit",
        transformer=True,
        positions="visual.positional_embedding",
        first=frozenset({"conv1", "class_embedding", "positional_embedding", "ln_pre"}),
    ),
    "modified_resnet": Architecture(
        name="ModifiedResNet",
        layouts=("wordsight", "open_clip", "openai"),
        shapes="wordsight.weights.shapes:modified_resnet",
        network="wordsight.nn.resnet:ModifiedResNet",
        graph="wordsight.encoder.openvino.resnet:image_graph",
        reference="wordsight.encoder.reference:modified_resnet",
        positions="visual.attnpool.positional_embedding",
        first=frozenset({"conv1", "conv2", "conv3", "bn1", "bn2", "bn3"}),
    ),
    "resnet": Architecture(
        name="plain ResNet",
        layouts=("wordsight", "open_clip"),
        shapes="wordsight.weights.shapes:plain_resnet",
        network="wordsight.nn.plain_resnet:PlainResNet",
        graph="wordsight.encoder.openvino.plain_resnet:image_graph",
        reference="wordsight.encoder.reference:plain_resnet",
        first=frozenset({"conv1", "bn1"}),
    ),
    "efficientnet_lite": Architecture(
        name="EfficientNet-Lite",
        layouts=("wordsight",),
        shapes="wordsight.weights.shapes:efficientnet_lite",
        network="wordsight.nn.efficientnet:EfficientNet",
        graph="wordsight.encoder.openvino.efficientnet:image_graph",
        reference="wordsight.encoder.reference:efficientnet_lite",
        first=frozenset({"stem"}),
        has_map=False,
    ),
}


def architecture(spec: ModelSpec) -> Architecture:
    """The row of a spec's image tower."""
    return ARCHITECTURES[spec.image.arch]


def pools_by_attention(tower: ImageTower) -> bool:
    """Whether it is SigLIP's tower, which pools patches by attention rather than by a class token."""
    return isinstance(tower, VitTower) and tower.pooling == "attention"


def find(path: str) -> Callable[..., Any]:
    """Import the function or class that a row names as "module:name"."""
    module, _, name = path.partition(":")
    found: Callable[..., Any] = getattr(importlib.import_module(module), name)
    return found
