"""Opening and making an index in a folder or at a URL."""

from __future__ import annotations

from pathlib import Path

from wordsight.errors import StoreError
from wordsight.index.base import IndexInfo, check_same_model
from wordsight.index.lance import folder as folders
from wordsight.index.lance import maintenance
from wordsight.index.lance import schema as columns
from wordsight.index.lance.dataset import dataset_address, import_lance
from wordsight.index.lance.index import LanceIndex
from wordsight.index.lance.messages import store_error, store_errors
from wordsight.index.records import describe_absence
from wordsight.writer_lock import LOCK

HAS_SCHEME = "://"


def open_store(location: str, info: IndexInfo | None) -> LanceIndex:
    """Open the index in a folder or at a URL; with `info`, make it where there is none.

    Raises: StoreError where there is none, for a damaged one, or one of another model; MissingExtraError.
    """
    folder = None if HAS_SCHEME in location else Path(location)
    found = _found(location, folder)
    if info is None and found is None:
        raise StoreError(describe_absence(location))
    if info is not None and found is not None:
        check_same_model(found, info.model, info.fingerprint, info.dim, location)
    if found is None:
        assert info is not None
        found = _create(location, folder, info)
    return LanceIndex(location, folder, found)


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
            if record is None and not any((folder / folders.ITEMS / "data").glob("*")):
                return None  # nothing, or what was left of making it on a full disk
            raise StoreError(
                f"The index {location} is damaged: it has no version left in {folders.ITEMS}/_versions. Put the folder "
                "back from a copy, or delete it and make the index again with: wordsight index …"
            )
    try:
        dataset = import_lance().dataset(dataset_address(location, folder))
    except ValueError as error:
        if folder is None and "was not found" in str(error):
            return None
        raise store_error(location, "read", error) from error
    except (OSError, RuntimeError) as error:
        raise store_error(location, "read", error) from error
    return columns.read_info(dataset.schema, location)


def _create(location: str, folder: Path | None, info: IndexInfo) -> IndexInfo:
    with store_errors(location, "written"):
        schema = columns.base_schema(info)
        if folder is not None:
            folder.mkdir(parents=True, exist_ok=True)
            others = sorted({path.name for path in folder.iterdir()} - {folders.ITEMS, LOCK})
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
