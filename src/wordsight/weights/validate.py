"""Is this a whole model? The names and shapes that a spec asks for, and numbers that are finite."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import numpy as np

from wordsight.errors import CheckpointError
from wordsight.spec import ModelSpec, PlainResNetTower, TextTower, VitTower
from wordsight.weights.bounds import check_bounds
from wordsight.weights.shapes import expected_shapes

_SHOWN = 4
_CHUNK = 1 << 18  # elements looked at together: they stay in the processor's cache
# the bits that are all set in NaN and Inf, by dtype
_EXPONENT = {
    "float16": (np.uint16, 0x7C00),
    "bfloat16": (np.uint16, 0x7F80),
    "float32": (np.uint32, 0x7F800000),
    "float64": (np.uint64, 0x7FF0000000000000),
}


def _list_names(names: Iterable[str]) -> str:
    listed = sorted(names)
    rest = f" and {len(listed) - _SHOWN} more" if len(listed) > _SHOWN else ""
    return ", ".join(listed[:_SHOWN]) + rest


def check_sizes(spec: ModelSpec, where: str) -> None:
    """Raise CheckpointError that names sizes of a spec that contradict each other."""
    check_bounds(spec, where)
    image = spec.image
    if isinstance(image, VitTower) and image.image_size % image.patch_size and spec.family == "clip":
        raise CheckpointError(
            f"{where}: image_size {image.image_size} is not a multiple of patch_size {image.patch_size}."
        )
    if spec.preprocess.image_size != image.image_size:
        raise CheckpointError(
            f"{where}: images are made {spec.preprocess.image_size} px, but the image tower takes {image.image_size}."
        )
    for tower, what in ((image, "image"), (spec.text, "text")):
        if isinstance(tower, (VitTower, TextTower)) and tower.width % tower.heads:
            raise CheckpointError(
                f"{where}: the {what} tower's width {tower.width} does not divide by {tower.heads} heads."
            )
    if isinstance(image, PlainResNetTower) and not image.projection and image.features != spec.embed_dim:
        raise CheckpointError(
            f"{where}: the image tower has {image.features} features and no projection, but embed_dim is "
            f"{spec.embed_dim}; expected the same number."
        )


def check_names(spec: ModelSpec, tensors: Mapping[str, np.ndarray], where: str) -> None:
    """Raise CheckpointError that names missing, extra and wrongly shaped tensors, and sizes that contradict."""
    check_sizes(spec, where)
    shapes = expected_shapes(spec)
    if missing := shapes.keys() - tensors.keys():
        raise CheckpointError(
            f"{where} lacks {len(missing)} of {len(shapes)} tensors: {_list_names(missing)}. "
            "Fetch it again, or check that its configuration belongs to it."
        )
    if extra := tensors.keys() - shapes.keys():
        raise CheckpointError(
            f"{where} has {len(extra)} tensors that this architecture has no place for: {_list_names(extra)}. "
            "It is another architecture, or its configuration belongs to another file."
        )
    wrong = {
        name: (tuple(tensors[name].shape), shape) for name, shape in shapes.items() if tensors[name].shape != shape
    }
    if wrong:
        name, (seen, expected) = next(iter(wrong.items()))
        raise CheckpointError(
            f"{where}: {len(wrong)} tensors have other shapes than the configuration says, such as {name}: {seen}, "
            f"expected {expected}. Check that the configuration belongs to the file."
        )


def check_finite(tensors: Mapping[str, np.ndarray], where: str) -> None:
    """Raise CheckpointError that names the tensors which hold NaN or Inf, or which are of another dtype."""
    broken = [name for name, tensor in tensors.items() if not _finite(name, tensor, where)]
    if broken:
        raise CheckpointError(
            f"{where}: NaN or Inf in {len(broken)} tensors: {_list_names(broken)}. The training that made it diverged, "
            "or the file is damaged; use another checkpoint."
        )


def _finite(name: str, tensor: np.ndarray, where: str) -> bool:
    """Look at the exponent bits, a chunk at a time: no copy of the tensor is made."""
    if tensor.dtype.name not in _EXPONENT:
        raise CheckpointError(f"{where}: {name} has the dtype {tensor.dtype.name}, expected {', '.join(_EXPONENT)}.")
    kind, exponent = _EXPONENT[tensor.dtype.name]
    flat = tensor.T if tensor.T.flags.c_contiguous else np.ascontiguousarray(tensor)
    bits = flat.reshape(-1).view(kind)
    mask = bits.dtype.type(exponent)
    buffer = np.empty(min(_CHUNK, bits.size), bits.dtype)
    for begin in range(0, bits.size, _CHUNK):
        chunk = bits[begin : begin + _CHUNK]
        if np.bitwise_and(chunk, mask, out=buffer[: chunk.size]).max() == mask:
            return False
    return True
