"""Contents of an index, at about 50 bytes a row: enough to tell what is new, what has changed and what is gone."""

from __future__ import annotations

import json
import os
import threading
from array import array
from bisect import bisect_left, bisect_right
from collections import Counter
from collections.abc import Iterable, Mapping

import numpy as np

from wordsight.columns import Value
from wordsight.hashes import hash_text
from wordsight.index.base import Row, RowVersion
from wordsight.path_text import to_path

MASKED = ":masked"  # ends the content hash of a page that was embedded without its title block


def hash_annotations(text: str, meta: Mapping[str, Value]) -> str:
    """Hash of what is said of an image beside its pixels: `Row.annotation_hash`."""
    return f"{hash_text(json.dumps([text, sorted(meta.items())], ensure_ascii=False)):016x}"


def is_gone_file(path: str) -> bool:
    """Whether a file of this machine (`Row.path`) is not there now; a URL is taken to be there."""
    return os.path.isabs(path) and not os.path.lexists(to_path(path))


def is_gone(row: Row) -> bool:
    """Whether the file that holds a row's image is not there now: moved, deleted, or on a disk that is away.

    One look at the file system, some microseconds; images by URL or without a file are never gone.
    """
    return is_gone_file(row.path)


class RowStates:
    """The rows of an index as arrays of hashes. `seen` marks those that were met again: the others are gone.

    Rows have positions 0 … N-1 here, those of one file together. A row belongs to the file at its `path` when its id is
    that path, or begins with "<path>#": a table's rows do not, whose images are files of their own.
    """

    def __init__(self, versions: Iterable[RowVersion]) -> None:
        columns = {name: array("Q") for name in ("id", "path", "file", "content", "annotations")}
        pages = array("B")
        self.rows_of: Counter[str] = Counter()  # source → rows
        for version in versions:
            columns["id"].append(hash_text(version.id))
            columns["path"].append(hash_text(version.path) if version.in_file else 0)
            columns["file"].append(_file(version.size, version.mtime_ns, version.content_hash.endswith(MASKED)))
            columns["content"].append(hash_text(version.content_hash))
            columns["annotations"].append(hash_text(version.annotation_hash))
            pages.append("#page=" in version.id)
            self.rows_of[version.source] += 1
        order = np.argsort(np.asarray(columns["path"]), kind="stable")
        self._path, self._file, self._content, self._annotations = (
            _in_order(columns[name], order) for name in ("path", "file", "content", "annotations")
        )
        self._page = _in_order(pages, order)
        ids = np.asarray(columns["id"])[order]
        by_id = np.argsort(ids)
        self._id = array("Q", ids[by_id].tobytes())
        self._row_of_id = array("I", by_id.astype(np.uintc).tobytes())
        self.seen = bytearray(len(self._id))

    def __len__(self) -> int:
        return len(self._id)

    def find(self, id: str) -> int | None:
        """Position of a row, or None where there is none."""
        wanted = hash_text(id)
        at = bisect_left(self._id, wanted)
        return self._row_of_id[at] if at < len(self._id) and self._id[at] == wanted else None

    def of_file(self, path: str) -> range:
        """Positions of the rows that belong to a file."""
        wanted = hash_text(path)
        start = bisect_left(self._path, wanted)
        return range(start, bisect_right(self._path, wanted, start))

    def same_file(self, row: int, size: int, mtime_ns: int, mask: bool) -> bool:
        """Whether a row is of a file of that size and time, and a page masked or not as wanted."""
        return self._file[row] == _file(size, mtime_ns, mask and bool(self._page[row]))

    def same_content(self, row: int, content_hash: str) -> bool:
        """Whether a row was made of this content."""
        return self._content[row] == hash_text(content_hash)

    def same_annotations(self, row: int, annotation_hash: str) -> bool:
        """Whether the same was said of a row."""
        return self._annotations[row] == hash_text(annotation_hash)

    def contents(self) -> Contents:
        """Contents whose vectors the index holds."""
        return Contents(array("Q", np.unique(np.asarray(self._content)).tobytes()))


class Contents:
    """Contents that need no embedding, since the index holds their vector or another item is about to bring it."""

    def __init__(self, known: array[int]) -> None:
        self._known = known  # sorted
        self._claimed: set[int] = set()
        self._lock = threading.Lock()

    def claim(self, content_hash: str) -> bool:
        """Claim a content that is not in the index; True for the first who asks: it is theirs to embed."""
        wanted = hash_text(content_hash)
        at = bisect_left(self._known, wanted)
        if at < len(self._known) and self._known[at] == wanted:
            return False
        with self._lock:
            if wanted in self._claimed:
                return False
            self._claimed.add(wanted)
            return True

    def __getstate__(self) -> array[int]:
        return self._known

    def __setstate__(self, known: array[int]) -> None:
        self.__init__(known)  # type: ignore[misc]


def _in_order(column: array[int], order: np.ndarray) -> array[int]:
    return array(column.typecode, np.asarray(column)[order].tobytes())


def _file(size: int, mtime_ns: int, masked: bool) -> int:
    return hash((size, mtime_ns, masked)) & 0xFFFF_FFFF_FFFF_FFFF
