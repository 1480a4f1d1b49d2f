"""Images and captions of references: bytes from files, shards and datasets, and the texts that go with them."""

from __future__ import annotations

import json
import math
from collections import OrderedDict
from collections.abc import Sequence
from typing import IO, Any

from wordsight.images.open_file import check_size, open_regular
from wordsight.images.skipped import UnreadableError, describe_error
from wordsight.pairs.captions import explain_missing, extract_captions, find_columns
from wordsight.pairs.datasets import DatasetRows
from wordsight.pairs.options import PairOptions
from wordsight.pairs.references import DatasetRow, FileRange, Reference

_OPEN_FILES = 16  # archives kept open by a reader
_TEXT_LIMIT = 1 << 20  # bytes of a file of text


class LeftOutError(Exception):
    """A pair that is left out; the text is the reason."""


class PairReader:
    """Reads the pairs that references name; it may be sent to other processes. datasets: whose rows they name."""

    def __init__(self, options: PairOptions, datasets: Sequence[DatasetRows] = ()) -> None:
        self.options, self.datasets = options, tuple(datasets)
        self._files = _Files()

    def read(self, reference: Reference) -> tuple[bytes, list[str]]:
        """Encoded image of a pair and its captions, one at least. Raises: LeftOutError with the reason."""
        assert reference.image is not None
        if isinstance(reference.image, DatasetRow):
            return self._read_row(reference.image)
        return self._files.read(reference.image), self.read_captions(reference)

    def read_captions(self, reference: Reference) -> list[str]:
        """Captions of a pair that is not a row of a dataset; [""] where none are needed. Raises: LeftOutError."""
        if not self.options.texts:
            return [""]
        if reference.fields is not None and self.options.text_columns is not None:
            return _require_captions([self._read_fields(reference.fields)])
        found: list[Any] = [c if isinstance(c, str) else self._read_text(c) for c in reference.captions]
        if reference.fields is not None and not extract_captions(found):
            found.append(self._read_fields(reference.fields))
        return _require_captions(found)

    def _read_text(self, place: FileRange) -> str:
        size = _TEXT_LIMIT
        if place.size >= 0:
            size = min(place.size, size)
        content = self._files.read(place._replace(size=size))
        try:
            return content.decode("utf-8-sig")
        except UnicodeDecodeError as error:
            raise LeftOutError("its caption is not UTF-8 text") from error

    def _read_fields(self, place: FileRange) -> Any:
        """Captions in a sample's JSON."""
        try:
            values = json.loads(self._read_text(place))
        except (ValueError, RecursionError) as error:
            raise LeftOutError("its metadata is not JSON") from error
        if not isinstance(values, dict):
            return None
        if self.options.text_columns is not None and not any(name in values for name in self.options.text_columns):
            names = " or ".join(self.options.text_columns)
            setting = self.options.name_setting("text_columns")
            raise LeftOutError(f"its .json has no {names}, which {setting} names")
        columns = self.options.text_columns or find_columns(values, [values])
        return [part for name in columns for part in _as_list(values.get(name))]

    def _read_row(self, place: DatasetRow) -> tuple[bytes, list[str]]:
        content, path, said = self.datasets[place.dataset].read(place.row)
        if not content and not path:
            raise LeftOutError("holds no image")
        captions = [""]
        if self.options.texts:
            captions = _require_captions(said)
        return content or self._files.read(FileRange(path)), captions


class _Files:
    """Reads parts of files; archives read recently stay open, separately in each process."""

    def __init__(self) -> None:
        self._open: OrderedDict[str, IO[bytes]] = OrderedDict()

    def __getstate__(self) -> dict[str, Any]:
        return {"_open": OrderedDict()}

    def read(self, place: FileRange) -> bytes:
        """Bytes of a place. Raises: LeftOutError with the reason."""
        try:
            if place.start == 0:
                with open_regular(place.path) as file:
                    return file.read(place.size)
            check_size(place.size)
            archive = self._open.pop(place.path, None) or open_regular(place.path, most_bytes=math.inf)
            self._open[place.path] = archive
            if len(self._open) > _OPEN_FILES:
                self._open.popitem(last=False)[1].close()
            archive.seek(place.start)
            content = archive.read(place.size)
        except (OSError, UnreadableError, ValueError) as error:  # a NUL in a path
            raise LeftOutError(describe_error(error)) from error
        if len(content) < place.size:
            raise LeftOutError("the archive is shorter than it was")
        return content


def _require_captions(found: Sequence[Any]) -> list[str]:
    captions = extract_captions(found)
    if not captions:
        raise LeftOutError(explain_missing(found))
    return captions


def _as_list(value: Any) -> Sequence[Any]:
    return value if isinstance(value, list) else [value]
