"""Contents of an index: how much it holds, of which sources, made with which model."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from wordsight.index import Index, IndexInfo
from wordsight.index.base import Note
from wordsight.ingest.options import IngestOptions
from wordsight.update.sources import read_sources


@dataclass(frozen=True, eq=False)
class SourceStatus:
    """A followed source: its images in the index, and how it is read."""

    images: int
    options: IngestOptions


@dataclass(frozen=True, eq=False)
class Status:
    """Contents of an index.

    bytes: of its folder, None for an index that is not in one. columns: those that a condition may name → kind.
    fusion: the note of `wordsight tune`, or None.
    """

    location: str
    images: int
    bytes: int | None
    info: IndexInfo
    sources: Mapping[str, SourceStatus]
    columns: Mapping[str, str]
    fusion: Note | None = None

    def to_dict(self) -> dict[str, Any]:
        """The status as JSON."""
        return {
            "index": self.location,
            "images": self.images,
            "bytes": self.bytes,
            **asdict(self.info),
            "sources": {name: {"images": one.images, **asdict(one.options)} for name, one in self.sources.items()},
            "columns": dict(self.columns),
            "fusion": self.fusion,
        }


def read_status(index: Index, location: str) -> Status:
    """Status of an index; its rows are counted by source."""
    rows = Counter(version.source for version in index.row_versions())
    return Status(
        location=location,
        images=len(index),
        bytes=_measure_folder(location),
        info=index.info,
        sources={name: SourceStatus(rows[name], options) for name, options in read_sources(index).items()},
        columns=index.columns(),
        fusion=index.note("fusion") or None,
    )


def _measure_folder(location: str) -> int | None:
    """Bytes in a folder, or None for what is not one."""
    if not os.path.isdir(location):
        return None
    return sum(file.stat().st_size for file in Path(location).rglob("*") if file.is_file())
