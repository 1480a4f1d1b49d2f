"""Pairs of tables: each row is a pair, even where several name the same image, as in open_clip's CSV training."""

from __future__ import annotations

import itertools
import os
from array import array
from collections.abc import Iterator

from wordsight.errors import InputError
from wordsight.ingest.options import IngestOptions
from wordsight.ingest.table_file import Record, TableFile
from wordsight.ingest.table_files import describe_fault, open_table
from wordsight.ingest.tables import ImageColumn, image_column
from wordsight.ingest.urls import is_url
from wordsight.pairs.captions import choose_columns, explain_missing, extract_captions
from wordsight.pairs.options import PairOptions
from wordsight.pairs.references import FileRange, PackedStrings, Reference
from wordsight.pairs.tally import Tally
from wordsight.path_text import to_path

_TRIED_ROWS = 100  # to find the column of captions


class ListedPairs:
    """Pairs whose images are files and whose captions are known; held packed."""

    def __init__(self) -> None:
        self._paths, self._captions = PackedStrings(), PackedStrings()
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
        """Pair by its number."""
        path = self._paths[index]
        captions = tuple(self._captions[at] for at in range(self._ends[index], self._ends[index + 1]))
        return Reference(path, draw, FileRange(path), captions)


def find_embedded_images(path: str, options: PairOptions) -> str | None:
    """Column in which a table holds the images themselves (Parquet), if it does. Raises: InputError."""
    table, images = _open(path, options)
    if not table.holds(images.name):
        return None
    return images.name


def read_table(path: str, options: PairOptions, tally: Tally) -> ListedPairs:
    """Pairs of a table; rows without an image's name or a caption are counted in `tally`.

    Relative names are looked for beside the table and in its folder `images`, as in searching.
    Raises: InputError for a table that cannot be read to its end and columns that are not there or not found.
    """
    table, images = _open(path, options)
    columns = _caption_columns(path, table, images, options) if options.texts else ()
    pairs = ListedPairs()
    folder = os.path.dirname(os.path.abspath(path))
    try:
        for number, record in enumerate(_records(table, images, columns), 1):
            row = f"{path} row {number}"
            if isinstance(record, str):
                tally.add(row, record)
                continue
            cell = images.of(record)
            captions = [""]
            if options.texts:
                captions = extract_captions(record.get(name) for name in columns)
            if not cell:
                tally.add(row, "names no image")
            elif isinstance(cell, bytes):
                tally.add(row, "holds its image as a data: URI; write the images to files first")
            elif is_url(cell):
                tally.add(row, "names a URL; download the images first, with img2dataset for example")
            elif not captions:
                tally.add(row, explain_missing(record.get(name) for name in columns))
            else:
                pairs.append(os.path.normpath(os.path.join(folder, os.fspath(to_path(cell)))), captions)
    except (OSError, ValueError) as error:
        raise InputError(
            f"The table {path!r} breaks off after {len(pairs):,} pairs: {describe_fault(error)}. "
            "Fix it, so that none is missing."
        ) from error
    return pairs


def _caption_columns(path: str, table: TableFile, images: ImageColumn, options: PairOptions) -> tuple[str, ...]:
    others = [name for name in table.columns if name not in images.needs]
    rows = itertools.islice(_records(table, images, others), _TRIED_ROWS)
    tried = (row for row in rows if isinstance(row, dict))
    return choose_columns(f"table {path!r}", table.columns, others, tried, options)


def _open(path: str, options: PairOptions) -> tuple[TableFile, ImageColumn]:
    try:
        table = open_table(os.path.abspath(path))
        return table, image_column(table, IngestOptions(image_column=options.image_column))
    except InputError as error:  # says how to name a column on the command line
        raise InputError(str(error).replace("--image-column", options.name_setting("image_column"))) from error


def _records(table: TableFile, images: ImageColumn, columns: tuple[str, ...] | list[str]) -> Iterator[Record | str]:
    return table.records([*dict.fromkeys([*images.needs, *columns])], nested=True)
