"""The transformer that both towers share (Vaswani et al. 2017, in its pre-norm form; Radford et al. 2021, §2.4)."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.checkpoint import checkpoint

from wordsight.spec import Activation


class QuickGELU(nn.Module):
    """x·sigmoid(1.702x): the activation of OpenAI's weights, a fast stand-in for GELU (Hendrycks & Gimpel 2016)."""

    def forward(self, x: Tensor) -> Tensor:
        """Activation of every element."""
        # silu(1.702x)/1.702 is the same, and keeps one tensor for the way back in place of two: a sixth of all.
        return F.silu(1.702 * x).mul_(1 / 1.702)


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

    def forward(
        self, to_BTE: Tensor, of_BSE: Tensor | None = None, *, causal: bool = False, mask: Tensor | None = None
    ) -> Tensor:
        """Return (B,T,E): positions T attend to positions S of `of_BSE`, without it to each other.

        mask: which positions are seen, bool, broadcastable to (B,heads,T,S).
        """
        if of_BSE is None:
            q, k, v = F.linear(to_BTE, self.in_proj_weight, self.in_proj_bias).chunk(3, dim=-1)
        else:
            width = to_BTE.shape[-1]
            q = F.linear(to_BTE, self.in_proj_weight[:width], self.in_proj_bias[:width])
            k, v = F.linear(of_BSE, self.in_proj_weight[width:], self.in_proj_bias[width:]).chunk(2, dim=-1)
        attended: Tensor = self.out_proj(attend(q, k, v, self.heads, causal=causal, mask=mask))
        return attended


def attend(
    q_BTE: Tensor, k_BSE: Tensor, v_BSE: Tensor, heads: int, *, causal: bool = False, mask: Tensor | None = None
) -> Tensor:
    """Return softmax(q·kᵀ / √head width)·v for each head, heads side by side again: (B,T,E)."""
    q, k, v = (x.view(*x.shape[:2], heads, x.shape[2] // heads).transpose(1, 2) for x in (q_BTE, k_BSE, v_BSE))
    return F.scaled_dot_product_attention(q, k, v, attn_mask=mask, is_causal=causal).transpose(1, 2).flatten(2)


def mlp(width: int, mlp_width: int, activation: Activation) -> nn.Sequential:
    """Layers c_fc, activation, c_proj: widen, activate, narrow."""
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

    def forward(self, x_BTE: Tensor, *, causal: bool = False, at_B: Tensor | None = None) -> Tensor:
        """Return (B,T,E) of (B,T,E); with `at_B` only what it gives at one position of each row, (B,1,E).

        The other positions then serve as keys and values alone: exact, and five sixths of the block are saved.
        """
        if at_B is None:
            x_BTE = x_BTE + self.attn(self.ln_1(x_BTE), causal=causal)
        else:
            normed_BTE = self.ln_1(x_BTE)
            seen_B11T = (torch.arange(x_BTE.shape[1], device=at_B.device) <= at_B[:, None])[:, None, None]
            mask = seen_B11T if causal else None
            x_BTE = pick(x_BTE, at_B) + self.attn(pick(normed_BTE, at_B), normed_BTE, mask=mask)
        update: Tensor = self.mlp(self.ln_2(x_BTE))
        return x_BTE + update


def pick(x_BTE: Tensor, at_B: Tensor) -> Tensor:
    """One position of each row: (B,1,E)."""
    return x_BTE[torch.arange(x_BTE.shape[0], device=x_BTE.device), at_B][:, None]


class Transformer(nn.Module):
    """A stack of residual blocks, initialised as OpenAI's text tower.

    What adds to the residual stream starts smaller the more layers add to it: 1/√(2·layers) (Radford et al. 2019).
    checkpointing: while training, keep a block's input only and compute the block again on the way back (Chen et al.
        2016, "Training deep nets with sublinear memory cost"); the gradients are the same. See `set_checkpointing`.
    """

    def __init__(
        self, width: int, layers: int, heads: int, *, mlp_width: int, activation: Activation, norm_eps: float
    ) -> None:
        super().__init__()
        self.checkpointing = False
        self.resblocks = nn.ModuleList(
            ResidualBlock(width, heads, mlp_width, activation, norm_eps) for _ in range(layers)
        )
        initialise_blocks(self.resblocks, width)

    def forward(self, x_BTE: Tensor, *, causal: bool = False, at_B: Tensor | None = None) -> Tensor:
        """Return (B,T,E) of (B,T,E), or (B,1,E) at the positions `at_B`.

        causal: a position sees itself and what is before it.
        """
        last = len(self.resblocks) - 1
        for i, block in enumerate(self.resblocks):
            x_BTE = run_block(block, self.checkpointing, x_BTE, causal=causal, at_B=at_B if i == last else None)
        return x_BTE


def initialise_blocks(blocks: nn.ModuleList, width: int) -> None:
    """Set residual blocks' weights to OpenAI's initial values."""
    residual_std = width**-0.5 * (2 * len(blocks)) ** -0.5
    for name, parameter in blocks.named_parameters():
        if name.endswith((".out_proj.weight", "mlp.c_proj.weight")):
            nn.init.normal_(parameter, std=residual_std)
        elif name.endswith("mlp.c_fc.weight"):
            nn.init.normal_(parameter, std=(2 * width) ** -0.5)


def run_block(block: nn.Module, checkpointing: bool, *inputs: Tensor, **settings: Any) -> Tensor:
    """Return block(*inputs, **settings); with `checkpointing` nothing but the inputs is kept for the way back."""
    out: Tensor
    if checkpointing and block.training and torch.is_grad_enabled():
        out = checkpoint(block, *inputs, use_reentrant=False, **settings)
    else:
        out = block(*inputs, **settings)
    return out


def set_checkpointing(network: nn.Module, on: bool) -> None:
    """Switch activation checkpointing of all transformers in a network; convolutional towers have none.

    Batch norms are why: computed twice, a block would take its batch into the running statistics twice.
    """
    for module in network.modules():
        if hasattr(module, "checkpointing"):
            setattr(module, "checkpointing", on)  # noqa: B010 – of several classes
