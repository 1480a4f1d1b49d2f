"""Digits of scikit-learn: 1,797 handwritten digits of 8 × 8 pixels, read from its data file without importing it."""

from __future__ import annotations

import gzip
import importlib.util
import os

import numpy as np

from wordsight.errors import InputError
from wordsight.evaluate.datasets.idx import grey_to_rgb
from wordsight.evaluate.datasets.labelled_set import LabelledSet
from wordsight.evaluate.datasets.lazy_images import LazyImages
from wordsight.evaluate.datasets.request import Request, refuse_columns, refuse_split
from wordsight.zeroshot.templates import TEMPLATE_SETS

NAME = "digits"
_SIDE = 8  # pixels
_MOST = 16  # of a pixel


def is_digits(path: str) -> bool:
    """Whether the name of this set is meant, not a file of that name."""
    return path == NAME and not os.path.exists(path)


def load_digits(request: Request) -> LabelledSet:
    """Digits as pixels (8, 8, 3), white on black; keys are their numbers.

    Raises: InputError without scikit-learn.
    """
    refuse_columns(request, "a dataset of scikit-learn")
    refuse_split(request)
    values = np.loadtxt(_open(), delimiter=",", dtype=np.int64)
    pixels_NHW = np.rint(values[:, :-1] * (255 / _MOST)).astype(np.uint8).reshape(-1, _SIDE, _SIDE)
    return LabelledSet(
        name=NAME,
        images=LazyImages(lambda place: grey_to_rgb(pixels_NHW[place]), range(len(values))),
        keys=tuple(str(number) for number in range(len(values))),
        labels=values[:, -1],
        classnames=tuple("0123456789"),
        templates=TEMPLATE_SETS["mnist"],
    )


def _open() -> list[str]:
    """Lines of the file: 64 pixels and the digit in each."""
    package = importlib.util.find_spec("sklearn")
    if package is None or package.origin is None:
        raise InputError(
            f"The dataset {NAME!r} is part of scikit-learn, which is not installed. Install it with: "
            "pip install scikit-learn"
        )
    path = os.path.join(os.path.dirname(package.origin), "datasets", "data", "digits.csv.gz")
    with gzip.open(path, "rt", encoding="ascii") as file:
        return file.read().splitlines()
