"""Copy of a gallery that can be moved: an index with relative paths, and the images or thumbnails of its rows."""

from __future__ import annotations

import dataclasses
import os
import shutil
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Literal, TypeAlias

from PIL import Image

from wordsight.duplicates import threshold
from wordsight.errors import ImageError
from wordsight.images.skipped import Skipped, record_skipped
from wordsight.index import Index, Row, create_index
from wordsight.index.base import Note
from wordsight.path_text import to_path
from wordsight.row_images import row_image
from wordsight.search import tune
from wordsight.serve.media.rendering import encode_image
from wordsight.serve.space.places import Places
from wordsight.update.sources import SOURCES

Progress: TypeAlias = Callable[[int, int], object]
Images: TypeAlias = Literal["thumbnails", "copy"]
SIDE = 512  # pixels of a thumbnail's longer side
_ROWS = 256  # at once
_NOTES = (tune.NOTE, threshold.NOTE)


@dataclass(frozen=True, eq=False)
class Copied:
    """What was copied: the number of images, the bytes of their files, and those that could not be read."""

    images: int
    bytes: int
    skipped: tuple[Skipped, ...] = ()


def copy_gallery(
    index: Index,
    name: str,
    folder: Path,
    *,
    images: Images,
    model: str,
    progress: Progress | None = None,
) -> Copied:
    """Copy an index to `folder/indexes/NAME`, and its image files to `folder/images/NAME` or thumbnails into its rows.

    model: what `wordsight.load` takes there. progress: called with (rows done, rows in total).
    Nothing is embedded again. What cannot be read now is left out and told.
    """
    places = Places(name)
    copy = create_index(str(folder / index_place(name)), dataclasses.replace(index.info, model=model))
    total, done = len(index), 0
    skipped: list[Skipped] = []
    files: set[str] = set()
    moved: dict[str, Row] = {}

    def keep_image(row: Row) -> Row | Skipped:
        return _keep_image(index, row, moved[row.id], folder, images)

    try:
        with ThreadPoolExecutor() as pool:
            for rows in _batches(index):
                moved = {row.id: places.relocate(row) for row in rows}
                kept = list(pool.map(keep_image, rows))
                copy.add([row for row in kept if isinstance(row, Row)])
                skipped += [row for row in kept if isinstance(row, Skipped)]
                files |= {row.path for row in kept if isinstance(row, Row)}
                done += len(rows)
                if progress is not None:
                    progress(done, total)
        for key, note in _notes(index, places):
            copy.set_note(key, note)
        copy.optimise()
    finally:
        copy.close()
    sizes = (path.stat().st_size for path in map(folder.joinpath, files) if path.is_file())
    return Copied(total - len(skipped), sum(sizes), tuple(skipped))


def index_place(name: str) -> str:
    """Place of a gallery's index in a Space."""
    return f"indexes/{name}"


def _batches(index: Index) -> Iterator[list[Row]]:
    ids = iter([version.id for version in index.row_versions()])
    while some := list(islice(ids, _ROWS)):
        yield index.get(some)


def _keep_image(index: Index, row: Row, moved: Row, folder: Path, images: Images) -> Row | Skipped:
    """The moved row with its image: a thumbnail in it, or its file copied; or why there is none."""
    try:
        if images == "copy" and (row.page is not None or not row.thumbnail) and "://" not in row.path:
            target = folder / to_path(moved.path)
            target.parent.mkdir(parents=True, exist_ok=True)
            if not target.exists():
                shutil.copy2(to_path(row.path), target)
            return moved
        if row.thumbnail:
            return moved
        image = row_image(index, row, at_least=SIDE)
        image.thumbnail((SIDE, SIDE), Image.Resampling.LANCZOS)
        return dataclasses.replace(moved, thumbnail=encode_image(image, SIDE, "JPEG"))
    except ImageError as error:
        return record_skipped(row.path, error)
    except OSError as error:
        return Skipped(row.path, error.strerror or str(error))


def _notes(index: Index, places: Places) -> Iterator[tuple[str, Note]]:
    """What is known of the gallery: its tuned fusion and threshold, and of its sources how query images are masked."""
    for key in _NOTES:
        if note := index.note(key):
            yield key, note
    masked = {
        places.source(source): options
        for source, options in (index.note(SOURCES) or {}).items()
        if options.get("mask_title_block")
    }
    if masked:
        yield SOURCES, masked


def restore_times(index: Index) -> None:
    """Give copied documents the times that their rows know: Git gives new ones, and a changed page is not rendered."""
    times = {
        version.path: version.mtime_ns
        for version in index.row_versions()
        if version.id.startswith(f"{version.path}#page=")
    }
    for path, mtime_ns in times.items():
        if os.path.isfile(path):
            os.utime(path, ns=(mtime_ns, mtime_ns))
