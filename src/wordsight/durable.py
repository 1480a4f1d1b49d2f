"""Files that are whole or not there: written beside their place, synced where it matters, then renamed into it.

A rename within a folder is atomic on POSIX and on Windows (`os.replace`), so that a reader sees the old file or the new
one, and a process that is killed leaves at most a part file, which `remove_parts` takes away.
"""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

PART = ".part"  # how the names of unfinished files end


@contextlib.contextmanager
def written_whole(path: Path, *, sync: bool = False) -> Iterator[Path]:
    """A path beside `path` to write to; renamed to `path` where the block ends well, removed where it raises.

    The name is new on each call, so that two writers of one file do not mix: the last one wins. sync: whether content
    and rename are on the disk before this returns, so that a power failure cannot lose them (slow on some disks).
    Raises: OSError.
    """
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=PART)
    os.close(handle)
    part = Path(name)
    try:
        _take_usual_mode(part)
        yield part
        if sync:
            sync_file(part)
        os.replace(part, path)
    except BaseException:
        part.unlink(missing_ok=True)
        raise
    if sync:
        sync_folder(path.parent)


def write_whole(path: Path, content: bytes | str, *, sync: bool = False) -> None:
    """Write a file that is whole or as it was before; text as UTF-8. See `written_whole`."""
    if isinstance(content, str):
        content = content.encode("utf-8")
    with written_whole(path, sync=sync) as part:
        part.write_bytes(content)


def remove_parts(folder: Path, name: str = "") -> None:
    """Remove what killed writers left of a file in a folder, or of all files: only where no one else writes there."""
    for part in folder.glob(f".{name or '*'}.*{PART}"):
        part.unlink(missing_ok=True)


def sync_file(path: Path) -> None:
    """Wait until the content of a file is on the disk."""
    with open(path, "rb+") as file:
        os.fsync(file.fileno())


def sync_folder(folder: Path) -> None:
    """Wait until the names in a folder are on the disk; nothing where the system has no such call."""
    try:
        number = os.open(folder, os.O_RDONLY)
    except OSError:  # Windows opens no folders
        return
    try:
        os.fsync(number)
    except OSError:  # some network file systems refuse
        pass
    finally:
        os.close(number)


def _take_usual_mode(path: Path) -> None:
    """Give a temporary file, which only its owner may read, the permissions of a file that was just created."""
    if os.name == "nt":
        return
    mask = os.umask(0)
    os.umask(mask)
    path.chmod(0o666 & ~mask)
