"""Writing to the index of a gallery that is served: taking turns with other processes, and removing items."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path

from wordsight.errors import StoreError
from wordsight.gallery import Gallery
from wordsight.index import Index, Row, is_local
from wordsight.serve.items.jobs import Job
from wordsight.serve.items.uploads_folder import find_own_files, remove_files, uploads_folder

LOCK_SECONDS = 60.0  # for which a job waits for another process that writes the index
_REMOVAL_SECONDS = 5.0
_PAUSE = 0.5
_WAITS = "Waits for another process, which is writing the gallery."
_ROWS_AT_ONCE = 200


def begin_writing(index: Index, job: Job | None = None, seconds: float | None = None) -> None:
    """Take the right to write, waiting while another process has it. Raises: StoreError; JobCancelledError."""
    end = time.monotonic() + (LOCK_SECONDS if seconds is None else seconds)
    while True:
        try:
            index.begin_writing()
            break
        except StoreError as error:
            if not isinstance(error.__context__, BlockingIOError) or time.monotonic() > end:
                raise
        if job is None:
            time.sleep(_PAUSE)
        else:
            job.message = _WAITS
            job.wait(_PAUSE)
    if job is not None:
        job.message = ""


def remove_items(location: str, ids: Sequence[str], *, delete_uploads: bool = False) -> int:
    """Remove items of a gallery by their ids; the number removed.

    delete_uploads: their files too: those alone that were added through a server, and that no other item shows.
    Raises: StoreError.
    """
    with Gallery.open(location) as gallery:
        index = gallery.index
        rows: list[Row] = []
        for start in range(0, len(ids), _ROWS_AT_ONCE):
            rows += index.get(ids[start : start + _ROWS_AT_ONCE])
        if not rows:
            return 0
        begin_writing(index, seconds=_REMOVAL_SECONDS)
        index.remove([row.id for row in rows])
        index.optimise()
        if delete_uploads and is_local(location):
            _remove_files(index, uploads_folder(location), rows)
    return len(rows)


def _remove_files(index: Index, folder: Path, rows: Sequence[Row]) -> None:
    own = {str(path): path for path in find_own_files(folder, rows)}
    still_shown = {version.path for version in index.row_versions() if version.path in own} if own else set()
    remove_files(folder, [path for name, path in own.items() if name not in still_shown])
