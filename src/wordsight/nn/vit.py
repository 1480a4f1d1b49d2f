"""Vision transformer: CLIP's, with a class token, and SigLIP's, with an attention-pooling head."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from wordsight.nn.transformer import Attention, Transformer, mlp
from wordsight.spec import VitTower


class VisionTransformer(nn.Module):
    """Images to features: patches as tokens, a transformer, one pooled vector.

    patch_dropout: share of the patches that are left out while training, others in each image (Li et al. 2023,
        FLIP, §3); the class token stays. See `set_patch_dropout`.

    Source: Dosovitskiy et al. 2021; Radford et al. 2021, §2.4; Zhai et al. 2023.
    """

    def __init__(self, tower: VitTower, embed_dim: int) -> None:
        super().__init__()
        self.tower = tower
        self.patch_dropout = 0.0
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
        """Features (B,D), not normalised, of normalised float pixels (B,3,S,S)."""
        x_BTE = self._embed(pixels_BCHW)
        if self.tower.pooling == "attention":
            pooled_BE: Tensor = self.attn_pool(self.ln_post(self.transformer(x_BTE)))
            return pooled_BE
        first_B = torch.zeros(x_BTE.shape[0], dtype=torch.long, device=x_BTE.device)
        class_BE: Tensor = self.ln_post(self.transformer(x_BTE, at_B=first_B)[:, 0])
        return class_BE @ self.proj

    def tokens(self, pixels_BCHW: Tensor) -> Tensor:
        """Features of each place, (B,T,D): the class token's features, then the patches'."""
        if self.tower.pooling == "attention":
            return self.forward(pixels_BCHW)[:, None]
        x_BTE: Tensor = self.ln_post(self.transformer(self._embed(pixels_BCHW)))
        return x_BTE @ self.proj

    def _embed(self, pixels_BCHW: Tensor) -> Tensor:
        """Input of the blocks, (B,T,E)."""
        x_BTE: Tensor = self.conv1(pixels_BCHW).flatten(2).transpose(1, 2)
        has_class = self.tower.pooling == "cls"
        x_BTE = x_BTE + self.positional_embedding[int(has_class) :]
        if self.training and self.patch_dropout:
            x_BTE = some_patches(x_BTE, self.patch_dropout)
        if has_class:
            class_1E = self.class_embedding + self.positional_embedding[:1]
            x_BTE = torch.cat([class_1E.to(x_BTE.dtype).expand(x_BTE.shape[0], 1, -1), x_BTE], dim=1)
        if self.tower.pre_norm:
            x_BTE = self.ln_pre(x_BTE)
        return x_BTE


def some_patches(x_BNE: Tensor, dropped: float) -> Tensor:
    """Patches (B,K,E) that are left when a share of (B,N,E) is dropped, at random in each image.

    Chance is torch's own, on the tensor's device.
    """
    images, patches, width = x_BNE.shape
    kept = max(1, int(patches * (1 - dropped)))
    chosen_BK = torch.rand(images, patches, device=x_BNE.device).topk(kept, dim=1).indices
    return x_BNE.gather(1, chosen_BK[:, :, None].expand(-1, -1, width))


def set_patch_dropout(network: nn.Module, share: float) -> None:
    """Let all vision transformers in a network leave out a share of the patches while training; 0: none."""
    for module in network.modules():
        if isinstance(module, VisionTransformer):
            module.patch_dropout = share


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
