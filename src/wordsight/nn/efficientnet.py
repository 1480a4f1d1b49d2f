"""EfficientNet-Lite with a locked-image-tuning head: the bundled model's image tower.

Source: Tan & Le 2019 (EfficientNet; "Lite" leaves out squeeze-and-excitation and uses ReLU6); Zhai et al. 2022 (LiT).
"""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from wordsight.spec import EfficientNetTower


class EfficientNet(nn.Module):
    """Images to features: a trunk of inverted residuals, then a head over pooled features of several depths.

    Batch norms are folded into the convolutions. The head adds two terms: a residual MLP's projection of the
    standardised pooled features, and the mean of one learned vector per trunk class under the trunk's posterior.
    """

    def __init__(self, tower: EfficientNetTower, embed_dim: int) -> None:
        super().__init__()
        self.tower = tower
        self.stem = nn.Conv2d(3, tower.stem_width, 3, stride=2)
        blocks = list(_blocks(tower))
        self.blocks = nn.ModuleList(blocks)
        channels = [block.channels for block in blocks]
        self.head = nn.Conv2d(channels[-1], tower.features, 1)
        self.classifier = nn.Linear(tower.features, tower.classes)
        pooled = tower.features + sum(channels[i] for i in (*tower.tap_means, *tower.tap_spreads))
        self.standardise = Standardise(pooled)
        self.input = nn.Linear(pooled, tower.head_width)
        self.mlp = nn.ModuleList(ResidualMlp(tower.head_width) for _ in range(tower.head_layers))
        self.proj = nn.Parameter(torch.randn(tower.head_width, embed_dim) * tower.head_width**-0.5)
        self.class_vectors = nn.Parameter(torch.randn(tower.classes, embed_dim) * 0.02)

    def forward(self, pixels_BCHW: Tensor) -> Tensor:
        """Features (B,D), not normalised, of normalised float pixels (B,3,S,S)."""
        pooled_BF = self.pooled(pixels_BCHW)
        h_BE = self.input(self.standardise(pooled_BF))
        for layer in self.mlp:
            h_BE = layer(h_BE)
        posterior_BK = self.classifier(pooled_BF[:, : self.tower.features]).softmax(dim=-1)
        features_BD: Tensor = h_BE @ self.proj + posterior_BK @ self.class_vectors
        return features_BD

    def pooled(self, pixels_BCHW: Tensor) -> Tensor:
        """Pooled features of the trunk, (B,F): the mean of the last map, then means and spreads of earlier ones."""
        x_BCHW = F.relu6(self.stem(pad_same(pixels_BCHW, 3, 2)), inplace=True)
        taps = {}
        for i, block in enumerate(self.blocks):
            x_BCHW = block(x_BCHW)
            if i in (*self.tower.tap_means, *self.tower.tap_spreads):
                taps[i] = x_BCHW
        last_BC = F.relu6(self.head(x_BCHW), inplace=True).mean(dim=(2, 3))
        means = [taps[i].mean(dim=(2, 3)) for i in self.tower.tap_means]
        spreads = [taps[i].std(dim=(2, 3), correction=0) for i in self.tower.tap_spreads]
        return torch.cat([last_BC, *means, *spreads], dim=1)


class InvertedResidual(nn.Module):
    """Widen, filter each channel, narrow; added to the input where shapes allow (Sandler et al. 2018)."""

    def __init__(self, incoming: int, channels: int, ratio: int, kernel: int, stride: int) -> None:
        super().__init__()
        inner = incoming * ratio
        if ratio != 1:
            self.expand = nn.Conv2d(incoming, inner, 1)
        # "SAME" is the same on both sides but where strides leave some out, and then costs a copy of the map.
        padding = kernel // 2 if stride == 1 else 0
        self.depthwise = nn.Conv2d(inner, inner, kernel, stride=stride, groups=inner, padding=padding)
        self.project = nn.Conv2d(inner, channels, 1)
        self.ratio, self.kernel, self.stride, self.channels = ratio, kernel, stride, channels
        self.residual = stride == 1 and incoming == channels

    def forward(self, x_BCHW: Tensor) -> Tensor:
        """Block's output map."""
        y_BCHW = x_BCHW
        if self.ratio != 1:
            y_BCHW = F.relu6(self.expand(x_BCHW), inplace=True)
        if self.stride != 1:
            y_BCHW = pad_same(y_BCHW, self.kernel, self.stride)
        out_BCHW: Tensor = self.project(F.relu6(self.depthwise(y_BCHW), inplace=True))
        if self.residual:
            out_BCHW = x_BCHW + out_BCHW
        return out_BCHW


class Standardise(nn.Module):
    """(x - mean) * scale, with fixed statistics of the training images."""

    mean: Tensor
    scale: Tensor

    def __init__(self, width: int) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(width))
        self.register_buffer("scale", torch.ones(width))

    def forward(self, x_BF: Tensor) -> Tensor:
        """Standardised features."""
        return (x_BF - self.mean) * self.scale


class ResidualMlp(nn.Module):
    """x + c_proj(gelu(c_fc(x))), twice as wide inside."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.c_fc = nn.Linear(width, 2 * width)
        self.c_proj = nn.Linear(2 * width, width)

    def forward(self, x_BE: Tensor) -> Tensor:
        """Layer's output (B,E)."""
        inner: Tensor = self.c_proj(F.gelu(self.c_fc(x_BE)))
        return x_BE + inner


def pad_same(x_BCHW: Tensor, kernel: int, stride: int) -> Tensor:
    """Pad as TensorFlow's "SAME", with which the trunk was trained: an odd pixel goes to the end."""
    pads = []
    for length in (x_BCHW.shape[3], x_BCHW.shape[2]):
        total = max(((length - 1) // stride) * stride + kernel - length, 0)
        pads += [total // 2, total - total // 2]
    return F.pad(x_BCHW, pads)


def _blocks(tower: EfficientNetTower) -> Iterator[InvertedResidual]:
    incoming = tower.stem_width
    for ratio, kernel, stride, channels, repeats in tower.stages:
        for step in (stride, *[1] * (repeats - 1)):
            yield InvertedResidual(incoming, channels, ratio, kernel, step)
            incoming = channels
