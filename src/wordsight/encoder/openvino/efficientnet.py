"""EfficientNet-Lite trunk with a locked-image-tuning head as an OpenVINO graph (Tan & Le 2019; Zhai et al. 2022).

Imported only by the OpenVINO backend: this module loads openvino.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from wordsight.encoder.openvino.openvino_import import ops
from wordsight.spec import EfficientNetTower, Preprocess

Tensors = Mapping[str, np.ndarray]


@dataclass(frozen=True)
class Block:
    """One inverted-residual block of an EfficientNet-Lite: its place and its three convolutions' facts."""

    index: int
    expand: bool
    kernel: int
    stride: int
    residual: bool


def blocks(tower: EfficientNetTower) -> Iterator[Block]:
    """Yield the blocks that the tower's `stages` describe, in order."""
    index, incoming = 0, tower.stem_width
    for ratio, kernel, stride, channels, repeats in tower.stages:
        for step in (stride, *[1] * (repeats - 1)):
            yield Block(index, ratio != 1, kernel, step, residual=step == 1 and incoming == channels)
            index, incoming = index + 1, channels


def image_graph(tower: EfficientNetTower, preprocess: Preprocess, tensors: Tensors, pixels_BHWC: Any) -> Any:
    """Node with image features (B,D), not normalised, of a uint8 (B,H,W,3) node."""
    last, taps = trunk_graph(tower, preprocess, tensors, pixels_BHWC)
    pooled_BF, posterior_BK = pooled_graph(tower, tensors, last, taps)
    return head_graph(tower, tensors, pooled_BF, posterior_BK)


def pooled_graph(tower: EfficientNetTower, tensors: Tensors, last: Any, taps: Mapping[int, Any]) -> tuple[Any, Any]:
    """Two nodes: the pooled features the head reads (B,F), and the trunk's class posterior (B,K)."""
    last_BF = ops.reduce_mean(last, _axes((2, 3)), keep_dims=False)
    means = [ops.reduce_mean(taps[i], _axes((2, 3)), keep_dims=False) for i in tower.tap_means]
    spreads = [_spread(taps[i]) for i in tower.tap_spreads]
    logits_BK = _linear(last_BF, tensors, "visual.classifier")
    return ops.concat([last_BF, *means, *spreads], axis=1), ops.softmax(logits_BK, axis=1)


def trunk_graph(
    tower: EfficientNetTower, preprocess: Preprocess, tensors: Tensors, pixels_BHWC: Any
) -> tuple[Any, dict[int, Any]]:
    """Last feature map (B,F,h,w) and every tapped block's output, by block number."""
    x = ops.convert(ops.transpose(pixels_BHWC, np.array([0, 3, 1, 2])), "f32")
    mean, std = (255 * np.array(v, dtype=np.float32).reshape(1, 3, 1, 1) for v in (preprocess.mean, preprocess.std))
    x = _relu6(
        _convolve(ops.divide(ops.subtract(x, ops.constant(mean)), ops.constant(std)), tensors, "visual.stem", stride=2)
    )
    taps = {}
    for block in blocks(tower):
        name, incoming = f"visual.blocks.{block.index}", x
        if block.expand:
            x = _relu6(_convolve(x, tensors, f"{name}.expand"))
        x = _relu6(_convolve_depthwise(x, tensors, f"{name}.depthwise", block.stride))
        x = _convolve(x, tensors, f"{name}.project")
        if block.residual:
            x = ops.add(x, incoming)
        if block.index in (*tower.tap_means, *tower.tap_spreads):
            taps[block.index] = x
    return _relu6(_convolve(x, tensors, "visual.head")), taps


def head_graph(tower: EfficientNetTower, tensors: Tensors, pooled_BF: Any, posterior_BK: Any) -> Any:
    """Image features (B,D): standardise, linear, residual MLPs, project; plus the expected class vector."""
    centred = ops.subtract(pooled_BF, _constant(tensors, "visual.standardise.mean"))
    h = _linear(ops.multiply(centred, _constant(tensors, "visual.standardise.scale")), tensors, "visual.input")
    for i in range(tower.head_layers):
        inner = ops.gelu(_linear(h, tensors, f"visual.mlp.{i}.c_fc"), "erf")
        h = ops.add(h, _linear(inner, tensors, f"visual.mlp.{i}.c_proj"))
    projected = ops.matmul(h, _constant(tensors, "visual.proj"), False, False)
    return ops.add(projected, ops.matmul(posterior_BK, _constant(tensors, "visual.class_vectors"), False, False))


def _constant(tensors: Tensors, name: str) -> Any:
    return ops.constant(np.asarray(tensors[name], dtype=np.float32))


def _axes(axes: tuple[int, ...]) -> Any:
    return ops.constant(np.array(axes, dtype=np.int64))


def _relu6(x: Any) -> Any:
    return ops.clamp(x, 0.0, 6.0)


def _linear(x: Any, tensors: Tensors, name: str) -> Any:
    return ops.add(ops.matmul(x, _constant(tensors, f"{name}.weight"), False, True), _constant(tensors, f"{name}.bias"))


def _bias(x: Any, tensors: Tensors, name: str) -> Any:
    return ops.add(x, ops.constant(np.asarray(tensors[f"{name}.bias"], dtype=np.float32).reshape(1, -1, 1, 1)))


def _convolve(x: Any, tensors: Tensors, name: str, stride: int = 1) -> Any:
    # TensorFlow's "SAME" padding, with which the weights were trained, puts the odd pixel at the end.
    weight = _constant(tensors, f"{name}.weight")
    return _bias(ops.convolution(x, weight, [stride] * 2, [0, 0], [0, 0], [1, 1], "same_upper"), tensors, name)


def _convolve_depthwise(x: Any, tensors: Tensors, name: str, stride: int) -> Any:
    weight = np.asarray(tensors[f"{name}.weight"], dtype=np.float32)[:, None]  # (C,1,k,k) → C groups of (1,1,k,k)
    node = ops.group_convolution(x, ops.constant(weight), [stride] * 2, [0, 0], [0, 0], [1, 1], "same_upper")
    return _bias(node, tensors, name)


def _spread(x: Any) -> Any:
    centred = ops.subtract(x, ops.reduce_mean(x, _axes((2, 3)), keep_dims=True))
    return ops.sqrt(ops.reduce_mean(ops.multiply(centred, centred), _axes((2, 3)), keep_dims=False))
