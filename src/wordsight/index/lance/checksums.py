"""Checksums of an index's files: taken once they are written, compared before they are read, or when a person asks.

Lance writes a file once and never changes it, so that a hash is taken of each new name only. XXH3 passes over 10 GB/s.
"""

from __future__ import annotations

import contextlib
import json
import mmap
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from wordsight.durable import write_whole
from wordsight.errors import MissingExtraError, StoreError

CHECKSUMS = "checksums.json"
# what of a Lance dataset is written once; hints of the newest version are not
WRITTEN_ONCE = ("data/*", "_deletions/*", "_indices/*/*", "_versions/*.manifest")
# bytes of files that are compared as a dataset is opened (10 ms); more than these, before they are copied or on request
COMPARED_AT_OPENING = 64 * 2**20


def checksum(data: bytes | memoryview | mmap.mmap) -> str:
    """XXH3 hash of 64 bits, as 16 hexadecimal digits. Raises: MissingExtraError without xxhash."""
    try:
        import xxhash
    except ImportError:
        raise MissingExtraError("An index on disk", "xxhash", "search") from None
    return str(xxhash.xxh3_64_hexdigest(data))


def checksum_of_file(path: Path) -> str:
    """Hash of a file's content. Raises: OSError."""
    with path.open("rb") as file:
        try:
            content = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        except ValueError:  # an empty file cannot be mapped
            return checksum(b"")
        with content:
            return checksum(content)


class Checksums:
    """Recorded hashes of the files of an index: name within its folder → hash, kept in CHECKSUMS.

    Files without a record (of an older version, or of a process that was killed) are taken to be good.
    """

    def __init__(self, folder: Path, items: str) -> None:
        self._folder = folder
        self._items = items
        self._compared: set[str] = set()  # by this object, so that it reads none twice

    def record(self) -> None:
        """Take the hashes of files that have none yet, forget those of files that are gone. Raises: OSError."""
        known = self.read()
        hashes: dict[str, str] = {}
        for name, path in self._files():
            with contextlib.suppress(FileNotFoundError):
                hashes[name] = known.get(name) or checksum_of_file(path)
        if hashes != known:
            text = json.dumps(hashes, indent=0, sort_keys=True)
            write_whole(self._folder / CHECKSUMS, json.dumps({"checksum": checksum(text.encode()), "files": text}))
            self._compared |= hashes.keys() - known.keys()

    def read(self) -> dict[str, str]:
        """Recorded hashes; none where the file is not there or is damaged itself."""
        return self._read() or {}

    def are_damaged(self) -> bool:
        """Whether the record itself is there and is not as it was written."""
        return (self._folder / CHECKSUMS).exists() and self._read() is None

    def _read(self) -> dict[str, str] | None:
        try:
            said: Any = json.loads((self._folder / CHECKSUMS).read_bytes())
            text = said["files"]
            if checksum(text.encode()) != said["checksum"]:
                return None
            return dict(json.loads(text))
        except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
            return None

    def list_files(self) -> list[str]:
        """Names of the files that are there and are written once."""
        return [name for name, _ in self._files()]

    def find_damaged(
        self, limit: float = float("inf"), *, again: bool = False, of: Callable[[str], bool] = lambda _: True
    ) -> list[str]:
        """Names of files that are not as they were written; one that a writer removes meanwhile is not among them.

        limit: bytes beyond which nothing is compared. again: also those that were compared before. of: which files.
        """
        hashes = self.read()
        files = {
            name: path
            for name, path in self._files()
            if name in hashes and of(name) and (again or name not in self._compared)
        }
        if sum(_size(path) for path in files.values()) > limit:
            return []
        damaged = [name for name, path in files.items() if _is_changed(path, hashes[name])]
        self._compared |= files.keys() - set(damaged)
        return damaged

    def _files(self) -> Iterator[tuple[str, Path]]:
        for pattern in WRITTEN_ONCE:
            for path in sorted((self._folder / self._items).glob(pattern)):
                if path.is_file():
                    yield path.relative_to(self._folder).as_posix(), path


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0


def _is_changed(path: Path, expected: str) -> bool:
    try:
        return checksum_of_file(path) != expected
    except FileNotFoundError:
        return False


class IndexDamagedError(StoreError):
    """Files of an index that are not as they were written."""

    def __init__(self, location: str, names: Sequence[str]) -> None:
        self.names = tuple(names)
        shown = ", ".join(names[:3])
        if len(names) > 3:
            shown += f" and {len(names) - 3} more"
        super().__init__(
            f"The index {location} is damaged: {shown} changed since it was written. See which images are concerned "
            "with: wordsight index --check"
        )
