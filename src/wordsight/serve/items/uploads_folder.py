"""Files that were added to a gallery through a server: kept beside its index, so that they can be shown later."""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from wordsight.durable import written_whole
from wordsight.errors import InputError
from wordsight.index import Row, is_local
from wordsight.path_text import to_path

UPLOADS = "-uploads"  # behind an index's location
_DIGITS = 40  # hexadecimal digits of SHA-256 in a name: 160 bits, which nobody makes two files for
_CHUNK = 1 << 20


@dataclass(frozen=True)
class KeptFile:
    """A file in the folder. new: it was not there before."""

    path: Path
    new: bool


def uploads_folder(location: str) -> Path:
    """Folder of the files that were added to an index. Raises: InputError for an index that is not in a folder."""
    if not is_local(location):
        raise InputError(
            f"The index is at {location}, not in a folder, so the server has no place for files that are added to it; "
            "put them where all servers see them, and add them with: wordsight index"
        )
    return Path(f"{os.path.abspath(location)}{UPLOADS}")


def keep_file(folder: Path, file: Path) -> KeptFile:
    """Copy of a file in the folder, durable, named by its content alone: the same content is kept once.

    file: its extension is one of ours. Raises: OSError, with nothing left half written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{_hash(file)[:_DIGITS]}{file.suffix}"
    if path.is_file() and not path.is_symlink():
        return KeptFile(path, new=False)
    with written_whole(path, sync=True) as part:
        shutil.copyfile(file, part)
    return KeptFile(path, new=True)


def remove_files(folder: Path, files: Iterable[Path]) -> None:
    """Remove files of the folder, and the folder itself if it is empty then."""
    for file in files:
        if file.parent == folder:
            with contextlib.suppress(OSError):
                file.unlink()
    with contextlib.suppress(OSError):
        folder.rmdir()


def find_own_files(folder: Path, rows: Iterable[Row]) -> set[Path]:
    """Files of the folder that rows show; files of other places are not among them."""
    return {path for row in rows if (path := to_path(row.path)).parent == folder and not path.is_symlink()}


def _hash(path: Path) -> str:
    running = hashlib.sha256()
    with open(path, "rb") as file:
        while chunk := file.read(_CHUNK):
            running.update(chunk)
    return running.hexdigest()
