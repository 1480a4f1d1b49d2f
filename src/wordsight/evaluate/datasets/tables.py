"""Table of images and their classes: CSV, TSV, JSON lines or Parquet."""

from __future__ import annotations

import os
import warnings
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from wordsight.columns import plain
from wordsight.errors import InputError, did_you_mean
from wordsight.evaluate.datasets.class_lists import read_class_list_beside, read_templates_beside
from wordsight.evaluate.datasets.classes import check_class_count, read_labels
from wordsight.evaluate.datasets.labelled_set import LabelledSet, number_keys
from wordsight.evaluate.datasets.request import DatasetWarning, Request, choose_split, refuse_split
from wordsight.ingest.options import IngestOptions
from wordsight.ingest.table_file import Record, TableFile
from wordsight.ingest.table_files import describe_fault, open_table
from wordsight.ingest.tables import ImageColumn, image_column
from wordsight.ingest.urls import is_url
from wordsight.path_text import to_path, to_text

# usual names of columns of classes, the likeliest first, in lower case
CLASS_COLUMNS = ("class", "classname", "class_name", "label", "labels", "category", "target", "kind")
_SPLIT_COLUMN = "split"
_UNNAMED = "column_"  # how columns are called of a table without a header


@dataclass(frozen=True)
class _Row:
    """Row that names an image. name: the image's as written; split: "" in a table without splits."""

    row: str
    name: str
    image: Any
    label: Any
    split: str
    cells: dict[str, str | None]


def load_table(request: Request) -> LabelledSet:
    """Images of a table's rows, each with the class in its class column; the other columns become `columns`.

    A cell "a|b" or a list holds several classes. Numbers are looked up in classnames.txt beside the table. A column
    "split" tells the splits apart. Keys are the images' names as written.
    Raises: InputError for a table that cannot be read, columns that are not there, and as `read_labels`.
    Warns: DatasetWarning of rows without image or class, which are left out.
    """
    table = open_table(request.path)
    try:
        images = image_column(table, IngestOptions(image_column=request.image_column))
        class_column = find_class_column(request.class_column, table, images)
        rows, problems = read_rows(table, images, class_column)
    except (OSError, ValueError) as error:
        raise InputError(f"The table {request.source!r} cannot be read: {describe_fault(error)}.") from error
    return build_set(request, rows, problems, name=os.path.splitext(os.path.basename(request.path))[0])


def build_set(request: Request, rows: Sequence[_Row], problems: Counter[str], *, name: str) -> LabelledSet:
    """Set of rows. Raises and warns as `load_table`."""
    where = f"the table {request.source!r}"
    warn_of_rows(problems, request.source)
    if not rows:
        raise InputError(f"The table {request.source!r} holds no row with an image and its class.")
    listed = read_class_list_beside(os.path.dirname(request.path))
    labels, classnames = read_labels([(row.row, row.label) for row in rows], listed, where=where)
    if labels.ndim == 1:
        check_class_count(classnames, f"The dataset {request.source!r}", "an image and its class in each row")
    split = "test"
    there = list(dict.fromkeys(row.split for row in rows))
    if there == [""]:
        refuse_split(request)
    else:
        split = choose_split(there, request.split, request.source)
        places = [place for place, row in enumerate(rows) if row.split == split]
        rows, labels = [rows[place] for place in places], labels[places]
    return LabelledSet(
        name=name,
        images=[row.image for row in rows],
        keys=number_keys([row.name for row in rows]),
        labels=labels,
        classnames=classnames,
        templates=read_templates_beside(os.path.dirname(request.path)),
        columns={column: tuple(row.cells[column] for row in rows) for column in rows[0].cells},
        split=split,
    )


def read_rows(
    table: TableFile, images: ImageColumn, class_column: str, wanted: Callable[[Record], bool] | None = None
) -> tuple[list[_Row], Counter[str]]:
    """Rows that have an image and a class, or are marked by none, and the number of others by reason."""
    rows: list[_Row] = []
    problems: Counter[str] = Counter()
    folder = os.path.dirname(os.path.abspath(table.path))
    others = [name for name in table.columns if name not in (*images.needs, class_column) and not table.holds(name)]
    split_column = next((name for name in others if name.lower() == _SPLIT_COLUMN), None)
    for number, record in enumerate(table.records(nested=True), 1):
        if isinstance(record, str):
            problems[record] += 1
            continue
        if wanted is not None and not wanted(record):
            continue
        image, label = images.of(record), record.get(class_column)
        problem = _find_problem(image, label)
        if problem:
            problems[problem] += 1
            continue
        rows.append(
            _Row(
                row=f"row {number}",
                name=_name_image(image, record, images, number),
                image=_locate(image, folder),
                label=label if isinstance(label, list) else str(label).strip(),
                split=str(record.get(split_column) or "") if split_column else "",
                cells={name: read_cell(record.get(name)) for name in others if name != split_column},
            )
        )
    return rows, problems


def find_class_column(named: str | None, table: TableFile, images: ImageColumn) -> str:
    """Column of classes: the one named, else one called like it that holds names, or numbers where none does.

    Raises: InputError naming the columns.
    """
    if named is not None:
        if named in table.columns:
            return named
        raise InputError(
            f"The table {table.path!r} has no column {named!r}; its columns are {', '.join(table.columns)}."
            f"{did_you_mean(named, table.columns)}"
        )
    by_lower = {name.lower(): name for name in table.columns if name not in images.needs}
    usual = [by_lower[name] for name in CLASS_COLUMNS if name in by_lower]
    if usual:
        first = next((record for record in table.records(usual, nested=True) if isinstance(record, dict)), {})
        return next((name for name in usual if not _is_number(first.get(name))), usual[0])
    others = [name for name in table.columns if name not in images.needs]
    if len(others) == 1 and others[0].startswith(_UNNAMED):
        return others[0]
    raise InputError(
        f"No column of the table {table.path!r} is called like a class ({', '.join(CLASS_COLUMNS)}); its columns are "
        f"{', '.join(table.columns)}. Name one with --class-column."
    )


def warn_of_rows(problems: Counter[str], source: str) -> None:
    """Warn (DatasetWarning) of rows that are left out."""
    if problems:
        reasons = "; ".join(f"{count} because a row {reason}" for reason, count in problems.most_common(3))
        warnings.warn(f"{problems.total()} rows of {source!r} are left out: {reasons}.", DatasetWarning, stacklevel=5)


def _find_problem(image: Any, label: Any) -> str:
    if not image:
        return "names no image"
    if isinstance(image, str) and is_url(image):
        return "names a URL; download the images first, with img2dataset for example"
    is_nan = isinstance(label, float) and label != label
    if label in (None, "") or is_nan or (isinstance(label, str) and not label.strip()):
        return "names no class"
    return ""


def _locate(image: Any, folder: str) -> Any:
    """Image as a `LabelledSet` holds it: bytes, or an absolute path."""
    if isinstance(image, dict):
        image = image["bytes"]
    if isinstance(image, bytes):
        return image
    return os.path.normpath(os.path.join(folder, os.fspath(to_path(image))))


def _name_image(image: Any, record: Record, images: ImageColumn, number: int) -> str:
    """Image's name as written, else the row's number."""
    cell = record.get(images.name) if images.name else image
    if isinstance(cell, dict):
        cell = cell.get("path")
    if isinstance(cell, str) and isinstance(image, str | dict):
        return to_text(cell.strip())
    return f"row={number}"


def read_cell(value: Any) -> str | None:
    """Cell of another column as text; None of an empty one, and of lists and bytes."""
    if isinstance(value, list | dict | bytes):
        return None
    value = plain(value)
    if value in (None, ""):
        return None
    return str(value)


def _is_number(value: Any) -> bool:
    if isinstance(value, str):
        return value.strip().isdigit()
    return isinstance(value, int | float)
