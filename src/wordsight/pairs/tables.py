"""Pairs of tables: each row is a pair, also where several name the same image, as in open_clip's CSV training."""

from __future__ import annotations

import itertools
import os
from array import array
from collections.abc import Iterator

from wordsight.errors import InputError, TrainError
from wordsight.ingest.options import IngestOptions
from wordsight.ingest.table_files import Record, TableFile, open_table, why
from wordsight.ingest.tables import ImageColumn, image_column
from wordsight.ingest.urls import is_url
from wordsight.pairs.references import (
    Place,
    Reference,
    Strings,
    Tally,
    captions_in,
    chosen_columns,
    why_none,
)
from wordsight.path_text import to_path
from wordsight.train.config import DataConfig

_TRIED_ROWS = 100  # to find the column of captions


class ListedPairs:
    """Pairs whose images are files and whose captions are known; held packed."""

    def __init__(self) -> None:
        self._paths, self._captions = Strings(), Strings()
        self._ends = array("Q", [0])  # of each pair's captions

    def append(self, path: str, captions: list[str]) -> None:
        """Add a pair."""
        self._paths.append(path)
        for caption in captions:
            self._captions.append(caption)
        self._ends.append(len(self._captions))

    def __len__(self) -> int:
        return len(self._paths)

    def reference(self, index: int, draw: tuple[int, ...]) -> Reference:
        """Return a pair by its number."""
        path = self._paths[index]
        captions = tuple(self._captions[at] for at in range(self._ends[index], self._ends[index + 1]))
        return Reference(path, draw, Place(path), captions)


def column_that_holds(path: str, data: DataConfig) -> str | None:
    """Return the column in which a table holds the images themselves (Parquet), if it does. Raises: TrainError."""
    table, images = _open(path, data)
    return images.name if table.holds(images.name) else None


def table_pairs(path: str, data: DataConfig, tally: Tally, *, texts: bool) -> ListedPairs:
    """Return the pairs of a table; rows without an image's name or a caption are counted in `tally`.

    Relative names are looked for beside the table and in its folder `images`, as in searching. texts: whether captions
    are needed.
    Raises: TrainError for a table that cannot be read to its end and columns that are not there or not found.
    """
    table, images = _open(path, data)
    columns = text_columns(path, table, images, data.text_columns) if texts else ()
    pairs = ListedPairs()
    folder = os.path.dirname(os.path.abspath(path))
    try:
        for number, record in enumerate(_records(table, images, columns), 1):
            row = f"{path} row {number}"
            if isinstance(record, str):
                tally.add(row, record)
                continue
            cell = images.of(record)
            captions = captions_in(record.get(name) for name in columns) if texts else [""]
            if not cell:
                tally.add(row, "names no image")
            elif isinstance(cell, bytes):
                tally.add(row, "holds its image as a data: URI; write the images to files first")
            elif is_url(cell):
                tally.add(row, "names an address; download the images first, with img2dataset for example")
            elif not captions:
                tally.add(row, why_none(record.get(name) for name in columns))
            else:
                pairs.append(os.path.normpath(os.path.join(folder, os.fspath(to_path(cell)))), captions)
    except (OSError, ValueError) as error:
        raise TrainError(
            f"The table {path!r} breaks off after {len(pairs):,} pairs: {why(error)}. Mend it, so that none is missing."
        ) from error
    return pairs


def text_columns(path: str, table: TableFile, images: ImageColumn, named: tuple[str, ...] | None) -> tuple[str, ...]:
    """Return the columns of captions: those named, else those found. Raises: TrainError naming what there is."""
    others = [name for name in table.columns if name not in images.needs]
    rows = itertools.islice(_records(table, images, others), _TRIED_ROWS)
    tried = (row for row in rows if isinstance(row, dict))
    return chosen_columns(f"table {path!r}", table.columns, others, tried, named)


def _open(path: str, data: DataConfig) -> tuple[TableFile, ImageColumn]:
    try:
        table = open_table(os.path.abspath(path))
        return table, image_column(table, IngestOptions(image_column=data.image_column))
    except InputError as error:  # says how to name a column on the command line
        raise TrainError(str(error).replace("--image-column", "data.image_column")) from error


def _records(table: TableFile, images: ImageColumn, columns: tuple[str, ...] | list[str]) -> Iterator[Record | str]:
    return table.records([*dict.fromkeys([*images.needs, *columns])], nested=True)
