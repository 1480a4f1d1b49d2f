"""Values of a torch pickle as inert records: storages, tensors, TorchScript modules.

`REBUILD` says which names may be "called" and what is made instead; nothing that a pickle names is ever called.
Source: torch's storage and rebuild conventions (`torch/_utils.py`, `torch/serialization.py`).
"""

from __future__ import annotations

import math
import reprlib
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from wordsight.errors import CheckpointError, UnsafePickleError

STORAGES = {
    "FloatStorage": "float32",
    "HalfStorage": "float16",
    "BFloat16Storage": "bfloat16",
    "DoubleStorage": "float64",
    "LongStorage": "int64",
    "IntStorage": "int32",
    "ShortStorage": "int16",
    "CharStorage": "int8",
    "ByteStorage": "uint8",
    "BoolStorage": "bool",
}
MAX_DIMENSIONS = 16
_MAX_NAME = 1000  # letters
_DTYPES = ("float32", "float16", "bfloat16", "float64", "int64", "int32", "int16", "int8", "uint8", "bool", "float")


@dataclass(frozen=True)
class Global:
    """A name that a pickle refers to; never looked up, never imported."""

    __slots__ = ("module", "name")

    module: str
    name: str

    def __str__(self) -> str:
        return f"{self.module}.{self.name}"

    def shown(self) -> str:
        """The name without what would command a terminal."""
        return str(self) if str(self).isprintable() else ascii(str(self))


@dataclass(frozen=True)
class StorageRef:
    """Where a tensor's bytes lie: the archive's key, the element type and the number of elements."""

    key: str
    dtype: str
    numel: int


@dataclass(frozen=True)
class TensorRef:
    """A tensor as the pickle describes it, before its bytes are looked at: offset and strides count elements."""

    storage: StorageRef
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]


@dataclass
class Module:
    """A TorchScript object of class `__torch__.*`: only its attributes are kept."""

    kind: Global
    attributes: dict[str, Any] = field(default_factory=dict)

    def __repr__(self) -> str:
        """Its class alone: attributes may be shared so often that to write them out takes forever."""
        return f"<{self.kind}>"


@dataclass(frozen=True)
class Inert:
    """A value of a training run (a NumPy scalar, a dtype) that is accepted and means nothing to us."""

    name: str


def _natural(value: Any, what: str) -> int:
    if type(value) is not int or value < 0 or value >= 2**62:
        raise CheckpointError(
            f"A tensor's {what} is {reprlib.repr(value)}, expected a whole number that is not negative."
        )
    return value


def _naturals(value: Any, what: str) -> tuple[int, ...]:
    if not isinstance(value, (tuple, list)) or len(value) > MAX_DIMENSIONS:
        raise CheckpointError(
            f"A tensor's {what} is {reprlib.repr(value)}, expected a tuple of at most {MAX_DIMENSIONS} numbers."
        )
    return tuple(_natural(v, what) for v in value)


def _rebuild_tensor(*args: Any) -> TensorRef:
    if len(args) < 4 or not isinstance(args[0], StorageRef):
        raise CheckpointError("A tensor of the pickle has no storage; the file is damaged.")
    storage, offset = args[0], _natural(args[1], "offset")
    shape, strides = _naturals(args[2], "shape"), _naturals(args[3], "strides")
    if len(shape) != len(strides):
        raise CheckpointError(f"A tensor has {len(shape)} dimensions and {len(strides)} strides; the file is damaged.")
    count = math.prod(shape)
    if math.prod(size or 1 for size in shape) >= 2**48:  # NumPy cannot hold some shapes even of nothing
        raise CheckpointError(f"A tensor has the shape {shape}, which no tensor has; the file is damaged.")
    # strides of what holds at most one element along an axis mean nothing, and may be any number
    strides = tuple(stride if size > 1 and count else 1 for size, stride in zip(shape, strides, strict=True))
    last = offset + sum((n - 1) * stride for n, stride in zip(shape, strides, strict=True))
    if count > storage.numel or (count and last >= storage.numel):
        raise CheckpointError(
            f"A tensor of shape {shape}, strides {strides} and offset {offset} does not fit into its storage "
            f"{storage.key!r} of {storage.numel} elements; the file is damaged or was tampered with."
        )
    return TensorRef(storage, offset, shape, strides)


def _rebuild_parameter(*args: Any) -> TensorRef:
    if not args or not isinstance(args[0], TensorRef):
        raise CheckpointError("A parameter of the pickle holds no tensor; the file is damaged.")
    return args[0]


def _ordered_dict(*args: Any) -> dict[Any, Any]:
    made: dict[Any, Any] = {}
    for pair in args[0] if args else ():
        if not isinstance(pair, (list, tuple)) or len(pair) != 2:
            raise CheckpointError("An OrderedDict of the pickle has an entry that is not a pair; the file is damaged.")
        made[checked_key(pair[0])] = pair[1]
    return made


def _first(*args: Any) -> Any:
    if not args:
        raise CheckpointError("A typed list of the pickle is empty of arguments; the file is damaged.")
    return args[0]


REBUILD: dict[str, Callable[..., Any]] = {
    "torch._utils._rebuild_tensor": _rebuild_tensor,
    "torch._utils._rebuild_tensor_v2": _rebuild_tensor,
    "torch._utils._rebuild_parameter": _rebuild_parameter,
    "torch._utils._rebuild_parameter_with_state": _rebuild_parameter,
    "collections.OrderedDict": _ordered_dict,
    "torch.jit._pickle.build_intlist": _first,
    "torch.jit._pickle.build_doublelist": _first,
    "torch.jit._pickle.build_boollist": _first,
    "torch.jit._pickle.build_tensorlist": _first,
    "torch.jit._pickle.restore_type_tag": _first,
    "torch.Size": _first,
    "numpy.core.multiarray.scalar": lambda *_: Inert("numpy scalar"),
    "numpy._core.multiarray.scalar": lambda *_: Inert("numpy scalar"),
    "numpy.core.multiarray._reconstruct": lambda *_: Inert("numpy array"),
    "numpy._core.multiarray._reconstruct": lambda *_: Inert("numpy array"),
    "numpy.dtype": lambda *_: Inert("numpy dtype"),
    "_codecs.encode": lambda *_: Inert("bytes"),
}
# names that may stand in a pickle as values, without being called
_PASSIVE = (
    {f"torch.{name}" for name in (*STORAGES, *_DTYPES)}
    | {"torch.storage.UntypedStorage", "torch.storage._UntypedStorage", "torch.serialization._get_layout"}
    | {"numpy.ndarray", "torch.device"}
)
ALLOWED = frozenset(REBUILD) | frozenset(_PASSIVE)


def checked_key(key: Any) -> Any:
    """A dictionary key of a plain kind, whose hash others do not share on purpose.

    Tuples could nest without end; hashes of numbers repeat from 2^61 on, so that each look-up takes longer.
    """
    if not isinstance(key, (str, int, float, bytes, bool, type(None))):
        raise CheckpointError(f"A dictionary of the pickle has a key of type {type(key).__name__}, expected a string.")
    if isinstance(key, (int, float)) and not abs(key) < 2**60:
        raise CheckpointError(f"A dictionary of the pickle has the key {reprlib.repr(key)}, expected a string.")
    return key


def named(module: Any, name: Any) -> Global:
    """Record of a name, if a checkpoint may hold it.

    Raises: UnsafePickleError for every other name.
    """
    if not isinstance(module, str) or not isinstance(name, str):
        raise UnsafePickleError("The pickle names an object by something that is not a string; nothing of it was run.")
    if len(module) + len(name) > _MAX_NAME:
        raise UnsafePickleError(
            f"The pickle names an object by {len(module) + len(name)} letters; nothing of it was run."
        )
    found = Global(module, name)
    if str(found) not in ALLOWED and not (module == "__torch__" or module.startswith("__torch__.")):
        raise UnsafePickleError(
            f"The pickle asks for {found.shown()}, which is neither a tensor nor a plain container; nothing of it was "
            "run. Do not load this file elsewhere unless you trust where it came from; ask its maker for safetensors."
        )
    return found


def storage(pid: Any) -> StorageRef:
    """Storage that a persistent id describes.

    Raises: UnsafePickleError for what describes anything else.
    """
    if not isinstance(pid, tuple) or len(pid) < 5 or pid[0] != "storage" or not isinstance(pid[1], Global):
        raise UnsafePickleError(f"The pickle holds the persistent id {reprlib.repr(pid)}, expected a tensor's storage.")
    if pid[1].module != "torch" or pid[1].name not in STORAGES:
        raise CheckpointError(f"A tensor has the storage type {pid[1]}; supported are {', '.join(STORAGES)}.")
    if not isinstance(pid[2], str) or not (pid[2].isascii() and pid[2].isalnum()):
        raise UnsafePickleError(
            f"The pickle names the storage {reprlib.repr(pid[2])}, expected a plain number or word."
        )
    if len(pid) > 5 and pid[5] is not None:
        raise CheckpointError(
            "The pickle holds a view of another storage, as torch before 0.4 wrote; save it again with a newer one."
        )
    return StorageRef(pid[2], STORAGES[pid[1].name], _natural(pid[4], "storage size"))
