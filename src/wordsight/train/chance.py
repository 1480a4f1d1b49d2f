"""Every source of chance that a process has, begun from a seed, and saved with a run so that it goes on as it was."""

from __future__ import annotations

import random
from typing import Any, cast

import numpy as np
import torch
from torch import Tensor

# A rank's own seed: patch dropout must not hide the same patches on every process.
_RANKS_APART = 1_000_003


def seed(number: int, rank: int) -> None:
    """Begin the chance of Python, NumPy and torch (its GPUs too) anew, other for each process."""
    own = (number + rank * _RANKS_APART) % 2**32
    random.seed(own)
    np.random.seed(own)
    torch.manual_seed(own)


def state_of(device: torch.device) -> Tensor | None:
    """Return where the chance of a device stands that is not the CPU, as bytes on the CPU; None for the CPU."""
    if device.type == "cpu":
        return None
    stands: Tensor = torch.get_device_module(device).get_rng_state(device)
    return stands


def put_back(saved: Tensor | None, device: torch.device) -> None:
    """Go on from what `state_of` returned; where nothing was saved, chance stays as it is."""
    if saved is not None and device.type != "cpu":
        torch.get_device_module(device).set_rng_state(saved, device)


def state(device: torch.device) -> dict[str, Any]:
    """Return where all of it stands, as plain values and tensors."""
    kind, keys, *rest = cast("tuple[str, np.ndarray, int, int, float]", np.random.get_state(legacy=True))
    return {
        "python": random.getstate(),
        "numpy": (kind, keys.tolist(), *rest),
        "torch": torch.get_rng_state(),
        "device": state_of(device),
    }


def restore(saved: dict[str, Any], device: torch.device) -> None:
    """Go on from what `state` returned; a device's chance stays as it is where none was saved."""
    version, numbers, gauss = saved["python"]
    random.setstate((version, tuple(numbers), gauss))
    kind, keys, *rest = saved["numpy"]
    np.random.set_state((kind, np.array(keys, np.uint32), *rest))
    torch.set_rng_state(saved["torch"])
    put_back(saved["device"], device)
