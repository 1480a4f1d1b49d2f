"""From what a user names (files, folders, globs, a list on standard input) to the paths of pictures."""

from __future__ import annotations

import glob
import os
from collections.abc import Iterable, Iterator
from pathlib import Path

from wordsight.errors import InputError

# what counts as a picture inside a folder; a file that is named outright is tried whatever it is called.
# HEIC is here although Pillow cannot read it: such files are then counted as skipped, not passed over in silence.
EXTENSIONS = frozenset(
    f".{kind}"
    for kind in (
        *("avif", "bmp", "dib", "gif", "heic", "heif", "j2k", "jfif", "jp2", "jpe", "jpeg", "jpg", "pbm", "pgm"),
        *("png", "pnm", "ppm", "tga", "tif", "tiff", "webp"),
    )
)


def find_pictures(sources: Iterable[str | Path], listing: Iterable[str] = ()) -> list[Path]:
    """Return the pictures that `sources` name: in the order given, folders sorted by name, each path once.

    A folder is searched through all its subfolders for files with a known extension; names that begin with a dot and
    links to folders are passed over. A pattern (`*`, `?`, `[...]`, `**`) is expanded unless a file has that very name.
    "-" stands for `listing`, one path a line (standard input); those may name folders too, and need not exist.
    Raises: InputError for a path that does not exist, a pattern or a set of folders that holds no picture.
    """
    found: dict[str, Path] = {}
    for source in sources:
        for path in _expand(source, listing):
            found.setdefault(os.path.abspath(path), path)
    if not found:
        raise InputError(
            "No picture was found in what was named; expected files, or folders that hold files ending in "
            f"{', '.join(sorted(EXTENSIONS))}."
        )
    return list(found.values())


def _expand(source: str | Path, listing: Iterable[str]) -> Iterator[Path]:
    text = str(source)
    path = Path(source)
    if text == "-":
        for line in listing:
            if name := line.rstrip("\r\n"):
                yield from _walk(Path(name)) if os.path.isdir(name) else [Path(name)]
    elif path.is_dir():
        yield from _walk(path)
    elif os.path.lexists(path):
        yield path
    elif glob.has_magic(text):
        matches = sorted(glob.glob(text, recursive=True))
        if not matches:
            raise InputError(f"The pattern {text!r} matches nothing; check it, or name a folder.")
        for match in matches:
            yield from _walk(Path(match)) if os.path.isdir(match) else [Path(match)]
    else:
        raise InputError(f"{text!r} does not exist; expected a picture, a folder, a pattern such as '*.jpg', or '-'.")


def _walk(folder: Path) -> Iterator[Path]:
    """Yield the pictures under `folder`, each folder's files before its subfolders, by name."""
    for where, subfolders, files in os.walk(folder, onerror=_refuse):
        subfolders[:] = sorted(name for name in subfolders if not name.startswith("."))
        for name in sorted(files):
            if not name.startswith(".") and os.path.splitext(name)[1].lower() in EXTENSIONS:
                yield Path(where, name)


def _refuse(error: OSError) -> None:
    raise InputError(f"The folder {error.filename!r} cannot be listed ({error.strerror}); check its permissions.")
