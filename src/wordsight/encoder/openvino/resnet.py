"""OpenAI's ModifiedResNet as an OpenVINO graph (Radford et al. 2021, §2.4): batch norms folded into convolutions."""

from __future__ import annotations

import numpy as np

from wordsight.encoder.openvino import ops as g
from wordsight.encoder.openvino.openvino_import import ops
from wordsight.encoder.openvino.ops import Node, Tensors
from wordsight.spec import Preprocess, ResNetTower

NORM_EPS = 1e-5  # torch.nn.BatchNorm2d's default, which OpenAI used


def image_graph(tower: ResNetTower, preprocess: Preprocess, tensors: Tensors, pixels_BHWC: Node) -> Node:
    """Node with image features (B,D), not normalised, of a uint8 (B,H,W,3) node."""
    mean, std = (255 * np.array(v, dtype=np.float64) for v in (preprocess.mean, preprocess.std))
    # The mean cannot move into the first bias: its padding is zero after normalisation. The scale can into its weights.
    centred = ops.subtract(ops.convert(pixels_BHWC, "f32"), g.constant(mean))
    x = g.transpose(centred, 0, 3, 1, 2)
    x = ops.relu(convolve(x, tensors, "visual.conv1", "visual.bn1", stride=2, divide=std))
    x = ops.relu(convolve(x, tensors, "visual.conv2", "visual.bn2"))
    x = _average(ops.relu(convolve(x, tensors, "visual.conv3", "visual.bn3")), 2)
    for stage, blocks in enumerate(tower.layers, start=1):
        for i, stride in enumerate((min(stage, 2), *[1] * (blocks - 1))):
            x = _bottleneck(tensors, f"visual.layer{stage}.{i}", x, stride)
    return _pool(tower, tensors, x)


def _bottleneck(tensors: Tensors, name: str, x: Node, stride: int) -> Node:
    """Return relu(x + three convolutions of x); a stride is an average pooling before the last one."""
    y = ops.relu(convolve(x, tensors, f"{name}.conv1", f"{name}.bn1"))
    y = _average(ops.relu(convolve(y, tensors, f"{name}.conv2", f"{name}.bn2")), stride)
    y = convolve(y, tensors, f"{name}.conv3", f"{name}.bn3")
    if f"{name}.downsample.0.weight" in tensors:
        x = convolve(_average(x, stride), tensors, f"{name}.downsample.0", f"{name}.downsample.1")
    return ops.relu(ops.add(x, y))


def convolve(
    x: Node, tensors: Tensors, conv: str, norm: str, stride: int = 1, divide: np.ndarray | None = None
) -> Node:
    """Convolve ("same" padding) and batch-normalise as one convolution with bias, folded in float64.

    `divide` (input channels,): what the input is to be divided by.
    """
    gain, shift, mean, variance = (
        np.asarray(tensors[f"{norm}.{part}"], dtype=np.float64)
        for part in ("weight", "bias", "running_mean", "running_var")
    )
    factor = gain / np.sqrt(variance + NORM_EPS)
    weight_OIHW = np.asarray(tensors[f"{conv}.weight"], dtype=np.float64) * factor[:, None, None, None]
    if divide is not None:
        weight_OIHW = weight_OIHW / divide[:, None, None]
    around = [weight_OIHW.shape[-1] // 2] * 2
    y = ops.convolution(x, g.constant(weight_OIHW), [stride] * 2, around, around, [1, 1])
    return ops.add(y, g.constant((shift - mean * factor).reshape(1, -1, 1, 1)))


def _average(x: Node, stride: int) -> Node:
    if stride == 1:
        return x
    return ops.avg_pool(x, [stride] * 2, [0, 0], [0, 0], [stride] * 2, False)


def _pool(tower: ResNetTower, tensors: Tensors, x_BCHW: Node) -> Node:
    """Attention pooling: the mean token asks, the mean and all places answer. Returns (B,D)."""
    name = "visual.attnpool"
    places_BTC = g.transpose(g.reshape(x_BCHW, 0, 0, -1), 0, 2, 1)
    mean_B1C = ops.reduce_mean(places_BTC, g.integers(1), True)
    positions = tensors[f"{name}.positional_embedding"]
    x_BTC = ops.add(ops.concat([mean_B1C, places_BTC], axis=1), g.constant(positions))
    asking_B1C = ops.add(mean_B1C, g.constant(positions[:1]))
    q, k, v = (
        g.linear(x, tensors[f"{name}.{part}_proj.weight"], tensors[f"{name}.{part}_proj.bias"])
        for part, x in (("q", asking_B1C), ("k", x_BTC), ("v", x_BTC))
    )
    mixed = g.attention(q, k, v, tower.heads)
    out = g.linear(mixed, tensors[f"{name}.c_proj.weight"], tensors[f"{name}.c_proj.bias"])
    return g.reshape(out, 0, -1)
