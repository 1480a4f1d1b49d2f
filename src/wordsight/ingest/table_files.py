"""Files of rows: CSV, TSV, JSON lines, Parquet, read as a stream of records, as often as asked."""

from __future__ import annotations

import datetime
import decimal
import json
import os
import stat
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

from wordsight.columns import MOST_COLUMNS, Kinds, plain
from wordsight.errors import InputError, MissingExtraError
from wordsight.images.skipped import describe_error
from wordsight.ingest.csv_file import CsvFile
from wordsight.ingest.table_file import Record, TableFile, read_lines

_HELD = 64 << 20  # bytes of rows that are held as Python's objects
_PARQUET_ROWS = 1024  # read at a time
_PARQUET_IMAGES = 16  # rows read at a time where images may lie in the cells: all of these are held
_LOOKED_AT = 1000  # lines of JSON that are looked at to learn the columns


def open_table(path: str) -> TableFile:
    """Table in a file, by its extension. Raises: InputError saying what is wrong; MissingExtraError."""
    extension = os.path.splitext(path)[1].lower()
    kind = _READERS.get(extension, CsvFile)
    try:
        if not stat.S_ISREG(os.stat(path).st_mode):
            raise ValueError("it is not a regular file")
        table = kind(path)
        if len(table.columns) > MOST_COLUMNS:
            raise ValueError(
                f"it has {len(table.columns):,} columns, more than the limit of {MOST_COLUMNS:,}; leave out those that "
                "nobody will ask for"
            )
        return table
    except (OSError, ValueError) as error:
        raise InputError(f"The table {path!r} cannot be read: {describe_fault(error)}.") from error


def describe_fault(error: Exception) -> str:
    """Reason why a table cannot be read."""
    if isinstance(error, UnicodeDecodeError):
        byte = error.object[error.start]
        return f"it is not UTF-8 text (byte 0x{byte:02x} at {error.start:,}); save it in UTF-8"
    said = str(error)
    if isinstance(error, OSError):
        said = describe_error(error)
    return " ".join(said.split()).rstrip(".")  # pyarrow's are of several lines


class JsonLinesFile(TableFile):
    """One JSON object a line."""

    def __init__(self, path: str) -> None:
        super().__init__(path)
        columns: dict[str, None] = {}
        for number, record in enumerate(self.records()):
            if number == _LOOKED_AT:
                break
            if isinstance(record, dict):
                columns.update(dict.fromkeys(record))
        self.columns = list(columns)
        if not self.columns:
            raise ValueError('it holds no JSON object a line, expected {"image": "a.jpg", "title": "…"}')

    def records(self, columns: Sequence[str] | None = None, *, nested: bool = False) -> Iterator[Record | str]:
        """Yield each object; lists of words become lines, other nested values JSON."""
        with open(self.path, encoding="utf-8-sig") as file:
            for line in read_lines(file):
                if not line.strip():
                    continue
                try:
                    record = json.loads(line)
                except (ValueError, RecursionError) as error:
                    yield f"is not JSON ({error})"
                    continue
                if isinstance(record, dict):
                    yield {str(name): _unnested(value, nested) for name, value in record.items()}
                else:
                    yield f"is {line.strip()[:20]!r}, expected an object of JSON"


class ParquetFile(TableFile):
    """Columns of Parquet. Images may lie in it: as bytes, or as datasets keep them, {"bytes": …, "path": …}."""

    def __init__(self, path: str) -> None:
        super().__init__(path)
        try:
            import pyarrow.parquet
        except ImportError:
            raise MissingExtraError("Reading Parquet", "pyarrow", "search") from None
        with pyarrow.parquet.ParquetFile(path) as file:
            self._schema = file.schema_arrow
        self.columns = list(self._schema.names)
        for name, count in Counter(self.columns).items():
            if count > 1:
                raise ValueError(f"it has several columns named {name!r}; give each a name of its own")

    def holds(self, column: str | None) -> bool:
        """Whether a column's type is one that images are kept in."""
        from pyarrow import types

        if column not in self.columns:
            return False
        kind = self._schema.field(column).type
        return bool(types.is_binary(kind) or types.is_large_binary(kind) or types.is_struct(kind))

    def records(self, columns: Sequence[str] | None = None, *, nested: bool = False) -> Iterator[Record | str]:
        """Yield each row; times become ISO 8601, decimals numbers.

        columns: of those that hold images only the paths are read.
        """
        import pyarrow.parquet

        held = [name for name in self.columns if self.holds(name)]
        size, wanted = _PARQUET_ROWS, None
        if columns is not None:
            wanted = [f"{name}.path" if name in held else name for name in columns]
        elif held:
            size = _PARQUET_IMAGES
        with pyarrow.parquet.ParquetFile(self.path) as file:
            for batch in file.iter_batches(size, columns=wanted):
                for part in _slices(batch):
                    for record in part.to_pylist():
                        yield {name: _from_arrow(value, nested) for name, value in record.items()}

    def kinds(self) -> Kinds:
        """Kinds that the file records."""
        from pyarrow import types

        known = Kinds()
        for field in self._schema:
            known.kinds[field.name] = "text"
            if types.is_boolean(field.type):
                known.kinds[field.name] = "boolean"
            elif types.is_floating(field.type) or types.is_decimal(field.type) or types.is_uint64(field.type):
                known.kinds[field.name] = "number"
            elif types.is_integer(field.type):
                known.kinds[field.name] = "integer"
        return known


_READERS: dict[str, type[TableFile]] = {
    ".csv": CsvFile,
    ".tsv": CsvFile,
    ".jsonl": JsonLinesFile,
    ".ndjson": JsonLinesFile,
    ".parquet": ParquetFile,
}


def _slices(batch: Any) -> Iterator[Any]:
    """Parts of a batch that take little as Python's objects; a dictionary of one long text may stand in all rows."""
    rows = batch.num_rows
    size = 0
    for column in batch.columns:
        dictionary = getattr(column, "dictionary", None)
        if dictionary is None:
            size += column.nbytes
        else:
            size += dictionary.nbytes * rows // max(1, len(dictionary))
    step = max(1, rows * _HELD // max(_HELD, size))
    for start in range(0, rows, step):
        yield batch.slice(start, step)


def _unnested(value: Any, nested: bool) -> Any:
    if nested and isinstance(value, list | dict):
        return value
    return plain(value)


def _from_arrow(value: Any, nested: bool) -> Any:
    """Value as a column holds it; bytes, and structures that hold bytes, as they are: they may be images."""
    if isinstance(value, bytes) or (isinstance(value, dict) and {"bytes", "path"} & value.keys()):
        return value
    if isinstance(value, datetime.datetime | datetime.date | datetime.time):
        return value.isoformat()
    if isinstance(value, decimal.Decimal):
        return float(value)
    return _unnested(value, nested)
