"""Kinds of source, in one table: asked by indexing and training before a named source is opened."""

from __future__ import annotations

import os
from enum import Enum

from wordsight.images.files import EXTENSIONS, is_pattern

DATASET_PREFIX = "hf:"
URL_SCHEMES = ("http:", "https:", "s3:", "gs:", "pipe:")
# one of these is in a folder that the `save_to_disk` of `datasets` wrote
SAVED_DATASET_FILES = ("state.json", "dataset_dict.json")


class SourceKind(Enum):
    """Kind of what a user named."""

    DATASET = "a dataset (hf:NAME)"
    URL = "a URL"
    PATTERN = "a pattern"
    MISSING = "nothing that exists"
    FOLDER = "a folder"
    SAVED_DATASET = "a folder that holds a saved dataset"
    TABLE = "a table"
    DOCUMENT = "a PDF"
    ARCHIVE = "a tar"
    COMPRESSED = "a compressed archive"
    IMAGE = "an image"
    OTHER = "a file of another kind"  # named outright, it is tried as an image


TABLE_EXTENSIONS = (".csv", ".tsv", ".jsonl", ".ndjson", ".parquet")
COMPRESSED_EXTENSIONS = (".tar.gz", ".tgz", ".tar.bz2", ".tar.xz", ".tar.zst", ".zip")
KIND_BY_EXTENSION: dict[str, SourceKind] = {
    **dict.fromkeys(EXTENSIONS, SourceKind.IMAGE),
    **dict.fromkeys(TABLE_EXTENSIONS, SourceKind.TABLE),
    **dict.fromkeys(COMPRESSED_EXTENSIONS, SourceKind.COMPRESSED),
    ".pdf": SourceKind.DOCUMENT,
    ".tar": SourceKind.ARCHIVE,
}


def file_kind(name: str | os.PathLike[str]) -> SourceKind:
    """Kind of a file by its name alone, which need not exist: "shards/*.tar" is an archive too."""
    lower = os.fspath(name).lower()
    stem, extension = os.path.splitext(lower)
    longer = os.path.splitext(stem)[1] + extension  # ".tar.gz"
    return KIND_BY_EXTENSION.get(longer) or KIND_BY_EXTENSION.get(extension, SourceKind.OTHER)


def source_kind(source: str | os.PathLike[str]) -> SourceKind:
    """Kind of a source by its name and by what is there under this name; nothing is opened."""
    text = os.fspath(source)
    if os.path.isdir(text):
        if any(os.path.exists(os.path.join(text, name)) for name in SAVED_DATASET_FILES):
            return SourceKind.SAVED_DATASET
        return SourceKind.FOLDER
    if os.path.lexists(text):
        return file_kind(text)
    if text.startswith(DATASET_PREFIX):
        return SourceKind.DATASET
    if text.lower().startswith(URL_SCHEMES):
        return SourceKind.URL
    if is_pattern(text):
        return SourceKind.PATTERN
    return SourceKind.MISSING
