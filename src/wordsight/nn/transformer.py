"""The transformer that both towers share (Vaswani et al. 2017, in its pre-norm form; Radford et al. 2021, §2.4)."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from wordsight.spec import Activation


class QuickGELU(nn.Module):
    """x·sigmoid(1.702x): the activation of OpenAI's weights, a fast stand-in for GELU (Hendrycks & Gimpel 2016)."""

    def forward(self, x: Tensor) -> Tensor:
        """Return the activation of every element."""
        return x * torch.sigmoid(1.702 * x)


ACTIVATIONS: dict[Activation, Callable[[], nn.Module]] = {
    "quick_gelu": QuickGELU,
    "gelu": nn.GELU,
    "gelu_tanh": lambda: nn.GELU(approximate="tanh"),
}


class Attention(nn.Module):
    """Multi-head attention with query, key and value weights stacked in that order, as in `nn.MultiheadAttention`."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.in_proj_weight = nn.Parameter(torch.empty(3 * width, width))
        self.in_proj_bias = nn.Parameter(torch.zeros(3 * width))
        self.out_proj = nn.Linear(width, width)
        nn.init.normal_(self.in_proj_weight, std=width**-0.5)
        nn.init.zeros_(self.out_proj.bias)

    def forward(self, to_BTE: Tensor, of_BSE: Tensor | None = None, *, causal: bool = False) -> Tensor:
        """Return (B,T,E): positions T attend to positions S of `of_BSE`, without it to each other."""
        if of_BSE is None:
            q, k, v = F.linear(to_BTE, self.in_proj_weight, self.in_proj_bias).chunk(3, dim=-1)
        else:
            width = to_BTE.shape[-1]
            q = F.linear(to_BTE, self.in_proj_weight[:width], self.in_proj_bias[:width])
            k, v = F.linear(of_BSE, self.in_proj_weight[width:], self.in_proj_bias[width:]).chunk(2, dim=-1)
        attended: Tensor = self.out_proj(attend(q, k, v, self.heads, causal=causal))
        return attended


def attend(q_BTE: Tensor, k_BSE: Tensor, v_BSE: Tensor, heads: int, *, causal: bool = False) -> Tensor:
    """Return softmax(q·kᵀ / √head width)·v for each head, heads side by side again: (B,T,E)."""
    q, k, v = (x.view(*x.shape[:2], heads, x.shape[2] // heads).transpose(1, 2) for x in (q_BTE, k_BSE, v_BSE))
    return F.scaled_dot_product_attention(q, k, v, is_causal=causal).transpose(1, 2).flatten(2)


def mlp(width: int, mlp_width: int, activation: Activation) -> nn.Sequential:
    """Return the layers c_fc, activation, c_proj: widen, activate, narrow."""
    layers = [("c_fc", nn.Linear(width, mlp_width)), ("gelu", ACTIVATIONS[activation]())]
    return nn.Sequential(OrderedDict([*layers, ("c_proj", nn.Linear(mlp_width, width))]))


class ResidualBlock(nn.Module):
    """x + attention(norm(x)), then x + mlp(norm(x))."""

    def __init__(self, width: int, heads: int, mlp_width: int, activation: Activation, norm_eps: float) -> None:
        super().__init__()
        self.ln_1 = nn.LayerNorm(width, eps=norm_eps)
        self.attn = Attention(width, heads)
        self.ln_2 = nn.LayerNorm(width, eps=norm_eps)
        self.mlp = mlp(width, mlp_width, activation)

    def forward(self, x_BTE: Tensor, *, causal: bool = False) -> Tensor:
        """Return (B,T,E) of (B,T,E)."""
        x_BTE = x_BTE + self.attn(self.ln_1(x_BTE), causal=causal)
        update: Tensor = self.mlp(self.ln_2(x_BTE))
        return x_BTE + update


class Transformer(nn.Module):
    """A stack of residual blocks, initialised as OpenAI's text tower.

    What adds to the residual stream starts smaller the more layers add to it: 1/√(2·layers) (Radford et al. 2019).
    """

    def __init__(
        self, width: int, layers: int, heads: int, *, mlp_width: int, activation: Activation, norm_eps: float
    ) -> None:
        super().__init__()
        self.resblocks = nn.ModuleList(
            ResidualBlock(width, heads, mlp_width, activation, norm_eps) for _ in range(layers)
        )
        residual_std = width**-0.5 * (2 * layers) ** -0.5
        for name, parameter in self.resblocks.named_parameters():
            if name.endswith(("attn.out_proj.weight", "mlp.c_proj.weight")):
                nn.init.normal_(parameter, std=residual_std)
            elif name.endswith("mlp.c_fc.weight"):
                nn.init.normal_(parameter, std=(2 * width) ** -0.5)

    def forward(self, x_BTE: Tensor, *, causal: bool = False) -> Tensor:
        """Return (B,T,E) of (B,T,E); causal: a position sees itself and what is before it."""
        for block in self.resblocks:
            x_BTE = block(x_BTE, causal=causal)
        return x_BTE
