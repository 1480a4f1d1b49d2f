"""An index's folder, read without Lance: the model it was made with, its notes, its newest version."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from wordsight.durable import write_whole
from wordsight.index.base import IndexInfo, Note
from wordsight.index.lance import ITEMS
from wordsight.index.lance.checksums import checksum
from wordsight.index.lance.schema import parse_info

RECORD = "wordsight-index.json"
# Lance counts its manifests down from here, so that the newest comes first in a listing
LAST_VERSION = 2**64 - 1


@dataclass(frozen=True)
class FolderRecord:
    """Content of `wordsight-index.json`: a copy of what the dataset itself holds, for readers that do not open it."""

    info: IndexInfo
    notes: Mapping[str, Note]

    def write(self, folder: Path) -> None:
        """Write the file, whole or not at all."""
        said = {"about": asdict(self.info), "notes": dict(self.notes)}
        write_whole(folder / RECORD, json.dumps({**said, "checksum": _checksum(said)}, indent=1, ensure_ascii=False))


def read_record(folder: Path) -> FolderRecord | None:
    """Content of the folder's file, or None where there is none or it is damaged (the dataset then tells).

    Raises: StoreError for a newer format.
    """
    try:
        said: Any = json.loads((folder / RECORD).read_text(encoding="utf-8"))
        expected = said.pop("checksum", None)  # older versions wrote none
        info = parse_info(said["about"], str(folder))  # first, since a newer version may sum up otherwise
        if expected is not None and expected != _checksum(said):
            return None
        return FolderRecord(info, dict(said["notes"]))
    except (FileNotFoundError, NotADirectoryError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return None


def _checksum(said: Any) -> str:
    return checksum(json.dumps(said, sort_keys=True).encode())


def newest_version(folder: Path) -> int | None:
    """Number of the newest version, from the names of the manifests alone; None if there is none."""
    return max(list_manifests(folder), default=None)


def newest_manifest(folder: Path) -> str | None:
    """Name of the newest version's manifest; None if there is none."""
    manifests = list_manifests(folder)
    if not manifests:
        return None
    return manifests[max(manifests)]


def list_manifests(folder: Path) -> dict[int, str]:
    """Version → name of its manifest."""
    try:
        names = os.listdir(folder / ITEMS / "_versions")
    except (FileNotFoundError, NotADirectoryError):
        return {}
    numbers = ((manifest_number(name), name) for name in names)
    return {number: name for number, name in numbers if number is not None}


def manifest_number(name: str) -> int | None:
    """Version that a manifest of this name is of; None for another file."""
    stem, _, suffix = name.partition(".")
    if suffix != "manifest" or not stem.isdigit():
        return None
    number = int(stem)
    if len(stem) == 20:
        number = LAST_VERSION - number
    return number
