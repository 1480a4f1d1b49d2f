"""Predictions of several contenders on one dataset, brought together by the keys of the images."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wordsight.errors import InputError
from wordsight.evaluate.predictions import Predictions, find_known


@dataclass(frozen=True)
class PairedHits:
    """Whether each of M contenders was right about each of N images, (N, M) bool, of images that all have.

    cluster_N: group of each image, if images are grouped. lacking: contender → number of images that another has and
    it has not. unlabelled: number of common images whose class is not known, which are left out.
    """

    hit_NM: NDArray[np.bool_]
    cluster_N: tuple[str, ...] | None
    lacking: Mapping[str, int]
    unlabelled: int


def pair_predictions(dataset: str, contenders: Mapping[str, Predictions], cluster: str = "") -> PairedHits:
    """Hits of the contenders on their common images.

    cluster: column of the images' groups, "" for none; an image without a cell is a group of its own.
    Raises: InputError for predictions of different datasets of one name, labels that differ, and no common image.
    """
    first_name, *others = contenders
    first = contenders[first_name]
    for name in others:
        _check_same_dataset(dataset, first_name, first, name, contenders[name])
    common = set(first.keys).intersection(*(contenders[name].keys for name in others))
    everything = set().union(*(each.keys for each in contenders.values()))
    keys = [key for key in first.keys if key in common]
    if not keys:
        raise InputError(f"No image of {dataset!r} is in the predictions of all: {', '.join(contenders)}.")
    columns: list[NDArray[np.bool_]] = []
    labels: NDArray[Any] | None = None
    places_N = np.zeros(0, np.intp)
    for name, predictions in contenders.items():
        place_of = {key: place for place, key in enumerate(predictions.keys)}
        places_N = np.array([place_of[key] for key in keys], np.intp)
        own = predictions.labels[places_N]
        if labels is None:
            labels = own
        elif not np.array_equal(labels, own):
            raise InputError(
                f"The labels of {dataset!r} differ between the predictions of {first_name!r} and of {name!r}; predict "
                "both again on the dataset as it is now."
            )
        columns.append(predictions.hits[places_N])
    assert labels is not None
    known_N = find_known(labels)
    if not known_N.any():
        raise InputError(f"None of the {len(keys)} common images of {dataset!r} has a label.")
    return PairedHits(
        np.stack(columns, axis=1)[known_N],
        _find_clusters(dataset, first, keys, known_N, cluster),
        {name: lacks for name, each in contenders.items() if (lacks := len(everything - set(each.keys)))},
        int((~known_N).sum()),
    )


def _check_same_dataset(dataset: str, first: str, one: Predictions, second: str, other: Predictions) -> None:
    if one.origin.dataset_hash == other.origin.dataset_hash and one.classnames == other.classnames:
        return
    seen = [f"{len(each.keys):,} images of {len(each.classnames)} classes, hash {each.origin.dataset_hash[:8]}" for each
            in (one, other)]  # fmt: skip
    raise InputError(
        f"The predictions of {first!r} and of {second!r} are of different datasets, both called {dataset!r} "
        f"({seen[0]}; {seen[1]}): images, labels or classes differ. Predict both on the same images with `wordsight "
        "eval`, or name only one of them."
    )


def _find_clusters(
    dataset: str, predictions: Predictions, keys: list[str], known_N: NDArray[np.bool_], column: str
) -> tuple[str, ...] | None:
    if not column:
        return None
    if column not in predictions.columns:
        known = ", ".join(predictions.columns) or "none"
        raise InputError(f"The predictions on {dataset!r} have no column {column!r}; their columns: {known}.")
    cells = dict(zip(predictions.keys, predictions.columns[column], strict=True))
    named = [(key, cells[key]) for key, known in zip(keys, known_N, strict=True) if known]
    return tuple(f"image {key}" if cell is None else f"group {cell}" for key, cell in named)
