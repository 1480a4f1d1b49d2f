"""Places of images within a Space: relative names in place of the paths that an index keeps.

They hold on any machine that runs the Space from its own folder, and tell nothing of the one that made it.
"""

from __future__ import annotations

import dataclasses
import itertools
import os
import re
from collections.abc import Collection
from pathlib import PurePosixPath

from wordsight.hashes import hash_text
from wordsight.index import Row
from wordsight.path_text import to_path

IMAGES = "images"
_ODD = re.compile(r"[^\w.-]+")
_SHOWN = 60  # characters of a source's name in that of its folder


class Places:
    """Names of one gallery's images; the same row has the same name each time it is asked for in the same order."""

    def __init__(self, gallery: str) -> None:
        self.folder = f"{IMAGES}/{plain_name(gallery)}"
        self._sources: dict[str, tuple[str, str]] = {}  # source → its base, and the folder for what is below
        self._ids: set[str] = set()

    def source(self, source: str) -> str:
        """Folder of a source's images."""
        return self._find_source(source)[1]

    def relocate(self, row: Row) -> Row:
        """A row with its id, path and source as they are in the Space; a URL stays."""
        path = self._path(row)
        if row.id == row.path:
            id = path
        elif row.id.startswith(f"{row.path}#"):
            id = path + row.id[len(row.path) :]
        elif row.id.startswith(f"{row.source}#"):
            table = f"{self.source(row.source)}/{os.path.basename(row.source)}"
            member = row.id[len(row.source) + 1 :]
            id = f"{table}#{PurePosixPath(path).name if os.path.isabs(member) else member}"
        else:
            id = path if os.path.isabs(row.id) else row.id
        return dataclasses.replace(row, id=self._unique(id, row.id), path=path, source=self.source(row.source))

    def _path(self, row: Row) -> str:
        if "://" in row.path:
            return row.path
        base, folder = self._find_source(row.source)
        if base and row.path.startswith(f"{base}{os.sep}"):
            below = row.path[len(base) + 1 :].replace(os.sep, "/")
            if ".." not in below.split("/"):
                return f"{folder}/{below}"
        return f"{folder}/elsewhere/{hash_text(row.path) & 0xFFFF_FFFF:08x}-{os.path.basename(row.path)}"

    def _find_source(self, source: str) -> tuple[str, str]:
        if source not in self._sources:
            is_local = os.path.isabs(source)
            base, name = "", os.path.basename(source.rstrip("/"))
            if is_local and to_path(source).is_dir():
                base = source
            elif is_local:
                base, name = os.path.dirname(source), os.path.splitext(name)[0]
            taken = {folder for _, folder in self._sources.values()}
            folder = f"{self.folder}/{unlike_others(plain_name(name), {one.split('/')[-1] for one in taken})}"
            self._sources[source] = (base, folder)
        return self._sources[source]

    def _unique(self, id: str, original: str) -> str:
        if id in self._ids:
            id = f"{id}~{hash_text(original) & 0xFFFF_FFFF:08x}"
        self._ids.add(id)
        return id


def plain_name(name: str) -> str:
    """Name of a folder that every system takes."""
    return _ODD.sub("-", name)[:_SHOWN].strip("-.") or "images"


def unlike_others(name: str, taken: Collection[str]) -> str:
    """The name, with a number where it is taken."""
    numbered = (f"{name}-{n}" for n in itertools.count(2))
    return next(one for one in itertools.chain([name], numbered) if one not in taken)
