"""Files that can be made again, in a folder of bounded size."""

from __future__ import annotations

import contextlib
import os
import tempfile
import threading
from pathlib import Path

MOST_BYTES = 512 << 20  # 25,000 thumbnails of 20 KB
_KEPT = 0.9  # share of the limit that is kept when the oldest files leave


class DiskCache:
    """Contents by name. Where the disk cannot be written or read, nothing is kept, and nothing raised.

    Several processes may share a folder. Safe to use from several threads.
    """

    def __init__(self, folder: Path, most_bytes: int = MOST_BYTES) -> None:
        self.folder = folder
        self.most_bytes = most_bytes
        self._bytes: int | None = None  # None: not counted yet
        self._lock = threading.Lock()

    def get(self, name: str) -> bytes | None:
        """Content of a name, or None."""
        try:
            return self._path(name).read_bytes() or None
        except OSError:
            return None

    def put(self, name: str, content: bytes) -> None:
        """Keep a content; the oldest leave where there is no room."""
        path = self._path(name)
        with contextlib.suppress(OSError):
            path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            handle, part = tempfile.mkstemp(dir=path.parent, prefix=".part-")
            try:
                with os.fdopen(handle, "wb") as file:
                    file.write(content)
                os.replace(part, path)
            except OSError:
                with contextlib.suppress(OSError):
                    os.unlink(part)
                raise
            self._make_room(len(content))

    def _make_room(self, more: int) -> None:
        with self._lock:
            if self._bytes is None:
                self._bytes = sum(size for _, size, _ in self._list())
            else:
                self._bytes += more
            if self._bytes <= self.most_bytes:
                return
            files = sorted(self._list())
            self._bytes = sum(size for _, size, _ in files)
            for _, size, path in files:
                if self._bytes <= _KEPT * self.most_bytes:
                    break
                with contextlib.suppress(OSError):
                    path.unlink()
                    self._bytes -= size

    def _list(self) -> list[tuple[float, int, Path]]:
        """Time, size and path of all files."""
        found = []
        for path in self.folder.glob("*/*"):
            with contextlib.suppress(OSError):
                status = path.stat()
                found.append((status.st_mtime, status.st_size, path))
        return found

    def _path(self, name: str) -> Path:
        return self.folder / name[:2] / name
