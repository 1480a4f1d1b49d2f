"""Read pickles as data: an interpreter of pickle opcodes that can build tensors and plain containers, and run nothing.

Python's own unpickler calls whatever a pickle names. This one never imports, never calls anything from a pickle and
never sets an attribute: names become inert records, and only the few of `pickle_values.REBUILD` mean something.

Source: the opcode table of Python's `pickletools`.
"""

from __future__ import annotations

import mmap
import pickletools
import reprlib
from collections.abc import Callable
from typing import Any

from wordsight.errors import CheckpointError, UnsafePickleError
from wordsight.weights.pickle_values import REBUILD, Global, Inert, Module, TensorRef, checked_key, named, storage

MAX_OPCODES = 1_000_000  # OpenAI's ViT-L/14 has 27,000; with an optimizer's state some 100,000
MAX_ITEMS = 2_000_000  # put into containers by one pickle, those of shared containers each time they are copied
MAX_BYTES = 64 * 2**20  # of one pickle, whose tensors lie outside it


class _Mark:
    pass


_MARK = _Mark()


class _Reader:
    """The part of a binary file that `pickletools` uses, over bytes or a mapping, up to MAX_BYTES."""

    def __init__(self, content: bytes | mmap.mmap, begin: int) -> None:
        self.content, self.position = content, begin
        self.end = begin + MAX_BYTES

    def tell(self) -> int:
        return self.position

    def read(self, count: int) -> bytes:
        return self._take(self.position + count)

    def readline(self) -> bytes:
        line_end = self.content.find(b"\n", self.position, self.end + 1)
        return self._take(line_end + 1 if line_end >= 0 else len(self.content))

    def _take(self, end: int) -> bytes:
        begin, self.position = self.position, min(end, len(self.content))
        if self.position > self.end:
            raise CheckpointError(f"The pickle has more than {MAX_BYTES} bytes; this is not a checkpoint.")
        return self.content[begin : self.position]


class Interpreter:
    """One run over one pickle; `run` returns its value. Use `read_pickle`."""

    def __init__(self) -> None:
        self.stack: list[Any] = []
        self.memo: dict[int, Any] = {}
        self.items = 0

    def run(self, reader: _Reader) -> Any:
        """Interpret the opcodes from `reader` up to STOP; it is left just behind it."""
        for count, (opcode, argument, _) in enumerate(pickletools.genops(reader)):  # type: ignore[arg-type]
            if opcode.name == "STOP":
                return self.stack.pop()
            if count > MAX_OPCODES:
                raise CheckpointError(f"The pickle has more than {MAX_OPCODES} instructions; this is not a checkpoint.")
            if opcode.name in _LITERALS:
                self.stack.append(argument)
            elif (action := _ACTIONS.get(opcode.name)) is not None:
                action(self, argument)
            else:
                raise UnsafePickleError(
                    f"The pickle holds the instruction {opcode.name}, which no checkpoint needs; nothing of it was run."
                )
        raise CheckpointError("The pickle has no end; the file is truncated. Fetch it again.")

    def spend(self, count: int) -> None:
        """Count items that are put into a container; sharing lets few instructions copy many."""
        self.items += count
        if self.items > MAX_ITEMS:
            raise CheckpointError(f"The pickle makes containers of more than {MAX_ITEMS} items; no checkpoint does.")

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
        self.spend(len(items))
        top.extend(items)

    def set_items(self, items: list[Any]) -> None:
        """Add key, value, key, value … to the dictionary on top of the stack."""
        top = self.stack[-1]
        if not isinstance(top, dict) or len(items) % 2:
            raise UnsafePickleError(f"The pickle sets items of a {type(top).__name__}; nothing of it was run.")
        self.spend(len(items))
        for key, value in zip(items[::2], items[1::2], strict=True):
            top[checked_key(key)] = value

    def call(self, what: Any, args: Any) -> None:
        """Do what an allowed name stands for; nothing named by a pickle is ever called itself."""
        if not isinstance(what, Global) or not isinstance(args, (tuple, list)):
            raise UnsafePickleError(f"The pickle calls a {type(what).__name__}; nothing of it was run.")
        self.spend(sum(len(each) for each in args if isinstance(each, (list, tuple, dict))))
        if what.module.startswith("__torch__"):
            self.stack.append(Module(what))
        elif str(what) in REBUILD:
            self.stack.append(REBUILD[str(what)](*args))
        else:
            raise UnsafePickleError(f"The pickle calls {what.shown()}; nothing of it was run.")

    def build(self) -> None:
        """Give the object on the stack its state: attributes of a TorchScript module; everything else is dropped."""
        state, target = self.stack.pop(), self.stack[-1]
        if isinstance(target, Module) and isinstance(state, dict):
            self.spend(len(state))
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
    vm.stack.append(named(module, name))


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
    vm.call(named(*argument.split(" ", 1)), vm.to_mark())


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
    "GLOBAL": lambda vm, argument: vm.stack.append(named(*argument.split(" ", 1))),
    "STACK_GLOBAL": _stack_global,
    "REDUCE": _reduce,
    "NEWOBJ": _reduce,
    "OBJ": _obj,
    "INST": _inst,
    "BUILD": lambda vm, _: vm.build(),
    "BINPERSID": lambda vm, _: vm.stack.append(storage(vm.stack.pop())),
}


def read_pickle(content: bytes | mmap.mmap) -> Any:
    """Value of a pickle; see `read_pickle_at`."""
    return read_pickle_at(content, 0)[0]


def read_pickle_at(content: bytes | mmap.mmap, begin: int) -> tuple[Any, int]:
    """Read the pickle that begins at a byte: its value, and the byte just behind it.

    The value consists of dicts, lists, tuples, numbers, strings, `TensorRef`s and TorchScript `Module`s.

    Raises: UnsafePickleError for a pickle that names anything but tensors and plain containers; CheckpointError for
        a damaged one, and for one of more instructions, items or bytes than a checkpoint has.
    """
    reader = _Reader(content, begin)
    try:
        return Interpreter().run(reader), reader.tell()
    except CheckpointError:
        raise
    except (
        ValueError,
        TypeError,
        KeyError,
        IndexError,
        OverflowError,
        RecursionError,
        MemoryError,
        AttributeError,
    ) as error:
        raise CheckpointError(
            f"The pickle is damaged ({type(error).__name__}: {error}); fetch the file again."
        ) from error
