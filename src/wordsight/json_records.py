"""JSON that others wrote, read within limits; and frozen dataclasses ("records") from the plain values in it.

A few megabytes of `[],[],` become gigabytes of lists, so the number of values is bounded before anything is parsed.
"""

from __future__ import annotations

import dataclasses
import json
import reprlib
import types
import typing
from collections.abc import Callable
from typing import Any, Literal, TypeVar

from wordsight.errors import CheckpointError, WordsightError, did_you_mean

R = TypeVar("R")
MAX_VALUES = 500_000  # a configuration has hundreds, the index of a sharded model some ten thousand
FORMER_NAME = "former_name"  # in a field's metadata: its name in JSON that earlier versions wrote
_SCALARS = (bool, int, float, str, type(None))

_repr = reprlib.Repr()
_repr.maxstring = _repr.maxother = _repr.maxlong = 100
_repr.maxlevel = 3


def show(value: object) -> str:
    """A value as an error shows it: its repr, shortened where it is long or nests deep."""
    return _repr.repr(value)


def parse_json(content: bytes | str, *, most: int = MAX_VALUES) -> Any:
    """Parse JSON of at most about `most` values.

    Raises: ValueError for text that is not JSON, that holds more values, or that nests deeper than Python recurses.
    """
    if isinstance(content, str):
        content = content.encode("utf-8", "surrogatepass")
    count = sum(content.count(mark) for mark in (b",", b"[", b"{"))
    if count > most:
        raise ValueError(f"about {count:,} values, more than the {most:,} that such a file needs")
    try:
        return json.loads(content)
    except RecursionError:
        raise ValueError("brackets nested too deep") from None


def record_to_json(record: Any) -> str:
    """Format a dataclass as JSON, from which `build_record` gives an equal one."""
    return json.dumps(dataclasses.asdict(record), indent=2, ensure_ascii=False) + "\n"


def build_record(
    cls: type[R], plain: Any, where: str, *, error: Callable[[str], WordsightError] = CheckpointError
) -> R:
    """Build dataclass `cls` from plain JSON values, checking names and types on the way.

    A field whose type is a union of dataclasses is told by the one `Literal` field that all of them have in common.
    where: what `plain` is, for messages. error: the class of what is raised.

    Raises: `error` for missing, unknown and ill-typed keys (named with their place).
    """
    if not isinstance(plain, dict):
        raise error(f"{where} is {show(plain)}, expected an object with the fields of {cls.__name__}.")
    fields = {f.name: f for f in dataclasses.fields(cls)}  # type: ignore[arg-type]
    for name in plain:
        if name not in fields:
            raise error(f"{where} has the unknown key {show(name)}.{did_you_mean(name[:100], fields)}")
    hints = typing.get_type_hints(cls)
    values = {}
    for name, field in fields.items():
        if name in plain:
            values[name] = _convert(hints[name], plain[name], f"{where}.{name}", error)
        elif field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING:
            raise error(f"{where} lacks the key {name!r}; a {cls.__name__} needs {', '.join(fields)}.")
    return cls(**values)


def _convert(hint: Any, value: Any, where: str, error: Callable[[str], WordsightError]) -> Any:
    """The value as the type that `hint` says."""
    origin, args = typing.get_origin(hint), typing.get_args(hint)
    if dataclasses.is_dataclass(hint):
        return build_record(typing.cast(type, hint), value, where, error=error)
    if origin in (types.UnionType, typing.Union) and all(map(dataclasses.is_dataclass, args)):
        return build_record(_choose(args, value, where, error), value, where, error=error)
    if origin is Literal:
        if value not in args:
            raise error(f"{where} is {show(value)}, expected one of {', '.join(map(repr, args))}.")
        return value
    if origin is tuple and isinstance(value, list):
        each = args
        if args[-1] is Ellipsis:
            each = args[:1] * len(value)
        if len(each) != len(value):
            raise error(f"{where} has {len(value)} values, expected {len(each)}.")
        return tuple(_convert(h, v, f"{where}[{i}]", error) for i, (h, v) in enumerate(zip(each, value, strict=True)))
    if origin is dict and isinstance(value, dict):
        return {key: _convert(args[1], each, f"{where}.{key}", error) for key, each in value.items()}
    if origin in (tuple, dict):  # whose arguments are the types of what is in them
        raise error(f"{where} is {show(value)}, expected {'a list' if origin is tuple else 'an object'}.")
    return _scalar(hint, args or (hint,), value, where, error)


def _choose(classes: tuple[Any, ...], value: Any, where: str, error: Callable[[str], WordsightError]) -> type:
    """Choose among dataclasses by the tag, a `Literal` field that each of them has with a value of its own."""
    tag = next(f.name for f in dataclasses.fields(classes[0]) if all(_tag_values(cls, f.name) for cls in classes))
    seen = value.get(tag) if isinstance(value, dict) else None
    for cls in classes:
        if seen in _tag_values(cls, tag):
            return typing.cast(type, cls)
    known = ", ".join(each for cls in classes for each in _tag_values(cls, tag))
    raise error(f"{where}.{tag} is {show(seen)}, expected one of {known}.")


def _tag_values(cls: Any, name: str) -> tuple[str, ...]:
    hint = typing.get_type_hints(cls).get(name)
    if typing.get_origin(hint) is not Literal:
        return ()
    return typing.get_args(hint)


def _scalar(hint: Any, kinds: tuple[Any, ...], value: Any, where: str, error: Callable[[str], WordsightError]) -> Any:
    if float in kinds and type(value) is int:
        try:
            return float(value)
        except OverflowError:
            pass
    elif any(kind in _SCALARS and type(value) is kind for kind in kinds):
        return value
    raise error(f"{where} is {show(value)}, expected {getattr(hint, '__name__', hint)}.")
