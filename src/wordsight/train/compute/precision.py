"""Precision of a step: float32, or 16-bit autocast, in fp16 with a scaled loss."""

from __future__ import annotations

import warnings

import torch

from wordsight.errors import InputError

_DTYPES = {"f32": None, "bf16": torch.bfloat16, "fp16": torch.float16}


class Precision:
    """The precision of a run on a device. Weights, moments and the loss stay in float32.

    scaler: of the loss, with fp16 only, whose gradients would otherwise underflow
        (Micikevicius et al. 2018); None otherwise.

    Raises: InputError for a precision that is unknown, or that the device does not have.
    """

    def __init__(self, name: str, device: torch.device) -> None:
        if name not in _DTYPES:
            raise InputError(f"compute.precision is {name!r}, expected one of {', '.join(_DTYPES)}.")
        self.name, self.device, self.dtype = name, device, _DTYPES[name]
        if self.dtype is not None and not _has(device, self.dtype):
            raise InputError(
                f"compute.precision is {name!r}, which the device {str(device)!r} does not support. "
                + ("Use fp16, or f32." if name == "bf16" and device.type == "cuda" else "Use f32.")
            )
        self.scaler = torch.amp.GradScaler(device.type) if name == "fp16" else None

    def autocast(self) -> torch.autocast:
        """Context in which the towers run; in f32 it changes nothing."""
        return torch.autocast(self.device.type, dtype=self.dtype, enabled=self.dtype is not None)


def _has(device: torch.device, dtype: torch.dtype) -> bool:
    if (
        device.type == "cuda"
        and dtype == torch.bfloat16
        and not torch.cuda.is_bf16_supported(including_emulation=False)
    ):
        return False
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # autocast's, that it does nothing here
            with torch.autocast(device.type, dtype=dtype):
                ones_88 = torch.ones(8, 8, device=device)
                return (ones_88 @ ones_88).dtype == dtype
    except RuntimeError:
        return False
