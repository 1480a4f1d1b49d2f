"""Where vectors, metadata and texts are kept: one `Index` class, and a store behind it (Lance, Qdrant, Pinecone)."""

from __future__ import annotations

import importlib
import os
from pathlib import Path

from wordsight.arguments import check_path
from wordsight.errors import InputError, MissingExtraError
from wordsight.index.base import Index, IndexInfo, Match, Row, RowVersion

__all__ = ["Index", "IndexInfo", "Match", "Row", "RowVersion", "create_index", "open_index"]

# how a location begins → the module of the store; all others are of Lance
STORES = {"qdrant:": "wordsight.index.qdrant.opening", "pinecone:": "wordsight.index.pinecone.opening"}


def resolve_location(location: str | Path | None) -> str:
    """Location of an index: the user's own where none is named; a folder with "~" expanded."""
    from wordsight.locations import default_index

    if location is None:
        return str(default_index())
    check_path("location", location, "a folder, a URL, or None for your personal index")
    where = os.fspath(location)
    if is_local(where):
        where = os.path.expanduser(where)
    return where


def is_local(location: str) -> bool:
    """Whether an index is in a folder of its own on this machine: not at a URL, and not in another store."""
    return "://" not in location and not location.startswith(tuple(STORES))


def open_index(location: str | Path | None = None) -> Index:
    """Open an index: a folder, "s3://…", "qdrant:…" or "pinecone:…"; by default the user's own.

    Raises: InputError for a location of another form; StoreError where there is none, or it cannot be read;
    MissingExtraError.
    """
    return _open(location, None)


def create_index(location: str | Path | None, info: IndexInfo) -> Index:
    """Make an index, or open the one that is there if it is of the same model.

    Raises: StoreError for one of another model, naming both, or a place that cannot be written; MissingExtraError.
    """
    return _open(location, info)


def _open(location: str | Path | None, info: IndexInfo | None) -> Index:
    where = resolve_location(location)
    if not where.strip():
        raise InputError(f"The place of the index is {where!r}; name a folder, or leave it out for your own index.")
    if "\0" in where:
        raise InputError(f"The place of the index is {where!r}, which holds a NUL character; name a folder without.")
    module = next(
        (store for start, store in STORES.items() if where.startswith(start)), "wordsight.index.lance.opening"
    )
    try:
        store = importlib.import_module(module)
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] != "pyarrow":
            raise
        raise MissingExtraError("An index", "pyarrow", "search") from None
    index: Index = store.open_store(where, info)
    return index
