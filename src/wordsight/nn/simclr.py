"""SimCLR's projection head, discarded after training: an MLP between the features and the loss."""

from __future__ import annotations

from torch import nn

WIDTH = 128  # of what is compared (Chen et al. 2020, §2.1)


class ProjectionHead(nn.Sequential):
    """Features (B,D) to what NT-Xent compares, (B,128): linear, batch norm, ReLU, linear.

    Source: Chen et al. 2020, §2.1 and §4.2; the batch norm is in the authors' released code.
    """

    def __init__(self, embed_dim: int) -> None:
        super().__init__(
            nn.Linear(embed_dim, embed_dim, bias=False),
            nn.BatchNorm1d(embed_dim),
            nn.ReLU(),
            nn.Linear(embed_dim, WIDTH, bias=False),
        )
