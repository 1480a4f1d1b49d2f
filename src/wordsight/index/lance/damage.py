"""Damage of an index's files: which images are concerned, and how an index is freed of it."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Collection, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np

from wordsight.errors import StoreError
from wordsight.index.base import Damage, FileCheck
from wordsight.index.lance import ITEMS, maintenance
from wordsight.index.lance import folder as folders
from wordsight.index.lance.checksums import CHECKSUMS, Checksums
from wordsight.index.lance.dataset import NOTE, import_lance, list_data_files, read_notes
from wordsight.index.lance.messages import store_errors
from wordsight.index.lance.snapshot import Snapshot

_FRAGMENT_BITS = 32  # a row id of Lance: the fragment's number, then the row's place in it
_VERSIONS, _INDEXES = f"{ITEMS}/_versions", f"{ITEMS}/_indices"


def check_files(folder: Path, uri: str, checksums: Checksums, snapshot: Snapshot | None) -> FileCheck:
    """Damaged and missing files, with the ids of the images that each holds; all files are read."""
    recorded = checksums.read()
    present = set(checksums.list_files())
    changed = checksums.find_damaged(again=True)
    found = [Damage(CHECKSUMS, [])] if checksums.are_damaged() else []
    dataset, unreadable = _open_newest(folder, uri, changed)
    if dataset is None:
        found += [Damage(name, None) for name in sorted({*changed, *unreadable})]
        found += [Damage(name, None, is_missing=True) for name in sorted(recorded.keys() - present)]
    else:
        found += [Damage(name, None) for name in unreadable]
        fragments = {name: number for number, name in _list_fragment_files(dataset)}
        missing = _find_missing(folder, dataset, recorded, fragments)
        for name in [*(name for name in changed if name not in unreadable), *missing]:
            ids: list[str] | None = []
            if name in fragments:
                ids = _find_ids(dataset, fragments[name], snapshot)
            elif _is_newer(name, dataset.version):
                ids = None
            found.append(Damage(name, ids, is_missing=name in missing))
    compared = len(present & recorded.keys())
    return FileCheck(tuple(found), compared, len(present) - compared, is_lost=dataset is None)


def _open_newest(folder: Path, uri: str, changed: Collection[str]) -> tuple[Any, list[str]]:
    """The newest version whose manifest is whole, None if there is none; names of the manifests of newer ones."""
    unreadable: list[str] = []
    for number, file in sorted(folders.list_manifests(folder).items(), reverse=True):
        name = f"{_VERSIONS}/{file}"
        if name not in changed and (dataset := _open_version(uri, number)) is not None:
            return dataset, unreadable
        unreadable.append(name)
    return None, unreadable


def _open_version(uri: str, number: int) -> Any:
    """A version of the dataset; None where its manifest cannot be read."""
    with contextlib.suppress(StoreError), store_errors(uri, "read"):
        dataset = import_lance().dataset(uri, version=number)
        list(_list_fragment_files(dataset))
        return dataset
    return None


def _list_fragment_files(dataset: Any) -> Iterator[tuple[int, str]]:
    """Fragment's number and name of each file that holds its rows, or says which of them are deleted."""
    yield from list_data_files(dataset)
    for fragment in dataset.get_fragments():
        if deleted := fragment.deletion_file():
            yield fragment.fragment_id, f"{ITEMS}/{deleted}"


def _find_missing(folder: Path, dataset: Any, recorded: Collection[str], used: Collection[str]) -> list[str]:
    """Names of missing files that the newest version needs, or one that can be gone back to.

    Others are of states before, whose files a writer was about to forget when it was killed.
    """
    indexes = [f"{_INDEXES}/{segment.uuid}" for each in dataset.describe_indices() for segment in each.segments]
    kept = maintenance.runs(dataset)

    def is_needed(name: str) -> bool:
        number = folders.manifest_number(name.rpartition("/")[2])
        return name.startswith(tuple(f"{index}/" for index in indexes)) or (
            number is not None and (number in kept or number > dataset.version)
        )

    needed = [*used, *(name for name in recorded if is_needed(name))]
    missing = [name for name in dict.fromkeys(needed) if not (folder / name).exists()]
    whole = (name for name in indexes if not (folder / name).exists())  # of an older version, without checksums
    return [*missing, *(name for name in whole if not any(file.startswith(name) for file in missing))]


def _is_newer(name: str, version: int) -> bool:
    number = folders.manifest_number(name.rpartition("/")[2])
    return number is not None and number > version


def repair_files(folder: Path, uri: str, checksums: Checksums, damage: Collection[Damage]) -> None:
    """Go back to the newest version that can be read; remove what is damaged in it; record missing checksums.

    States before, which hold the same files, can no longer be gone back to.
    """
    names = {each.file for each in damage} - {CHECKSUMS}
    if names:
        newest = _drop_manifests(folder, checksums, names)
        dataset = import_lance().dataset(uri)
        if newest > dataset.version:
            _replace_lost(folder, dataset, newest)
        _drop_damaged(folder, uri, dataset, names)
        dataset.cleanup_old_versions(timedelta(0), delete_unverified=True, error_if_tagged_old_versions=False)
    checksums.record()


def _drop_manifests(folder: Path, checksums: Checksums, names: Collection[str]) -> int:
    """Remove damaged manifests; the number of the newest version there was."""
    newest = max(folders.list_manifests(folder), default=0)
    for name in names:
        number = folders.manifest_number(name.rpartition("/")[2])
        if number is not None:
            newest = max(newest, number)
            (folder / name).unlink(missing_ok=True)
    checksums.record()  # forgets them: new versions may get their names
    return newest


def _replace_lost(folder: Path, dataset: Any, lost: int) -> None:
    """Make this version the newest one, of a number that no lost one had, with the notes of the folder's own file."""
    while dataset.version <= lost:  # else another process takes it for the one that it knows
        dataset.restore()
    if record := folders.read_record(folder):
        known = read_notes(dataset)
        notes = {NOTE + key: json.dumps(note) for key, note in record.notes.items() if known.get(key) != note}
        if notes:
            dataset.update_config(notes)


def _drop_damaged(folder: Path, uri: str, dataset: Any, names: Collection[str]) -> None:
    """Remove damaged fragments with all of their rows, and damaged search indexes, which `optimise` builds again."""
    for number in maintenance.runs(dataset):
        dataset.tags.delete(f"{maintenance.RUN}{number}")
    lance = import_lance()
    files = _list_fragment_files(dataset)
    ids = sorted({id for id, name in files if name in names or not (folder / name).is_file()})
    if ids:
        change = lance.LanceOperation.Delete(updated_fragments=[], deleted_fragment_ids=ids, predicate="damaged")
        lance.LanceDataset.commit(uri, change, read_version=dataset.version)
        dataset.checkout_latest()
    if ids or any(name.startswith(_INDEXES) for name in names):
        for index in dataset.describe_indices():
            dataset.drop_index(index.name)


def _find_ids(dataset: Any, fragment: int, snapshot: Snapshot | None) -> list[str] | None:
    """Ids of the images of a fragment: of the snapshot, which is whole, else of what is left of the fragment."""
    if snapshot is not None and snapshot.version == dataset.version:
        return snapshot.choose_ids(lambda rowids: (rowids >> np.uint64(_FRAGMENT_BITS)) == fragment)
    with contextlib.suppress(Exception):  # whatever damaged bytes make Lance raise
        return [str(id) for id in dataset.get_fragment(fragment).to_table(columns=["_id"])["_id"].to_pylist()]
    return None
