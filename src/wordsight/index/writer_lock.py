"""The right to write a folder: one object has it at a time, in this process or another; the system keeps it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from wordsight.errors import MissingExtraError

if TYPE_CHECKING:
    import filelock

LOCK = ".lock"  # the file's name in the folder


class WriterLock:
    """The lock of one folder, for all threads that use this object; a process that ends gives it back.

    `acquire` and `release` are called by one thread at a time.
    """

    def __init__(self, folder: Path) -> None:
        self._path = folder / LOCK
        self._lock: filelock.FileLock | None = None

    @property
    def held(self) -> bool:
        """Whether this object has the lock."""
        return self._lock is not None and self._lock.is_locked

    def acquire(self) -> None:
        """Take the lock, or keep it.

        Raises: BlockingIOError where another has it; OSError for a folder that cannot be written; MissingExtraError.
        """
        if self.held:
            return
        try:
            import filelock
        except ImportError:
            raise MissingExtraError("Writing an index", "filelock", "search") from None
        if self._lock is None:
            # not `thread_local`, for then another thread of this process would not see that it is held
            self._lock = filelock.FileLock(self._path, timeout=0, is_singleton=False, thread_local=False)
        try:
            self._lock.acquire()
        except filelock.Timeout:
            raise BlockingIOError(f"another holds the lock {self._path}") from None

    def release(self) -> None:
        """Give the lock back, where this object has it."""
        if self._lock is not None:
            self._lock.release(force=True)
