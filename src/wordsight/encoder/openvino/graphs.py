"""From a checkpoint to the two towers as OpenVINO models, uncompiled; no ONNX and no torch on the way."""

from __future__ import annotations

from typing import Any

import numpy as np

from wordsight.checkpoint import Checkpoint
from wordsight.encoder.openvino.openvino_import import ops, ov
from wordsight.encoder.openvino.text import text_graph
from wordsight.towers import architecture, find


def image_model(checkpoint: Checkpoint) -> Any:
    """Image tower: uint8 pixels (B,S,S,3) → float32 features (B,D), not normalised."""
    spec = checkpoint.spec
    size = spec.image.image_size
    pixels_BHWC = ops.parameter([-1, size, size, 3], np.uint8, name="pixels")
    graph = find(architecture(spec).graph)
    features_BD = graph(spec.image, spec.preprocess, checkpoint.tensors, pixels_BHWC)
    return ov.Model([ops.result(features_BD, name="features")], [pixels_BHWC], "image")


def text_model(checkpoint: Checkpoint) -> Any:
    """Text tower: int32 tokens (B,T) and feature positions (B,) → float32 features (B,D), not normalised."""
    tokens_BT = ops.parameter([-1, -1], np.int32, name="tokens")
    ends_B = ops.parameter([-1], np.int32, name="ends")
    features_BD = text_graph(checkpoint.spec.text, checkpoint.tensors, tokens_BT, ends_B)
    return ov.Model([ops.result(features_BD, name="features")], [tokens_BT, ends_B], "text")
