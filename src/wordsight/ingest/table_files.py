"""Files of rows: CSV, TSV, JSON lines, Parquet, read as a stream of records, as often as asked."""

from __future__ import annotations

import csv
import datetime
import decimal
import json
import os
import stat
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Iterator, Sequence
from typing import IO, Any, TypeAlias

from wordsight.columns import MOST_COLUMNS, Kinds, plain
from wordsight.errors import InputError, MissingExtraError
from wordsight.images.files import EXTENSIONS
from wordsight.images.skipped import describe_error

Record: TypeAlias = dict[str, Any]

_DELIMITERS = ",;\t|"
_CELL = 16 << 20  # characters at most; Python's own limit is 131,072, which a long description passes
_PARQUET_ROWS = 1024  # read at a time
_PARQUET_PICTURES = 16  # rows read at a time where images may lie in the cells: all of these are held
_LINE = 64 << 20  # characters of a line at most: a file without line breaks would be held whole
_LOOKED_AT = 1000  # lines of JSON that are looked at to learn the columns


class TableFile(ABC):
    """A table: its columns, and its records as often as asked, in order.

    Raises: InputError when it is opened and cannot be read; ValueError or OSError where it turns out damaged later.
    """

    columns: list[str]

    def __init__(self, path: str) -> None:
        self.path = path

    @abstractmethod
    def records(self, columns: Sequence[str] | None = None, *, nested: bool = False) -> Iterator[Record | str]:
        """Yield each row as column → value, or why it is no row.

        columns: those needed; None is all. nested: lists and objects stay as they are.
        """

    def holds(self, column: str | None) -> bool:
        """Return whether a column holds images themselves, not their names."""
        return False

    def kinds(self) -> Kinds:
        """Return what nothing is known of yet; a format that records its types tells them."""
        return Kinds()


def open_table(path: str) -> TableFile:
    """Return the table in a file by its ending. Raises: InputError saying what is wrong; MissingExtraError."""
    ending = os.path.splitext(path)[1].lower()
    kind = ParquetFile if ending == ".parquet" else JsonLinesFile if ending in (".jsonl", ".ndjson") else CsvFile
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
        raise InputError(f"The table {path!r} cannot be read: {why(error)}.") from error


def why(error: Exception) -> str:
    """Return the reason why a table cannot be read."""
    if isinstance(error, UnicodeDecodeError):
        byte = error.object[error.start]
        return f"it is not UTF-8 text (byte 0x{byte:02x} at {error.start:,}); save it in UTF-8"
    said = describe_error(error) if isinstance(error, OSError) else str(error)
    return " ".join(said.split()).rstrip(".")  # pyarrow's are of several lines


class CsvFile(TableFile):
    """Rows of cells. The delimiter of a .tsv is the tab, else that of , ; | and tab which the header holds most of.

    Without a header (the first line names an image) columns are called column_1, column_2 and so on. A quote at the
    start of a cell that nothing closes, or that a quote in the midst of a later line would close, is a letter.
    """

    def __init__(self, path: str) -> None:
        super().__init__(path)
        self.columns = []
        with open(path, "rb") as file:
            self._encoding = "utf-16" if file.read(2) in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig"
        with self._open() as file:
            header = next(_lines(file), "")
        tabs = path.lower().endswith(".tsv")
        self._delimiter = "\t" if tabs else max(_DELIMITERS, key=header.count)
        with self._open() as file:
            first = next(self._rows(file), [])
        # a first line that names an image is a row: captions without a header are common
        self._header = not any(os.path.splitext(cell.strip())[1].lower() in EXTENSIONS for cell in first)
        self.columns = _named(first if self._header else [""] * len(first))
        if not self.columns:
            raise ValueError("it is empty; expected a first line with the names of the columns")

    def records(self, columns: Sequence[str] | None = None, *, nested: bool = False) -> Iterator[Record | str]:
        """Yield each row as column → cell, all of it text."""
        with self._open() as file:
            rows = self._rows(file)
            if self._header:
                next(rows, None)
            for row in rows:
                if not row:  # an empty line
                    continue
                if len(row) > len(self.columns):
                    yield f"has {len(row)} cells, expected {len(self.columns)}; check its quotes"
                else:
                    yield dict(zip(self.columns, row, strict=False))

    def kinds(self) -> Kinds:
        """Return kinds that are read from how cells are written."""
        return Kinds(cells=True)

    def _open(self) -> IO[str]:
        return open(self.path, encoding=self._encoding, newline="")

    def _rows(self, file: IO[str]) -> Iterator[list[str]]:
        csv.field_size_limit(max(csv.field_size_limit(), _CELL))
        again: deque[str] = deque()  # lines to be read a second time
        while True:
            taken: list[str] = []  # the lines of the row that is being read
            try:
                for row in csv.reader(_kept(file, again, taken), delimiter=self._delimiter):
                    runs_on = len(taken) > 1 or (row and row[-1].endswith("\n"))
                    if runs_on and not _closes(taken, self._delimiter):
                        break
                    yield row
                    taken.clear()
                else:
                    return
            except csv.Error as error:  # a cell that is too long
                if len(taken) < 2:
                    raise ValueError(f"it is damaged ({error})") from error
            # the cell that runs on from the first line began with a letter, not a quote
            taken[0] = _with_letter(taken[0], self._delimiter, len(self.columns))
            again.extendleft(reversed(taken))


def _kept(file: IO[str], again: deque[str], taken: list[str]) -> Iterator[str]:
    """Yield the lines in `again`, then those of a file, and add each to `taken`."""
    while again:
        line = again.popleft()
        taken.append(line)
        yield line
    for line in _lines(file):
        taken.append(line)
        yield line


def _closes(lines: list[str], delimiter: str) -> bool:
    """Return whether the quotes of a row of several lines are closed, and stand where a cell ends."""
    try:
        return len(list(csv.reader(lines, delimiter=delimiter, strict=True))) == 1
    except csv.Error:
        return False


def _with_letter(line: str, delimiter: str, columns: int) -> str:
    """Return a line, one of whose cells begins with a quote that nothing closes, so that the quote is read as a letter.

    The cell ends at the next delimiter where the row then has as many cells as there are columns, else with the line.
    """
    body = line.rstrip("\r\n")
    start = number = 0
    while (end := _end_of_cell(body, start, delimiter)) < len(body):
        start, number = end + 1, number + 1
    cell, rest = body[start:], ""
    if columns == number + 1 + cell.count(delimiter):
        cell, mark, rest = cell.partition(delimiter)
        rest = mark + rest
    doubled = cell.replace('"', '""')
    return f'{body[:start]}"{doubled}"{rest}{line[len(body) :]}'


def _end_of_cell(line: str, start: int, delimiter: str) -> int:
    """Return where the cell that begins at `start` ends: at the next delimiter outside quotes, or the line's end."""
    at, quoted = start, line[start : start + 1] == '"'
    at += quoted
    while at < len(line):
        if quoted and line[at] == '"':
            if line[at + 1 : at + 2] == '"':
                at += 1
            else:
                quoted = False
        elif not quoted and line[at] == delimiter:
            return at
        at += 1
    return len(line)


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
            for line in _lines(file):
                if not line.strip():
                    continue
                try:
                    record = json.loads(line)
                except (ValueError, RecursionError) as error:
                    yield f"is no JSON ({error})"
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

    def holds(self, column: str | None) -> bool:
        """Return whether a column's type is one that images are kept in."""
        from pyarrow import types

        kind = self._schema.field(column).type if column in self.columns else None
        return kind is not None and (types.is_binary(kind) or types.is_large_binary(kind) or types.is_struct(kind))

    def records(self, columns: Sequence[str] | None = None, *, nested: bool = False) -> Iterator[Record | str]:
        """Yield each row; times become ISO 8601, decimals numbers.

        columns: of those that hold images only the paths are read.
        """
        import pyarrow.parquet

        held = [name for name in self.columns if self.holds(name)]
        wanted = None if columns is None else [f"{name}.path" if name in held else name for name in columns]
        size = _PARQUET_PICTURES if held and columns is None else _PARQUET_ROWS
        with pyarrow.parquet.ParquetFile(self.path) as file:
            for batch in file.iter_batches(size, columns=wanted):
                for record in batch.to_pylist():
                    yield {name: _from_arrow(value, nested) for name, value in record.items()}

    def kinds(self) -> Kinds:
        """Return the kinds that the file records."""
        from pyarrow import types

        known = Kinds()
        for field in self._schema:
            numeric = types.is_floating(field.type) or types.is_decimal(field.type)
            known.kinds[field.name] = (
                "boolean" if types.is_boolean(field.type)
                else "number" if numeric or types.is_uint64(field.type)
                else "integer" if types.is_integer(field.type)
                else "text"
            )  # fmt: skip
        return known


def _unnested(value: Any, nested: bool) -> Any:
    return value if nested and isinstance(value, list | dict) else plain(value)


def _from_arrow(value: Any, nested: bool) -> Any:
    """Return a value as a column holds it; bytes, and structures that hold bytes, as they are: they may be images."""
    if isinstance(value, bytes) or (isinstance(value, dict) and {"bytes", "path"} & value.keys()):
        return value
    if isinstance(value, datetime.datetime | datetime.date | datetime.time):
        return value.isoformat()
    return float(value) if isinstance(value, decimal.Decimal) else _unnested(value, nested)


def _named(header: list[str]) -> list[str]:
    """Names for all columns, each once: an empty one is called by its number."""
    if len(header) > MOST_COLUMNS:
        return header  # refused for it
    names: dict[str, None] = {}
    for number, cell in enumerate(header, 1):
        name = cell.strip() or f"column_{number}"
        while name in names:
            name += "_"
        names[name] = None
    return list(names)


def _lines(file: IO[str]) -> Iterator[str]:
    """Yield the lines of a file. Raises: ValueError for one that is too long to be held."""
    while line := file.readline(_LINE):
        if len(line) == _LINE and not line.endswith("\n"):
            raise ValueError(f"it is damaged (a line is longer than {_LINE:,} characters)")
        yield line
