"""From what a user names (files, folders, globs, a list on standard input) to the paths of images."""

from __future__ import annotations

import glob
import os
from collections.abc import Callable, Collection, Iterable, Iterator
from pathlib import Path

from wordsight.errors import InputError

# What counts as an image inside a folder; a file that is named outright is tried whatever it is called. Kinds that
# need an extra package are here too: without it such files are counted as skipped, not skipped in silence.
RAW_EXTENSIONS = frozenset(
    f".{kind}"
    for kind in (
        *("3fr", "arw", "cr2", "cr3", "crw", "dcr", "dng", "erf", "fff", "iiq", "kdc", "mef", "mos", "mrw", "nef"),
        *("nrw", "orf", "pef", "raf", "rw2", "rwl", "sr2", "srf", "srw", "x3f"),
    )
)
EXTENSIONS = RAW_EXTENSIONS | frozenset(
    f".{kind}"
    for kind in (
        *("apng", "avif", "bmp", "dib", "gif", "heic", "heics", "heif", "heifs", "hif", "ico", "j2c", "j2k", "jfif"),
        *("jp2", "jpe", "jpeg", "jpf", "jpg", "jpx", "mpo", "pbm", "pcx", "pgm", "png", "pnm", "ppm", "psd", "qoi"),
        *("sgi", "tga", "tif", "tiff", "webp"),
    )
)


# What is in them, thumbnails of a NAS, deleted files and parts of programs, is not what a person means by a folder's
# images. In lower case; names that begin with a dot are skipped anyway.
SYSTEM_FOLDERS = frozenset(
    {
        *("@eadir", "@__thumb", "@recycle", "@recently-snapshot", "#recycle", "#snapshot"),  # Synology, QNAP
        *("$recycle.bin", "recycler", "system volume information", "lost+found", "__macosx"),
        *("node_modules", "__pycache__"),
    }
)


def in_system_folder(path: str) -> bool:
    """Whether a path below what was named, "sub/@eaDir/", is that of a folder in SYSTEM_FOLDERS."""
    return path.endswith("/") and os.path.basename(path[:-1]).lower() in SYSTEM_FOLDERS


def system_folder(path: str) -> str:
    """First of the folders of a path, "sub/@eaDir/a.jpg", that is in SYSTEM_FOLDERS, or ""."""
    return next((part for part in path.split(os.sep)[:-1] if part.lower() in SYSTEM_FOLDERS), "")


def find_images(sources: Iterable[str | Path], listing: Iterable[str] = ()) -> list[Path]:
    """Images that `sources` name: in the order given, folders sorted by name, each path once.

    A folder is searched through all its subfolders for files with a known extension; names that begin with a dot,
    links to folders and SYSTEM_FOLDERS are skipped. A pattern (`*`, `?`, `[...]`, `**`) is expanded unless a file
    has that very name.
    "-" stands for `listing`, one path a line (standard input); those may name folders too, and need not exist.
    Raises: InputError for a path that does not exist, a pattern or a set of folders that holds no image.
    """
    found: dict[str, Path] = {}
    for source in sources:
        for path in _expand(source, listing):
            found.setdefault(os.path.abspath(path), path)
    if not found:
        raise InputError(
            "No image was found in what was named; expected files, or folders that hold files with one of the "
            f"extensions {', '.join(sorted(EXTENSIONS))}."
        )
    return list(found.values())


def _expand(source: str | Path, listing: Iterable[str]) -> Iterator[Path]:
    text = str(source)
    path = Path(source)
    if text == "-":
        for line in listing:
            if name := line.rstrip("\r\n"):
                yield from _images(name)
    elif path.is_dir():
        yield from _images(path)
    elif os.path.lexists(path):
        yield path
    elif glob.has_magic(text):
        matches = expand(text)
        if not matches:
            raise InputError(f"The pattern {text!r} matches nothing; check it, or name a folder.")
        for match in matches:
            yield from _images(match)
    else:
        raise InputError(f"{text!r} does not exist; expected an image, a folder, a pattern such as '*.jpg', or '-'.")


def is_pattern(source: str) -> bool:
    """Whether a source is a pattern: it has `*`, `?` or `[…]`, and nothing of that very name is there."""
    return glob.has_magic(source) and not os.path.lexists(source)


def expand(pattern: str) -> list[str]:
    """Paths that match a pattern, sorted; those in SYSTEM_FOLDERS only where the pattern names these."""
    named = {part.lower() for part in pattern.split(os.sep)}
    return [
        path
        for path in sorted(glob.glob(pattern, recursive=True))
        if not any(part in SYSTEM_FOLDERS and part not in named for part in path.lower().split(os.sep))
    ]


def walk(
    folder: str | os.PathLike[str], extensions: Collection[str], excluded: Callable[[str], bool] = in_system_folder
) -> Iterator[str | OSError]:
    """Yield the paths of the files under `folder` with one of these extensions (".jpg"); an error where a folder fails.

    Each folder's files come before its subfolders, by name, and are listed when it is their turn. Names that begin
    with a dot and links to folders are skipped: nothing is listed twice and no loop is walked; links to files are
    listed. An OSError's `filename` is the folder that could not be listed, or not to its end.
    excluded: asked with each path below `folder`, "sub/a.jpg", those of subfolders ending in "/"; SYSTEM_FOLDERS if
        nothing else is said.
    """
    waiting = [(os.fspath(folder), "")]
    while waiting:
        where, below = waiting.pop()
        files, subfolders, error = _list(where, extensions)
        if error is not None:
            yield error
        for name in files:
            if not excluded(below + name):
                yield os.path.join(where, name)
        waiting += [
            (os.path.join(where, name), f"{below}{name}/")
            for name in reversed(subfolders)
            if not excluded(f"{below}{name}/")
        ]


def _list(folder: str, extensions: Collection[str]) -> tuple[list[str], list[str], OSError | None]:
    """Names of a folder's files and subfolders, sorted, and what went wrong."""
    files, subfolders = [], []
    problem = None
    try:
        with os.scandir(folder) as entries:
            for entry in entries:
                if entry.name.startswith("."):
                    continue
                if _leads_to_folder(entry):
                    if not entry.is_symlink():
                        subfolders.append(entry.name)
                elif os.path.splitext(entry.name)[1].lower() in extensions:
                    files.append(entry.name)
    except OSError as error:
        problem = OSError(error.errno, error.strerror, folder)
    return sorted(files), sorted(subfolders), problem


def _leads_to_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:  # a link to itself
        return False


def _images(path: str | Path) -> Iterator[Path]:
    """Yield the images in a folder; any other path as it is."""
    if not os.path.isdir(path):
        yield Path(path)
        return
    for found in walk(path, EXTENSIONS):
        if isinstance(found, OSError):
            raise InputError(
                f"The folder {found.filename!r} cannot be listed ({found.strerror}); check its permissions."
            )
        yield Path(found)
