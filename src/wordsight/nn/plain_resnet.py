"""Plain residual networks, ResNet-18 and ResNet-50 among them (He et al. 2016), as an image tower."""

from __future__ import annotations

from collections import OrderedDict

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from wordsight.spec import PlainResNetTower


class PlainResNet(nn.Module):
    """Images to features: a 7×7 stem, four stages of residual blocks, the mean of the last map, a projection.

    Names of the trunk's tensors are torchvision's and timm's. A bottleneck's stride is in its 3×3 convolution, as in
    theirs (Goyal et al. 2017, §5.1, from the authors' released code), not in the first one, as in the paper.
    """

    def __init__(self, tower: PlainResNetTower, embed_dim: int) -> None:
        super().__init__()
        self.tower = tower
        self.conv1 = _convolution(3, tower.width, kernel=7, stride=2)
        self.bn1 = nn.BatchNorm2d(tower.width)
        incoming = tower.width
        stages = []
        for stage, count in enumerate(tower.layers):
            inner = tower.width * 2**stage
            outgoing = inner * tower.expansion
            blocks = []
            for stride in (min(stage + 1, 2), *[1] * (count - 1)):
                blocks.append(PlainBlock(incoming, inner, outgoing, stride))
                incoming = outgoing
            stages.append(nn.Sequential(*blocks))
        self.layer1, self.layer2, self.layer3, self.layer4 = stages
        if tower.projection:
            self.proj = nn.Parameter(torch.randn(tower.features, embed_dim) * tower.features**-0.5)

    def forward(self, pixels_BCHW: Tensor) -> Tensor:
        """Features (B,D), not normalised, of normalised float pixels (B,3,S,S)."""
        return self._project(self._map(pixels_BCHW).mean(dim=(2, 3)))

    def tokens(self, pixels_BCHW: Tensor) -> Tensor:
        """Features of each place, (B,T,D); their mean are the features."""
        return self._project(self._map(pixels_BCHW).flatten(2).transpose(1, 2))

    def _project(self, features: Tensor) -> Tensor:
        """Project the last axis, in towers that have a projection."""
        if not self.tower.projection:
            return features
        return features @ self.proj

    def _map(self, pixels_BCHW: Tensor) -> Tensor:
        """Last map (B,E,S/32,S/32)."""
        # Channels innermost: what convolutions compute in, so that they, norms and pools need not turn maps round.
        pixels_BCHW = pixels_BCHW.contiguous(memory_format=torch.channels_last)
        x_BCHW: Tensor = F.relu(self.bn1(self.conv1(pixels_BCHW)))
        x_BCHW = F.max_pool2d(x_BCHW, 3, stride=2, padding=1)
        for stage in (self.layer1, self.layer2, self.layer3, self.layer4):
            x_BCHW = stage(x_BCHW)
        return x_BCHW


class PlainBlock(nn.Module):
    """Residual block: two 3×3 convolutions, or 1×1, 3×3, 1×1 where it is wider outside than inside."""

    def __init__(self, incoming: int, inner: int, outgoing: int, stride: int) -> None:
        super().__init__()
        self.bottleneck = outgoing != inner
        first, second = ((1, 1), (3, stride)) if self.bottleneck else ((3, stride), (3, 1))
        self.conv1, self.bn1 = _convolution(incoming, inner, *first), nn.BatchNorm2d(inner)
        self.conv2, self.bn2 = _convolution(inner, inner, *second), nn.BatchNorm2d(inner)
        last_norm = self.bn2
        if self.bottleneck:
            self.conv3, self.bn3 = _convolution(inner, outgoing, 1, 1), nn.BatchNorm2d(outgoing)
            last_norm = self.bn3
        nn.init.zeros_(last_norm.weight)  # each block starts as the identity (Goyal et al. 2017, §5.1)
        self.downsample: nn.Sequential | None = None
        if stride > 1 or incoming != outgoing:
            shortcut = [("0", _convolution(incoming, outgoing, 1, stride)), ("1", nn.BatchNorm2d(outgoing))]
            self.downsample = nn.Sequential(OrderedDict(shortcut))

    def forward(self, x_BCHW: Tensor) -> Tensor:
        """Return (B,outgoing,H/stride,W/stride) of (B,incoming,H,W)."""
        shortcut = x_BCHW
        if self.downsample is not None:
            shortcut = self.downsample(x_BCHW)
        y_BCHW: Tensor = F.relu(self.bn1(self.conv1(x_BCHW)))
        y_BCHW = self.bn2(self.conv2(y_BCHW))
        if self.bottleneck:
            y_BCHW = self.bn3(self.conv3(F.relu(y_BCHW)))
        return F.relu(y_BCHW + shortcut)


def _convolution(inputs: int, outputs: int, kernel: int, stride: int) -> nn.Conv2d:
    convolution = nn.Conv2d(inputs, outputs, kernel, stride=stride, padding=kernel // 2, bias=False)
    nn.init.kaiming_normal_(convolution.weight, mode="fan_out", nonlinearity="relu")  # He et al. 2015, as torchvision
    return convolution
