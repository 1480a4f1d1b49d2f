"""Tables in memory (DataFrames, Arrow tables, datasets, lists of dicts) as images with their columns as metadata.

Nothing of pandas, polars or pyarrow is imported: a table is told by its methods.
"""

from __future__ import annotations

import functools
import math
import os
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from wordsight.columns import TOO_MANY_COLUMNS, Kinds, Value, as_python, is_null, make_meta, plain
from wordsight.errors import ImageError, InputError, did_you_mean
from wordsight.hashes import hash_content
from wordsight.images.inputs import ImageSource, as_image, is_frame, is_image_like
from wordsight.images.skipped import Skipped
from wordsight.ingest import Content, Item, Unit
from wordsight.ingest.in_memory import SOURCE, given_item, given_units, hash_image, joined_text
from wordsight.ingest.options import IngestOptions
from wordsight.ingest.urls import fetch, is_url
from wordsight.path_text import name_words, to_text


def frame_units(
    frame: Any, image: str, *, id: str | None = None, options: IngestOptions | None = None
) -> Iterator[Unit | Skipped]:
    """Yield a unit for each row of a table in memory, and `Skipped` for rows without an image.

    image: the column of paths, or of images in memory (see `images.inputs`). The other columns become metadata, each of
        one kind, and words are searched in those of text, or in `options.text_columns`. `options.urls`: fetch URLs.
    id: the column of unique ids. None: "python#<path>", of images in memory their hash in place of the path; "#2" and
        so on are added where several rows have the same image.
    Raises: InputError for columns that are not there, ids given twice and other kinds of image.
    """
    options = options or IngestOptions()
    records = list(read_records(frame))
    named = (image, id, *(options.text_columns or ()))
    _check_columns(records, [name for name in named if name is not None])
    rows = [{name: cell_value(cell) for name, cell in record.items() if name != image} for record in records]
    kinds = Kinds()
    for row in rows:
        kinds.see(row)
    kinds.settle()
    if kinds.too_many:
        yield Skipped("the table", TOO_MANY_COLUMNS)
    if id is not None:
        _check_ids([row.get(id) for row in rows], id)
    seen: Counter[str] = Counter()
    for number, (record, row) in enumerate(zip(records, rows, strict=True), 1):
        cell = record.get(image)
        if _is_missing(cell):
            yield Skipped(f"row {number} of the table", f"its {image!r} is empty")
            continue
        cell = as_image(cell)
        name = str(row[id]) if id is not None else _unique_id(cell, seen)
        item = _item(cell, name, kinds.typed(row), options)
        if isinstance(item, Skipped):
            yield item
        else:
            yield from given_units([item])


def _check_columns(records: Sequence[Mapping[str, Any]], wanted: Sequence[str]) -> None:
    if not records:
        return
    columns = dict.fromkeys(name for record in records for name in record)
    for name in wanted:
        if name not in columns:
            hint = did_you_mean(name, columns)
            raise InputError(f"The table has no column {name!r}; its columns are {', '.join(columns)}.{hint}")


def _unique_id(image: ImageSource, seen: Counter[str]) -> str:
    """Id "python#<path or hash>", numbered from the second row of the same image on."""
    if not isinstance(image, str | os.PathLike):
        name = hash_image(image)
    elif is_url(str(image)):
        name = str(image)
    else:
        name = to_text(os.path.abspath(image))
    seen[name] += 1
    if seen[name] > 1:
        return f"{SOURCE}#{name}#{seen[name]}"
    return f"{SOURCE}#{name}"


def read_records(frame: Any) -> Iterator[dict[str, Any]]:
    """Yield the rows of a table as dicts: a DataFrame of pandas or polars, an Arrow table, or an iterable of mappings.

    Raises: InputError for other things, and for two columns of one name.
    """
    if callable(getattr(frame, "iter_rows", None)):  # polars
        yield from frame.iter_rows(named=True)
    elif callable(getattr(frame, "to_batches", None)):  # pyarrow
        for batch in frame.to_batches():
            yield from batch.to_pylist()
    elif hasattr(frame, "iloc") and is_frame(frame):  # pandas
        names = [str(name) for name in frame.columns]
        if len(set(names)) < len(names):
            twice = [name for name, n in Counter(names).items() if n > 1]
            raise InputError(f"The table has several columns named {twice[0]!r}; give each a name of its own.")
        for cells in zip(*(frame.iloc[:, i] for i in range(len(names))), strict=True):
            yield dict(zip(names, cells, strict=True))
    elif isinstance(frame, Iterable) and not isinstance(frame, str | bytes | Mapping):
        for record in frame:
            if not isinstance(record, Mapping):
                raise InputError(f"A row of the table is given as {type(record).__name__}, expected a dict.")
            yield {str(name): cell for name, cell in record.items()}
    else:
        raise InputError(
            f"With image=…, a table is expected: a DataFrame, an Arrow table, or a list of dicts; given is "
            f"{type(frame).__name__}."
        )


def cell_value(cell: Any) -> Value:
    """Cell as metadata: NumPy's numbers as Python's, dates in ISO 8601; None for images and vectors."""
    if isinstance(cell, os.PathLike):
        return str(cell)
    if _is_missing(cell) or is_image_like(cell):
        return None
    if isinstance(cell, np.ndarray):  # of lists in Arrow's columns; numbers are a vector
        if cell.dtype.kind not in "OU":
            return None
        cell = cell.tolist()
    cell = as_python(cell)
    if not isinstance(cell, str | int | float | list | dict | None):
        cell = str(cell)
    return plain(cell)


def _is_missing(cell: Any) -> bool:
    if is_null(cell) or (isinstance(cell, str) and not cell.strip()):
        return True
    if isinstance(cell, Mapping):
        return all(value is None for value in cell.values())
    return isinstance(cell, float | np.floating) and math.isnan(cell)


def _check_ids(ids: Sequence[Value], column: str) -> None:
    for number, one in enumerate(ids, 1):
        if one is None:
            raise InputError(f"The column {column!r} of ids is empty in row {number}; each row needs one.")
    twice = [one for one, n in Counter(map(str, ids)).items() if n > 1]
    if twice:
        raise InputError(f"The column {column!r} has the id {twice[0]!r} more than once; ids are unique.")


def _item(cell: Any, id: str, values: Mapping[str, Value], options: IngestOptions) -> Item | Skipped:
    """Item of one row; the words of its file's name are searched too, as those of a table's image are."""
    text, meta = joined_text(values, options.text_columns), make_meta(values)
    if not isinstance(cell, str | os.PathLike):
        return given_item(id, cell, meta, text)
    text = "\n".join(part for part in (text, name_words(os.path.basename(cell))) if part)
    if not is_url(str(cell)):
        return given_item(id, cell, meta, text)
    if not options.urls:
        return Skipped(cell, "is a URL; to fetch such images add options=IngestOptions(urls=True)")
    return Item(id, SOURCE, str(cell), functools.partial(_fetched, str(cell)), text=text, meta=meta)


def _fetched(url: str) -> Content:
    try:
        content = fetch(url)
    except InputError as error:
        raise ImageError(str(error)) from error
    return Content(hash_content(content), lambda: content)
