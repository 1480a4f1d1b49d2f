"""Safetensors files as memory-mapped views: nothing is copied, and a header is believed only after it was checked.

Source: the format's description in huggingface/safetensors (8 bytes of header length, JSON, then the buffer).
"""

from __future__ import annotations

import json
import math
import struct
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from wordsight.errors import CheckpointError
from wordsight.json_records import parse_json, show
from wordsight.weights.file_names import INDEX
from wordsight.weights.torch_file import numpy_dtype

MAX_HEADER_BYTES = 100_000_000  # the reference implementation's limit
_DTYPES = {
    "F64": "float64", "F32": "float32", "F16": "float16", "BF16": "bfloat16", "I64": "int64", "I32": "int32",
    "I16": "int16", "I8": "int8", "U8": "uint8", "BOOL": "bool",
}  # fmt: skip
_MAX_VALUES = 2_000_000  # in a header; each tensor has about seven
_MAX_INDEX_BYTES = 64 * 2**20
_NAMES = {name: code for code, name in _DTYPES.items()}
_AGAIN = "the file is truncated or damaged. Fetch it again"


def read_safetensors(path: Path) -> dict[str, np.ndarray]:
    """Return {name: read-only view} of a safetensors file.

    Raises: CheckpointError for a truncated file, an invalid header, and tensors that overlap or lie outside.
    """
    size = path.stat().st_size
    with path.open("rb") as file:
        head = file.read(8)
        if len(head) < 8:
            raise CheckpointError(f"{path} has {size} bytes, too few for a safetensors file; {_AGAIN}.")
        (length,) = struct.unpack("<Q", head)
        if length > MAX_HEADER_BYTES:
            raise CheckpointError(f"{path} claims a header of {length} bytes: not a safetensors file, or {_AGAIN}.")
        if 8 + length > size:
            raise CheckpointError(f"{path} has {size} bytes, but its header alone claims {length}; {_AGAIN}.")
        text = file.read(length)
    entries = _header(path, text, size - 8 - length)
    if not entries:
        return {}
    buffer: np.ndarray = np.empty(0, np.uint8)
    if size > 8 + length:
        buffer = np.memmap(path, np.uint8, mode="r", offset=8 + length)
    made = {}
    for name, (dtype, shape, begin, end) in entries.items():
        view = buffer[begin:end].view(np.ndarray)
        if begin % dtype.itemsize or (8 + length) % dtype.itemsize:
            view = view.copy()  # old writers did not align; a view would be slow or refused
        made[name] = view.view(dtype).reshape(shape)
        made[name].flags.writeable = False
    return made


def _header(path: Path, text: bytes, room: int) -> dict[str, tuple[np.dtype[Any], tuple[int, ...], int, int]]:
    try:
        header = parse_json(text, most=_MAX_VALUES)
        if not isinstance(header, dict):
            raise ValueError("it is not an object")
    except ValueError as error:
        raise CheckpointError(f"{path} has no readable safetensors header ({error}); {_AGAIN}.") from error
    header.pop("__metadata__", None)
    entries = {name: _entry(path, name, entry, room) for name, entry in header.items()}
    position = 0
    for name, (_, _, begin, end) in sorted(entries.items(), key=lambda item: item[1][2:]):
        if begin < position:
            raise CheckpointError(f"{path}: {name} overlaps the tensor before it; {_AGAIN}.")
        position = end
    return entries


def _entry(path: Path, name: str, entry: Any, room: int) -> tuple[np.dtype[Any], tuple[int, ...], int, int]:
    try:
        code, shape, (begin, end) = entry["dtype"], entry["shape"], entry["data_offsets"]
        numbers = [*shape, begin, end]
    except (TypeError, KeyError, ValueError) as error:
        raise CheckpointError(f"{path}: the header's entry of {name} is malformed; {_AGAIN}.") from error
    if not isinstance(code, str) or code not in _DTYPES:
        raise CheckpointError(f"{path}: {name} has the dtype {show(code)}, expected one of {', '.join(_DTYPES)}.")
    sizes = [n for n in numbers if type(n) is int and 0 <= n < 2**62]
    # NumPy cannot hold some shapes even of nothing: what counts is the product of the dimensions that are not 0
    if len(sizes) < len(numbers) or len(shape) > 16 or math.prod(n or 1 for n in shape) >= 2**48:
        raise CheckpointError(f"{path}: {name} has a shape or offsets that no tensor has; {_AGAIN}.")
    dtype = numpy_dtype(_DTYPES[code])
    if end > room:
        raise CheckpointError(f"{path}: {name} should end at byte {end}, but there are {room}; {_AGAIN}.")
    if end - begin != math.prod(shape) * dtype.itemsize:
        raise CheckpointError(
            f"{path}: {name} of shape {show(shape)} takes {end - begin} bytes, which do not fit; {_AGAIN}."
        )
    return dtype, tuple(shape), begin, end


def _read_index(index: Path) -> bytes:
    with index.open("rb") as file:
        content = file.read(_MAX_INDEX_BYTES + 1)
    if len(content) > _MAX_INDEX_BYTES:
        raise ValueError(f"more than {_MAX_INDEX_BYTES} bytes")
    return content


def read_sharded(index: Path, read: Callable[[Path], Mapping[str, np.ndarray]]) -> dict[str, np.ndarray]:
    """Tensors of all the files that a `*.index.json` names, each read by `read`.

    Raises: CheckpointError for a missing shard (named) and for shards outside the folder.
    """
    try:
        weight_map = parse_json(_read_index(index))["weight_map"]
        files = sorted(set(weight_map.values()))
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise CheckpointError(f"{index} has no readable weight_map ({error!r}); {_AGAIN}.") from error
    made: dict[str, np.ndarray] = {}
    for name in files:
        if not isinstance(name, str) or Path(name).name != name or name.endswith(INDEX):
            raise CheckpointError(f"{index} names the shard {show(name)}, expected a file in the same folder.")
        shard = index.parent / name
        if not shard.is_file():
            raise CheckpointError(f"{index.parent} lacks the shard {name}; fetch the folder again.")
        made |= read(shard)
    if lost := set(weight_map) - set(made):
        raise CheckpointError(f"{index.parent}: {sorted(lost)[0]} and {len(lost) - 1} more tensors are in no shard.")
    return {name: made[name] for name in weight_map}


def write_safetensors(tensors: Mapping[str, np.ndarray], path: Path) -> None:
    """Write tensors bit-identical, one at a time, aligned to 8 bytes, larger elements first."""
    header: dict[str, Any] = {"__metadata__": {"format": "pt"}}
    order = sorted(tensors, key=lambda name: (-tensors[name].dtype.itemsize, name))
    position = 0
    for name in order:
        tensor = tensors[name]
        if tensor.dtype.name not in _NAMES:
            raise CheckpointError(f"{name} has the dtype {tensor.dtype.name}, which safetensors cannot hold.")
        end = position + tensor.nbytes
        code = _NAMES[tensor.dtype.name]
        header[name] = {"dtype": code, "shape": list(tensor.shape), "data_offsets": [position, end]}
        position = end
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    with path.open("wb") as file:
        file.write(struct.pack("<Q", len(text)) + text)
        for name in order:
            file.write(np.ascontiguousarray(tensors[name]).reshape(-1).view(np.uint8).data)
