"""The torch backend: for CUDA and Apple GPUs, and as a second opinion on the CPU."""

from __future__ import annotations

import contextlib
import functools

import numpy as np

from wordsight.checkpoint import Checkpoint
from wordsight.encoder.precision import read_environment_precision
from wordsight.errors import InputError, MissingExtraError, did_you_mean

try:
    import torch
except ModuleNotFoundError as error:
    if error.name != "torch":
        raise
    raise MissingExtraError("The torch backend", "torch", "torch") from error

from wordsight.nn.clip import build_image_tower, build_text_tower, load_tensors

PRECISIONS = ("auto", "f32", "bf16")


class TorchEncoder:
    """Encodes pixels and tokens with the torch networks; each tower is built on first use.

    precision: "f32"; "bf16" (matrix products in bfloat16, norms and the residual stream in float32); "auto" =
        `$WORDSIGHT_PRECISION`, else bf16 on a CUDA GPU that has it, else f32.
    device: "cuda", "mps", "cpu" or any torch device; None takes the first of these that is there.

    Raises: InputError for an unknown precision or a device that is not there.
    """

    backend = "torch"

    def __init__(self, checkpoint: Checkpoint, precision: str = "auto", device: str | None = None) -> None:
        if precision not in PRECISIONS:
            known = ", ".join(PRECISIONS)
            hint = did_you_mean(precision, PRECISIONS)
            raise InputError(f"The torch backend has no precision {precision!r}, expected one of {known}.{hint}")
        self.checkpoint = checkpoint
        self.device = _device(device)
        if precision == "auto" and (precision := read_environment_precision()) == "auto":
            fast = self.device.type == "cuda" and torch.cuda.is_bf16_supported(including_emulation=False)
            precision = "bf16" if fast else "f32"
        self.precision = precision

    @torch.inference_mode()
    def encode_images(self, pixels_BHWC: np.ndarray) -> np.ndarray:
        """Image features (B,D), float32, not normalised, of uint8 pixels (B,S,S,3)."""
        preprocess = self.checkpoint.spec.preprocess
        mean, std = (torch.tensor(v, device=self.device) for v in (preprocess.mean, preprocess.std))
        pixels = torch.from_numpy(np.array(pixels_BHWC)).to(self.device)
        pixels_BCHW = ((pixels / 255 - mean) / std).permute(0, 3, 1, 2).contiguous()
        return self._run(self._image_tower, pixels_BCHW)

    @torch.inference_mode()
    def encode_texts(self, tokens_BT: np.ndarray) -> np.ndarray:
        """Text features (B,D), float32, not normalised, of token ids (B,T)."""
        return self._run(self._text_tower, torch.from_numpy(np.array(tokens_BT)).to(self.device))

    def _run(self, tower: torch.nn.Module, inputs: torch.Tensor) -> np.ndarray:
        with contextlib.ExitStack() as stack:
            if self.precision == "bf16":
                stack.enter_context(torch.autocast(self.device.type, torch.bfloat16))
            elif self.device.type == "cuda":
                # cuDNN would otherwise round a float32 convolution's inputs to 10 bits (TF32).
                stack.enter_context(torch.backends.cudnn.flags(enabled=True, allow_tf32=False))
            features: np.ndarray = tower(inputs).float().cpu().numpy()
        return features

    @functools.cached_property
    def _image_tower(self) -> torch.nn.Module:
        with torch.device("meta"):  # no time spent on initial values
            tower = build_image_tower(self.checkpoint.spec)
        return self._place(tower, "visual.")

    @functools.cached_property
    def _text_tower(self) -> torch.nn.Module:
        with torch.device("meta"):
            tower = build_text_tower(self.checkpoint.spec)
        return self._place(tower, "")

    def _place(self, tower: torch.nn.Module, prefix: str) -> torch.nn.Module:
        """Give a tower its tensors, and move it to the device in the precision."""
        names = {prefix + name for name in tower.state_dict()}
        load_tensors(tower, {n: t for n, t in self.checkpoint.tensors.items() if n in names}, prefix)
        if self.precision == "bf16":
            # What autocast would round again on every call is rounded once.
            for name, parameter in tower.named_parameters():
                if parameter.ndim >= 2 and name.endswith("weight") and "embedding" not in name:
                    parameter.data = parameter.data.to(torch.bfloat16)
        return tower.eval().requires_grad_(False).to(self.device)


def sees_a_gpu() -> bool:
    """Whether torch can compute on something faster than the processor."""
    return _device(None).type != "cpu"


def _device(name: str | None) -> torch.device:
    """Device called `name`, or the fastest there is."""
    there = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available(), "cpu": True}
    if name is None:
        return torch.device(next(kind for kind, is_there in there.items() if is_there))
    usable = ", ".join(kind for kind, is_there in there.items() if is_there)
    try:
        device = torch.device(name)
    except RuntimeError as error:
        raise InputError(f"{name!r} is not a torch device; this machine has {usable}.") from error
    if not there.get(device.type, True):
        raise InputError(f"This machine's torch has no device {name!r}; it has {usable}. Leave `device` out to choose.")
    return device
