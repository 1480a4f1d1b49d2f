"""Labelled set: images with the classes that are true of them, whatever form they were found in."""

from __future__ import annotations

import functools
import hashlib
import os
import stat
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wordsight.errors import InputError, did_you_mean
from wordsight.evaluate.datasets.lazy_images import take_images

_CHUNK = 1 << 20


@dataclass(frozen=True)
class LabelledSet:
    """N images of K classes, in a fixed order.

    images: paths, encoded bytes, or uint8 arrays (H, W, 3). keys: a name of each image that is unique in the set and
    the same in every run (its path below the folder, its row's key). labels: the class of each image, (N,) int64, -1
    where it is not known; or (N, K) bool of a multi-label set. classnames: as templates take them. templates: those
    that come with the set, or none. columns: further facts of each image by name, such as "region", one text or None
    per image. split: "test", "train", …
    """

    name: str
    images: Sequence[Any]
    keys: tuple[str, ...]
    labels: NDArray[Any]
    classnames: tuple[str, ...]
    templates: tuple[str, ...] = ()
    columns: Mapping[str, tuple[str | None, ...]] = field(default_factory=dict)
    split: str = "test"

    def __post_init__(self) -> None:
        """Raise InputError for parts that contradict each other."""
        n, k = len(self.images), len(self.classnames)
        if not n:
            raise InputError(f"The dataset {self.name!r} holds no labelled image.")
        if len(self.keys) != n or len(self.labels) != n or any(len(column) != n for column in self.columns.values()):
            raise InputError(f"The dataset {self.name!r} has {n} images but another number of keys, labels or cells.")
        if len(set(self.keys)) != n:
            raise InputError(f"The dataset {self.name!r} has keys that are not unique; give each image its own.")
        if self.is_multilabel and self.labels.shape[1] != k:
            raise InputError(f"The dataset {self.name!r} has {self.labels.shape[1]} marks per image for {k} classes.")
        if not self.is_multilabel and not ((self.labels >= -1) & (self.labels < k)).all():
            raise InputError(f"The dataset {self.name!r} has labels outside 0 to {k - 1}, the numbers of its classes.")

    @property
    def is_multilabel(self) -> bool:
        """Whether an image may have several classes, or none."""
        return self.labels.ndim == 2

    @functools.cached_property
    def images_hash(self) -> str:
        """Hash of the keys and contents of the images, in order: names the cache of their features."""
        return hash_images(self.keys, self.images)

    @functools.cached_property
    def content_hash(self) -> str:
        """Hash of images, labels and class names: results with the same hash were measured on the same dataset."""
        running = hashlib.blake2b(self.images_hash.encode(), digest_size=16)
        running.update(np.ascontiguousarray(self.labels).tobytes())
        running.update("\0".join(self.classnames).encode("utf-8", "surrogatepass"))
        return running.hexdigest()

    def take(self, places: Sequence[int] | NDArray[Any]) -> LabelledSet:
        """Set of some of the images, with all classes."""
        places = [int(place) for place in places]
        return replace(
            self,
            images=take_images(self.images, places),
            keys=tuple(self.keys[i] for i in places),
            labels=self.labels[places],
            columns={name: tuple(cells[i] for i in places) for name, cells in self.columns.items()},
        )


def rename_classes(data: LabelledSet, names: Mapping[str, str], setting: str) -> LabelledSet:
    """Set whose classes have other names; those that get the same name become one class.

    names: new name by the present one, in which "_" may stand for a space. setting: where they were given.
    Raises: InputError for a name that no class has.
    """
    known = {name.replace("_", " "): name for name in data.classnames}
    new_of: dict[str, str] = {}
    for name, new in names.items():
        if name.replace("_", " ") not in known:
            raise InputError(
                f"{setting} names {name!r}, but the classes are {', '.join(data.classnames)}."
                f"{did_you_mean(name, data.classnames)}"
            )
        new_of[known[name.replace("_", " ")]] = new
    renamed = [new_of.get(name, name) for name in data.classnames]
    classnames = tuple(dict.fromkeys(renamed))
    label_K = np.array([classnames.index(name) for name in renamed])
    if data.is_multilabel:
        mark_NK = np.zeros((len(data.labels), len(classnames)), bool)
        for old, new_label in enumerate(label_K):
            mark_NK[:, new_label] |= data.labels[:, old]
        return replace(data, labels=mark_NK, classnames=classnames)
    labels = np.where(data.labels >= 0, label_K[data.labels], -1)
    return replace(data, labels=labels, classnames=classnames)


def number_keys(names: Sequence[str]) -> tuple[str, ...]:
    """Names of images as keys: "#2" and so on where several are called the same."""
    seen: Counter[str] = Counter()
    taken: set[str] = set()
    keys = []
    for name in names:
        key = name
        while key in taken:
            seen[name] += 1
            key = f"{name}#{seen[name] + 1}"
        taken.add(key)
        keys.append(key)
    return tuple(keys)


def hash_images(keys: Sequence[str], images: Sequence[Any]) -> str:
    """Hash of keys and contents of images, in order."""
    running = hashlib.blake2b(digest_size=16)
    for key, image in zip(keys, images, strict=True):
        name = key.encode("utf-8", "surrogatepass")
        running.update(len(name).to_bytes(8, "little") + name + _hash_image(image))
    return running.hexdigest()


def _hash_image(image: Any) -> bytes:
    """Hash of the content of an image; of a file that cannot be read that of its absence, which its reader reports."""
    running = hashlib.blake2b(digest_size=16)
    if isinstance(image, bytes | bytearray):
        running.update(image)
    elif isinstance(image, np.ndarray):
        running.update(str(image.shape).encode())
        running.update(np.ascontiguousarray(image).tobytes())
    else:
        try:
            if not stat.S_ISREG(os.stat(image).st_mode):  # a pipe or a device may never end
                raise OSError("not a regular file")
            with open(os.fspath(image), "rb") as file:
                while chunk := file.read(_CHUNK):
                    running.update(chunk)
        except (OSError, ValueError):
            running.update(b"\0unreadable\0")
    return running.digest()
