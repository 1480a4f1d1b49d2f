"""Opening a labelled set, whatever form it comes in."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from wordsight.errors import InputError
from wordsight.evaluate.datasets.cifar import is_cifar, load_cifar
from wordsight.evaluate.datasets.classes import warn_of_empty_classes, warn_of_same_names
from wordsight.evaluate.datasets.coop import find_split_file, load_coop
from wordsight.evaluate.datasets.digits import is_digits, load_digits
from wordsight.evaluate.datasets.folders import holds_class_folders, load_folder
from wordsight.evaluate.datasets.hugging_face import is_dataset, load_dataset
from wordsight.evaluate.datasets.idx import find_idx_folder, load_idx
from wordsight.evaluate.datasets.labelled_set import LabelledSet
from wordsight.evaluate.datasets.request import Request
from wordsight.evaluate.datasets.set_tables import (
    find_table_above,
    find_table_inside,
    list_folders,
    load_from_above,
    load_from_inside,
    load_labels,
)
from wordsight.evaluate.datasets.webdataset import is_webdataset, load_webdataset
from wordsight.evaluate.result_folder import folder_name
from wordsight.ingest.kinds import SourceKind, source_kind


class Form(NamedTuple):
    """A form that sets come in: how a path is recognised as one, and its loader."""

    name: str
    matches: Callable[[str], object]
    load: Callable[[Request], LabelledSet]


# in the order in which they are tried
FORMS = (
    Form("a dataset (hf:NAME)", is_dataset, load_dataset),
    Form("'digits' of scikit-learn", is_digits, load_digits),
    Form("a table", lambda path: source_kind(path) is SourceKind.TABLE, load_labels),
    Form("a folder of MNIST or CIFAR-10 as packages hold them", find_idx_folder, load_idx),
    Form("a folder of MNIST or CIFAR-10 as packages hold them", is_cifar, load_cifar),
    Form("a folder with its table of labels in it or beside it", find_table_inside, load_from_inside),
    Form("a folder with its table of labels in it or beside it", find_table_above, load_from_above),
    Form("a file of splits as of CoOp", find_split_file, load_coop),
    Form("shards in CLIP_benchmark's layout", is_webdataset, load_webdataset),
    Form("a folder with a folder for each class", holds_class_folders, load_folder),
)
_EXPECTED = ", ".join(dict.fromkeys(form.name for form in FORMS))


def list_sets(source: str) -> list[str]:
    """Sources of the sets that a source holds: those of a labels table of several sets, else the source itself."""
    if source_kind(source) is SourceKind.TABLE or find_table_inside(source):
        return list_folders(source) or [source]
    return [source]


def open_set(
    source: str,
    *,
    split: str | None = None,
    image_column: str | None = None,
    class_column: str | None = None,
    name: str | None = None,
    limit: int | None = None,
) -> LabelledSet:
    """Open a labelled set; the form is recognised by what is there.

    split: of those there are; by default the test split, else the validation split, else the first.
    image_column, class_column: of a table or dataset, where they cannot be told by name. name: of the set in results;
    by default that of its folder or file. limit: images at most, drawn evenly from the classes.
    Raises: InputError saying what is wrong with the source, and what to do.
    Warns: DatasetWarning of what is left out, and of classes without images or with the same name.
    """
    request = Request(source=os.fspath(source), split=split, image_column=image_column, class_column=class_column)
    data = _find_form(request).load(request)
    warn_of_same_names(data.classnames, request.source)
    warn_of_empty_classes(data.labels, data.classnames, request.source)
    if limit is not None:
        data = spread(data, limit)
    if name is not None:
        data = replace(data, name=name)
    return data


def check_names(sets: Mapping[str, LabelledSet]) -> None:
    """Raise InputError for two sets, by source, whose results would be written into one folder."""
    source_of: dict[str, str] = {}
    for source, data in sets.items():
        folder = folder_name(data.name)
        if folder in source_of:
            raise InputError(
                f"Two datasets are called {folder!r}: {source_of[folder]!r} and {source!r}; measure them one at a "
                "time, each with its own --out."
            )
        source_of[folder] = source


def spread(data: LabelledSet, limit: int) -> LabelledSet:
    """At most `limit` images of a set, drawn evenly, so that each class keeps its share.

    Raises: InputError for a limit below 1.
    """
    if limit < 1:
        raise InputError(f"The limit is {limit}, expected 1 or more, or none for all images.")
    if limit >= len(data.images):
        return data
    order = np.arange(len(data.images))
    if not data.is_multilabel:
        order = np.argsort(data.labels, kind="stable")
    places = np.linspace(0, len(order) - 1, limit).round().astype(int)
    return data.take(np.sort(order[places]))


def _find_form(request: Request) -> Form:
    form = next((form for form in FORMS if form.matches(request.path)), None)
    if form is not None:
        return form
    problem = "is not a labelled dataset in a form that is known"
    if not os.path.exists(request.path):
        problem = "does not exist"
    elif os.path.isdir(request.path) and not os.listdir(request.path):
        problem = "is an empty folder"
    raise InputError(f"The dataset {request.source!r} {problem}; expected {_EXPECTED}.")
