"""The folder that a server may sort: its images, and the checks that nothing outside of it is touched."""

from __future__ import annotations

import csv
import os
import stat
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from wordsight.errors import InputError, StoreError
from wordsight.images.files import EXTENSIONS
from wordsight.output.sorting import LISTING
from wordsight.path_text import to_path, to_text
from wordsight.serve.errors import RequestError

MOST_FILES = 100_000


@dataclass(frozen=True)
class Stamp:
    """What tells that a file is still the one that was looked at."""

    inode: int
    size: int
    mtime_ns: int


class ChangedError(RequestError):
    """Files that are not as they were in the preview."""


class SortFolder:
    """A folder whose own images (not those of its subfolders, which are the classes) are sorted."""

    def __init__(self, folder: Path) -> None:
        self.folder = Path(os.path.realpath(folder))

    @property
    def name(self) -> str:
        """Name of the folder, for people."""
        return self.folder.name

    def list_images(self) -> dict[str, Stamp]:
        """Name of each image in the folder → its stamp, by name. Links, hidden files and subfolders are left out.

        Raises: StoreError for a folder that is gone; InputError for too many images.
        """
        found: dict[str, Stamp] = {}
        try:
            with os.scandir(self.folder) as entries:
                for entry in entries:
                    if entry.name.startswith(".") or os.path.splitext(entry.name)[1].lower() not in EXTENSIONS:
                        continue
                    status = entry.stat(follow_symlinks=False)
                    if stat.S_ISREG(status.st_mode):
                        found[to_text(entry.name)] = _stamp(status)
        except OSError as error:
            raise StoreError(f"The folder to sort cannot be read: {error.strerror or error}.") from error
        if len(found) > MOST_FILES:
            raise InputError(f"The folder has {len(found):,} images, more than the {MOST_FILES:,} that are sorted.")
        return dict(sorted(found.items()))

    def has_image(self, name: str) -> bool:
        """Whether the folder has a regular image file of a name. Raises: InputError as `path`."""
        return self.path(name).suffix.lower() in EXTENSIONS and self._read_stamp(name) is not None

    def path(self, name: str) -> Path:
        """Path of an image by its name. Raises: InputError for a name that leads elsewhere."""
        path = to_path(name)
        if len(path.parts) != 1 or path.name in ("", ".", "..") or "\0" in name:
            raise InputError(f"{name[:80]!r} is not the name of an image in the folder.")
        return self.folder / path

    def check_unchanged(self, stamps: Iterable[tuple[str, Stamp]]) -> None:
        """Raise ChangedError (409) unless all files are those that were looked at."""
        changed = [name for name, stamp in stamps if self._read_stamp(name) != stamp]
        if changed:
            shown = ", ".join(map(repr, changed[:3])) + ", …" * (len(changed) > 3)
            raise ChangedError(
                f"is out of date: {len(changed)} files are gone or have changed since ({shown}); nothing was moved, "
                "make a new preview",
                "plan",
                status=409,
            )

    def _read_stamp(self, name: str) -> Stamp | None:
        try:
            status = os.stat(self.path(name), follow_symlinks=False)
        except OSError:
            return None
        return _stamp(status) if stat.S_ISREG(status.st_mode) else None

    def check_places(self, folders: Iterable[str]) -> None:
        """Raise InputError where the folder of a class, or the listing, leads out of the folder."""
        for name in folders:
            place = self.folder / name
            if place.is_symlink() or place.resolve().parent != self.folder:
                raise InputError(f"The folder {name!r} is a link, so nothing is moved into it; remove it first.")
            if place.exists() and not place.is_dir():
                raise InputError(f"{name!r} is a file, and would have to be a folder; name the class otherwise.")
        if (self.folder / LISTING).is_symlink():
            raise InputError(f"{LISTING} is a link; it has to be a file of the folder.")

    def count_undoable(self) -> int:
        """Number of steps that can be undone."""
        try:
            return len(self._read_listing())
        except (OSError, csv.Error):
            return 0

    def check_listing(self) -> None:
        """Raise InputError where undoing would touch a file outside of the folder, or there is nothing to undo."""
        try:
            rows = self._read_listing()
        except FileNotFoundError:
            raise InputError("Nothing was sorted here that could be undone.") from None
        except (OSError, csv.Error) as error:
            raise StoreError(f"The listing of what was sorted cannot be read: {error}.") from error
        self.check_places(())
        for row in rows:
            for column in ("source", "destination"):
                parent = Path(os.path.realpath(os.path.dirname(row.get(column) or "/")))
                if parent != self.folder and parent.parent != self.folder:
                    raise InputError(
                        f"{LISTING} names a file outside of the folder, which this server does not touch; undo it with "
                        "wordsight classify --sort-into FOLDER --undo"
                    )

    def _read_listing(self) -> list[dict[str, str]]:
        with open(self.folder / LISTING, newline="", encoding="utf-8", errors="surrogateescape") as file:
            return list(csv.DictReader(file))


def _stamp(status: os.stat_result) -> Stamp:
    return Stamp(status.st_ino, status.st_size, status.st_mtime_ns)
