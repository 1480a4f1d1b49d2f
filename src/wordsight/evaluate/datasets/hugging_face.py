"""Datasets of the `datasets` library: "hf:NAME[/CONFIG][:SPLIT]", or a folder that it saved."""

from __future__ import annotations

import os
import threading
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from numpy.typing import NDArray

from wordsight.errors import InputError, did_you_mean
from wordsight.evaluate.datasets.classes import check_class_count, read_labels, word_class
from wordsight.evaluate.datasets.labelled_set import LabelledSet
from wordsight.evaluate.datasets.lazy_images import LazyImages
from wordsight.evaluate.datasets.request import DatasetWarning, Request, choose_split, refuse_split
from wordsight.evaluate.datasets.tables import CLASS_COLUMNS, read_cell
from wordsight.ingest.hf import DatasetReader, format_source, open_splits, parse, split_config
from wordsight.ingest.kinds import DATASET_PREFIX, SourceKind, source_kind
from wordsight.ingest.options import IngestOptions


def is_dataset(path: str) -> bool:
    """Whether a source is a dataset by name, or a folder that the library saved."""
    return path.startswith(DATASET_PREFIX) or source_kind(path) is SourceKind.SAVED_DATASET


def load_dataset(request: Request) -> LabelledSet:
    """Images of one split of a dataset, read when they are asked for; other columns become `columns`.

    Names of classes are those of the column's ClassLabel, or its texts. Keys are the images' file names where each
    has one of its own, else "row=0" and so on.
    Raises: InputError for a dataset, split or column that is not there, several columns of classes, and as
        `read_labels`; MissingExtraError without `datasets`. Warns: DatasetWarning of rows without label or image.
    """
    name, split = parse(DATASET_PREFIX + request.path.removeprefix(DATASET_PREFIX))
    if split is not None and request.split not in (None, split):
        raise InputError(f"{request.source!r} names the split {split!r}, but --split is {request.split!r}; drop one.")
    request = replace(request, split=split or request.split)
    readers = open_splits(format_source(name, None), IngestOptions(image_column=request.image_column))
    if list(readers) == [""]:
        refuse_split(request)
        chosen = ""
    else:
        chosen = choose_split(list(readers), request.split, request.source)
    data = _build_set(readers[chosen], request)
    return replace(data, name=_name_set(name), split=chosen or "test")


def _name_set(name: str) -> str:
    """Name of a set in results: "cats" of "org/cats", "cats-small" of its configuration "small"."""
    return "-".join(os.path.basename(part.rstrip("/")) for part in split_config(name, name))


def _build_set(reader: DatasetReader, request: Request) -> LabelledSet:
    column = _find_class_column(reader.data.features, request)
    cells = list(reader.data.select_columns([column])[column])
    images = _name_images(reader)
    kept = [row for row, cell in enumerate(cells) if cell not in (None, -1, "") and images[row] is not None]
    if not kept:
        raise InputError(
            f"No row of {reader.root!r} has an image and a label in the column {column!r}; splits whose labels are "
            "kept secret cannot be measured on: choose another with --split, or another column with --class-column."
        )
    if len(kept) < len(cells):
        warnings.warn(
            f"{len(cells) - len(kept)} of the {len(cells)} rows of {reader.root!r} have no image or no label; they are "
            "left out.",
            DatasetWarning,
            stacklevel=5,
        )
    feature = reader.data.features[column]
    labels, classnames = _read_labels([cells[row] for row in kept], kept, feature, f"the dataset {request.source!r}")
    if labels.ndim == 1:
        check_class_count(classnames, f"The dataset {request.source!r}", "a class in each row")
    names = [str(images[row]) for row in kept]
    unique = "" not in names and len(set(names)) == len(names)
    return LabelledSet(
        name="",
        images=LazyImages(_Rows(reader).read, kept),
        keys=tuple(names) if unique else tuple(f"row={row}" for row in kept),
        labels=labels,
        classnames=classnames,
        columns=_read_columns(reader, column, kept),
    )


class _Rows:
    """Images of a dataset as they are stored, by row."""

    def __init__(self, reader: DatasetReader) -> None:
        self._column = reader.column
        self._data = reader.data.select_columns([reader.column])
        self._lock = threading.Lock()

    def read(self, row: int) -> bytes | str:
        """Bytes of an image, or its path."""
        with self._lock:
            cell = self._data[row][self._column]
        content: bytes | str = cell["bytes"] or cell["path"]
        return content


def _name_images(reader: DatasetReader) -> list[str | None]:
    """File name of each row's image, "" where it has none, None where there is no image."""
    paths, held = reader.cells()
    names: list[str | None] = []
    for path, is_held in zip(paths.to_pylist(), held.to_pylist(), strict=True):
        if path or is_held:
            names.append(os.path.basename(path or ""))
        else:
            names.append(None)
    return names


def _find_class_column(features: Mapping[str, Any], request: Request) -> str:
    """Column of classes: the one named, else one of ClassLabel, else one that is called like it."""
    there = f"its columns are {', '.join(features)}"
    named = request.class_column
    if named is not None:
        if named in features:
            return named
        raise InputError(
            f"The dataset {request.source!r} has no column {named!r}; {there}.{did_you_mean(named, features)}"
        )
    of_classes = [name for name, feature in features.items() if _find_names(feature) is not None]
    if len(of_classes) == 1:
        return of_classes[0]
    by_lower = {name.lower(): name for name in reversed(of_classes or list(features))}
    usual = [by_lower[name] for name in CLASS_COLUMNS if name in by_lower]
    if usual:
        return usual[0]
    seen = f"has several columns of classes, {', '.join(of_classes)}" if of_classes else "has no column of classes"
    raise InputError(f"The dataset {request.source!r} {seen}; {there}. Name one with --class-column.")


def _find_names(feature: Any) -> list[str] | None:
    """Names of a ClassLabel, or of a list of them; None of other columns."""
    names = getattr(getattr(feature, "feature", feature), "names", None)
    return names if isinstance(names, list) else None


def _read_labels(
    cells: Sequence[Any], rows: Sequence[int], feature: Any, where: str
) -> tuple[NDArray[Any], tuple[str, ...]]:
    """Labels and class names, as `classes.read_labels`."""
    listed = _find_names(feature)
    if listed is not None:
        listed = [word_class(name) for name in listed]
    return read_labels([(f"row {row}", cell) for row, cell in zip(rows, cells, strict=True)], listed, where=where)


def _read_columns(reader: DatasetReader, column: str, kept: Sequence[int]) -> dict[str, tuple[str | None, ...]]:
    """Columns beside the images and their classes, as texts; of a ClassLabel the names."""
    columns = {}
    for name, feature in reader.data.features.items():
        if name in (column, reader.column) or not (hasattr(feature, "int2str") or hasattr(feature, "dtype")):
            continue
        if getattr(feature, "dtype", "") in ("binary", "large_binary") or hasattr(feature, "shape"):
            continue
        cells = reader.data.select_columns([name])[name]
        named = _find_names(feature)
        if named is not None:
            cells = [named[cell] if cell is not None and cell >= 0 else None for cell in cells]
        columns[name] = tuple(read_cell(cells[row]) for row in kept)
    return columns
