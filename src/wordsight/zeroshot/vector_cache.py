"""Unit vectors that take time to compute, kept on disk under `locations.cache_dir`."""

from __future__ import annotations

import contextlib
import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wordsight.durable import written_whole
from wordsight.locations import cache_dir

Floats = NDArray[np.float32]

_FORMAT = 1


def cached_vectors(folder: str, model: Any, inputs: Any, count: int, compute: Callable[[], Floats]) -> Floats:
    """Unit vectors `compute()` (count, D), or those that an earlier call with the same model and inputs kept.

    The key is the model's fingerprint, backend and precision, and `inputs`, anything that JSON can hold. A damaged file
    is computed again; a folder that cannot be written is not an error.
    """
    kept = find_vectors(folder, model, inputs, count)
    if kept is None:
        kept = compute()
        keep_vectors(folder, model, inputs, kept)
    return kept


def find_vectors(folder: str, model: Any, inputs: Any, count: int) -> Floats | None:
    """Unit vectors (count, D) that were kept of these inputs, or None where there are none or they are damaged."""
    return _read(_path(folder, model, inputs), count)


def keep_vectors(folder: str, model: Any, inputs: Any, vectors_ND: Floats) -> None:
    """Keep unit vectors of inputs; not being allowed to write them is not an error."""
    _write(_path(folder, model, inputs), vectors_ND)


def _path(folder: str, model: Any, inputs: Any) -> Path:
    return cache_dir(folder) / f"{_key(model, inputs)}.npy"


def _key(model: Any, inputs: Any) -> str:
    encoder = getattr(model, "encoder", None)
    runs_on = [str(getattr(encoder, "backend", "")), str(getattr(encoder, "precision", ""))]
    plain = json.dumps([_FORMAT, model.fingerprint, runs_on, inputs], ensure_ascii=True)
    return hashlib.sha256(plain.encode()).hexdigest()


def _read(path: Path, count: int) -> Floats | None:
    """Kept vectors, or None where there are none or they are damaged."""
    try:
        kept: Floats = np.load(path, allow_pickle=False)
    except (OSError, ValueError, EOFError):
        return None
    if kept.dtype != np.float32 or kept.ndim != 2 or len(kept) != count or not np.isfinite(kept).all():
        return None
    if not np.allclose(np.linalg.norm(kept, axis=-1), 1, atol=1e-3):
        return None
    return kept


def _write(path: Path, vectors_KD: Floats) -> None:
    """Write the file whole; not being allowed to is not an error."""
    with contextlib.suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True)
        with written_whole(path) as part, open(part, "wb") as file:
            np.save(file, vectors_KD)
