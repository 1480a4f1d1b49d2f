"""Image features of a labelled set: computed once for each model and set, kept on disk as they come."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

from wordsight.durable import write_whole
from wordsight.errors import InputError
from wordsight.evaluate.datasets.labelled_set import LabelledSet, hash_images
from wordsight.evaluate.datasets.lazy_images import take_images
from wordsight.evaluate.embedder import ImageEmbedder
from wordsight.images.skipped import Skipped
from wordsight.locations import cache_dir
from wordsight.zeroshot.class_embeddings import Floats

_PART = 2048  # images in a file: what an interrupt can lose


@dataclass(frozen=True)
class Features:
    """Unit embeddings (M, D) float32 of the images of a set that can be read, and their places among its N images.

    skipped: the others, with reasons. seconds: what computing took; 0.0 of what was on disk.
    """

    image_MD: Floats
    places: np.ndarray
    skipped: tuple[Skipped, ...]
    seconds: float

    def of(self, data: LabelledSet) -> LabelledSet:
        """The set without the images that cannot be read: row i of the features is its image i."""
        if not self.skipped:
            return data
        return data.take(self.places)


def embed_set(
    model: ImageEmbedder,
    data: LabelledSet,
    *,
    cache: bool = True,
    progress: Callable[[int], object] | None = None,
) -> Features:
    """Features of a set's images by a model.

    cache: read and keep them under `cache_dir("features")`, in parts, so that an interrupted call is resumed. A part is
    named by the contents of its images, before and after they are read; a damaged one is computed again, and images
    that could not be read are tried again. progress: called with the number of images done since its last call.
    Raises: InputError when no image can be read.
    """
    started = time.perf_counter()
    vectors: list[Floats] = []
    places: list[int] = []
    skipped: list[Skipped] = []
    computed = False
    for start in range(0, len(data.images), _PART):
        images = data.images[start : start + _PART]
        part, is_new = _find_part(model, data.keys[start : start + _PART], images, cache=cache, progress=progress)
        computed |= is_new
        part_MD, place_M, reasons = part
        vectors.append(part_MD)
        places += [start + int(place) for place in place_M]
        skipped += [Skipped(data.images[start + int(place)], reason) for place, reason in reasons.items()]
    if not places:
        first = skipped[0]
        named = "the first"
        if isinstance(first.item, str | os.PathLike):
            named = f"the first, {os.fspath(first.item)!r}"
        raise InputError(
            f"None of the {len(data.images)} images of {data.name!r} can be read; {named}: {first.reason}."
        )
    if cache and len({part_MD.shape[1] for part_MD in vectors if len(part_MD)}) > 1:
        _remove_parts(model, data)
        return embed_set(model, data, cache=False)
    image_MD = np.concatenate([part_MD for part_MD in vectors if len(part_MD)])
    seconds = time.perf_counter() - started if computed else 0.0
    return Features(image_MD, np.array(places, np.int64), tuple(skipped), seconds)


_Part = tuple[Floats, np.ndarray, dict[str, str]]  # vectors (M, D), places in the part (M,), place → reason


def _find_part(
    model: ImageEmbedder,
    keys: Sequence[str],
    images: Sequence[Any],
    *,
    cache: bool,
    progress: Callable[[int], object] | None,
) -> tuple[_Part, bool]:
    """A part from disk, or computed and kept; and whether it was computed."""
    if not cache:
        return _compute_part(model, images, progress), True
    content = hash_images(keys, images)
    path = _part_path(model, content)
    part = _read_part(path, len(images))
    if part is not None and not part[2]:
        if progress is not None:
            progress(len(images))
        return part, False
    if part is None:
        computed = _compute_part(model, images, progress)
    else:
        computed = _retry_skipped(model, images, part)
        if progress is not None:
            progress(len(images))
        if len(computed[1]) == len(part[1]):
            return computed, False
    if hash_images(keys, images) == content:  # else a file was replaced meanwhile: of which content is unknown
        _write_part(path, computed)
    return computed, True


def _part_path(model: ImageEmbedder, content: str) -> Path:
    return cache_dir("features") / model.fingerprint / f"{content}.safetensors"


def _remove_parts(model: ImageEmbedder, data: LabelledSet) -> None:
    """Remove the parts of a set whose widths differ: nothing tells which of them are another model's."""
    for start in range(0, len(data.images), _PART):
        part = slice(start, start + _PART)
        with contextlib.suppress(OSError):
            _part_path(model, hash_images(data.keys[part], data.images[part])).unlink()


def _retry_skipped(model: ImageEmbedder, images: Sequence[Any], part: _Part) -> _Part:
    """The part with those images that can be read now: a limit may have been raised, a reader installed."""
    vectors_MD, place_M, reasons = part
    tried = sorted(map(int, reasons))
    more_LD, found_L, still = _compute_part(model, take_images(images, tried), None)
    if len(found_L) and len(vectors_MD) and more_LD.shape[1] != vectors_MD.shape[1]:
        return _compute_part(model, images, None)
    new_reasons = {str(tried[int(place)]): reason for place, reason in still.items()}
    if not len(found_L):
        return vectors_MD, place_M, new_reasons
    all_M = np.concatenate([place_M, np.array(tried, np.int64)[found_L]])
    order_M = np.argsort(all_M)
    return np.concatenate([vectors_MD.reshape(-1, more_LD.shape[1]), more_LD])[order_M], all_M[order_M], new_reasons


def _compute_part(model: ImageEmbedder, images: object, progress: Callable[[int], object] | None) -> _Part:
    vectors: list[np.ndarray] = []
    places: list[int] = []
    reasons: dict[str, str] = {}
    with contextlib.closing(model.stream_images(images)) as stream:
        for place, answer in enumerate(stream):
            if isinstance(answer, Skipped):
                reasons[str(place)] = answer.reason
            else:
                places.append(place)
                vectors.append(answer[1])
            if progress is not None:
                progress(1)
    if not vectors:
        return np.zeros((0, 0), np.float32), np.zeros(0, np.int64), reasons
    return np.stack(vectors).astype(np.float32), np.array(places, np.int64), reasons


def _read_part(path: Path, count: int) -> _Part | None:
    """A part of `count` images from disk, or None where there is none or it is damaged."""
    if not path.is_file():
        return None
    try:
        with safe_open(path, "np") as file:
            vectors_MD, place_M = file.get_tensor("vectors"), file.get_tensor("places")
            skipped, checksum = file.metadata()["skipped"], file.metadata()["checksum"]
            if checksum != _checksum(vectors_MD, place_M, skipped):
                return None
            reasons: dict[str, str] = json.loads(skipped)
    except (OSError, SafetensorError, ValueError, KeyError, TypeError):
        return None
    if sorted([*map(int, place_M), *map(int, reasons)]) != list(range(count)):
        return None
    return vectors_MD, place_M, reasons


def _write_part(path: Path, part: _Part) -> None:
    """Keep a part; not being allowed to is not an error."""
    vectors_MD, place_M, reasons = part
    skipped = json.dumps(reasons)
    facts = {"skipped": skipped, "checksum": _checksum(vectors_MD, place_M, skipped)}
    content = save({"vectors": np.ascontiguousarray(vectors_MD), "places": place_M}, facts)
    with contextlib.suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True)
        write_whole(path, content)


def _checksum(vectors_MD: Floats, place_M: np.ndarray, skipped: str) -> str:
    running = hashlib.blake2b(np.ascontiguousarray(vectors_MD).tobytes(), digest_size=16)
    running.update(place_M.tobytes() + skipped.encode())
    return running.hexdigest()
