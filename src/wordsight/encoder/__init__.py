"""Encoders: pixels and token ids in, embeddings out, NumPy at both ends; OpenVINO, torch or the reference inside."""

from __future__ import annotations

import importlib.util
import os
import sys
from typing import Protocol

import numpy as np

from wordsight.arguments import check_choice
from wordsight.checkpoint import Checkpoint
from wordsight.errors import InputError, MissingExtraError

BACKENDS = ("auto", "openvino", "torch", "reference")
PRECISIONS = ("auto", "f32", "bf16", "int8")


class Encoder(Protocol):
    """A checkpoint's two towers, ready to run; each is built on first use.

    backend, precision: what was chosen, e.g. "openvino" and "bf16".
    """

    @property
    def backend(self) -> str:
        """The library that computes: "openvino", "torch" or "reference"."""

    @property
    def precision(self) -> str:
        """The precision of matrix products: "f32", "bf16", "int8", or what the backend adds."""

    def encode_images(self, pixels_BHWC: np.ndarray) -> np.ndarray:
        """Return float32 features (B,D), not normalised, of uint8 pixels (B,S,S,3)."""

    def encode_texts(self, tokens_BT: np.ndarray) -> np.ndarray:
        """Return float32 features (B,D), not normalised, of int32 token ids (B,T)."""


def open_encoder(checkpoint: Checkpoint, backend: str = "auto", precision: str = "auto") -> Encoder:
    """Encoder of the checkpoint's towers.

    `backend` "auto": torch where it is installed and sees a GPU (CUDA, MPS), else openvino. `precision` "auto": what
    the processor does fast (see each backend).
    Raises: InputError for an unknown backend or precision, and for a precision that this machine or this checkpoint
        does not have; MissingExtraError for backend "torch" without torch.
    """
    for kind, seen, known in (("backend", backend, BACKENDS), ("precision", precision, PRECISIONS)):
        check_choice(kind, seen, known)
    if backend == "auto":
        backend = "torch" if precision != "int8" and _torch_sees_a_gpu() else "openvino"
    if backend == "torch":
        if importlib.util.find_spec("torch") is None:
            raise MissingExtraError("The torch backend", "torch", "torch")
        from wordsight.encoder.torch import TorchEncoder

        return TorchEncoder(checkpoint, precision)
    if backend == "reference":
        if precision != "auto":
            raise InputError(f"precision is {precision!r}; the reference computes in float64 only: leave it at 'auto'.")
        from wordsight.encoder.reference import ReferenceEncoder

        return ReferenceEncoder(checkpoint)
    from wordsight.encoder.openvino.encoder import OpenVinoEncoder

    return OpenVinoEncoder(checkpoint, precision)


def _torch_sees_a_gpu() -> bool:
    """Whether torch can use a GPU; it is imported (seconds) only where a GPU's driver is there."""
    drivers = ("/dev/nvidiactl", "/dev/kfd", "/dev/dxg", os.path.expandvars(r"%SystemRoot%\System32\nvcuda.dll"))
    may_be = sys.platform == "darwin" or any(os.path.exists(driver) for driver in drivers)
    if not may_be or importlib.util.find_spec("torch") is None:
        return False
    from wordsight.encoder.torch import sees_a_gpu

    return sees_a_gpu()
