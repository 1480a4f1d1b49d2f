"""Folder of images whose classes stand in a labels table: in it, or above it for several sets at once."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from wordsight.errors import InputError
from wordsight.evaluate.datasets.labelled_set import LabelledSet
from wordsight.evaluate.datasets.request import Request, refuse_columns
from wordsight.evaluate.datasets.tables import build_set, load_table, read_rows
from wordsight.ingest.kinds import TABLE_EXTENSIONS
from wordsight.ingest.table_file import TableFile
from wordsight.ingest.table_files import describe_fault, open_table
from wordsight.ingest.tables import ImageColumn

_COLUMNS = ("set", "file", "label")


def find_table_inside(folder: str) -> str | None:
    """Path of the table "labels.tsv", ".csv", ".jsonl" or ".parquet" in a folder, if there is one."""
    paths = (os.path.join(folder, f"labels{extension}") for extension in TABLE_EXTENSIONS)
    return next((path for path in paths if os.path.isfile(path)), None)


def find_table_above(folder: str) -> str | None:
    """Path of the labels table beside a folder that has rows of the set with the folder's name."""
    folder = os.path.abspath(folder)
    path = find_table_inside(os.path.dirname(folder))
    if path is None or not os.path.isdir(folder):
        return None
    table = open_table(path)
    columns = _find_columns(table)
    if columns is None or not any(
        _belongs_to(record, columns[0], os.path.basename(folder)) for record in table.records()
    ):
        return None
    return path


def load_from_inside(request: Request) -> LabelledSet:
    """Images of a folder with a labels table in it. Raises and warns: as `load_table`."""
    path = find_table_inside(request.path)
    assert path is not None, request
    return replace(load_labels(replace(request, source=path)), name=os.path.basename(os.path.abspath(request.path)))


def load_labels(request: Request) -> LabelledSet:
    """Images of a table. Raises: InputError as `load_table`; for a table of several sets. Warns: as `load_table`."""
    if request.image_column is None:
        refuse_several_sets(request)
    return load_table(request)


def refuse_several_sets(request: Request) -> None:
    """Raise InputError for a labels table of several sets whose folders lie beside it."""
    folders = list_folders(request.path)
    if folders:
        names = ", ".join(map(os.path.basename, folders))
        raise InputError(
            f"The table {request.source!r} holds {len(folders)} sets: {names}. Name the folder of one, "
            f"{folders[0]!r} say."
        )


def list_folders(source: str) -> list[str]:
    """Folders of the sets of a labels table, or of the table in a folder; none where it holds one set only."""
    path = find_table_inside(source) or source
    if not os.path.isfile(path):
        return []
    table = open_table(path)
    columns = _find_columns(table)
    if columns is None:
        return []
    names = dict.fromkeys(str(record.get(columns[0])) for record in table.records() if isinstance(record, dict))
    folders = [os.path.join(os.path.dirname(path), name) for name in names]
    if len(folders) > 1 and all(map(os.path.isdir, folders)):
        return folders
    return []


def load_from_above(request: Request) -> LabelledSet:
    """Images of one set of a table with the columns set, file, label, whose folder lies beside it.

    Keys are the files' names. Raises and warns: as `load_table`.
    """
    refuse_columns(request, "a folder with a table of labels beside it")
    folder = os.path.abspath(request.path)
    path = find_table_above(folder)
    assert path is not None, request
    table = open_table(path)
    columns = _find_columns(table)
    assert columns is not None, path
    set_column, file_column, label_column = columns
    name = os.path.basename(folder)
    try:
        rows, problems = read_rows(
            table, ImageColumn(file_column, table), label_column, lambda record: _belongs_to(record, set_column, name)
        )
    except (OSError, ValueError) as error:
        raise InputError(f"The table {path!r} cannot be read: {describe_fault(error)}.") from error
    rows = [
        replace(
            row,
            image=os.path.join(folder, row.name),
            cells={column: cell for column, cell in row.cells.items() if column != set_column},
        )
        for row in rows
    ]
    return build_set(request, rows, problems, name=name)


def _find_columns(table: TableFile) -> tuple[str, str, str] | None:
    """Columns of set, file and label: called so, or the three of a table without a header."""
    by_lower = {column.lower(): column for column in table.columns}
    if all(column in by_lower for column in _COLUMNS):
        return by_lower["set"], by_lower["file"], by_lower["label"]
    if table.columns == ["column_1", "column_2", "column_3"]:
        return "column_1", "column_2", "column_3"
    return None


def _belongs_to(record: Mapping[str, Any] | str, column: str, name: str) -> bool:
    return isinstance(record, dict) and record.get(column) == name
