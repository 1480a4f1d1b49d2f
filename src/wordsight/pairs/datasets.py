"""Pairs of datasets of the `datasets` library: rows that lie on the disk and are read by the decoding workers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from wordsight.errors import InputError, TrainError
from wordsight.ingest.hf import DatasetReader, open_splits
from wordsight.ingest.kinds import DATASET_PREFIX
from wordsight.ingest.options import IngestOptions
from wordsight.pairs.references import Reference, Row, chosen_columns
from wordsight.train.config import DataConfig

_TRIED_ROWS = 20  # to find the column of captions


class DatasetRows:
    """A dataset's images, as stored, and its captions; only these columns are read."""

    def __init__(self, reader: DatasetReader, columns: Sequence[str]) -> None:
        self.root, self.column, self.columns = reader.root, reader.column, tuple(columns)
        self.data = reader.data.select_columns(list(dict.fromkeys([reader.column, *columns])))

    def read(self, row: int) -> tuple[bytes, str, list[Any]]:
        """Return a row's image as bytes, or else as a path, and the cells of its captions."""
        record = self.data[row]
        cell = record[self.column] or {}
        return cell.get("bytes") or b"", cell.get("path") or "", [self._named(name, record) for name in self.columns]

    def _named(self, name: str, record: dict[str, Any]) -> Any:
        """Return a cell; of a column of classes the class's name."""
        feature, value = self.data.features[name], record[name]
        named = hasattr(feature, "int2str") and isinstance(value, int) and value >= 0
        return feature.int2str(value) if named else value


class DatasetPairs:
    """The rows of a dataset as pairs. which: its number among those that the decoder holds."""

    def __init__(self, rows: DatasetRows, which: int) -> None:
        self.rows, self.which = rows, which

    def __len__(self) -> int:
        return len(self.rows.data)

    def reference(self, index: int, draw: tuple[int, ...]) -> Reference:
        """Return a pair by its number."""
        return Reference(f"{self.rows.root}#row={index}", draw, Row(self.which, index))


def dataset_rows(source: str, data: DataConfig, *, texts: bool) -> DatasetRows:
    """Return the rows of "hf:NAME_OR_FOLDER[:SPLIT]"; without a split the one called "train", or the only one.

    Raises: TrainError for a dataset that cannot be loaded, a split or column that is not there or must be named;
        MissingExtraError without `datasets`.
    """
    try:
        readers = open_splits(source, IngestOptions(image_column=data.image_column))
    except InputError as error:
        raise TrainError(str(error).replace("--image-column", "data.image_column")) from error
    if len(readers) > 1 and "train" not in readers:
        raise TrainError(f"{source!r} has the splits {', '.join(readers)}; name one, as in '{source}:{min(readers)}'.")
    reader = readers["train"] if "train" in readers else next(iter(readers.values()))
    return DatasetRows(reader, _text_columns(source, reader, data.text_columns) if texts else ())


def parquet_rows(path: str, data: DataConfig, image_column: str, *, texts: bool) -> DatasetRows:
    """Return the rows of a table that holds its images itself: taken as a dataset, since rows of Parquet cannot be
    read one by one. Raises: as `dataset_rows`.
    """
    from dataclasses import replace

    return dataset_rows(DATASET_PREFIX + path, replace(data, image_column=image_column), texts=texts)


def _text_columns(source: str, reader: DatasetReader, named: tuple[str, ...] | None) -> tuple[str, ...]:
    there = [str(name) for name in reader.data.features]
    others = [name for name in there if name != reader.column]
    rows = reader.data.select_columns(others) if others else []
    tried = (rows[row] for row in range(min(_TRIED_ROWS, len(rows))))
    return chosen_columns(f"dataset {source!r}", there, others, tried, named)
