"""Images that a model may have been trained on: of an index, or of any source that labelled sets are read from."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from wordsight.duplicates.groups import UNLEARNT, read_threshold
from wordsight.duplicates.miniature import READ_AT_LEAST
from wordsight.errors import InputError
from wordsight.evaluate.datasets.labelled_set import LabelledSet
from wordsight.evaluate.features import embed_set
from wordsight.evaluate.models import LoadedImageModel
from wordsight.images.decode import read_image
from wordsight.index import Index
from wordsight.row_images import row_image

_Floats = NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class TrainingImages:
    """N images with their unit vectors (N, D) by the model that judges. read: image of a row; raises ImageError.

    candidates: cosine from which two images may be copies, as learnt by `wordsight duplicates` where it was.
    """

    name: str
    vectors_ND: _Floats
    names: tuple[str, ...]
    read: Callable[[int], Image.Image]
    candidates: float = UNLEARNT.candidates


def read_index(index: Index, model: LoadedImageModel, name: str) -> TrainingImages:
    """Images of an index of the same model. Raises: StoreError for an index of another model."""
    from wordsight.index.base import check_model

    check_model(index, model.model)
    ids: list[str] = []
    parts: list[_Floats] = []
    for some, vectors_BD in index.batches():
        ids += some
        parts.append(np.asarray(vectors_BD, np.float32))
    if not ids:
        raise InputError(f"The index {name!r} is empty.")
    learnt = read_threshold(index) or UNLEARNT
    rows = {row.id: row for start in range(0, len(ids), 1024) for row in index.get(ids[start : start + 1024])}
    names = tuple(rows[id].path if id in rows else id for id in ids)

    def read(place: int) -> Image.Image:
        return row_image(index, rows[ids[place]], at_least=READ_AT_LEAST)

    return TrainingImages(name, np.concatenate(parts), names, read, learnt.candidates)


def read_folder(
    name: str,
    paths: Sequence[str],
    model: LoadedImageModel,
    *,
    cache: bool = True,
    progress: Callable[[int], object] | None = None,
) -> TrainingImages:
    """Images of files; those that cannot be read are left out. Raises: InputError where none can."""
    data = LabelledSet(name, paths, tuple(paths), np.full(len(paths), -1), ())
    features = embed_set(model, data, cache=cache, progress=progress)
    kept = [paths[place] for place in features.places]

    def read(place: int) -> Image.Image:
        return read_image(kept[place], at_least=READ_AT_LEAST)

    return TrainingImages(name, features.image_MD, tuple(kept), read)
