"""Labelled images: found in a folder of classes or in a table, by the settings of an evaluation."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from wordsight.errors import InputError, did_you_mean
from wordsight.evaluate.config import ZeroShotConfig
from wordsight.images.files import EXTENSIONS, walk

# usual names of columns of classes, the likeliest first, in lower case
_CLASS_COLUMNS = ("class", "classname", "class_name", "label", "category", "target", "kind")


@dataclass(frozen=True)
class Labelled:
    """Images with their classes: `labels[i]` is the place in `names` of the class of `images[i]`.

    images: paths, or a table's bytes. names: as templates take them.
    """

    images: tuple[Any, ...]
    labels: tuple[int, ...]
    names: tuple[str, ...]


def find_labelled(config: ZeroShotConfig) -> Labelled:
    """Labelled images that a config names, in the order of their classes.

    Raises: InputError for a source that is not there or holds no classes, for columns that are not there, and for a
    name in `classes` that no class has.
    """
    where = os.path.expanduser(config.images)
    if os.path.isdir(where):
        found = list(_scan_folder(where))
        expected = "a folder for each class, with images in it"
    elif os.path.isfile(where):
        found = list(_scan_table(where, config))
        expected = "an image and its class in each row"
    else:
        raise InputError(f"The held-out images {config.images!r} are not there; expected a folder or a table.")
    raw = list(dict.fromkeys(name for name, _ in found))
    if len(raw) < 2:
        seen = f"only the class {raw[0]!r}" if raw else "no class"
        raise InputError(f"The held-out images {config.images!r} hold {seen}; expected {expected}, two or more.")
    wordings = _name_classes(raw, config.classes)
    names = sorted(set(wordings.values()))
    pairs = sorted(((names.index(wordings[name]), image) for name, image in found), key=lambda pair: pair[0])
    kept = _spread(pairs, config.limit)
    return Labelled(tuple(image for _, image in kept), tuple(label for label, _ in kept), tuple(names))


def _name_classes(raw: Sequence[str], classes: Mapping[str, str]) -> dict[str, str]:
    """Name to put into templates of each class, by its name as found."""
    for name in classes:
        if name not in raw:
            raise InputError(
                f"zero_shot.classes names {name!r}, but the classes are {', '.join(raw)}.{did_you_mean(name, raw)}"
            )
    return {name: classes.get(name, name.replace("_", " ")) for name in raw}


def _spread(pairs: list[tuple[int, Any]], limit: int | None) -> list[tuple[int, Any]]:
    """At most `limit` of the pairs, spread evenly, so that each class keeps its share."""
    if limit is None or limit >= len(pairs):
        return pairs
    if limit < 1:
        raise InputError(f"zero_shot.limit is {limit}, expected 1 or more, or none for all images.")
    return [pairs[i] for i in np.linspace(0, len(pairs) - 1, limit).round().astype(int)]


def _scan_folder(folder: str) -> Iterator[tuple[str, Any]]:
    """(class, image) of each image; the class is the first folder on the way to it."""
    for path in walk(folder, EXTENSIONS):
        if isinstance(path, OSError):
            raise InputError(f"The folder {path.filename!r} cannot be listed ({path.strerror}).")
        name, below, _ = os.path.relpath(path, folder).partition(os.sep)
        if below:
            yield name, path


def _scan_table(path: str, config: ZeroShotConfig) -> Iterator[tuple[str, Any]]:
    """(class, image) of the rows of a table that have both."""
    from wordsight.ingest.options import IngestOptions
    from wordsight.ingest.table_files import open_table
    from wordsight.ingest.tables import image_column

    table = open_table(path)
    column = _class_column(config.class_column, table.columns, path)
    try:
        images = image_column(table, IngestOptions(image_column=config.image_column))
    except InputError as error:
        raise InputError(str(error).replace("--image-column", "zero_shot.image_column")) from error
    for record in table.records():
        if isinstance(record, str):
            continue
        cell, name = images.of(record), record.get(column)
        if name in (None, "") or not cell:
            continue
        if isinstance(cell, dict):
            cell = cell["bytes"]
        if not isinstance(cell, bytes):
            cell = os.path.join(os.path.dirname(path), cell)
        yield str(name).strip(), cell


def _class_column(named: str | None, columns: Sequence[str], path: str) -> str:
    if named is not None:
        if named in columns:
            return named
        raise InputError(
            f"The table {path!r} has no column {named!r}; its columns are {', '.join(columns)}."
            f"{did_you_mean(named, columns)}"
        )
    by_lower = {name.lower(): name for name in columns}
    for usual in _CLASS_COLUMNS:
        if usual in by_lower:
            return by_lower[usual]
    raise InputError(
        f"No column of the table {path!r} is called like a class ({', '.join(_CLASS_COLUMNS)}); its columns are "
        f"{', '.join(columns)}. Name one: zero_shot.class_column."
    )
