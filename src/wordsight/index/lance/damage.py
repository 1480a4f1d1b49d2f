"""Damage of an index's files: which images are concerned, and how an index is freed of it."""

from __future__ import annotations

import contextlib
from collections.abc import Collection
from pathlib import Path
from typing import Any

import numpy as np

from wordsight.index.base import Damage
from wordsight.index.lance import maintenance
from wordsight.index.lance.checksums import Checksums
from wordsight.index.lance.dataset import import_lance, list_data_files
from wordsight.index.lance.snapshot import Snapshot

_FRAGMENT_BITS = 32  # a row id of Lance: the fragment's number, then the row's place in it


def find_damage(folder: Path, uri: str, checksums: Checksums, snapshot: Snapshot | None) -> list[Damage]:
    """Damaged and missing files, with the ids of the images that each holds; all files are read."""
    damaged = checksums.find_damaged(again=True)
    found = []
    try:
        dataset = import_lance().dataset(uri)
        fragments = {name: id for id, name in list_data_files(dataset)}
    except (OSError, ValueError, RuntimeError):  # what says which fragments there are is damaged itself
        return [Damage(name, None) for name in damaged]
    missing = [name for name in fragments if not (folder / name).is_file()]
    for name in [*damaged, *missing]:
        ids: list[str] | None = []
        if name in fragments:
            ids = _find_ids(dataset, fragments[name], snapshot)
        found.append(Damage(name, ids))
    return found


def drop_damaged(folder: Path, uri: str, dataset: Any, names: Collection[str]) -> None:
    """Remove damaged fragments with all of their rows, and damaged search indexes, which `optimise` builds again.

    States before, which hold the same files, can no longer be gone back to.
    """
    for number in maintenance.runs(dataset):
        dataset.tags.delete(f"{maintenance.RUN}{number}")
    lance = import_lance()
    ids = sorted({id for id, name in list_data_files(dataset) if name in names or not (folder / name).is_file()})
    if ids:
        change = lance.LanceOperation.Delete(updated_fragments=[], deleted_fragment_ids=ids, predicate="damaged")
        lance.LanceDataset.commit(uri, change, read_version=dataset.version)
        dataset.checkout_latest()
    if ids or any("/_indices/" in name for name in names):
        for index in dataset.describe_indices():
            dataset.drop_index(index.name)


def _find_ids(dataset: Any, fragment: int, snapshot: Snapshot | None) -> list[str] | None:
    """Ids of the images of a fragment: of the snapshot, which is whole, else of what is left of the fragment."""
    if snapshot is not None and snapshot.version == dataset.version:
        return snapshot.choose_ids(lambda rowids: (rowids >> np.uint64(_FRAGMENT_BITS)) == fragment)
    with contextlib.suppress(Exception):  # whatever damaged bytes make Lance raise
        return [str(id) for id in dataset.get_fragment(fragment).to_table(columns=["_id"])["_id"].to_pylist()]
    return None
