"""Batches of random features for the tests of losses, and what a loss says about one: its value and its gradients."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor
from torch.nn.functional import normalize

from wordsight.train.batch import Features, Ids


def random_features(
    rows: int, width: int, *, seed: int = 0, scale: float = 14.0, bias: float = -3.0, dtype: torch.dtype = torch.float64
) -> Features:
    """Return unit rows of two sides that have something in common, as leaves of the graph."""
    chance = torch.Generator().manual_seed(seed)
    shared_BD = torch.randn(rows, width, generator=chance, dtype=torch.float64)
    sides = [
        normalize(shared_BD + torch.randn(rows, width, generator=chance, dtype=torch.float64), dim=-1) for _ in range(2)
    ]
    numbers = [torch.tensor(value, dtype=torch.float64) for value in (scale, bias)]
    return Features(*(x.to(dtype).requires_grad_() for x in (*sides, *numbers)))


def random_ids(rows: int, kinds: int, *, seed: int = 0) -> Ids:
    """Return hashes of `kinds` different images and as many texts: the fewer, the more twins."""
    chance = torch.Generator().manual_seed(seed)
    hashes = torch.randint(-(2**63), 2**63 - 1, (2, kinds), generator=chance)
    return Ids(*(side[torch.randint(0, kinds, (rows,), generator=chance)] for side in hashes))


def value_and_gradients(loss: Callable[[Features], Tensor], features: Features) -> list[Tensor]:
    """Return the loss and its gradients by first, second, scale and bias; zeros by what it does not look at."""
    leaves = Features(*(x.detach().clone().requires_grad_() for x in features))
    value = loss(leaves)
    gradients = torch.autograd.grad(value, list(leaves), allow_unused=True)
    zeros = (torch.zeros_like(leaf) for leaf in leaves)
    return [value.detach(), *(zero if g is None else g for g, zero in zip(gradients, zeros, strict=True))]


def farthest(ours: list[Tensor], theirs: list[Tensor]) -> float:
    """Return the largest difference of two losses' values and gradients, relative to the value where it is above 1."""
    return max(float((a - b).abs().max() / b.abs().max().clamp_min(1)) for a, b in zip(ours, theirs, strict=True))


def high_water() -> float:
    """Return the most memory that this program ever used, MiB (Linux; getrusage would count its parent's too)."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM")) / 1024
