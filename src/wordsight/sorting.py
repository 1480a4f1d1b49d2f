"""Put pictures into one folder per class: nothing is ever overwritten, and a listing tells what went where."""

from __future__ import annotations

import csv
import errno
import filecmp
import os
import re
import shutil
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Literal

from wordsight.errors import InputError

How = Literal["copy", "link", "move"]
LISTING = "wordsight-sort.csv"
FIELDS = ("source", "destination", "label", "probability", "how")

# names that Windows keeps for devices (Microsoft, "Naming Files, Paths, and Namespaces")
_RESERVED = frozenset(["con", "prn", "aux", "nul", *(f"{d}{i}" for d in ("com", "lpt") for i in range(1, 10))])


def safe_name(name: str) -> str:
    """Return `name` as a folder name that every common file system accepts; never empty, 100 characters at most."""
    plain = re.sub(r'[<>:"/\\|?*\x00-\x1f\x7f]+', "_", name).strip(" .")[:100].strip(" .")
    if not plain:
        return "_"
    return f"{plain}_" if plain.split(".")[0].lower() in _RESERVED else plain


class Sorter:
    """Places pictures into `folder/<class>/`; each placing is written to `folder/wordsight-sort.csv` at once.

    labels: label → the folder name wished for it, which is made safe and distinct.
    The listing has the columns source, destination, label, probability, how, and is added to when it exists: with it
    every step can be undone (for "move": destination back to source; otherwise: remove destination).
    """

    def __init__(self, folder: Path, labels: Mapping[str, str], how: How = "copy") -> None:
        self.folder = folder
        self.how = how
        self.folder_of = _folder_names(labels)

    def check(self, inputs: Iterable[Path]) -> None:
        """Raise InputError where results would land inside what is sorted, and be sorted again by the next run.

        inputs: what the user named (folders count with all that is in them), or the pictures that were found.
        """
        if self.folder.exists() and not self.folder.is_dir():
            raise InputError(f"{str(self.folder)!r} is a file; --sort-into needs a folder, or a name to make one.")
        places = [place.resolve() for place in (self.folder, *map(self.folder.joinpath, self.folder_of.values()))]
        seen: set[Path] = set()
        for given in inputs:
            if not given.is_dir():
                if given.parent in seen:
                    continue
                seen.add(given.parent)
                if given.parent.resolve() in places[1:]:
                    raise InputError(
                        f"{str(given)!r} lies in a folder that pictures are sorted into; give a pattern or list that "
                        f"leaves out {str(self.folder)!r}, or sort into another folder."
                    )
                continue
            for place in places:
                if place.is_relative_to(given.resolve()):
                    raise InputError(
                        f"Sorting into {str(place)!r} would put pictures inside {str(given)!r}, which is being sorted; "
                        "choose a folder outside it."
                    )

    def place(self, picture: Path, label: str, probability: float) -> Path:
        """Put `picture` into the folder of `label` and return where it is now; a taken name gets "-2", "-3", ...

        A copy or link of the same content that is already there is left as it is.
        Raises: OSError; a moved picture that cannot be listed is put back first.
        """
        folder = self.folder / self.folder_of[label]
        folder.mkdir(parents=True, exist_ok=True)
        destination = _put(picture, folder, self.how)
        try:
            self._note([os.path.abspath(picture), os.path.abspath(destination), label, f"{probability:.4f}", self.how])
        except OSError:  # a full disk, say
            if self.how == "move" and destination != picture:
                shutil.move(destination, picture)
            raise
        return destination

    def _note(self, row: list[str]) -> None:
        path = self.folder / LISTING
        fresh = not path.exists()
        with open(path, "a", newline="", encoding="utf-8", errors="surrogateescape") as file:
            writer = csv.writer(file)
            if fresh:
                writer.writerow(FIELDS)
            writer.writerow(row)


def _folder_names(labels: Mapping[str, str]) -> dict[str, str]:
    """Return label → folder name from label → wished name: safe, and distinct also where case does not count."""
    names: dict[str, str] = {}
    taken: set[str] = set()
    for label, wish in labels.items():
        name, n = safe_name(wish), 1
        while name.casefold() in taken:
            n += 1
            name = f"{safe_name(wish)}-{n}"
        taken.add(name.casefold())
        names[label] = name
    return names


def _put(picture: Path, folder: Path, how: How) -> Path:
    """Copy, link or move `picture` into `folder` under the first free name."""
    if picture.parent.resolve() == folder.resolve():
        return picture
    n = 1
    while True:
        destination = folder / (picture.name if n == 1 else f"{picture.stem}-{n}{picture.suffix}")
        try:
            if how == "link":
                destination.symlink_to(os.path.abspath(picture))
            else:
                os.close(os.open(destination, os.O_CREAT | os.O_EXCL | os.O_WRONLY))  # the name is ours from here on
                _fill(picture, destination, how)
        except FileExistsError:
            if how != "move" and _same(picture, destination):
                return destination
            n += 1
            continue
        return destination


def _fill(picture: Path, destination: Path, how: How) -> None:
    """Copy or move onto the empty file that was just made; when that fails, leave nothing there."""
    try:
        if how == "move" and picture.is_symlink():  # a relative link would point nowhere from its new place
            link = destination.with_name(f".{destination.name}.part")
            link.symlink_to(picture.resolve())
            os.replace(link, destination)
            picture.unlink()
            return
        if how == "move":
            try:
                os.replace(picture, destination)
                return
            except OSError as error:
                if error.errno != errno.EXDEV:  # another file system: copy, and remove only then
                    raise
        shutil.copy2(picture, destination)
        if how == "move":
            picture.unlink()
    except OSError:
        destination.unlink(missing_ok=True)
        raise


def _same(picture: Path, there: Path) -> bool:
    return there.is_file() and filecmp.cmp(picture, there, shallow=False)
