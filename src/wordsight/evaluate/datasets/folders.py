"""Folder with a folder for each class, or such folders of several splits."""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterator, Mapping

import numpy as np

from wordsight.errors import InputError
from wordsight.evaluate.datasets.class_lists import find_lists_above, read_templates_beside
from wordsight.evaluate.datasets.classes import check_class_count, index_names, shorten
from wordsight.evaluate.datasets.folder_names import name_folders
from wordsight.evaluate.datasets.labelled_set import LabelledSet
from wordsight.evaluate.datasets.request import (
    DatasetWarning,
    Request,
    choose_split,
    refuse_columns,
    refuse_split,
    split_kind,
)
from wordsight.images.files import EXTENSIONS, walk
from wordsight.path_text import to_text

_EXPECTED = "a folder for each class, with images in it"


def load_folder(request: Request) -> LabelledSet:
    """Images of a folder; the class of each is the first folder on the way to it, its key the path below.

    Where the folders are all called like splits ("train", "val", "test") one of them is taken; the classes are those
    of all, so that labels mean the same in each. "_" in names becomes a space.
    Raises: InputError for a folder without classes or with one only, classes that are called the same, an unknown
    split. Warns: DatasetWarning of images outside the folders of classes, and of such folders without images.
    """
    refuse_columns(request, "a folder")
    folder = os.path.abspath(request.path)
    roots, beside = find_splits(folder), folder
    if roots:
        split = choose_split(list(roots), request.split, request.source)
        name = os.path.basename(folder)
    else:
        roots, split, name = _read_own_name(folder, request)
        if split_kind(os.path.basename(folder)):
            beside = find_lists_above(folder)
    found = list(_scan(roots[split]))
    stray = [path for class_name, path in found if not class_name]
    if stray:
        warnings.warn(
            f"{len(stray)} images of {request.source!r} lie beside the folders of classes and have no class "
            f"({os.path.basename(stray[0])!r} is the first); they are left out.",
            DatasetWarning,
            stacklevel=4,
        )
    found = [(class_name, path) for class_name, path in found if class_name]
    raw = list(dict.fromkeys(class_name for class_name, _ in found))
    for other, root in roots.items():
        if other != split:
            raw += _list_classes(root)
    _warn_of_empty_folders(roots[split], raw, request.source)
    names = name_folders(list(dict.fromkeys(raw)), beside, request.source)
    _check_names(names, request.source)
    label_by_name, classnames = index_names(names.values(), f"the folder {request.source!r}")
    check_class_count(classnames, f"The folder {request.source!r}", _EXPECTED + _find_deeper(roots[split], raw))
    if not found:
        raise InputError(f"The split {split!r} of {request.source!r} holds no image; expected {_EXPECTED}.")
    found.sort(key=lambda pair: label_by_name[names[pair[0]]])
    return LabelledSet(
        name=name,
        images=[path for _, path in found],
        keys=tuple(to_text(os.path.relpath(path, roots[split])).replace(os.sep, "/") for _, path in found),
        labels=np.array([label_by_name[names[class_name]] for class_name, _ in found], np.int64),
        classnames=classnames,
        templates=read_templates_beside(beside),
        split=split,
    )


def _check_names(names: Mapping[str, str], source: str) -> None:
    """Raise InputError for two folders that a list gives one name: their images would become one class."""
    folder_of: dict[str, str] = {}
    for folder, name in names.items():
        if name in folder_of:
            raise InputError(
                f"The folders {folder_of[name]!r} and {folder!r} of {source!r} are both called {name!r} in the class "
                f"list; give one a name of its own, such as '{name} (bird)'."
            )
        folder_of[name] = folder


def find_splits(folder: str) -> dict[str, str]:
    """Folders of the splits by name, where all folders that hold images are called like one and hold folders."""
    inside = _list_folders(folder)
    if not inside or not all(split_kind(name) for name in inside):
        return {}
    roots = {name: os.path.join(folder, name) for name in inside}
    if not all(_list_folders(root) for root in roots.values()):
        return {}
    return roots


def holds_class_folders(folder: str) -> bool:
    """Whether a folder holds a folder with images, or splits of such folders."""
    return os.path.isdir(folder) and bool(_list_classes(folder))


def _read_own_name(folder: str, request: Request) -> tuple[dict[str, str], str, str]:
    """(Root by split, split, name of the set) of a folder that holds one split, "clothing/validation" say."""
    own = os.path.basename(folder)
    if not split_kind(own):
        refuse_split(request)
        return {"test": folder}, "test", own
    choose_split([own], request.split, request.source)
    return {own: folder}, own, os.path.basename(os.path.dirname(folder)) or own


def _scan(root: str) -> Iterator[tuple[str, str]]:
    """(Class, path) of each image, the class "" of one outside the folders of classes."""
    for path in walk(root, EXTENSIONS):
        if isinstance(path, OSError):
            raise _explain(path, path.filename)
        name, below, _ = os.path.relpath(path, root).partition(os.sep)
        yield (name if below else ""), path


def _explain(error: OSError, folder: str) -> InputError:
    return InputError(f"The folder {folder!r} cannot be listed ({error.strerror}); check its permissions.")


def _list_folders(folder: str) -> list[str]:
    """Names of the folders in a folder, but hidden ones."""
    try:
        with os.scandir(folder) as entries:
            return sorted(entry.name for entry in entries if entry.is_dir() and not entry.name.startswith("."))
    except OSError as error:
        raise _explain(error, folder) from error


def _list_classes(root: str) -> list[str]:
    """Names of the folders that hold an image, at any depth."""
    return [name for name in _list_folders(root) if next(walk(os.path.join(root, name), EXTENSIONS), None)]


def _warn_of_empty_folders(root: str, classes: list[str], source: str) -> None:
    empty = [name for name in _list_folders(root) if name not in classes]
    if empty:
        warnings.warn(
            f"{len(empty)} folders of {source!r} hold no image ({shorten(empty)}) and are left out of the classes.",
            DatasetWarning,
            stacklevel=4,
        )


def _find_deeper(root: str, classes: list[str]) -> str:
    """Hint where the only folder holds the folders of classes itself, as archives do when they are unpacked."""
    if len(classes) == 1 and len(_list_classes(os.path.join(root, classes[0]))) > 1:
        return f" (as there are in {os.path.join(root, classes[0])!r})"
    return ""
