"""Figures as JSON: any value that a result holds, without NaN."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from wordsight.durable import write_whole
from wordsight.path_text import json_text


def write_json(path: Path, value: Any) -> None:
    """Write a value as one JSON object, in a folder that is made where it does not exist."""
    path.parent.mkdir(parents=True, exist_ok=True)
    write_whole(path, render_json(value, indent=1) + "\n")


def render_json(value: Any, *, indent: int | None = None) -> str:
    """A value as JSON text; numbers that are not finite are null. indent: None for one line."""
    return json.dumps(as_json(value), ensure_ascii=False, allow_nan=False, indent=indent)


def as_json(value: Any) -> Any:
    """A value as JSON holds it: arrays and tuples as lists, paths as texts, NaN and infinities as None."""
    if value is None or isinstance(value, bool | int):
        return value
    if isinstance(value, float | np.floating):
        number = float(value)
        return number if math.isfinite(number) else None
    if isinstance(value, np.generic | np.ndarray):
        return as_json(value.tolist())
    if isinstance(value, Mapping):
        return {json_text(key): as_json(item) for key, item in value.items()}
    if isinstance(value, Sequence | set | frozenset) and not isinstance(value, str | bytes):
        return [as_json(item) for item in value]
    if hasattr(value, "to_dict"):
        return as_json(value.to_dict())
    return json_text(value)
