"""CoOp's splits: `split_zhou_<Set>.json`, lists of [path, label, class name] for train, val and test.

Source: github.com/KaiyangZhou/CoOp, DATASETS.md and `datasets/oxford_pets.py`, `read_split`.
"""

from __future__ import annotations

import glob
import os
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from wordsight.errors import InputError
from wordsight.evaluate.datasets.class_lists import read_templates_beside
from wordsight.evaluate.datasets.classes import check_class_count, word_class
from wordsight.evaluate.datasets.labelled_set import LabelledSet, number_keys
from wordsight.evaluate.datasets.request import Request, choose_split, refuse_columns
from wordsight.json_records import parse_json

_NAME = "split_zhou_"
_EXPECTED = '{"train": [["a.jpg", 0, "cat"], …], "val": […], "test": […]}'
_TRIED = 20  # paths of each split that are looked for to find the folder of images
_DEPTH = 2  # folders below that of the file

_Entry = tuple[str, int, str]


def find_split_file(path: str) -> str | None:
    """Path of a file of splits: the one named, or the one in a folder. Raises: InputError for several in a folder."""
    if os.path.isfile(path):
        return path if path.lower().endswith(".json") else None
    found = sorted(glob.glob(os.path.join(glob.escape(path), f"{_NAME}*.json")))
    if len(found) > 1:
        raise InputError(f"The folder {path!r} holds {len(found)} files of splits; name one: {', '.join(found)}.")
    return next(iter(found), None)


def load_coop(request: Request) -> LabelledSet:
    """Images of one split of a file of splits; they lie below its folder, in a folder such as "images".

    Classes are numbered as in the file. Raises: InputError for a file of another form, for labels with several names,
    names with several labels and numbers without a name, and where the images are not found.
    """
    refuse_columns(request, "a file of splits")
    path = find_split_file(request.path)
    assert path is not None, request
    splits = _read(path)
    split = choose_split(list(splits), request.split, request.source)
    classnames = _name_classes(splits, path)
    folder = _find_images(splits, os.path.dirname(os.path.abspath(path)), path)
    entries = splits[split]
    return LabelledSet(
        name=_name_set(path),
        images=[os.path.join(folder, file) for file, _, _ in entries],
        keys=number_keys([file for file, _, _ in entries]),
        labels=np.array([label for _, label, _ in entries], np.int64),
        classnames=classnames,
        templates=read_templates_beside(os.path.dirname(path)),
        split=split,
    )


def _read(path: str) -> dict[str, list[_Entry]]:
    """Entries by split; splits without any are left out."""
    try:
        with open(path, encoding="utf-8-sig") as file:
            content = parse_json(file.read(), most=10_000_000)
    except (OSError, ValueError, RecursionError) as error:
        raise InputError(f"The file of splits {path!r} cannot be read ({error}); expected {_EXPECTED}.") from error
    if not isinstance(content, dict) or not all(isinstance(entries, list) for entries in content.values()):
        raise InputError(f"{path!r} does not hold lists by split; expected {_EXPECTED}.")
    splits = {name: [_check_entry(entry, path) for entry in entries] for name, entries in content.items() if entries}
    if not splits:
        raise InputError(f"The file of splits {path!r} lists no image; expected {_EXPECTED}.")
    return splits


def _check_entry(entry: Any, path: str) -> _Entry:
    if isinstance(entry, list) and [type(part) for part in entry] == [str, int, str]:
        return entry[0], entry[1], entry[2]
    raise InputError(f"{path!r} has the entry {str(entry)[:80]}, expected [path, label, class name].")


def _name_classes(splits: Mapping[str, Sequence[_Entry]], path: str) -> tuple[str, ...]:
    """Class names in the order of their numbers. Raises: InputError where names and numbers do not go in pairs."""
    names: dict[int, str] = {}
    labels: dict[str, int] = {}
    for _, label, raw in (entry for entries in splits.values() for entry in entries):
        name = word_class(raw)
        if names.setdefault(label, name) != name:
            raise InputError(f"{path!r} calls label {label} both {names[label]!r} and {name!r}; correct one of them.")
        if labels.setdefault(name.casefold(), label) != label:
            raise InputError(
                f"{path!r} calls the labels {labels[name.casefold()]} and {label} both {name!r}; correct one of them."
            )
    missing = next((label for label in range(len(names)) if label not in names), None)
    if missing is not None:
        raise InputError(
            f"{path!r} has {len(names)} classes with labels up to {max(names)}, but none with label {missing}; number "
            "them from 0 on without gaps."
        )
    classnames = tuple(names[label] for label in range(len(names)))
    check_class_count(classnames, f"The file of splits {path!r}", "entries [path, label, class name]")
    return classnames


def _find_images(splits: Mapping[str, Sequence[_Entry]], folder: str, path: str) -> str:
    """Folder that the paths are relative to: that of the file, or one at most two levels below it."""
    tried = [file for entries in splits.values() for file, _, _ in entries[:_TRIED]]
    candidates = [folder]
    for depth in range(1, _DEPTH + 1):
        candidates += sorted(glob.glob(os.path.join(glob.escape(folder), *["*"] * depth, "")))
    best = max(candidates, key=lambda where: sum(os.path.isfile(os.path.join(where, file)) for file in tried))
    if not any(os.path.isfile(os.path.join(best, file)) for file in tried):
        raise InputError(
            f"The images of {path!r}, such as {tried[0]!r}, are not in {folder!r} nor in the folders below it; put the "
            "folder of images beside the file."
        )
    return best


def _name_set(path: str) -> str:
    """Name of a set by its file: "OxfordPets" of "split_zhou_OxfordPets.json"."""
    return os.path.splitext(os.path.basename(path))[0].removeprefix(_NAME)
