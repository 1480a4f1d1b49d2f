"""Values of settings, read from text and from JSON as the types of their annotations.

Numbers, text, bool, paths, None, Literal, tuples, dicts, nested dataclasses, and unions of these. Dataclasses in one
are distinguished by a Literal field of one value, as the towers of a `ModelSpec` by `arch`.
"""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import json
import math
import re
import types
import typing
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

from wordsight.errors import InputError, did_you_mean
from wordsight.json_records import FORMER_NAME

NONE = "none"  # how None is written
_TRUTH = {"true": True, "yes": True, "on": True, "1": True, "false": False, "no": False, "off": False, "0": False}
_COMMA = re.compile(r",(?![^{]*\})")  # not those in braces, "{a,b}.tar"
_NOT = object()  # a text or JSON value is not of a type


class UnknownKey(InputError):
    """A key that no field has."""

    def __init__(self, key: str, cls: type) -> None:
        super().__init__(f"There is no setting {key!r}; {cls.__name__} has {', '.join(field_types(cls))}.")
        self.key = key


def parse_text(hint: Any, text: str, key: str) -> Any:
    """Value that a setting's text means for a field of type `hint`. Raises: InputError naming the key."""
    options = union_members(hint)
    if type(None) in options and text.lower() == NONE:
        return None
    if any(map(dataclasses.is_dataclass, options)) and text.startswith("{"):
        with contextlib.suppress(json.JSONDecodeError):
            return convert_json(hint, json.loads(text), key)
    for option in options:
        found = _parsed(option, text, key)
        if found is not _NOT:
            return found
    literals = [str(value) for option in options if typing.get_origin(option) is Literal
                for value in typing.get_args(option)]  # fmt: skip
    raise InputError(f"{key} is {text!r}, expected {_expected(hint)}.{did_you_mean(text, literals)}")


def _parsed(option: Any, text: str, key: str) -> Any:
    """Value that text means as one type, or _NOT."""
    origin = typing.get_origin(option)
    if origin is Literal:
        return next((value for value in typing.get_args(option) if str(value) == text), _NOT)
    if option is bool:
        return _TRUTH.get(text.lower(), _NOT)
    if option is int or option is float:
        return _number(option, text)
    if option is str:
        return _unquoted(text)
    if option is Path:
        return Path(text)
    if origin is tuple and not text.startswith("["):
        return _parse_tuple(option, [part.strip() for part in _COMMA.split(text)] if text else [], text, key)
    if origin in (tuple, dict):
        try:
            values = json.loads(text)
        except json.JSONDecodeError:
            if origin is dict:
                return _NOT
            return _parse_tuple(option, _COMMA.split(text), text, key)
        return convert_json(option, values, key)
    return _NOT


def _number(kind: type, text: str) -> Any:
    try:
        value = float(text)
    except ValueError:
        return _NOT
    if not math.isfinite(value):
        return _NOT
    if kind is float:
        return value
    try:
        return int(text)
    except ValueError:  # "1e4" is as good a way to write 10,000 as any
        return int(value) if value.is_integer() else _NOT


def _unquoted(text: str) -> str:
    """Text without its quotes, which serve for "none", for spaces at the ends and for line breaks."""
    if len(text) > 1 and text[0] == text[-1] == '"':
        with contextlib.suppress(json.JSONDecodeError):
            return str(json.loads(text))
    return text


def _parse_tuple(option: Any, parts: Sequence[str], text: str, key: str) -> Any:
    each = _each(option, len(parts))
    if each is None:
        raise InputError(f"{key} is {text!r}, {len(parts)} values; expected {_expected(option)}.")
    return tuple(parse_text(hint, part, f"{key}[{i}]") for i, (hint, part) in enumerate(zip(each, parts, strict=True)))


def _each(option: Any, count: int) -> list[Any] | None:
    """Types of a tuple's values; None where it has another number of them."""
    args = typing.get_args(option)
    if args[-1] is Ellipsis:
        return [args[0]] * count
    if len(args) != count:
        return None
    return list(args)


def convert_json(hint: Any, value: Any, where: str) -> Any:
    """JSON value as the type that `hint` says."""
    options = union_members(hint)
    classes = [option for option in options if dataclasses.is_dataclass(option)]
    if classes and isinstance(value, dict):
        return _made(_select_class(classes, value, where), value, where)
    for option in options:
        found = _typed_as(option, value, where)
        if found is not _NOT:
            return found
    raise InputError(f"{where or 'The whole'} is {value!r}, expected {_expected(hint)}.")


def _typed_as(option: Any, value: Any, where: str) -> Any:
    origin = typing.get_origin(option)
    if option is Any or (option is type(None) and value is None):
        return value
    if origin is Literal:
        return next((each for each in typing.get_args(option) if value == each and type(value) is type(each)), _NOT)
    if origin is tuple and isinstance(value, list):
        each = _each(option, len(value))
        if each is None:
            return _NOT
        return tuple(
            convert_json(hint, one, f"{where}[{i}]") for i, (hint, one) in enumerate(zip(each, value, strict=True))
        )
    if origin is dict and isinstance(value, dict):
        inner = typing.get_args(option)[1]
        return {key: convert_json(inner, one, f"{where}.{key}") for key, one in value.items()}
    if option is Path and isinstance(value, str):
        return Path(value)
    if option is float and type(value) is int:
        return float(value)
    if option in (bool, int, float, str) and type(value) is option:
        return value
    return _NOT


def _select_class(classes: Sequence[Any], values: Mapping[str, Any], where: str) -> Any:
    """Dataclass of a union that a JSON object is of: by its fields of one literal value."""
    if len(classes) == 1:
        return classes[0]
    for cls in classes:
        marks = {
            name: typing.get_args(hint)[0]
            for name, hint in field_types(cls).items()
            if typing.get_origin(hint) is Literal and len(typing.get_args(hint)) == 1
        }
        if marks and all(values.get(name) == value for name, value in marks.items()):
            return cls
    names = ", ".join(cls.__name__ for cls in classes)
    raise InputError(f"{where} is {dict(values)!r}, which is none of {names}.")


def _made(cls: type, values: Mapping[str, Any], where: str) -> Any:
    hints = field_types(cls)
    dot = where and f"{where}."
    renamed = _former_names(cls)
    values = {renamed.get(name, name): value for name, value in values.items()}
    for name in values:
        if name not in hints:
            raise UnknownKey(dot + name, cls)
    check_missing(cls, values, where)
    return cls(**{name: convert_json(hints[name], value, dot + name) for name, value in values.items()})


@functools.cache
def _former_names(cls: type) -> dict[str, str]:
    """Fields of a dataclass by the names that they had in earlier versions."""
    return {
        field.metadata[FORMER_NAME]: field.name for field in dataclasses.fields(cls) if FORMER_NAME in field.metadata
    }


@functools.cache
def field_types(cls: type) -> dict[str, Any]:
    """Types of a dataclass's fields by name."""
    hints = typing.get_type_hints(cls)
    return {field.name: hints[field.name] for field in dataclasses.fields(cls) if field.init}


def union_members(hint: Any) -> tuple[Any, ...]:
    """Types of a union, text last since it accepts everything, or the one type."""
    if typing.get_origin(hint) in (typing.Union, types.UnionType):
        return tuple(sorted(typing.get_args(hint), key=lambda option: option is str))
    return (hint,)


def get_default(cls: type, name: str) -> Any:
    """Default of a field; None also where it has none."""
    field = next(field for field in dataclasses.fields(cls) if field.name == name)
    if field.default_factory is not dataclasses.MISSING:
        return field.default_factory()
    if field.default is dataclasses.MISSING:
        return None
    return field.default


def check_missing(cls: type, values: Mapping[str, Any], where: str) -> None:
    """Raise InputError where a field without a default is not among `values`."""
    needed = [
        field.name
        for field in dataclasses.fields(cls)
        if field.init and field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING
    ]
    missing = [name for name in needed if name not in values]
    if missing:
        place = where and f"{where.rstrip('.')}."
        raise InputError(f"{place}{missing[0]} is not set; {cls.__name__} needs {', '.join(needed)}.")


def _expected(hint: Any) -> str:
    """Description of a type for messages."""
    return " or ".join(dict.fromkeys(_words(option) for option in union_members(hint)))


def _words(option: Any) -> str:
    origin, args = typing.get_origin(option), typing.get_args(option)
    if origin is Literal:
        return "one of " + ", ".join(map(str, args))
    if origin is tuple:
        if args[-1] is Ellipsis:
            return f"values with commas between, each {_expected(args[0])}"
        return f"{len(args)} values with commas between"
    if origin is dict or dataclasses.is_dataclass(option):
        return "an object as JSON, or its parts one by one"
    names = {
        type(None): NONE,
        int: "a whole number",
        float: "a number",
        bool: "true or false",
        str: "text",
        Path: "a path",
    }
    return names.get(option, f"{option} (change it in the recipe)")
