"""What an index holds, at about 50 bytes a row: enough to tell what is new, what has changed and what is gone."""

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
from wordsight.index.base import Row, Stamp
from wordsight.path_text import to_path

MASKED = ":masked"  # ends the digest of a page that was embedded without its title block


def about_of(text: str, meta: Mapping[str, Value]) -> str:
    """Return the hash of what is said of an image beside its pixels: `Row.about`."""
    return f"{hash_text(json.dumps([text, sorted(meta.items())], ensure_ascii=False)):016x}"


def is_gone_file(path: str) -> bool:
    """Return whether a file of this machine (`Row.path`) is not there now; an address is taken to be there."""
    return os.path.isabs(path) and not os.path.lexists(to_path(path))


def is_gone(row: Row) -> bool:
    """Return whether the file that holds a row's image is not there now: moved, deleted, or on a disk that is away.

    One look at the file system, some microseconds; images by address or without a file are never gone.
    """
    return is_gone_file(row.path)


class Known:
    """The rows of an index as arrays of hashes. `seen` marks those that were met again: the others are gone.

    Rows have positions 0 … N-1 here, those of one file together. A row belongs to the file at its `path` when its id is
    that path, or begins with "<path>#": a table's rows do not, whose images are files of their own.
    """

    def __init__(self, stamps: Iterable[Stamp]) -> None:
        columns = {name: array("Q") for name in ("id", "path", "file", "digest", "about")}
        pages = array("B")
        self.rows_of: Counter[str] = Counter()  # source → rows
        for stamp in stamps:
            columns["id"].append(hash_text(stamp.id))
            columns["path"].append(hash_text(stamp.path) if stamp.in_file else 0)
            columns["file"].append(_file(stamp.size, stamp.mtime_ns, stamp.digest.endswith(MASKED)))
            columns["digest"].append(hash_text(stamp.digest))
            columns["about"].append(hash_text(stamp.about))
            pages.append("#page=" in stamp.id)
            self.rows_of[stamp.source] += 1
        order = np.argsort(np.asarray(columns["path"]), kind="stable")
        self._path, self._file, self._digest, self._about = (
            _in_order(columns[name], order) for name in ("path", "file", "digest", "about")
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
        """Return the position of a row, or None where there is none."""
        wanted = hash_text(id)
        at = bisect_left(self._id, wanted)
        return self._row_of_id[at] if at < len(self._id) and self._id[at] == wanted else None

    def of_file(self, path: str) -> range:
        """Return the positions of the rows that belong to a file."""
        wanted = hash_text(path)
        start = bisect_left(self._path, wanted)
        return range(start, bisect_right(self._path, wanted, start))

    def same_file(self, row: int, size: int, mtime_ns: int, mask: bool) -> bool:
        """Return whether a row is of a file of that size and time, and a page masked or not as wanted."""
        return self._file[row] == _file(size, mtime_ns, mask and bool(self._page[row]))

    def same_digest(self, row: int, digest: str) -> bool:
        """Return whether a row was made of this content."""
        return self._digest[row] == hash_text(digest)

    def same_about(self, row: int, about: str) -> bool:
        """Return whether the same was said of a row."""
        return self._about[row] == hash_text(about)

    def digests(self) -> Digests:
        """Return the contents whose vectors the index holds."""
        return Digests(array("Q", np.unique(np.asarray(self._digest)).tobytes()))


class Digests:
    """Contents that need no embedding, since the index holds their vector or another item is about to bring it."""

    def __init__(self, known: array[int]) -> None:
        self._known = known  # sorted
        self._claimed: set[int] = set()
        self._lock = threading.Lock()

    def claim(self, digest: str) -> bool:
        """Return True to the first who asks for a content that is not in the index: it is theirs to embed."""
        wanted = hash_text(digest)
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
