"""Tables of images: each row an item, its image a file, a URL or held in the cell, its columns metadata."""

from __future__ import annotations

import contextlib
import functools
import os
import re
from array import array
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from wordsight.columns import TOO_MANY_COLUMNS, Kinds, Value, make_meta
from wordsight.errors import ImageError, InputError, did_you_mean
from wordsight.hashes import hash_content, hash_text
from wordsight.images.files import EXTENSIONS
from wordsight.images.skipped import Skipped, describe_error
from wordsight.ingest.files import read_file
from wordsight.ingest.items import Content, Item, Unit, Unlisted
from wordsight.ingest.options import IngestOptions
from wordsight.ingest.table_file import Record, TableFile
from wordsight.ingest.table_files import describe_fault, open_table
from wordsight.ingest.urls import decode_data_uri, fetch, is_data, is_url
from wordsight.path_text import name_words, to_path, to_text
from wordsight.unique_ids import Numbers

# what columns of images are called, the likeliest first, in lower case
_USUAL = (
    *("image", "image_path", "img", "img_path", "picture", "photo", "path", "file_path", "filepath", "file"),
    *("filename", "file_name", "image_file", "image_filename", "image_url", "img_url", "url", "link"),
)
_TRIED_ROWS = 1000  # at most, to find the column of images
_TRIED_CELLS = 20  # of each column

_BRACED = re.compile(r"\{([^{}]*)\}")  # not `str.format`, to which "a.b", "a[0]" and "0" are not names
_LIKE = "expected names of columns in braces, as in 'images/{id}.jpg'"
ADD_URLS = "is a URL; add --urls to fetch such images"


def table_unit(path: str, source: str, options: IngestOptions) -> Unit:
    """Unit of a table. Raises: InputError for a table that cannot be read or a column that is not there."""
    table = open_table(path)
    for name in options.text_columns or ():
        _check(name, table)
    try:
        images = image_column(table, options)
    except (OSError, ValueError) as error:  # what `open_table` did not read yet is damaged
        raise InputError(f"The table {path!r} cannot be read: {describe_fault(error)}.") from error
    reader = TableReader(table, source, options, images)
    status = os.stat(path)
    same = table.holds(images.name)
    return Unit(source, to_text(path), status.st_size, status.st_mtime_ns, reader.items, unchanged_if_same_mtime=same)


class ImageColumn:
    """Where a row names its image: a column, or a pattern over columns, "images/{id}.jpg"."""

    def __init__(self, named: str, table: TableFile) -> None:
        self.name: str | None = None
        self.pattern = named
        if named in table.columns or "{" not in named:
            _check(named, table)
            self.name, self.needs = named, [named]
        else:
            self.needs = _BRACED.findall(named)
            if not self.needs or {"{", "}"} & set(_BRACED.sub("", named)):
                raise InputError(f"The pattern {named!r} has braces that do not go in pairs; {_LIKE}.")
            for name in self.needs:
                _check(name, table)

    def of(self, record: Record) -> Any:
        """Cell of a row: a path or a URL, bytes, a dataset's structure, or "" where it is empty.

        Of a data: URI its bytes; one that cannot be decoded stays as it is.
        """
        if self.name is not None:
            cell = record.get(self.name)
        elif all(record.get(name) not in (None, "") for name in self.needs):
            cell = _BRACED.sub(lambda found: str(record[found[1]]), self.pattern)
        else:
            cell = None
        if cell is None or (isinstance(cell, dict) and not cell.get("bytes") and not cell.get("path")):
            return ""
        if isinstance(cell, dict) and not cell.get("bytes"):
            cell = cell["path"]
        if isinstance(cell, bytes | dict):
            return cell
        text = str(cell).strip()
        if is_data(text):
            with contextlib.suppress(ImageError):
                return decode_data_uri(text)
        return text


def image_column(table: TableFile, options: IngestOptions) -> ImageColumn:
    """Column that the user named, else the one whose cells name files that exist, hold bytes or URLs.

    Raises: InputError naming the columns there are.
    """
    if options.image_column is not None:
        return ImageColumn(options.image_column, table)
    by_usage = {name.lower(): name for name in reversed(table.columns)}
    usual = [by_usage[name] for name in _USUAL if name in by_usage]
    others = [name for name in table.columns if name not in usual]
    cells = _first_cells(table)
    if not any(cells.values()):
        raise InputError(f"The table {table.path!r} has no rows; expected one for each image, below the column names.")
    for name, pattern in _likely(usual, others):
        found = _found(cells[name], pattern, os.path.dirname(table.path))
        if found and (name in usual or 2 * found >= len(set(map(str, cells[name])))):
            return ImageColumn(pattern.replace("{}", name if pattern == "{}" else f"{{{name}}}"), table)
    for name in [*usual, *others]:
        embedded = any(isinstance(cell, bytes | dict) for cell in cells[name])
        if embedded or (name in usual and any(is_url(str(cell).strip()) for cell in cells[name])):
            return ImageColumn(name, table)
    raise InputError(
        f"No column of the table {table.path!r} names images that exist, looked for in "
        f"{os.path.dirname(table.path)!r}; its columns are {', '.join(table.columns)}. "
        "Name one with --image-column, or a pattern such as 'images/{id}.jpg'."
    )


def _first_cells(table: TableFile) -> dict[str, list[Any]]:
    """First cells of each column that are not empty; of images held in cells only that there are some."""
    cells: dict[str, list[Any]] = {name: [] for name in table.columns}
    for number, record in enumerate(table.records()):
        if number == _TRIED_ROWS or all(len(some) >= _TRIED_CELLS for some in cells.values()):
            break
        if isinstance(record, str):
            continue
        for name, cell in record.items():
            if cell not in (None, "") and len(cells.setdefault(name, [])) < _TRIED_CELLS:
                cells[name].append(b"" if _holds_file(cell) else cell)
    return cells


def _likely(usual: list[str], others: list[str]) -> Iterator[tuple[str, str]]:
    """Yield (column, pattern of its cells) of where images may be named, the likeliest first."""
    plain = [name for name in others if not {"{", "}"} & set(name)]
    for pattern, names in (("{}", usual), ("{}", others), ("images/{}", [*usual, *plain])):
        yield from ((name, pattern) for name in names)
    for pattern in ("images/{}.jpg", "{}.jpg", "images/{}.png", "{}.png"):  # a column of keys
        yield from ((name, pattern) for name in plain)


def _found(cells: list[Any], pattern: str, folder: str) -> int:
    """Number of cells that name an image file of their own."""
    paths = {pattern.format(cell).strip() for cell in cells if isinstance(cell, str | int)}
    return sum(os.path.splitext(path)[1].lower() in EXTENSIONS and _is_file(path, folder) for path in paths)


class TableReader:
    """Reads a table twice: once for what holds for whole columns, once for its items."""

    def __init__(self, table: TableFile, source: str, options: IngestOptions, images: ImageColumn) -> None:
        self.table, self.source, self.options, self.images = table, source, options, images
        self.folder = os.path.dirname(table.path)

    def items(self) -> Iterator[Item | Skipped]:
        """Yield the rows in order; those without an image as `Skipped`, a table that breaks off as `Unlisted`.

        A row's id is "<table>#<cell>"; where several name the same image, "<table>#<cell>#2" and so on: reordered
        rows keep their ids, but for rows of the same image, which may change places.
        """
        try:
            kinds, numbers = self._first_pass()
            if kinds.too_many:
                yield Skipped(Path(self.table.path), TOO_MANY_COLUMNS)
            for number, record in enumerate(self.table.records(), 1):
                if isinstance(record, str):
                    yield Skipped(self._row(number), record)
                    continue
                cell = self.images.of(record)
                name = self._name(cell, number)
                yield self._item(cell, name + numbers.suffix(name), number, kinds, record)
        except (OSError, ValueError) as error:
            yield Unlisted(Path(self.table.path), describe_fault(error))

    def _first_pass(self) -> tuple[Kinds, Numbers]:
        """Columns' kinds, and the numbers of rows that name the same image."""
        kinds = self.table.kinds()
        known = bool(kinds.kinds)
        keys = array("Q")
        for number, record in enumerate(self.table.records(self.images.needs if known else None), 1):
            if isinstance(record, str):
                continue
            if not known:
                kinds.see(record)
            keys.append(hash_text(self._name(self.images.of(record), number)))
        kinds.settle()
        return kinds, Numbers(keys)

    def _name(self, cell: Any, number: int) -> str:
        """Name that tells a row's image from others: its cell, else the row's number."""
        if isinstance(cell, dict):
            cell = cell.get("path") or ""
        if isinstance(cell, str) and cell:
            return to_text(cell)
        return f"row={number}"

    def _item(self, cell: Any, name: str, number: int, kinds: Kinds, record: Record) -> Item | Skipped:
        values = kinds.typed(
            {key: value for key, value in record.items() if key != self.images.name and not _holds_file(value)}
        )
        make = functools.partial(
            Item,
            id=f"{to_text(self.table.path)}#{name}",
            source=self.source,
            text=self._text(values, kinds, cell),
            meta=make_meta(values),
        )
        if not cell:
            return Skipped(self._row(number), "names no image")
        if isinstance(cell, str) and is_data(cell):
            return Skipped(self._row(number), "holds a data: URI that cannot be decoded")
        try:
            if _is_embedded(cell):
                content = cell if isinstance(cell, bytes) else cell["bytes"]
                status = os.stat(self.table.path)
                read = functools.partial(_embedded, content)
                return make(path=to_text(self.table.path), read=read, size=status.st_size, mtime_ns=status.st_mtime_ns)
            if is_url(cell):
                if not self.options.urls:
                    return Skipped(cell, ADD_URLS)
                return make(path=cell, read=functools.partial(_fetch, cell))
            path = _absolute(cell, self.folder)
            status = os.stat(path)
        except (OSError, ValueError) as error:
            reason = str(error)
            if isinstance(error, OSError):
                reason = describe_error(error)
            return Skipped(Path(_absolute(cell, self.folder)), f"{reason}, named in {self._row(number)}")
        read = functools.partial(read_file, path)
        return make(path=to_text(path), read=read, size=status.st_size, mtime_ns=status.st_mtime_ns)

    def _text(self, values: dict[str, Value], kinds: Kinds, cell: Any) -> str:
        """Words of a row: its columns of text, or those asked for, and those of its image's name."""
        wanted = self.options.text_columns
        if wanted is None:
            texts = (name for name in values if kinds.kinds.get(name) == "text")
            wanted = tuple(name for name in texts if name not in self.images.needs)
        said = [str(values[name]) for name in wanted if values.get(name) is not None]
        if isinstance(cell, str):
            said.append(name_words(os.path.basename(cell)))
        return "\n".join(dict.fromkeys(line for line in said if line and not is_url(line)))

    def _row(self, number: int) -> str:
        return f"{os.path.basename(self.table.path)} row {number}"


def _check(name: str, table: TableFile) -> None:
    if name not in table.columns:
        raise InputError(
            f"The table {table.path!r} has no column {name!r}; its columns are {', '.join(table.columns)}."
            f"{did_you_mean(name, table.columns)}"
        )


def _absolute(cell: str, folder: str) -> str:
    return os.path.normpath(os.path.join(folder, os.fspath(to_path(cell))))


def _is_file(cell: str, folder: str) -> bool:
    try:
        return os.path.isfile(_absolute(cell, folder))
    except ValueError:  # a NUL in it
        return False


def _is_embedded(cell: Any) -> bool:
    return isinstance(cell, bytes | dict)


def _holds_file(cell: Any) -> bool:
    return _is_embedded(cell) or (isinstance(cell, str) and is_data(cell))


def _embedded(content: bytes) -> Content:
    return Content(hash_content(content), lambda: content)


def _fetch(url: str) -> Content:
    try:
        return _embedded(fetch(url))
    except InputError as error:
        raise ImageError(str(error)) from error
