"""Adding what was uploaded to a gallery: files are kept beside the index, embedded by the engine, and indexed."""

from __future__ import annotations

import asyncio
import os
import re
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from wordsight.columns import Value
from wordsight.errors import InputError
from wordsight.gallery import Gallery
from wordsight.hashes import hash_content
from wordsight.images.skipped import Skipped
from wordsight.index import is_local
from wordsight.ingest import Item
from wordsight.ingest.options import IngestOptions
from wordsight.ingest.scan import scan
from wordsight.model import Model
from wordsight.path_text import json_text
from wordsight.serve.engine.engine import Caller, Engine
from wordsight.serve.guard.uploads import Upload, UploadKind, Uploads, unpack_zip
from wordsight.serve.items.embedding import engine_embedder
from wordsight.serve.items.jobs import Job
from wordsight.serve.settings import Settings
from wordsight.update.run import Progress, Summary

UPLOADS = "-uploads"  # behind an index's location: the folder of what was added to it through a server
_SLUG = 40  # characters of the sender's name in that of the file
OF_THE_SERVER = "names a file of the server, which an uploaded table may not; give URLs or data: URIs"


def uploads_folder(location: str) -> Path:
    """Folder of the files that were added to an index. Raises: InputError for an index that is not in a folder."""
    if not is_local(location):
        raise InputError(f"The index is at {location}, not in a folder, so that nothing can be kept beside it.")
    return Path(f"{os.path.abspath(location)}{UPLOADS}")


@dataclass(frozen=True, eq=False)
class Adding:
    """One upload on its way into a gallery. meta: columns for all of its images. Called with the job, in a thread."""

    settings: Settings
    location: str
    uploads: Uploads
    meta: Mapping[str, Value]
    engine: Engine
    model: Model
    caller: Caller
    loop: asyncio.AbstractEventLoop

    def __call__(self, job: Job) -> dict[str, Any]:
        """Add everything; the counts as JSON. Raises: StoreError, InputError, OSError; JobCancelledError."""
        try:
            return self._add(job)
        finally:
            self.uploads.remove()

    def _add(self, job: Job) -> dict[str, Any]:
        job.skipped += [(left.name, left.reason) for left in self.uploads.left]
        keep = uploads_folder(self.location)
        images, documents, tables = self._sort_out(job)
        counts: dict[str, int] = {}
        embed = engine_embedder(self.engine, self.caller, self.loop)

        def progress(state: Progress) -> None:
            job.report(state.done, state.total, state.in_index)

        def count(summary: Summary) -> None:
            for name in ("added", "changed", "reused", "described", "unchanged"):
                counts[name] = counts.get(name, 0) + getattr(summary, name)
            job.skipped += [(_shown(skip), skip.reason) for skip in summary.skipped]

        with Gallery.open(self.location, model=self.model) as gallery:
            items: list[Any] = [self._keep_image(keep, upload) for upload in images]
            for table in tables:
                items += self._read_table(table, job)
            if items:
                count(gallery.add(items, embed=embed, progress=progress))
            for document in documents:
                path = _keep_file(keep, document)
                count(gallery.add(path, embed=embed, progress=progress))
        job.added = counts.get("added", 0) + counts.get("reused", 0)
        return counts

    def _sort_out(self, job: Job) -> tuple[list[Upload], list[Upload], list[Upload]]:
        """Images, documents and tables of the upload, archives unpacked."""
        images: list[Upload] = []
        documents: list[Upload] = []
        tables: list[Upload] = []
        for number, upload in enumerate(self.uploads):
            if upload.kind is UploadKind.ZIP:
                unpacked = unpack_zip(upload.path, self.uploads.folder / f"zip-{number}", self.settings.limits)
                job.skipped += [(left.name, left.reason) for left in unpacked.left]
                images += unpacked.files
            elif upload.kind is UploadKind.IMAGE:
                images.append(upload)
            elif upload.kind is UploadKind.PDF:
                documents.append(upload)
            else:
                tables.append(upload)
        return images, documents, tables

    def _keep_image(self, folder: Path, upload: Upload) -> tuple[str, Path, dict[str, Value]]:
        path = _keep_file(folder, upload)
        title = os.path.splitext(upload.shown_name)[0]
        return str(path), path, {"title": title, **self.meta}

    def _read_table(self, upload: Upload, job: Job) -> list[Item]:
        """Rows of a table whose images are on the web, where the server fetches, or in the table itself."""
        options = IngestOptions(urls=self.settings.allow_urls)
        items: list[Item] = []
        for unit in scan(upload.path, options):
            for item in [unit] if isinstance(unit, Skipped) else unit.items():
                if isinstance(item, Skipped):
                    job.skipped.append((_shown(item), item.reason))
                elif "://" not in item.path and not item.path.startswith("data:"):
                    job.skipped.append((_shown(item), OF_THE_SERVER))
                else:
                    items.append(item)
        return items


def _keep_file(folder: Path, upload: Upload) -> Path:
    """Path of an uploaded file in the folder, under a name of ours: the same content is kept once."""
    folder.mkdir(parents=True, exist_ok=True)
    digest = hash_content(upload.path.read_bytes())[:16]
    slug = re.sub(r"[^a-z0-9]+", "-", os.path.splitext(upload.shown_name)[0].lower())[:_SLUG].strip("-")
    name = f"{slug}-{digest}" if slug else digest
    there = next(folder.glob(f"*{digest}{upload.path.suffix}"), None)
    if there is not None:
        return there
    path = folder / f"{name}{upload.path.suffix}"
    part = path.with_name(f".{path.name}.part")
    shutil.copyfile(upload.path, part)
    os.replace(part, path)
    return path


def _shown(skip: Skipped | Item) -> str:
    """Name of an item as a person knows it: without the folders of the server."""
    name = json_text(skip.item if isinstance(skip, Skipped) else skip.id)
    return re.split(r"[/\\]", name)[-1]


def remove_items(location: str, ids: list[str], *, delete_uploads: bool = False) -> int:
    """Remove items of a gallery; the number removed. delete_uploads: their files too, those kept by `Adding` alone.

    Raises: StoreError, InputError.
    """
    with Gallery.open(location) as gallery:
        rows = gallery.index.get(ids)
        removed = gallery.remove([row.id for row in rows]) if rows else 0
        gallery.index.optimise()
    if delete_uploads and is_local(location):
        folder = uploads_folder(location)
        for row in rows:
            path = Path(row.path)
            if path.parent == folder:
                path.unlink(missing_ok=True)
    return removed
