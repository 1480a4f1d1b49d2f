"""Image features of a labelled set: computed once for each model and set, kept on disk as they come."""

from __future__ import annotations

import contextlib
import json
import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

from wordsight.durable import write_whole
from wordsight.errors import InputError
from wordsight.evaluate.datasets.labelled_set import LabelledSet
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

    cache: read and keep them under `cache_dir("features")`, in parts, so that an interrupted call is resumed; a
    damaged part is computed again. progress: called with the number of images done since its last call.
    Raises: InputError when no image can be read.
    """
    started = time.perf_counter()
    folder = cache_dir("features") / f"{model.fingerprint}-{data.images_hash}"
    vectors: list[Floats] = []
    places: list[int] = []
    skipped: list[Skipped] = []
    computed = False
    for start in range(0, len(data.images), _PART):
        path = folder / f"{start // _PART:05d}.safetensors"
        images = data.images[start : start + _PART]
        part = _read_part(path) if cache else None
        if part is None:
            computed = True
            part = _compute_part(model, images, progress)
            if cache:
                _write_part(path, part)
        elif progress is not None:
            progress(len(images))
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
    image_MD = np.concatenate([part_MD for part_MD in vectors if len(part_MD)])
    seconds = time.perf_counter() - started if computed else 0.0
    return Features(image_MD, np.array(places, np.int64), tuple(skipped), seconds)


_Part = tuple[Floats, np.ndarray, dict[str, str]]  # vectors (M, D), places in the part (M,), place → reason


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


def _read_part(path: Path) -> _Part | None:
    """A part from disk, or None where there is none or it is damaged."""
    try:
        with safe_open(path, "np") as file:
            vectors_MD, place_M = file.get_tensor("vectors"), file.get_tensor("places")
            reasons = json.loads(file.metadata()["skipped"])
    except (OSError, SafetensorError, ValueError, KeyError, TypeError):
        return None
    if len(vectors_MD) != len(place_M) or not np.isfinite(vectors_MD).all():
        return None
    return vectors_MD, place_M, reasons


def _write_part(path: Path, part: _Part) -> None:
    """Keep a part; not being allowed to is not an error."""
    vectors_MD, place_M, reasons = part
    content = save({"vectors": vectors_MD, "places": place_M}, {"skipped": json.dumps(reasons)})
    with contextlib.suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True)
        write_whole(path, content)
