"""Plain residual networks as OpenVINO graphs (He et al. 2016): batch norms folded into convolutions."""

from __future__ import annotations

import numpy as np

from wordsight.encoder.openvino import ops as g
from wordsight.encoder.openvino.openvino_import import ops
from wordsight.encoder.openvino.ops import Node, Tensors
from wordsight.encoder.openvino.resnet import convolve
from wordsight.spec import PlainResNetTower, Preprocess


def image_graph(tower: PlainResNetTower, preprocess: Preprocess, tensors: Tensors, pixels_BHWC: Node) -> Node:
    """Node with image features (B,D), not normalised, of a uint8 (B,H,W,3) node."""
    mean, std = (255 * np.array(v, dtype=np.float64) for v in (preprocess.mean, preprocess.std))
    centred = ops.subtract(ops.convert(pixels_BHWC, "f32"), g.constant(mean))
    x = g.transpose(centred, 0, 3, 1, 2)
    x = ops.relu(convolve(x, tensors, "visual.conv1", "visual.bn1", stride=2, divide=std))
    x = _largest(x)
    for stage, blocks in enumerate(tower.layers, start=1):
        for i, stride in enumerate((min(stage, 2), *[1] * (blocks - 1))):
            x = _block(tower, tensors, f"visual.layer{stage}.{i}", x, stride)
    mean_BE = ops.reduce_mean(x, g.integers(2, 3), False)
    if not tower.projection:
        return mean_BE
    return ops.matmul(mean_BE, g.constant(tensors["visual.proj"]), False, False, name=g.PROJECTION)


def _block(tower: PlainResNetTower, tensors: Tensors, name: str, x: Node, stride: int) -> Node:
    """Return relu(x + two or three convolutions of x), the stride in a 3×3 one."""
    bottleneck = tower.block == "bottleneck"
    first, second = (1, stride) if bottleneck else (stride, 1)
    y = ops.relu(convolve(x, tensors, f"{name}.conv1", f"{name}.bn1", stride=first))
    y = convolve(y, tensors, f"{name}.conv2", f"{name}.bn2", stride=second)
    if bottleneck:
        y = convolve(ops.relu(y), tensors, f"{name}.conv3", f"{name}.bn3")
    if f"{name}.downsample.0.weight" in tensors:
        x = convolve(x, tensors, f"{name}.downsample.0", f"{name}.downsample.1", stride=stride)
    return ops.relu(ops.add(x, y))


def _largest(x: Node) -> Node:
    """3×3 max pooling with stride 2; what lies beyond the edge never wins."""
    return ops.max_pool(x, [2, 2], [1, 1], [1, 1], [1, 1], [3, 3]).output(0)
