"""Tables that were uploaded: their rows, each with the image that it names among what came with the table.

A cell never leads to a file of the server: it is looked for by name among the files of the same upload, is a URL (which
the server fetches only where it is allowed to), or holds the image itself.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from wordsight.columns import Value, make_meta
from wordsight.errors import ImageError, InputError
from wordsight.ingest.table_file import Record, TableFile
from wordsight.ingest.table_files import describe_fault, open_table
from wordsight.ingest.urls import decode_data_uri, is_data, is_url
from wordsight.serve.guard.shown_names import shown_member
from wordsight.serve.guard.uploads import Upload

_TRIED_ROWS = 200  # to find the column of images


@dataclass(frozen=True, eq=False)
class TableRow:
    """Row of a table. image: a file of the upload, a URL, or the image's bytes; or why there is none.

    cell: what it says of its image, as shown.
    """

    name: str
    cell: str
    image: Upload | str | bytes | None
    reason: str = ""
    meta: Mapping[str, Value] = field(default_factory=dict)


class NamedFiles:
    """Files of an upload by the names that a table gives them: with their folders, or without where that is clear."""

    def __init__(self, files: Sequence[Upload]) -> None:
        self._by_name = {_fold(file.shown_name): file for file in files}
        last = Counter(_fold(file.shown_name).rsplit("/", 1)[-1] for file in files)
        self._by_last = {name: file for file in files if last[name := _fold(file.shown_name).rsplit("/", 1)[-1]] == 1}

    def find(self, cell: Any) -> Upload | None:
        """File of a cell, or None."""
        if not isinstance(cell, str) or not cell.strip():
            return None
        name = _fold(cell)
        return self._by_name.get(name) or self._by_last.get(name.rsplit("/", 1)[-1])


def read_rows(upload: Upload, files: NamedFiles, column: str | None = None) -> Iterator[TableRow]:
    """Yield the rows of an uploaded table. column: of the images; None finds it.

    Raises: InputError for a table that cannot be read, or without a column of images.
    """
    shown = f"The table {upload.shown_name!r}"
    try:
        table = open_table(str(upload.path))
        column = column or _find_column(table, files, shown)
        if column not in table.columns:
            raise InputError(f"{shown} has no column {column!r:.80}; its columns are {', '.join(table.columns)}.")
        kinds = table.kinds()
        if not kinds.kinds:
            for record in table.records():
                if isinstance(record, dict):
                    kinds.see(record)
        kinds.settle()
        for number, record in enumerate(table.records(), 1):
            name = f"{upload.shown_name} row {number}"
            if isinstance(record, str):
                yield TableRow(name, "", None, record)
                continue
            others = {key: value for key, value in record.items() if key != column and not _holds_image(value)}
            yield _read_row(name, record.get(column), files, make_meta(kinds.typed(others)))
    except InputError as error:
        raise InputError(str(error).replace(repr(str(upload.path)), repr(upload.shown_name))) from error
    except (OSError, ValueError) as error:
        raise InputError(f"{shown} cannot be read: {describe_fault(error)}.") from error


def _read_row(name: str, cell: Any, files: NamedFiles, meta: Mapping[str, Value]) -> TableRow:
    if isinstance(cell, dict):
        cell = cell.get("bytes") or cell.get("path")
    if cell is None or cell == "":
        return TableRow(name, "", None, "names no image")
    if isinstance(cell, bytes):
        return TableRow(name, "", cell, meta=meta)
    text = str(cell).strip()
    if is_data(text):
        try:
            return TableRow(name, "", decode_data_uri(text), meta=meta)
        except ImageError as error:
            return TableRow(name, "", None, str(error))
    if is_url(text):
        return TableRow(name, text, text, meta=meta)
    if (file := files.find(text)) is not None:
        return TableRow(name, shown_member(text), file, meta=meta)
    return TableRow(name, "", None, f"names {shown_member(text)!r}, which was not sent along with the table")


def _find_column(table: TableFile, files: NamedFiles, shown: str) -> str:
    """Column whose cells name files of the upload, URLs or images most often. Raises: InputError."""
    hits: Counter[str] = Counter()
    for number, record in enumerate(table.records()):
        if number == _TRIED_ROWS:
            break
        if isinstance(record, dict):
            hits.update(name for name, cell in record.items() if _is_image(cell, files))
    if not hits:
        raise InputError(
            f"{shown} names no image that came with it: its columns are {', '.join(table.columns)}. Send the images "
            "along (all in one ZIP archive, or beside the table), or name the column in 'image_column'."
        )
    return hits.most_common(1)[0][0]


def _is_image(cell: Any, files: NamedFiles) -> bool:
    return _holds_image(cell) or (isinstance(cell, str) and (is_url(cell.strip()) or files.find(cell) is not None))


def _holds_image(cell: Record | Any) -> bool:
    return isinstance(cell, bytes | dict) or (isinstance(cell, str) and is_data(cell.strip()))


def _fold(name: str) -> str:
    """Name as it is compared: its folders behind slashes, without "./", in lower case."""
    return shown_member(name).removeprefix("./").casefold()
