"""The random state of a process: Python's, NumPy's and torch's; seeded, and saved with a run to resume it exactly."""

from __future__ import annotations

import random
from typing import Any, cast

import numpy as np
import torch
from torch import Tensor

# Between seeds of ranks: patch dropout must not hide the same patches on every process.
_RANKS_APART = 1_000_003


def seed(number: int, rank: int) -> None:
    """Seed Python, NumPy and torch (its GPUs too), differently for each process."""
    own = (number + rank * _RANKS_APART) % 2**32
    random.seed(own)
    np.random.seed(own)
    torch.manual_seed(own)


def capture_torch(device: torch.device) -> tuple[Tensor, Tensor | None]:
    """Torch's random state on the CPU and on a device (None: the device is the CPU), as bytes on the CPU."""
    other = None if device.type == "cpu" else torch.get_device_module(device).get_rng_state(device)
    return torch.get_rng_state(), other


def restore_torch(saved: tuple[Tensor, Tensor | None], device: torch.device) -> None:
    """Restore a state of `capture_torch`; a device's own stays as it is where none was saved."""
    on_cpu, other = saved
    torch.set_rng_state(on_cpu)
    if other is not None and device.type != "cpu":
        torch.get_device_module(device).set_rng_state(other, device)


def capture(device: torch.device) -> dict[str, Any]:
    """Random state of Python, NumPy and torch, as plain values and tensors."""
    kind, keys, *rest = cast("tuple[str, np.ndarray, int, int, float]", np.random.get_state(legacy=True))
    return {
        "python": random.getstate(),
        "numpy": (kind, keys.tolist(), *rest),
        "torch": capture_torch(device),
    }


def restore(saved: dict[str, Any], device: torch.device) -> None:
    """Restore a state of `capture`; a device's own stays as it is where none was saved."""
    version, numbers, gauss = saved["python"]
    random.setstate((version, tuple(numbers), gauss))
    kind, keys, *rest = saved["numpy"]
    np.random.set_state((kind, np.array(keys, np.uint32), *rest))
    restore_torch(saved["torch"], device)
