"""Low-rank adapters of a tower's linear layers, by peft, and the tower's own tensors with them folded in.

A layer's weight W becomes W + scale·B·A, of which only A (r,in) and B (out,r) learn; B begins at 0, so the tower begins
as it was (Hu et al. 2022, "LoRA", §4.1). Every linear layer of a tower has them: queries, keys and values (each its
own), the attention's output and both layers of the MLPs; of SigLIP's and OpenAI's attention pooling too; of the bundled
model's convolutional tower those of the head and the trunk's classifier. Convolutions, embeddings, norms and the last
projection stay as they are.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from wordsight.errors import InputError, MissingExtraError
from wordsight.nn.transformer import Attention, attend

SCALE = 1  # α / r: W + BA, as in Hu et al. 2022, §4.1, where α is set once and for all; the rate is tuned instead
_ADAPTER = "default"  # peft's name of the one adapter
_A, _B, _BASE = f".lora_A.{_ADAPTER}.weight", f".lora_B.{_ADAPTER}.weight", ".base_layer"
_THIRDS = ("q_proj", "k_proj", "v_proj")


class SplitAttention(nn.Module):
    """`Attention` with a layer each for queries, keys and values, so that each can have an adapter; the same result."""

    q_proj: nn.Linear
    k_proj: nn.Linear
    v_proj: nn.Linear

    def __init__(self, attention: Attention) -> None:
        super().__init__()
        self.heads, self.out_proj = attention.heads, attention.out_proj
        weights, biases = torch.chunk(attention.in_proj_weight, 3), torch.chunk(attention.in_proj_bias, 3)
        for name, weight, bias in zip(_THIRDS, weights, biases, strict=True):
            layer = nn.Linear(weight.shape[1], weight.shape[0], device="meta")
            layer.weight, layer.bias = nn.Parameter(weight.detach().clone()), nn.Parameter(bias.detach().clone())
            self.add_module(name, layer)

    def forward(
        self, to_BTE: Tensor, of_BSE: Tensor | None = None, *, causal: bool = False, mask: Tensor | None = None
    ) -> Tensor:
        """Attended values (B,T,E): positions T attend to positions S of `of_BSE`, without it to each other."""
        if of_BSE is None:
            of_BSE = to_BTE
        q, k, v = self.q_proj(to_BTE), self.k_proj(of_BSE), self.v_proj(of_BSE)
        attended: Tensor = self.out_proj(attend(q, k, v, self.heads, causal=causal, mask=mask))
        return attended


def add_adapters(tower: nn.Module, rank: int, *, seed: int = 0) -> None:
    """Give each linear layer of a tower an adapter of a rank, drawn from a seed; all else of the tower is locked.

    Raises: InputError for a tower without linear layers; MissingExtraError without peft.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about optional dependencies of peft
            from peft import LoraConfig, inject_adapter_in_model
    except ModuleNotFoundError as error:
        raise MissingExtraError("LoRA", "peft", "train") from error
    for parent in list(tower.modules()):
        for name, child in list(parent.named_children()):
            if isinstance(child, Attention):
                setattr(parent, name, SplitAttention(child))
    layers = [name for name, module in tower.named_modules() if isinstance(module, nn.Linear)]
    if not layers:
        raise InputError(
            f"The tower {type(tower).__name__} has no linear layer for LoRA to adapt; let all of it learn (full), or "
            "nothing (locked)."
        )
    config: Any = LoraConfig(r=rank, lora_alpha=SCALE * rank, target_modules=layers)
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)
        inject_adapter_in_model(config, tower)
    for name, parameter in tower.named_parameters():
        parameter.requires_grad_(".lora_" in name)


def fold_adapters(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Network's tensors under the names they had before `add_adapters`, adapters folded in: W + scale·B·A.

    The products are computed in float32. Tensors of networks without adapters come back as they are.
    """
    if not any(name.endswith(_A) for name in tensors):
        return dict(tensors)
    plain: dict[str, Tensor] = {}
    for name, tensor in tensors.items():
        if name.endswith((_A, _B)):
            continue
        stem = name.removesuffix(f"{_BASE}.weight")
        if stem + _A in tensors and stem != name:
            tensor = tensor.float() + SCALE * (tensors[stem + _B].float() @ tensors[stem + _A].float())
        plain[name.replace(_BASE, "")] = tensor
    return _joined(plain)


def _joined(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """Put queries, keys and values together again, which `Attention` has as one."""
    joined: dict[str, Tensor] = {}
    for name, tensor in tensors.items():
        stem, _, kind = name.rpartition(".")
        attention, _, part = stem.rpartition(".")
        if part not in _THIRDS or not attention.endswith(".attn"):  # OpenAI's pooling has three of its own
            joined[name] = tensor
        elif part == _THIRDS[0]:
            joined[f"{attention}.in_proj_{kind}"] = torch.cat([tensors[f"{attention}.{p}.{kind}"] for p in _THIRDS])
    return joined
