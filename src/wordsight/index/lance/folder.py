"""An index's folder, read without Lance: what it was made with, its notes, its newest version, its one writer."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from wordsight.errors import MissingExtraError, StoreError
from wordsight.index.base import IndexInfo, Note
from wordsight.index.lance.messages import trouble
from wordsight.index.lance.schema import parse_info

if TYPE_CHECKING:
    import filelock

FACTS = "wordsight-index.json"
ITEMS = "items.lance"
LOCK = ".lock"
# Lance counts its manifests down from here, so that the newest comes first in a listing
LAST_VERSION = 2**64 - 1


class Facts:
    """What `wordsight-index.json` says: a copy of what the dataset itself holds, for readers that do not open it."""

    def __init__(self, info: IndexInfo, notes: Mapping[str, Note]) -> None:
        self.info = info
        self.notes = dict(notes)

    def write(self, folder: Path) -> None:
        """Write the file, whole or not at all."""
        part = folder / f"{FACTS}.{os.getpid()}.part"
        text = json.dumps({"about": asdict(self.info), "notes": self.notes}, indent=1, ensure_ascii=False)
        try:
            part.write_text(text, encoding="utf-8")
            os.replace(part, folder / FACTS)
        except BaseException:
            part.unlink(missing_ok=True)
            raise


def read_facts(folder: Path) -> Facts | None:
    """Return what the folder's file says, or None where there is none or it is damaged (the dataset then tells).

    Raises: StoreError for a newer format.
    """
    try:
        said: Any = json.loads((folder / FACTS).read_text(encoding="utf-8"))
        return Facts(parse_info(said["about"], str(folder)), dict(said["notes"]))
    except (FileNotFoundError, NotADirectoryError, ValueError, KeyError, TypeError):
        return None


def newest_version(folder: Path) -> int | None:
    """Return the number of the newest version, from the names of the manifests alone; None if there is none."""
    newest = None
    try:
        names = os.listdir(folder / ITEMS / "_versions")
    except (FileNotFoundError, NotADirectoryError):
        return None
    for name in names:
        stem, _, suffix = name.partition(".")
        if suffix == "manifest" and stem.isdigit():
            number = LAST_VERSION - int(stem) if len(stem) == 20 else int(stem)
            newest = number if newest is None else max(newest, number)
    return newest


class WriterLock:
    """The right to write an index: one object has it at a time, for all threads that use it.

    The system takes it back when the process ends. `acquire` and `release` are called by one thread at a time.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._lock: filelock.FileLock | None = None

    @property
    def held(self) -> bool:
        """Whether this object has it."""
        return self._lock is not None and self._lock.is_locked

    def acquire(self) -> None:
        """Take it, or keep it. Raises: StoreError if another has it, or the folder cannot be written."""
        if self.held:
            return
        try:
            import filelock
        except ImportError:
            raise MissingExtraError("Writing an index", "filelock", "search") from None
        if self._lock is None:
            # not `thread_local`, for then another thread of this process would not see that it is held
            self._lock = filelock.FileLock(self._folder / LOCK, timeout=0, is_singleton=False, thread_local=False)
        try:
            self._lock.acquire()
        except filelock.Timeout:
            raise StoreError(
                f"The index {self._folder} is in use: another process is writing it. Wait until it is done; "
                "searching is possible meanwhile."
            ) from None
        except OSError as error:
            raise trouble(str(self._folder), "written", error) from error

    def release(self) -> None:
        """Give it back."""
        if self._lock is not None:
            self._lock.release(force=True)
