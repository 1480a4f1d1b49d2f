"""OpenAI's ModifiedResNet: ResNet-D's stem, anti-aliased strides, attention pooling (Radford et al. 2021, §2.4)."""

from __future__ import annotations

from collections import OrderedDict

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from wordsight.nn.transformer import attend
from wordsight.spec import ResNetTower


class ModifiedResNet(nn.Module):
    """Images to features: convolutions only, until one attention pool over the last map.

    Three changes to He et al. 2016: a stem of three 3×3 convolutions (He et al. 2019), an average pool before every
    stride (Zhang 2019), and attention in place of the mean.
    """

    def __init__(self, tower: ResNetTower, embed_dim: int) -> None:
        super().__init__()
        width = tower.width
        self.conv1 = nn.Conv2d(3, width // 2, 3, stride=2, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(width // 2)
        self.conv2 = nn.Conv2d(width // 2, width // 2, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(width // 2)
        self.conv3 = nn.Conv2d(width // 2, width, 3, padding=1, bias=False)
        self.bn3 = nn.BatchNorm2d(width)
        incoming = width
        stages = []
        for stage, blocks in enumerate(tower.layers):
            inner = width * 2**stage
            stride = 1 if stage == 0 else 2
            first = Bottleneck(incoming, inner, stride)
            stages.append(nn.Sequential(first, *(Bottleneck(4 * inner, inner) for _ in range(blocks - 1))))
            incoming = 4 * inner
        self.layer1, self.layer2, self.layer3, self.layer4 = stages
        self.attnpool = AttentionPool2d(tower.image_size // 32, incoming, tower.heads, embed_dim)

    def forward(self, pixels_BCHW: Tensor) -> Tensor:
        """Features (B,D), not normalised, of normalised float pixels (B,3,S,S)."""
        pooled_BD: Tensor = self.attnpool(self._map(pixels_BCHW))
        return pooled_BD

    def tokens(self, pixels_BCHW: Tensor) -> Tensor:
        """Features of each place, (B,T,D): the features, then as each place of the map would ask."""
        return self.attnpool.tokens(self._map(pixels_BCHW))

    def _map(self, pixels_BCHW: Tensor) -> Tensor:
        """Last map (B,C,S/32,S/32)."""
        # Channels innermost: what convolutions compute in, so that they, norms and pools need not turn maps round.
        pixels_BCHW = pixels_BCHW.contiguous(memory_format=torch.channels_last)
        x_BCHW: Tensor = F.relu(self.bn1(self.conv1(pixels_BCHW)))
        x_BCHW = F.relu(self.bn2(self.conv2(x_BCHW)))
        x_BCHW = F.relu(self.bn3(self.conv3(x_BCHW)))
        x_BCHW = F.avg_pool2d(x_BCHW, 2)
        for stage in (self.layer1, self.layer2, self.layer3, self.layer4):
            x_BCHW = stage(x_BCHW)
        return x_BCHW


class Bottleneck(nn.Module):
    """Residual block 1×1, 3×3, 1×1; a stride is an average pool, on the shortcut too."""

    def __init__(self, incoming: int, inner: int, stride: int = 1) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(incoming, inner, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(inner)
        self.conv2 = nn.Conv2d(inner, inner, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(inner)
        self.conv3 = nn.Conv2d(inner, 4 * inner, 1, bias=False)
        self.bn3 = nn.BatchNorm2d(4 * inner)
        nn.init.zeros_(self.bn3.weight)  # each block starts as the identity (Goyal et al. 2017, §5.1)
        self.stride = stride
        self.downsample: nn.Sequential | None = None
        if stride > 1 or incoming != 4 * inner:
            # OpenAI's names: the pool is "-1", so that the convolution stays "0" and its norm "1".
            layers = [("-1", nn.AvgPool2d(stride)), ("0", nn.Conv2d(incoming, 4 * inner, 1, bias=False))]
            self.downsample = nn.Sequential(OrderedDict([*layers, ("1", nn.BatchNorm2d(4 * inner))]))

    def forward(self, x_BCHW: Tensor) -> Tensor:
        """Return (B,4·inner,H/stride,W/stride) of (B,incoming,H,W)."""
        shortcut = x_BCHW
        if self.downsample is not None:
            shortcut = self.downsample(x_BCHW)
        x_BCHW = F.relu(self.bn1(self.conv1(x_BCHW)))
        x_BCHW = F.relu(self.bn2(self.conv2(x_BCHW)))
        if self.stride > 1:
            x_BCHW = F.avg_pool2d(x_BCHW, self.stride)
        return F.relu(self.bn3(self.conv3(x_BCHW)) + shortcut)


class AttentionPool2d(nn.Module):
    """One head layer of attention whose query is the map's mean: (B,C,H,W) to (B,D)."""

    def __init__(self, side: int, channels: int, heads: int, embed_dim: int) -> None:
        super().__init__()
        self.heads = heads
        self.positional_embedding = nn.Parameter(torch.randn(side**2 + 1, channels) * channels**-0.5)
        self.q_proj = nn.Linear(channels, channels)
        self.k_proj = nn.Linear(channels, channels)
        self.v_proj = nn.Linear(channels, channels)
        self.c_proj = nn.Linear(channels, embed_dim)
        for layer in (self.q_proj, self.k_proj, self.v_proj, self.c_proj):
            nn.init.normal_(layer.weight, std=channels**-0.5)

    def forward(self, x_BCHW: Tensor) -> Tensor:
        """Return (B,D) of (B,C,H,W)."""
        x_BTE = self._places(x_BCHW)
        return self._attend(x_BTE[:, :1], x_BTE)[:, 0]

    def tokens(self, x_BCHW: Tensor) -> Tensor:
        """Return (B,T,D) of (B,C,H,W): every place asks, the mean first."""
        x_BTE = self._places(x_BCHW)
        return self._attend(x_BTE, x_BTE)

    def _places(self, x_BCHW: Tensor) -> Tensor:
        x_BTE = x_BCHW.flatten(2).transpose(1, 2)
        return torch.cat([x_BTE.mean(dim=1, keepdim=True), x_BTE], dim=1) + self.positional_embedding

    def _attend(self, asking_BTE: Tensor, x_BSE: Tensor) -> Tensor:
        attended_BTE = attend(self.q_proj(asking_BTE), self.k_proj(x_BSE), self.v_proj(x_BSE), self.heads)
        out_BTD: Tensor = self.c_proj(attended_BTE)
        return out_BTD
