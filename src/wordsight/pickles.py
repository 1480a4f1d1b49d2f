"""Read pickles as data: an interpreter of pickle opcodes that can build tensors and plain containers, and run nothing.

Python's own unpickler calls whatever a pickle names. This one never imports, never calls anything from a pickle and
never sets an attribute: names become inert `Global` records, and only the few on `REBUILD` mean something.

Source: the opcode table of Python's `pickletools`; torch's storage and rebuild conventions (`torch/_utils.py`).
"""

from __future__ import annotations

import pickletools
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
MAX_OPCODES = 20_000_000
_DTYPES = ("float32", "float16", "bfloat16", "float64", "int64", "int32", "int16", "int8", "uint8", "bool", "float")


@dataclass(frozen=True)
class Global:
    """A name that a pickle refers to; never looked up, never imported."""

    module: str
    name: str

    def __str__(self) -> str:
        return f"{self.module}.{self.name}"


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

    name: str
    attributes: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Inert:
    """A value of a training run (a NumPy scalar, a dtype) that is accepted and means nothing to us."""

    name: str


class _Mark:
    pass


_MARK = _Mark()


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
    count = 1
    for size in shape:
        count *= size
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
            raise CheckpointError("An OrderedDict of the pickle has an entry that is no pair; the file is damaged.")
        made[_key(pair[0])] = pair[1]
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


def _key(key: Any) -> Any:
    if not isinstance(key, (str, int, float, bytes, bool, type(None))):
        raise CheckpointError(f"A dictionary of the pickle has a key of type {type(key).__name__}, expected a string.")
    return key


def _global(module: Any, name: Any) -> Global:
    if not isinstance(module, str) or not isinstance(name, str):
        raise UnsafePickleError("The pickle names an object by something that is no string; nothing of it was run.")
    found = Global(module, name)
    if str(found) not in ALLOWED and not (module == "__torch__" or module.startswith("__torch__.")):
        raise UnsafePickleError(
            f"The pickle asks for {found}, which is no tensor and no plain container; nothing of it was run. "
            "Do not load this file elsewhere unless you trust where it came from; ask its maker for safetensors."
        )
    return found


def _storage(pid: Any) -> StorageRef:
    if not isinstance(pid, tuple) or len(pid) < 5 or pid[0] != "storage" or not isinstance(pid[1], Global):
        raise UnsafePickleError(f"The pickle holds the persistent id {reprlib.repr(pid)}, expected a tensor's storage.")
    if pid[1].module != "torch" or pid[1].name not in STORAGES:
        raise CheckpointError(f"A tensor has the storage type {pid[1]}; supported are {', '.join(STORAGES)}.")
    if not isinstance(pid[2], str) or not pid[2].isalnum():
        raise UnsafePickleError(
            f"The pickle names the storage {reprlib.repr(pid[2])}, expected a plain number or word."
        )
    if len(pid) > 5 and pid[5] is not None:
        raise CheckpointError("The pickle holds a view of another storage, as torch before 0.4 wrote; save it anew.")
    return StorageRef(pid[2], STORAGES[pid[1].name], _natural(pid[4], "storage size"))


class Interpreter:
    """One run over one pickle; `run` returns its value. Use `read_pickle`."""

    def __init__(self) -> None:
        self.stack: list[Any] = []
        self.memo: dict[int, Any] = {}

    def run(self, stream: Any) -> Any:
        """Interpret the opcodes from `stream` (bytes or a binary file) up to STOP; a file is left just behind it."""
        for count, (opcode, argument, _) in enumerate(pickletools.genops(stream)):
            if opcode.name == "STOP":
                return self.stack.pop()
            if count > MAX_OPCODES:
                raise CheckpointError(f"The pickle has more than {MAX_OPCODES} instructions; this is no checkpoint.")
            if opcode.name in _LITERALS:
                self.stack.append(argument)
            elif (action := _ACTIONS.get(opcode.name)) is not None:
                action(self, argument)
            else:
                raise UnsafePickleError(
                    f"The pickle holds the instruction {opcode.name}, which no checkpoint needs; nothing of it was run."
                )
        raise CheckpointError("The pickle has no end; the file is truncated. Fetch it again.")

    def to_mark(self) -> list[Any]:
        """Take everything above the last mark off the stack."""
        for i in range(len(self.stack) - 1, -1, -1):
            if self.stack[i] is _MARK:
                items = self.stack[i + 1 :]
                del self.stack[i:]
                return items
        raise CheckpointError("The pickle closes a list that it never opened; the file is damaged.")

    def memoize(self, index: int | None) -> None:
        """Remember the top of the stack."""
        self.memo[len(self.memo) if index is None else int(index)] = self.stack[-1]

    def append(self, items: list[Any]) -> None:
        """Add to the list on top of the stack."""
        top = self.stack[-1]
        if not isinstance(top, list):
            raise UnsafePickleError(f"The pickle appends to a {type(top).__name__}; nothing of it was run.")
        top.extend(items)

    def set_items(self, items: list[Any]) -> None:
        """Add key, value, key, value … to the dictionary on top of the stack."""
        top = self.stack[-1]
        if not isinstance(top, dict) or len(items) % 2:
            raise UnsafePickleError(f"The pickle sets items of a {type(top).__name__}; nothing of it was run.")
        for key, value in zip(items[::2], items[1::2], strict=True):
            top[_key(key)] = value

    def call(self, what: Any, args: Any) -> None:
        """Do what an allowed name stands for; nothing named by a pickle is ever called itself."""
        if not isinstance(what, Global) or not isinstance(args, (tuple, list)):
            raise UnsafePickleError(f"The pickle calls a {type(what).__name__}; nothing of it was run.")
        if what.module.startswith("__torch__"):
            self.stack.append(Module(str(what)))
        elif str(what) in REBUILD:
            self.stack.append(REBUILD[str(what)](*args))
        else:
            raise UnsafePickleError(f"The pickle calls {what}; nothing of it was run.")

    def build(self) -> None:
        """Give the object on the stack its state: attributes of a TorchScript module; all else is let go."""
        state, target = self.stack.pop(), self.stack[-1]
        if isinstance(target, Module) and isinstance(state, dict):
            target.attributes.update(state)
        elif not isinstance(target, (dict, Inert, TensorRef)):
            raise UnsafePickleError(f"The pickle sets the state of {reprlib.repr(target)}; nothing of it was run.")


_LITERALS = frozenset(
    [
        "INT",
        "BININT",
        "BININT1",
        "BININT2",
        "LONG",
        "LONG1",
        "LONG4",
        "FLOAT",
        "BINFLOAT",
        "STRING",
        "BINSTRING",
        "SHORT_BINSTRING",
        "BINBYTES",
        "SHORT_BINBYTES",
        "BINBYTES8",
        "UNICODE",
        "SHORT_BINUNICODE",
        "BINUNICODE",
        "BINUNICODE8",
    ]
)


def _tuple(n: int) -> Callable[[Interpreter, Any], None]:
    def action(vm: Interpreter, _: Any) -> None:
        items = [vm.stack.pop() for _ in range(n)]
        vm.stack.append(tuple(reversed(items)))

    return action


def _push(make: Callable[[], Any]) -> Callable[[Interpreter, Any], None]:
    return lambda vm, _: vm.stack.append(make())


def _stack_global(vm: Interpreter, _: Any) -> None:
    name, module = vm.stack.pop(), vm.stack.pop()
    vm.stack.append(_global(module, name))


def _reduce(vm: Interpreter, _: Any) -> None:
    args, what = vm.stack.pop(), vm.stack.pop()
    vm.call(what, args)


def _dict(vm: Interpreter, _: Any) -> None:
    items = vm.to_mark()
    vm.stack.append({})
    vm.set_items(items)


def _obj(vm: Interpreter, _: Any) -> None:
    what, *args = vm.to_mark()
    vm.call(what, args)


def _inst(vm: Interpreter, argument: str) -> None:
    vm.call(_global(*argument.split(" ", 1)), vm.to_mark())


def _set_item(vm: Interpreter, _: Any) -> None:
    value, key = vm.stack.pop(), vm.stack.pop()
    vm.set_items([key, value])


_ACTIONS: dict[str, Callable[[Interpreter, Any], None]] = {
    "PROTO": lambda *_: None,
    "FRAME": lambda *_: None,
    "NONE": _push(lambda: None),
    "NEWTRUE": _push(lambda: True),
    "NEWFALSE": _push(lambda: False),
    "MARK": _push(lambda: _MARK),
    "EMPTY_LIST": _push(list),
    "EMPTY_TUPLE": _push(tuple),
    "EMPTY_DICT": _push(dict),
    "TUPLE1": _tuple(1),
    "TUPLE2": _tuple(2),
    "TUPLE3": _tuple(3),
    "TUPLE": lambda vm, _: vm.stack.append(tuple(vm.to_mark())),
    "LIST": lambda vm, _: vm.stack.append(vm.to_mark()),
    "DICT": _dict,
    "APPEND": lambda vm, _: vm.append([vm.stack.pop()]),
    "APPENDS": lambda vm, _: vm.append(vm.to_mark()),
    "SETITEM": _set_item,
    "SETITEMS": lambda vm, _: vm.set_items(vm.to_mark()),
    "POP": lambda vm, _: vm.stack.pop(),
    "POP_MARK": lambda vm, _: vm.to_mark().clear(),
    "DUP": lambda vm, _: vm.stack.append(vm.stack[-1]),
    "PUT": lambda vm, index: vm.memoize(index),
    "BINPUT": lambda vm, index: vm.memoize(index),
    "LONG_BINPUT": lambda vm, index: vm.memoize(index),
    "MEMOIZE": lambda vm, _: vm.memoize(None),
    "GET": lambda vm, index: vm.stack.append(vm.memo[int(index)]),
    "BINGET": lambda vm, index: vm.stack.append(vm.memo[index]),
    "LONG_BINGET": lambda vm, index: vm.stack.append(vm.memo[index]),
    "GLOBAL": lambda vm, argument: vm.stack.append(_global(*argument.split(" ", 1))),
    "STACK_GLOBAL": _stack_global,
    "REDUCE": _reduce,
    "NEWOBJ": _reduce,
    "OBJ": _obj,
    "INST": _inst,
    "BUILD": lambda vm, _: vm.build(),
    "BINPERSID": lambda vm, _: vm.stack.append(_storage(vm.stack.pop())),
}


def read_pickle(stream: Any) -> Any:
    """Return what a pickle holds: dicts, lists, tuples, numbers, strings, `TensorRef`s and TorchScript `Module`s.

    stream: bytes, or a binary file, which is left just behind the pickle.

    Raises: UnsafePickleError for a pickle that names anything but tensors and plain containers; CheckpointError for
        a damaged one.
    """
    try:
        return Interpreter().run(stream)
    except CheckpointError:
        raise
    except (ValueError, TypeError, KeyError, IndexError, OverflowError, RecursionError, AttributeError) as error:
        raise CheckpointError(
            f"The pickle is damaged ({type(error).__name__}: {error}); fetch the file again."
        ) from error
