"""Any frozen dataclass as settings: changed by "optim.lr=1e-3", written as JSON, compared key by key.

A key is the path of a field, dots between; what a value may be is what the field's annotation says (see
`setting_values`). A user's own dataclasses work as well as `TrainConfig`.
"""

from __future__ import annotations

import dataclasses
import json
import re
import typing
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

from wordsight.errors import InputError, did_you_mean
from wordsight.json_records import parse_json
from wordsight.train.config.setting_values import (
    NONE,
    UnknownKey,
    check_missing,
    convert_json,
    field_types,
    get_default,
    parse_text,
    union_members,
)

C = TypeVar("C")


def apply(config: C, settings: Sequence[str]) -> C:
    """Config with settings such as "optim.lr=1e-3" changed; the last one of a key holds.

    Values: "none"; true or false; numbers; lists with commas between, "a.tsv,b.tsv", or as JSON; dicts and whole
    dataclasses as JSON; one entry of a dict as "watch.zero_shot.classes.tee=T-shirt". A part that is None is
    created when its fields are set.
    Raises: InputError for a key that is not there (did you mean?) and a value of another kind.
    """
    try:
        return typing.cast(C, _changed(type(config), config, _tree(settings).parts, ""))
    except UnknownKey as error:
        raise InputError(f"{error}{_meant(error.key, list(flatten(config)))}") from None


def to_lines(config: Any) -> list[str]:
    """Every setting as "key=value", such that `apply` of them gives an equal config."""
    return [f"{key}={_shown(value)}" for key, value in flatten(config).items()]


def flatten(config: Any) -> dict[str, Any]:
    """Values of all fields that are not dataclasses, by key; each entry of a dict has a key of its own."""
    return dict(_leaves(config, ""))


def differences(first: Any, second: Any) -> dict[str, tuple[Any, Any]]:
    """Pairs of values, by key, in which two configs differ; None stands for a missing key."""
    one, other = flatten(first), flatten(second)
    keys = dict.fromkeys([*one, *other])
    return {key: (one.get(key), other.get(key)) for key in keys if one.get(key) != other.get(key)}


def join_first(texts: Sequence[str], count: int) -> str:
    """The first `count` texts with semicolons between, and how many more there are."""
    shown = list(texts[:count])
    if len(texts) > count:
        shown.append(f"and {len(texts) - count} more")
    return "; ".join(shown)


def to_json(config: Any) -> str:
    """Config as JSON, from which `from_json` gives an equal one."""
    return json.dumps(to_plain(config), indent=2, ensure_ascii=False) + "\n"


def from_json(cls: type[C], text: str) -> C:
    """Config that `to_json` wrote; fields that it lacks have their defaults.

    Raises: InputError for text that is not JSON, and for unknown, missing and ill-typed fields, by their keys.
    """
    try:
        values = parse_json(text)
    except ValueError as error:
        raise InputError(f"The settings are not valid JSON ({error}); expected what a run wrote.") from error
    return typing.cast(C, convert_json(cls, values, ""))


def to_plain(value: Any) -> Any:
    """Config as nested values that JSON can hold."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: to_plain(getattr(value, field.name)) for field in dataclasses.fields(value)}
    if isinstance(value, Mapping):
        return {str(key): to_plain(each) for key, each in value.items()}
    if isinstance(value, tuple | list):
        return [to_plain(each) for each in value]
    if isinstance(value, Path):
        return str(value)
    return value


def _leaves(config: Any, prefix: str) -> Iterator[tuple[str, Any]]:
    if isinstance(config, Mapping):
        entries = dict(config)
    else:
        entries = {field.name: getattr(config, field.name) for field in dataclasses.fields(config)}
    for name, value in entries.items():
        if dataclasses.is_dataclass(value) or (isinstance(value, Mapping) and value and _simple(value)):
            yield from _leaves(value, f"{prefix}{name}.")
        else:
            yield prefix + name, value


def _simple(mapping: Mapping[str, Any]) -> bool:
    """Whether a dict's keys can stand in a setting's key."""
    return all(re.fullmatch(r"[^.=\s]+", key) for key in mapping)


def _shown(value: Any) -> str:
    """Value as `apply` reads it."""
    if value is None:
        return NONE
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str):
        odd = value.lower() == NONE or value != value.strip() or '"' in value[:1] or not value.isprintable()
        if odd:
            return json.dumps(value, ensure_ascii=False)
        return value
    if isinstance(value, tuple | list) and all(map(_plain_in_a_list, value)):
        return ",".join(map(_shown, value))
    if isinstance(value, tuple | list | Mapping):
        return json.dumps(to_plain(value), ensure_ascii=False)
    return str(value)


def _plain_in_a_list(value: Any) -> bool:
    """Whether a value can stand between commas."""
    if isinstance(value, str):
        return re.fullmatch(r"[\w./:*@-]+", value) is not None and value.lower() != NONE
    return isinstance(value, int | float)


@dataclasses.dataclass
class _Node:
    """New values of a key: the whole as text, or parts of it, or both in this order."""

    text: str | None = None
    parts: dict[str, _Node] = dataclasses.field(default_factory=dict)


def _tree(settings: Sequence[str]) -> _Node:
    """Settings by the parts of their keys; setting a whole discards earlier settings of its parts."""
    root = _Node()
    for setting in settings:
        key, equals, text = setting.partition("=")
        if not equals or not key.strip():
            raise InputError(f"The setting {setting!r} is not KEY=VALUE; expected something like optim.lr=1e-3.")
        node = root
        for name in key.strip().split("."):
            node = node.parts.setdefault(name, _Node())
        node.text, node.parts = text.strip(), {}
    return root


def _changed(cls: type, now: Any, parts: Mapping[str, _Node], where: str) -> Any:
    """Dataclass with parts changed, all at once; `now` None: a new one."""
    hints = field_types(cls)
    values = {}
    for name, node in parts.items():
        key = where + name
        if name not in hints:
            raise UnknownKey(key, cls)
        value = get_default(cls, name) if now is None else getattr(now, name)
        if node.text is not None:
            value = parse_text(hints[name], node.text, key)
        if node.parts:
            value = _inside(hints[name], value, node.parts, key)
        values[name] = value
    if now is not None:
        return dataclasses.replace(now, **values)
    check_missing(cls, values, where)
    return cls(**values)


def _inside(hint: Any, now: Any, parts: Mapping[str, _Node], key: str) -> Any:
    """Value of a field with something inside it changed."""
    if dataclasses.is_dataclass(now):
        return _changed(type(now), now, parts, f"{key}.")
    if now is None or isinstance(now, Mapping):
        for option in union_members(hint):
            if typing.get_origin(option) is dict:
                inner = typing.get_args(option)[1]
                return {
                    **(now or {}),
                    **{name: parse_text(inner, text, f"{key}.{name}") for name, text in _texts(parts)},
                }
    classes = [option for option in union_members(hint) if dataclasses.is_dataclass(option)]
    if now is None and len(classes) == 1:
        return _changed(typing.cast(type, classes[0]), None, parts, f"{key}.")
    name = next(iter(parts))
    raise InputError(f"There is no setting '{key}.{name}': {key} is {now!r}, which has no parts; set {key} itself.")


def _texts(parts: Mapping[str, _Node]) -> Iterator[tuple[str, str]]:
    """Pairs of name and text of a dict's entries, whose names may have dots."""
    for name, node in parts.items():
        if node.text is not None:
            yield name, node.text
        yield from ((f"{name}.{rest}", text) for rest, text in _texts(node.parts))


def _meant(key: str, known: Sequence[str]) -> str:
    """Hint at the key that was likely meant: the same name elsewhere, else a similar spelling."""
    name = key.rpartition(".")[2]
    elsewhere = [each for each in known if each.rpartition(".")[2] == name]
    if elsewhere:
        return f" Did you mean: {', '.join(elsewhere[:3])}?"
    return did_you_mean(key, known)
