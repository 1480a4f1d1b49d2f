"""Pairs of folders: images, beside each its caption in a .txt of the same name, else the words of its path."""

from __future__ import annotations

import os
import re

from wordsight.images.files import EXTENSIONS, walk
from wordsight.pairs.options import PairOptions
from wordsight.pairs.references import FileRange, PackedStrings, Reference
from wordsight.pairs.tally import Tally
from wordsight.path_text import name_words

TEXT_EXTENSION = ".txt"
# parts of a path that number an image and do not describe it: digits, hashes and UUIDs (hexadecimal with a digit in
# it), and names that cameras and telephones give: IMG_0012, DSC00012, PXL_20240131_…, IMG-20240131-WA0001, P1010001
_NUMBERING = re.compile(
    r"(?<![^\W_])(?:\d+|(?=[a-f]*\d)[0-9a-f]{8,}(?:-[0-9a-f]{4,})*"
    r"|(?:img|imgp|dsc|dscn|dscf|pxl|gopr)[_-]?\d+|wa\d{4}|p\d{7})(?![^\W_])",
    re.IGNORECASE,
)


class FolderPairs:
    """The images below a folder; captions in files are read when they are needed."""

    def __init__(self, folder: str) -> None:
        self.folder = folder
        self._images, self._texts = PackedStrings(), PackedStrings()

    def append(self, path: str, text_path: str) -> None:
        """Add an image and the file of its caption, "" where its path describes it."""
        self._images.append(path)
        self._texts.append(text_path)

    def __len__(self) -> int:
        return len(self._images)

    def reference(self, index: int, draw: tuple[int, ...]) -> Reference:
        """Pair by its number."""
        path, text_path = self._images[index], self._texts[index]
        caption = FileRange(text_path) if text_path else caption_from_path(path, self.folder)
        return Reference(path, draw, FileRange(path), (caption,))


def caption_from_path(path: str, folder: str) -> str:
    """Words of a path below a folder, without numbering: "hats/red_1.jpg" → "hats red"."""
    return name_words(_NUMBERING.sub(" ", os.path.relpath(path, folder)))


def list_folder(folder: str, options: PairOptions, tally: Tally) -> tuple[FolderPairs, list[str]]:
    """Images below a folder, and the archives (.tar).

    An image whose path holds no word and which has no .txt is counted in `tally`, where texts are needed; so are
    folders that cannot be listed.
    """
    pairs, archives = FolderPairs(folder), []
    images: list[str] = []
    captions: dict[str, str] = {}
    for found in walk(folder, EXTENSIONS | {TEXT_EXTENSION, ".tar"}):
        if isinstance(found, OSError):
            tally.add(str(found.filename), f"cannot be listed ({found.strerror})")
            continue
        stem, extension = os.path.splitext(found)
        if extension.lower() == TEXT_EXTENSION:
            captions[stem] = found
        elif extension.lower() == ".tar":
            archives.append(found)
        else:
            images.append(found)
    for path in images:
        text_path = captions.get(os.path.splitext(path)[0], "")
        if options.texts and not text_path and not any(letter.isalpha() for letter in caption_from_path(path, folder)):
            tally.add(path, "has no .txt beside it, and no word in its name")
        else:
            pairs.append(path, text_path)
    return pairs, archives
