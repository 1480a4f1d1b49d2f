"""CSV and TSV as people and programs write them: with any delimiter, without a header, with stray quotes."""

from __future__ import annotations

import csv
import os
from collections import deque
from collections.abc import Iterator, Sequence
from typing import IO

from wordsight.columns import MOST_COLUMNS, Kinds
from wordsight.images.files import EXTENSIONS
from wordsight.ingest.table_file import Record, TableFile, read_lines

_DELIMITERS = ",;\t|"
_CELL = 16 << 20  # characters at most; Python's own limit is 131,072, which a long description passes


class CsvFile(TableFile):
    """Rows of cells. The delimiter of a .tsv is the tab, else that of , ; | and tab which the header holds most of.

    Without a header (the first line names an image) columns are called column_1, column_2 and so on. A quote at the
    start of a cell that nothing closes, or that a quote in the midst of a later line would close, is a letter.
    """

    def __init__(self, path: str) -> None:
        super().__init__(path)
        self.columns = []
        self._encoding = "utf-8-sig"
        with open(path, "rb") as file:
            if file.read(2) in (b"\xff\xfe", b"\xfe\xff"):
                self._encoding = "utf-16"
        with self._open() as file:
            header = next(read_lines(file), "")
        self._delimiter = "\t"
        if not path.lower().endswith(".tsv"):
            self._delimiter = max(_DELIMITERS, key=header.count)
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
        """Kinds that are read from how cells are written."""
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
    for line in read_lines(file):
        taken.append(line)
        yield line


def _closes(lines: list[str], delimiter: str) -> bool:
    """Whether the quotes of a row of several lines are closed, and stand where a cell ends."""
    try:
        return len(list(csv.reader(lines, delimiter=delimiter, strict=True))) == 1
    except csv.Error:
        return False


def _with_letter(line: str, delimiter: str, columns: int) -> str:
    """Line, one of whose cells begins with a quote that nothing closes, so that the quote is read as a letter.

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
    """End of the cell that begins at `start`: at the next delimiter outside quotes, or the line's end."""
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
