"""Opening and making an index in Qdrant."""

from __future__ import annotations

import os
import pickle
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from wordsight.errors import InputError, MissingExtraError, NoIndexError, StoreError
from wordsight.index import is_local
from wordsight.index.base import IndexInfo, describe_absence
from wordsight.index.qdrant.client_errors import client_errors
from wordsight.index.qdrant.index import QdrantIndex


def open_store(location: str, info: IndexInfo | None) -> QdrantIndex:
    """Open the index at "qdrant:FOLDER/COLLECTION" or "qdrant:http://HOST:6333/COLLECTION", or make it.

    info: what to make the index with; None opens one that is there. A server's key is read from QDRANT_API_KEY.

    Raises: InputError for a location of another form; StoreError where there is no index, or one that another model
    made (naming both), or where the server or folder cannot be used; MissingExtraError without qdrant-client.
    """
    place, collection = _split_location(location)
    if info is None and is_local(place) and not (Path(place) / "meta.json").is_file():
        raise NoIndexError(describe_absence(location))
    try:
        from qdrant_client import QdrantClient
    except ImportError as error:
        raise MissingExtraError("An index in Qdrant", "qdrant-client", "qdrant") from error
    with client_errors(location):
        if not is_local(place):
            split = urlsplit(place)
            client = QdrantClient(
                url=f"{split.scheme}://{split.netloc}",
                prefix=split.path or None,
                api_key=os.environ.get("QDRANT_API_KEY"),
                timeout=60,
                check_compatibility=False,  # it would ask for the server's version in a thread of its own
            )
        else:
            client = _open_folder(place, location)
    try:
        return QdrantIndex(client, collection, location, info)
    except BaseException:
        client.close()
        raise


def _open_folder(folder: str, location: str) -> Any:
    """Open a folder in local mode."""
    from qdrant_client import QdrantClient

    try:
        return QdrantClient(path=folder)
    except (ValueError, EOFError, pickle.UnpicklingError) as error:
        raise StoreError(
            f"The folder of {location} is damaged or of another version of the client ({error}); put it back from a "
            "copy, or delete it and make the index again."
        ) from error


def _split_location(location: str) -> tuple[str, str]:
    """Folder or URL, and the collection's name."""
    place, slash, collection = location.removeprefix("qdrant:").replace(os.sep, "/").rpartition("/")
    if not (place and slash and collection) or place.endswith(":/") or set(collection) & set('<>:"\\|?*'):
        raise InputError(
            f"The location {location!r} is not of the form qdrant:FOLDER/COLLECTION or "
            "qdrant:http://HOST:6333/COLLECTION."
        )
    return place, collection
