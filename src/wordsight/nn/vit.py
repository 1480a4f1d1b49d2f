"""Vision transformer: CLIP's, with a class token, and SigLIP's, with an attention-pooling head."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from wordsight.nn.transformer import Attention, Transformer, mlp
from wordsight.spec import VitTower


class VisionTransformer(nn.Module):
    """Pictures to features: patches as tokens, a transformer, one pooled vector.

    Source: Dosovitskiy et al. 2021; Radford et al. 2021, §2.4; Zhai et al. 2023.
    """

    def __init__(self, tower: VitTower, embed_dim: int) -> None:
        super().__init__()
        self.tower = tower
        width, patch = tower.width, tower.patch_size
        tokens = (tower.image_size // patch) ** 2 + (tower.pooling == "cls")
        self.conv1 = nn.Conv2d(3, width, kernel_size=patch, stride=patch, bias=tower.patch_bias)
        self.positional_embedding = nn.Parameter(torch.randn(tokens, width) * width**-0.5)
        if tower.pre_norm:
            self.ln_pre = nn.LayerNorm(width, eps=tower.norm_eps)
        self.transformer = Transformer(
            width,
            tower.layers,
            tower.heads,
            mlp_width=tower.mlp_width,
            activation=tower.activation,
            norm_eps=tower.norm_eps,
        )
        self.ln_post = nn.LayerNorm(width, eps=tower.norm_eps)
        if tower.pooling == "cls":
            self.class_embedding = nn.Parameter(torch.randn(width) * width**-0.5)
            self.proj = nn.Parameter(torch.randn(width, embed_dim) * width**-0.5)
        else:
            self.attn_pool = AttentionPool(tower)

    def forward(self, pixels_BCHW: Tensor) -> Tensor:
        """Return features (B,D), not normalised, of normalised float pixels (B,3,S,S)."""
        x_BTE = self.conv1(pixels_BCHW).flatten(2).transpose(1, 2)
        if self.tower.pooling == "cls":
            class_B1E = self.class_embedding.to(x_BTE.dtype).expand(x_BTE.shape[0], 1, -1)
            x_BTE = torch.cat([class_B1E, x_BTE], dim=1)
        x_BTE = x_BTE + self.positional_embedding
        if self.tower.pre_norm:
            x_BTE = self.ln_pre(x_BTE)
        x_BTE = self.transformer(x_BTE)
        if self.tower.pooling == "attention":
            pooled_BE: Tensor = self.attn_pool(self.ln_post(x_BTE))
            return pooled_BE
        class_BE: Tensor = self.ln_post(x_BTE[:, 0])
        return class_BE @ self.proj


class AttentionPool(nn.Module):
    """SigLIP's pooling: one learned probe attends to all tokens, then a residual MLP (Zhai et al. 2022)."""

    def __init__(self, tower: VitTower) -> None:
        super().__init__()
        self.probe = nn.Parameter(torch.randn(tower.width) * tower.width**-0.5)
        self.attn = Attention(tower.width, tower.heads)
        self.ln = nn.LayerNorm(tower.width, eps=tower.norm_eps)
        self.mlp = mlp(tower.width, tower.mlp_width, tower.activation)

    def forward(self, x_BTE: Tensor) -> Tensor:
        """Return (B,E) of tokens (B,T,E)."""
        probe_B1E = self.probe.to(x_BTE.dtype).expand(x_BTE.shape[0], 1, -1)
        x_B1E: Tensor = self.attn(probe_B1E, x_BTE)
        x_B1E = x_B1E + self.mlp(self.ln(x_B1E))
        return x_B1E[:, 0]
