"""Pairs of datasets of the `datasets` library: rows on the disk that the decoding workers read."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from wordsight.errors import InputError
from wordsight.ingest.hf import DatasetReader, open_splits
from wordsight.ingest.kinds import DATASET_PREFIX
from wordsight.ingest.options import IngestOptions
from wordsight.pairs.captions import choose_columns
from wordsight.pairs.options import PairOptions
from wordsight.pairs.references import DatasetRow, Reference

_TRIED_ROWS = 20  # to find the column of captions


class DatasetRows:
    """A dataset's images, as stored, and its captions; only these columns are read."""

    def __init__(self, reader: DatasetReader, columns: Sequence[str]) -> None:
        self.root, self.column, self.columns = reader.root, reader.column, tuple(columns)
        self.data = reader.data.select_columns(list(dict.fromkeys([reader.column, *columns])))

    def read(self, row: int) -> tuple[bytes, str, list[Any]]:
        """Image of a row as bytes, or else as a path, and the cells of its captions."""
        record = self.data[row]
        cell = record[self.column] or {}
        return cell.get("bytes") or b"", cell.get("path") or "", [self._named(name, record) for name in self.columns]

    def _named(self, name: str, record: dict[str, Any]) -> Any:
        """Cell of a row; of a column of classes the name of the class."""
        feature, value = self.data.features[name], record[name]
        if hasattr(feature, "int2str") and isinstance(value, int) and value >= 0:
            return feature.int2str(value)
        return value


class DatasetPairs:
    """The rows of a dataset as pairs. which: its number among those that the reader holds."""

    def __init__(self, rows: DatasetRows, which: int) -> None:
        self.rows, self.which = rows, which

    def __len__(self) -> int:
        return len(self.rows.data)

    def reference(self, index: int, draw: tuple[int, ...]) -> Reference:
        """Pair by its number."""
        return Reference(f"{self.rows.root}#row={index}", draw, DatasetRow(self.which, index))


def open_dataset(source: str, options: PairOptions) -> DatasetRows:
    """Open the rows of "hf:NAME_OR_FOLDER[:SPLIT]"; without a split the one called "train", or the only one.

    Raises: InputError for a dataset that cannot be loaded, a split or column that is not there or must be named;
        MissingExtraError without `datasets`.
    """
    try:
        readers = open_splits(source, IngestOptions(image_column=options.image_column))
    except InputError as error:
        setting = options.name_setting("image_column")
        raise InputError(str(error).replace("--image-column", setting)) from error
    if len(readers) > 1 and "train" not in readers:
        raise InputError(f"{source!r} has the splits {', '.join(readers)}; name one, as in '{source}:{min(readers)}'.")
    reader = readers.get("train") or next(iter(readers.values()))
    if not options.texts:
        return DatasetRows(reader, ())
    return DatasetRows(reader, _caption_columns(source, reader, options))


def open_parquet(path: str, image_column: str, options: PairOptions) -> DatasetRows:
    """Open a table that holds its images itself as a dataset, since rows of Parquet cannot be read one by one.

    Raises: as `open_dataset`.
    """
    return open_dataset(DATASET_PREFIX + path, replace(options, image_column=image_column))


def _caption_columns(source: str, reader: DatasetReader, options: PairOptions) -> tuple[str, ...]:
    there = [str(name) for name in reader.data.features]
    others = [name for name in there if name != reader.column]
    rows = reader.data.select_columns(others) if others else []
    tried = (rows[row] for row in range(min(_TRIED_ROWS, len(rows))))
    return choose_columns(f"dataset {source!r}", there, others, tried, options)
