"""The optimizer: weight decay, learning rates of layers, and the schedule of the rate over a run."""

from __future__ import annotations

import functools
import math
import re
from collections.abc import Iterable

import torch
from torch import Tensor, nn
from torch.distributed.tensor import DTensor

from wordsight.errors import InputError
from wordsight.towers import ARCHITECTURES
from wordsight.train.config import OptimConfig

# Parts of a tower outside its numbered layers that come before the first one; all others come after the last.
_BEFORE = {"token_embedding", "positional_embedding"}.union(*(row.first for row in ARCHITECTURES.values()))
_LAYER = re.compile(r"(?:resblocks|blocks)\.(\d+)\.|layer(\d)\.(\d+)\.")


def lr_at(step: int, config: OptimConfig, steps: int) -> float:
    """Learning rate at `step`, counted from 0, in a run of `steps`.

    It rises linearly to `config.lr` over `warmup` steps, then falls as a half cosine that would be 0 at `steps`.

    Source: Radford et al. 2021, §2.5; Loshchilov & Hutter 2017 (the cosine).
    """
    warmup = min(config.warmup, steps)
    if step < warmup:
        return config.lr * (step + 1) / warmup
    return config.lr * 0.5 * (1 + math.cos(math.pi * (step - warmup) / max(1, steps - warmup)))


def has_decay(name: str, parameter: Tensor) -> bool:
    """Whether weight decay applies to a parameter: not to gains, biases, `logit_scale`, `logit_bias`.

    Those are vectors or scalars, as is the class embedding; embedding matrices do decay.

    Source: Radford et al. 2021, §2.5 ("all weights that are not gains or biases"); open_clip's grouping.
    """
    return parameter.ndim >= 2 and not name.endswith("bias")


def layer_rates(names: Iterable[str], layer_decay: float) -> dict[str, float]:
    """Factors on the learning rate by name: 1 after a tower's last layer, times `layer_decay` for each layer below.

    Each tower is counted separately; the patch or token embeddings are its lowest layer. Parameters of no tower
    (`logit_scale`, heads) have 1.

    Source: Bao et al. 2022 (BEiT), §3.1; Clark et al. 2020 (ELECTRA), Appendix B.
    """
    names = list(names)
    layers: dict[str, set[tuple[int, ...]]] = {"image": set(), "text": set()}
    for name in names:
        if (layer := _find_layer(name)) is not None:
            layers[_find_tower(name)].add(layer)
    order = {tower: {layer: n + 1 for n, layer in enumerate(sorted(found))} for tower, found in layers.items()}
    rates = {}
    for name in names:
        depths = order[_find_tower(name)]
        layer, top = _find_layer(name), len(depths) + 1
        depth = top
        if layer is not None:
            depth = depths[layer]
        elif _is_first(name):
            depth = 0
        rates[name] = layer_decay ** (top - depth)
    return rates


def _find_tower(name: str) -> str:
    return "image" if "visual." in name else "text"


def _find_layer(name: str) -> tuple[int, ...] | None:
    """Number of the layer: (12,) of a transformer's block, (3, 2) of a ResNet's third stage."""
    found = _LAYER.search(name)
    if found is None:
        return None
    return tuple(int(number) for number in found.groups() if number is not None)


def _is_first(name: str) -> bool:
    """Whether a parameter outside the numbered layers belongs before them, not to the pooling after them."""
    if "attnpool." in name or "attn_pool." in name:
        return False
    return bool(_BEFORE & set(name.split(".")))


def parameter_groups(network: nn.Module, config: OptimConfig) -> list[dict[str, object]]:
    """AdamW's groups of all parameters that learn: by decay, and by their layer's factor `lr_scale`.

    Raises: InputError if nothing learns.
    """
    learning = {strip_wrappers(name): p for name, p in network.named_parameters() if p.requires_grad}
    if not learning:
        raise InputError("No parameter of the network learns: everything is locked. Unlock a tower, or use LoRA.")
    # Depth is counted over all parameters: a layer that is locked is still a layer.
    rates = layer_rates((strip_wrappers(name) for name, _ in network.named_parameters()), config.layer_decay)
    groups: dict[tuple[float, bool, bool], list[Tensor]] = {}
    for name, parameter in learning.items():
        groups.setdefault((rates[name], has_decay(name, parameter), is_sharded(parameter)), []).append(parameter)
    return [
        {"params": parameters, "weight_decay": config.weight_decay if decay else 0.0, "lr_scale": rate}
        for (rate, decay, _), parameters in groups.items()
    ]


def strip_wrappers(name: str) -> str:
    """Name of a parameter without the prefixes of wrappers (DDP, `torch.compile`)."""
    return name.removeprefix("module.").replace("_orig_mod.", "")


def build_optimizer(network: nn.Module, config: OptimConfig) -> torch.optim.Optimizer:
    """AdamW over `parameter_groups`, as one fused kernel where torch has one for the device.

    Source: Loshchilov & Hutter 2019.
    """
    adamw = functools.partial(torch.optim.AdamW, lr=config.lr, betas=(config.beta1, config.beta2), eps=config.eps)
    try:
        return adamw(parameter_groups(network, config), fused=True)
    except RuntimeError:  # a device without it
        return adamw(parameter_groups(network, config))


def set_rate(optimizer: torch.optim.Optimizer, rate: float) -> None:
    """Set the learning rate of the next step, scaled by each group's factor."""
    for group in optimizer.param_groups:
        group["lr"] = rate * group["lr_scale"]


def clip_gradients(network: nn.Module, largest: float | None) -> Tensor:
    """Scale all gradients so that their norm is at most `largest`; returns the norm before, shape ().

    Source: Pascanu et al. 2013.
    """
    gradients = [p.grad for p in network.parameters() if p.grad is not None]
    # FSDP shards all gradients except those of scalars, and torch takes no norm of both kinds together.
    kinds = [[g for g in gradients if is_sharded(g) is split] for split in (True, False)]
    norms = [local_part(nn.utils.get_total_norm(kind), whole=True) for kind in kinds if kind]
    norm = norms[0] if len(norms) == 1 else torch.stack(norms).norm()
    if largest is not None:
        torch._foreach_mul_([local_part(g) for g in gradients], (largest / (norm + 1e-6)).clamp(max=1))
    return norm


def is_sharded(tensor: Tensor) -> bool:
    """Whether FSDP has sharded a tensor over the processes."""
    return isinstance(tensor, DTensor)


def local_part(tensor: Tensor, *, whole: bool = False) -> Tensor:
    """This process's part of a tensor that FSDP has sharded, or the whole; any other tensor unchanged."""
    if not isinstance(tensor, DTensor):
        return tensor
    part: Tensor = tensor.full_tensor() if whole else tensor.to_local()
    return part
