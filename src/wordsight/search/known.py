"""What an index holds, at about 50 bytes a row: enough to tell what is new, what has changed and what is gone."""

from __future__ import annotations

import json
import threading
from array import array
from collections import Counter
from collections.abc import Iterable, Mapping

import numpy as np

from wordsight.index.rows import Stamp, Value
from wordsight.ingest.digests import hash_of

MASKED = ":masked"  # ends the digest of a page that was embedded without its title block


def about_of(text: str, meta: Mapping[str, Value]) -> str:
    """Return the hash of what is said of a picture beside its pixels: `Row.about`."""
    return f"{hash_of(json.dumps([text, sorted(meta.items())], ensure_ascii=False)):016x}"


class Known:
    """The rows of an index as arrays of hashes. `seen` marks those that were met again: the others are gone.

    Rows have positions 0 … N-1 here. A row belongs to the file at its `path` when its id is that path, or begins with
    "<path>#": a table's rows do not, whose pictures are files of their own.
    """

    def __init__(self, stamps: Iterable[Stamp]) -> None:
        columns = {name: array("Q") for name in ("id", "path", "file", "digest", "about")}
        pages = array("B")
        self.rows_of: Counter[str] = Counter()  # source → rows
        for stamp in stamps:
            owned = stamp.id == stamp.path or stamp.id.startswith(f"{stamp.path}#")
            page = _is_page(stamp.id)
            columns["id"].append(hash_of(stamp.id))
            columns["path"].append(hash_of(stamp.path if owned else f"\0{stamp.id}"))
            columns["file"].append(_file(stamp.size, stamp.mtime_ns, stamp.digest.endswith(MASKED)))
            columns["digest"].append(hash_of(stamp.digest))
            columns["about"].append(hash_of(stamp.about))
            pages.append(page)
            self.rows_of[stamp.source] += 1
        arrays = {name: np.frombuffer(column, np.uint64) for name, column in columns.items() if column}
        arrays = arrays or {name: np.empty(0, np.uint64) for name in columns}
        order = np.argsort(arrays["id"])
        self._id, self._path, self._file, self._digest, self._about = (
            arrays[name][order] for name in ("id", "path", "file", "digest", "about")
        )
        self._page = np.frombuffer(pages, np.uint8)[order] if pages else np.empty(0, np.uint8)
        self._by_path = np.argsort(self._path, kind="stable").astype(np.uint32)
        self._sorted_path = self._path[self._by_path]
        self.seen = np.zeros(len(self._id), bool)

    def __len__(self) -> int:
        return len(self._id)

    def find(self, id: str) -> int | None:
        """Return the position of a row, or None where there is none."""
        if not len(self._id):  # all is new: the first run
            return None
        wanted = np.uint64(hash_of(id))
        at = int(np.searchsorted(self._id, wanted))
        return at if at < len(self._id) and self._id[at] == wanted else None

    def of_file(self, path: str) -> np.ndarray:
        """Return the positions of the rows that belong to a file."""
        if not len(self._id):
            return self._by_path
        wanted = np.uint64(hash_of(path))
        start = np.searchsorted(self._sorted_path, wanted, "left")
        return self._by_path[start : np.searchsorted(self._sorted_path, wanted, "right")]

    def same_file(self, rows: np.ndarray, size: int, mtime_ns: int, mask: bool) -> bool:
        """Return whether rows are of a file of that size and time, and their pages masked or not as wanted."""
        plain, page = _file(size, mtime_ns, False), _file(size, mtime_ns, mask)
        wanted = np.where(self._page[rows] != 0, np.uint64(page), np.uint64(plain))
        return bool(np.all(self._file[rows] == wanted))

    def same_digest(self, row: int, digest: str) -> bool:
        """Return whether a row was made of this content."""
        return bool(self._digest[row] == np.uint64(hash_of(digest)))

    def same_about(self, row: int, about: str) -> bool:
        """Return whether the same was said of a row."""
        return bool(self._about[row] == np.uint64(hash_of(about)))

    def digests(self) -> Digests:
        """Return the contents whose vectors the index holds."""
        return Digests(np.unique(self._digest))


class Digests:
    """Contents that need no embedding, since the index holds their vector or another item is about to bring it."""

    def __init__(self, known: np.ndarray) -> None:
        self._known = known  # sorted
        self._claimed: set[int] = set()
        self._lock = threading.Lock()

    def claim(self, digest: str) -> bool:
        """Return True to the first who asks for a content that is not in the index: it is theirs to embed."""
        wanted = hash_of(digest)
        at = int(np.searchsorted(self._known, np.uint64(wanted)))
        if at < len(self._known) and self._known[at] == np.uint64(wanted):
            return False
        with self._lock:
            if wanted in self._claimed:
                return False
            self._claimed.add(wanted)
            return True

    def __getstate__(self) -> np.ndarray:
        return self._known

    def __setstate__(self, known: np.ndarray) -> None:
        self.__init__(known)  # type: ignore[misc]


def _is_page(id: str) -> bool:
    return "#page=" in id


def _file(size: int, mtime_ns: int, masked: bool) -> int:
    return hash_of(f"{size} {mtime_ns} {masked}")
