"""Sorting images into one folder per class: nothing is ever overwritten, and a listing records every step."""

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
from wordsight.images.files import RAW_EXTENSIONS

How = Literal["copy", "link", "move"]
LISTING = "wordsight-sort.csv"
FIELDS = ("source", "destination", "label", "probability", "how")

# files that photo programs and cameras keep beside an image under its name
SIDECARS = RAW_EXTENSIONS | {".aae", ".dop", ".json", ".mov", ".pp3", ".thm", ".xmp"}

# names that Windows keeps for devices (Microsoft, "Naming Files, Paths, and Namespaces")
_RESERVED = frozenset(["con", "prn", "aux", "nul", *(f"{d}{i}" for d in ("com", "lpt") for i in range(1, 10))])


def safe_name(name: str) -> str:
    """`name` as a folder name that every common file system accepts; never empty, 100 characters at most."""
    plain = re.sub(r'[<>:"/\\|?*\x00-\x1f\x7f]+', "_", name).strip(" .")[:100].strip(" .")
    if not plain:
        return "_"
    if plain.split(".")[0].lower() in _RESERVED:
        return f"{plain}_"
    return plain


class Sorter:
    """Places images into `folder/<class>/`; each placing is written to `folder/wordsight-sort.csv` at once.

    labels: label → the folder name wished for it, which is made safe and distinct.
    sidecars: take along the files that belong to an image (see `sidecars`). Else those that a move leaves behind are
    in `left_behind`.
    The listing has the columns source, destination, label, probability, how, and is added to when it exists: with it
    every step can be undone (for "move": destination back to source; otherwise: remove destination).
    """

    def __init__(self, folder: Path, labels: Mapping[str, str], how: How = "copy", *, sidecars: bool = False) -> None:
        self.folder = folder
        self.how = how
        self.sidecars = sidecars
        self.left_behind: list[Path] = []
        self.moved: dict[str, Path] = {}  # real path of what was moved → where it is now
        self._sorted: set[str] = set()  # images that are placed by themselves, not as what belongs to another
        self.folder_of = _folder_names(labels)

    def check(self, inputs: Iterable[Path]) -> None:
        """Raise InputError where results would land inside what is sorted, and be sorted again by the next run.

        inputs: what the user named (folders count with all that is in them), or the images that were found.
        """
        if self.folder.exists() and not self.folder.is_dir():
            raise InputError(f"{str(self.folder)!r} is a file; --sort-into needs a folder, or a name to make one.")
        places = [place.resolve() for place in (self.folder, *map(self.folder.joinpath, self.folder_of.values()))]
        seen: set[Path] = set()
        for given in inputs:
            if not given.is_dir():
                self._sorted.add(os.path.abspath(given))
                if given.parent in seen:
                    continue
                seen.add(given.parent)
                if given.parent.resolve() in places[1:]:
                    raise InputError(
                        f"{str(given)!r} lies in a folder that images are sorted into; give a pattern or list that "
                        f"leaves out {str(self.folder)!r}, or sort into another folder."
                    )
                continue
            for place in places:
                if place.is_relative_to(given.resolve()):
                    raise InputError(
                        f"Sorting into {str(place)!r} would put images inside {str(given)!r}, which is being sorted; "
                        "choose a folder outside it."
                    )

    def place(self, image: Path, label: str, probability: float) -> Path:
        """Put `image` into the folder of `label` and return where it is now; a taken name gets "-2", "-3", ...

        A copy or link of the same content that is already there is left as it is. A moved link leads to where its
        image is: if that is moved too, move the link after it.
        Raises: OSError; a moved image that cannot be listed is put back first.
        """
        folder = self.folder / self.folder_of[label]
        folder.mkdir(parents=True, exist_ok=True)
        beside: list[Path] = []
        if self.how != "link":
            beside = [one for one in sidecars(image) if os.path.abspath(one) not in self._sorted]
        destination = self._place(image, folder / image.name, label, probability)
        if destination == image:
            return destination
        for sidecar in beside:
            if self.sidecars:
                name = destination.name + sidecar.name[len(image.name) :]
                if not sidecar.name.startswith(image.name):
                    name = destination.stem + sidecar.suffix
                self._place(sidecar, folder / name, label, probability)
            elif self.how == "move":
                self.left_behind.append(sidecar)
        return destination

    def _place(self, file: Path, wish: Path, label: str, probability: float) -> Path:
        """Put one file under the first free name like `wish`, and list it."""
        if file.parent.resolve() == wish.parent.resolve():
            return file
        source = os.path.join(os.path.realpath(file.parent), file.name)
        destination = _put(file, wish, self.how, self.moved)
        try:
            self._note([os.path.abspath(file), os.path.abspath(destination), label, f"{probability:.4f}", self.how])
        except OSError:  # a full disk, say
            if self.how == "move":
                shutil.move(destination, file)
            raise
        if self.how == "move":
            self.moved[source] = destination.absolute()
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
    """Label → folder name from label → wished name: safe, and distinct also where case does not count."""
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


def sidecars(image: Path) -> list[Path]:
    """Files beside an image that belong to it by their names: cat.xmp, cat.jpg.json, cat.nef of cat.jpg.

    Edits and metadata (.xmp, .aae, .json, …), the film of a live photo, and the RAW of the same shot.
    """
    if image.is_symlink():
        return []
    try:
        names = sorted(os.listdir(image.parent))
    except OSError:
        return []
    mine = {image.name.casefold(), image.stem.casefold()}
    found = [Path(name) for name in names if name != image.name]
    return [
        image.parent / name
        for name in found
        if name.suffix.lower() in SIDECARS and name.stem.casefold() in mine and (image.parent / name).is_file()
    ]


def _put(file: Path, wish: Path, how: How, moved: Mapping[str, Path]) -> Path:
    """Copy, link or move `file` to the first free name like `wish`."""
    n = 1
    while True:
        destination = wish
        if n > 1:
            destination = wish.with_name(f"{wish.stem}-{n}{wish.suffix}")
        try:
            if how == "link":
                destination.symlink_to(os.path.abspath(file))
            else:
                os.close(os.open(destination, os.O_CREAT | os.O_EXCL | os.O_WRONLY))  # the name is ours from here on
                fill(file, destination, how, moved)
        except FileExistsError:
            if how != "move" and same_content(file, destination):
                return destination
            n += 1
            continue
        return destination


def fill(file: Path, destination: Path, how: How, moved: Mapping[str, Path]) -> None:
    """Copy or move onto the empty file that was just made; when that fails, leave nothing there.

    moved: real path of files that were moved → where they are now; a moved link then leads there.
    """
    try:
        if how == "move" and file.is_symlink():  # a relative link would point nowhere from its new place
            target = os.path.realpath(file)
            link = destination.with_name(f".{destination.name}.part")
            link.symlink_to(moved.get(target, Path(target)))
            os.replace(link, destination)
            file.unlink()
            return
        if how == "move":
            try:
                os.replace(file, destination)
                return
            except OSError as error:
                if error.errno != errno.EXDEV:  # another file system: copy, and remove only then
                    raise
        shutil.copy2(file, destination)
        if how == "move":
            file.unlink()
    except OSError:
        destination.unlink(missing_ok=True)
        raise


def same_content(file: Path, there: Path) -> bool:
    """Whether two files hold the same bytes; False where one of them is not there."""
    return file.is_file() and there.is_file() and filecmp.cmp(file, there, shallow=False)
