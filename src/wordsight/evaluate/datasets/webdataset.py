"""CLIP_benchmark's webdataset layout: shards of images with a .cls or .npy beside each, the class list as text.

    FOLDER/classnames.txt, zeroshot_classification_templates.txt, dataset_type.txt
    FOLDER/test/nshards.txt, 0.tar, 1.tar, …          (members 000.jpg, 000.cls)

Source: github.com/LAION-AI/CLIP_benchmark, `clip_benchmark/datasets/builder.py`, `build_wds_dataset`.
"""

from __future__ import annotations

import os
import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wordsight.errors import InputError
from wordsight.evaluate.datasets.class_lists import (
    CLASSNAMES,
    TYPE,
    find_lists_above,
    read_class_list_beside,
    read_templates_beside,
)
from wordsight.evaluate.datasets.classes import check_class_count, check_label
from wordsight.evaluate.datasets.labelled_set import LabelledSet, number_keys
from wordsight.evaluate.datasets.labelled_shards import LabelledShards, read_shards
from wordsight.evaluate.datasets.lazy_images import LazyImages
from wordsight.evaluate.datasets.request import (
    DatasetWarning,
    Request,
    choose_split,
    refuse_columns,
    refuse_split,
    split_kind,
)

_COUNT = "nshards.txt"


def is_webdataset(path: str) -> bool:
    """Whether a path is a shard, or a folder with shards in it or in the folders of its splits."""
    if os.path.isfile(path):
        return path.lower().endswith(".tar")
    return bool(_find_roots(path))


def load_webdataset(request: Request) -> LabelledSet:
    """Images of shards, whose bytes are read when they are asked for; nothing is unpacked.

    Labels are the numbers in .cls, or of a multi-label set the marks of each class in .npy (above 0: true of it).
    Raises: InputError for a set of captions, numbers without or beyond the class list, marks that are not as many as
    the classes, a shard that is not there, an unknown split.
    Warns: DatasetWarning of samples without image or label and of damaged shards.
    """
    refuse_columns(request, "a folder of shards")
    path = os.path.abspath(request.path)
    if os.path.isfile(path):
        split, shards, beside = "test", [path], find_lists_above(os.path.dirname(path))
        refuse_split(request)
        name = os.path.splitext(os.path.basename(path))[0]
    else:
        roots = _find_roots(path)
        split = choose_split(list(roots), request.split, request.source)
        shards, beside = _list_shards(roots[split], request.source), find_lists_above(roots[split])
        name = os.path.basename(path)
        if roots[split] == path and split_kind(name):
            name = os.path.basename(os.path.dirname(path))
    kind = _read_type(beside)
    found = read_shards(shards, ".npy" if kind == "multilabel" else ".cls")
    _warn_of_problems(found, request.source)
    if not found.keys:
        raise InputError(f"The shards of {request.source!r} hold no image with a label beside it.{_hint(found)}")
    classnames = _name_classes(beside, request.source)
    return LabelledSet(
        name=name,
        images=LazyImages(found.read, range(len(found.keys))),
        keys=number_keys(found.keys),
        labels=_check_labels(found, classnames, kind, request.source),
        classnames=classnames,
        templates=read_templates_beside(beside),
        split=split,
    )


def _find_roots(folder: str) -> dict[str, str]:
    """Folders with shards by split: those in a folder, or the folder itself."""
    if not os.path.isdir(folder):
        return {}
    if _tars(folder):
        name = os.path.basename(folder)
        return {name if split_kind(name) else "test": folder}
    with os.scandir(folder) as entries:
        inside = sorted(entry.name for entry in entries if entry.is_dir())
    return {name: os.path.join(folder, name) for name in inside if _tars(os.path.join(folder, name))}


def _tars(folder: str) -> list[str]:
    """Names of a folder's shards, "2.tar" before "10.tar"."""
    names = [name for name in os.listdir(folder) if name.endswith(".tar") and not name.startswith(".")]
    return sorted(names, key=lambda name: (len(name), name))


def _list_shards(folder: str, source: str) -> list[str]:
    """Paths of a split's shards: as many as nshards.txt says, else all."""
    there = _tars(folder)
    path = os.path.join(folder, _COUNT)
    if not os.path.isfile(path):
        return [os.path.join(folder, name) for name in there]
    with open(path, encoding="utf-8-sig", errors="replace") as file:
        written = file.read().strip()
    if not written.isdigit() or not int(written):
        raise InputError(f"{path!r} says {written[:40]!r}, expected the number of shards; write {len(there)}, say.")
    wanted = [f"{number}.tar" for number in range(int(written))]
    missing = [name for name in wanted if name not in there]
    if missing:
        raise InputError(
            f"{path!r} says {written} shards, but {missing[0]!r} is not there ({len(missing)} are missing); fetch the "
            f"missing ones, or correct the number."
        )
    if len(there) > len(wanted):
        warnings.warn(
            f"{path!r} says {written} shards, but {source!r} holds {len(there)}; the others are left out.",
            DatasetWarning,
            stacklevel=5,
        )
    return [os.path.join(folder, name) for name in wanted]


def _read_type(folder: str) -> str:
    path = os.path.join(folder, TYPE)
    if not os.path.isfile(path):
        return "classification"
    with open(path, encoding="utf-8-sig", errors="replace") as file:
        kind = file.read().strip().lower()
    if kind == "retrieval":
        raise InputError(
            f"{path!r} says retrieval: this is a dataset of images with captions, not classes. Measure it with "
            "`wordsight eval retrieval`."
        )
    if kind not in ("classification", "multilabel"):
        raise InputError(f"{path!r} says {kind[:40]!r}, expected classification, multilabel or retrieval.")
    return kind


def _name_classes(folder: str, source: str) -> tuple[str, ...]:
    listed = read_class_list_beside(folder)
    if listed is None:
        raise InputError(
            f"The labels of {source!r} are numbers without names: {os.path.join(folder, CLASSNAMES)!r} is not there. "
            "Write it, with the name of a class in each line, from number 0 on."
        )
    check_class_count(listed, f"The class list of {source!r}", "the name of a class in each line")
    return listed


def _check_labels(found: LabelledShards, classnames: Sequence[str], kind: str, source: str) -> NDArray[Any]:
    if kind != "multilabel":
        for key, label in zip(found.keys, found.labels, strict=True):
            check_label(label, classnames, f"{key}.cls of {source!r}")
        return np.array(found.labels, np.int64)
    for key, marks in zip(found.keys, found.labels, strict=True):
        if len(marks) != len(classnames):
            raise InputError(
                f"{key}.npy of {source!r} marks {len(marks)} classes, but the class list has {len(classnames)} names; "
                "they must be as many."
            )
    return np.stack(found.labels)


def _warn_of_problems(found: LabelledShards, source: str) -> None:
    if found.problems:
        reasons = "; ".join(f"{count} × {reason}" for reason, count in found.problems.most_common(3))
        warnings.warn(f"Parts of the shards of {source!r} are left out: {reasons}.", DatasetWarning, stacklevel=5)


def _hint(found: LabelledShards) -> str:
    """Hint at multi-label sets that do not say that they are one."""
    if found.problems["a sample holds no .cls"]:
        return f" Labels are expected in .cls, or in .npy where {TYPE} says multilabel."
    return ""
