"""Removal of an index that a failed command was the first to make."""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Iterator
from pathlib import Path

from wordsight.errors import WordsightError
from wordsight.index.lance import ITEMS
from wordsight.index.writer_lock import WriterLock

# what a store says where another process was the first to make or to write an index: then it is not ours to remove
_OF_ANOTHER = ("is in use", "already exists", "Not found")


@contextlib.contextmanager
def nothing_left_of_failure(location: str | None, *, even_rows: bool = False) -> Iterator[None]:
    """Remove the folder of an index that was not there before, where the block raises an error and it holds no row.

    even_rows: remove it with the rows that it holds, and where the block is interrupted too, which `index` continues.
    Indexes at URLs are left alone.
    """
    folder = _find_folder(location)
    was_there, was_empty = folder is not None and folder.exists(), folder is not None and _is_empty(folder)
    try:
        yield
    except BaseException as error:
        new = folder is not None and (was_empty or not was_there)
        if folder is not None and new and (even_rows or (isinstance(error, Exception) and _holds_nothing(folder))):
            _remove_ours(folder, keep_folder=was_there, error=error)
        raise


def _remove_ours(folder: Path, *, keep_folder: bool, error: BaseException) -> None:
    """Remove what an index consists of, unless another process makes it at this moment."""
    if any(told in str(error) for told in _OF_ANOTHER) or not folder.is_dir():
        return
    lock = WriterLock(folder)
    try:
        lock.acquire()
    except (OSError, WordsightError):
        return
    try:
        parts = [folder]
        if keep_folder:
            parts = list(folder.iterdir())
        for part in parts:
            if part.is_dir():
                shutil.rmtree(part, ignore_errors=True)
            else:
                part.unlink(missing_ok=True)
    finally:
        lock.release()


def _find_folder(location: str | None) -> Path | None:
    from wordsight.index import is_local, resolve_location

    where = resolve_location(location)
    return Path(where) if is_local(where) else None


def _is_empty(folder: Path) -> bool:
    return folder.is_dir() and not any(folder.iterdir())


def _holds_nothing(folder: Path) -> bool:
    from wordsight.index import open_index

    if not folder.is_dir():
        return False
    try:
        index = open_index(folder)
    except WordsightError:  # made in part
        return not any((folder / ITEMS / "data").glob("*"))
    try:
        return not len(index)
    finally:
        index.close()
