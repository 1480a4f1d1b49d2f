"""Opening and making an index in a folder or at a URL."""

from __future__ import annotations

import re
from pathlib import Path

from wordsight.errors import InputError, NoIndexError, StoreError, WordsightError
from wordsight.index import is_local
from wordsight.index.base import IndexInfo, check_same_model, describe_absence
from wordsight.index.lance import ITEMS, maintenance
from wordsight.index.lance import folder as folders
from wordsight.index.lance import schema as columns
from wordsight.index.lance.dataset import dataset_address, import_lance
from wordsight.index.lance.index import LanceIndex
from wordsight.index.lance.messages import plain, store_error, store_errors
from wordsight.index.writer_lock import LOCK

_WITHOUT_HOST = ("file", "memory", "shared-memory")  # how schemes begin whose URLs name no bucket
_UNKNOWN_SCHEME = re.compile(r"No object store provider found for scheme: '(?P<scheme>[^']*)'")
_REFUSED = "Invalid user input: "  # how Lance's message begins about a URL, before anything is read


def open_store(location: str, info: IndexInfo | None) -> LanceIndex:
    """Open the index in a folder or at a URL; with `info`, make it where there is none.

    Raises: InputError for a URL that no store takes; StoreError where there is none, for a damaged one, or one of
    another model; MissingExtraError.
    """
    folder = None
    if is_local(location):
        folder = Path(location)
    else:
        _check_url(location)
    found = _found(location, folder)
    if info is None and found is None:
        raise NoIndexError(describe_absence(location))
    if info is not None and found is not None:
        check_same_model(found, info.model, info.fingerprint, info.dim, location)
    if found is None:
        assert info is not None
        found = _create(location, folder, info)
    return LanceIndex(location, folder, found)


def _check_url(location: str) -> None:
    """Raise InputError for a URL that names nothing behind its scheme."""
    scheme, _, rest = location.partition("://")
    if not rest.strip("/") or (rest.startswith("/") and not scheme.lower().startswith(_WITHOUT_HOST)):
        raise InputError(
            f"The index location {location!r} names nothing behind {scheme}://; expected, for example, "
            "s3://BUCKET/FOLDER."
        )


def _found(location: str, folder: Path | None) -> IndexInfo | None:
    """Model that the index there was made with, or None where there is none."""
    if folder is not None:
        with store_errors(location, "read"):
            if folder.is_file():
                raise StoreError(f"{location} is a file; an index is a folder.")
            record = folders.read_record(folder)
            version = folders.newest_version(folder)
        if version is not None and record is not None:
            return record.info
        if version is None:
            if record is None and not any((folder / ITEMS / "data").glob("*")):
                return None  # nothing, or what was left of making it on a full disk
            raise StoreError(
                f"The index {location} is damaged: it has no version left in {ITEMS}/_versions. Put the folder "
                "back from a copy, or delete it and make the index again with: wordsight index …"
            )
    try:
        dataset = import_lance().dataset(dataset_address(location, folder))
    except ValueError as error:
        if folder is None and "was not found" in str(error):
            return None
        raise _url_error(location, str(error)) or store_error(location, "read", error) from error
    except (OSError, RuntimeError) as error:
        raise store_error(location, "read", error) from error
    return columns.read_info(dataset.schema, location)


def _url_error(location: str, said: str) -> WordsightError | None:
    """Error for a URL that Lance refused with the message `said`; None where it is about something else."""
    if is_local(location) or not said.startswith(_REFUSED):
        return None
    if found := _UNKNOWN_SCHEME.search(said):
        return InputError(
            f"The index location {location!r} has the scheme {found['scheme']!r}, which is not supported; expected a "
            "folder, s3://…, gs://…, az://…, qdrant:… or pinecone:…."
        )
    return InputError(f"The index location {location!r} cannot be opened: {plain(said)}.")


def _create(location: str, folder: Path | None, info: IndexInfo) -> IndexInfo:
    with store_errors(location, "written"):
        schema = columns.base_schema(info)
        if folder is not None:
            folder.mkdir(parents=True, exist_ok=True)
            others = sorted({path.name for path in folder.iterdir()} - {ITEMS, LOCK})
            if others:
                raise StoreError(
                    f"{location} is not an index and holds other things ({', '.join(map(repr, others[:3]))}); "
                    "name a new or an empty folder for the index."
                )
        dataset = import_lance().write_dataset(schema.empty_table(), dataset_address(location, folder), schema=schema)
        maintenance.ensure_text_index(dataset)
        if folder is not None:
            folders.FolderRecord(info, {}).write(folder)
    return info
