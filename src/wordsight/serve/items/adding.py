"""Adding what was uploaded to a gallery: files are kept beside the index, embedded by the engine, and indexed."""

from __future__ import annotations

import dataclasses
import functools
import itertools
import os
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from wordsight.columns import Value
from wordsight.durable import remove_parts
from wordsight.errors import ImageError, InputError, WordsightError
from wordsight.gallery import Gallery
from wordsight.hashes import hash_file
from wordsight.images.skipped import Skipped
from wordsight.ingest import Item
from wordsight.ingest.files import read_file
from wordsight.ingest.in_memory import joined_text
from wordsight.ingest.pdf import page_items
from wordsight.path_text import name_words, to_text
from wordsight.serve.guard.fetch import fetch_url
from wordsight.serve.guard.received import receive
from wordsight.serve.guard.uploads import Upload, UploadKind, Uploads, unpack_zip
from wordsight.serve.items.embedding import EngineEmbedder, EngineInJob
from wordsight.serve.items.jobs import Job
from wordsight.serve.items.table_rows import NamedFiles, TableRow, read_rows
from wordsight.serve.items.uploads_folder import keep_file, remove_files, uploads_folder
from wordsight.serve.items.writing import begin_writing
from wordsight.serve.settings import Limits, Settings
from wordsight.update.run import Progress

_ROWS_AT_ONCE = 200
_TAKEN = (UploadKind.IMAGE, UploadKind.PDF, UploadKind.TABLE)  # of a ZIP archive
PDF = ".pdf"
THERE = "is in the gallery already"
NO_URLS = "is a URL, and this server fetches none; send the image along, or start the server with --allow-urls"


@dataclass(frozen=True, eq=False)
class Addition:
    """An image or PDF on its way into a gallery.

    shown: its name for people. id: of its row; None makes it that of the file. meta: its columns. said: whether these
    were given for it; else an image that the gallery has is left as it is.
    """

    file: Path
    shown: str
    id: str | None = None
    meta: Mapping[str, Value] = field(default_factory=dict)
    said: bool = False


@dataclass(frozen=True, eq=False)
class Form:
    """Other fields of an upload. meta: columns of all its images. image_column: of its tables."""

    meta: Mapping[str, Value] = field(default_factory=dict)
    image_column: str | None = None


@dataclass(frozen=True, eq=False)
class Adding:
    """One upload on its way into a gallery. Called with the job, in a thread.

    given: images with ids and columns of their own, in the place of the upload's files.
    """

    settings: Settings
    location: str
    uploads: Uploads
    form: Form
    access: EngineInJob
    given: Sequence[Addition] | None = None

    def release(self) -> None:
        """Remove the temporary files."""
        self.uploads.remove()

    def __call__(self, job: Job) -> dict[str, Any]:
        """Add everything; the counts as JSON. Raises: StoreError, InputError, OSError; JobCancelledError."""
        job.skipped += [(left.name, left.reason) for left in self.uploads.left]
        with Gallery.open(self.location, model=self.access.model) as gallery:
            begin_writing(gallery.index, job)
            writing = _Writing(gallery, uploads_folder(self.location), job)
            return writing.add(self._list(job), EngineEmbedder(self.access, job))

    def _list(self, job: Job) -> Iterator[Addition]:
        """Yield what is to be added, archives unpacked and tables read."""
        if self.given is not None:
            yield from self.given
            return
        files = list(self._unpack(job))
        tables = [file for file in files if file.kind is UploadKind.TABLE]
        named = NamedFiles([file for file in files if file.kind is UploadKind.IMAGE])
        used: set[Path] = set()
        for table in tables:
            try:
                for addition in self._list_rows(table, named, job):
                    used.add(addition.file)
                    yield addition
            except InputError as error:
                job.skip(table.shown_name, str(error))
        for file in files:
            if file.kind is not UploadKind.TABLE and file.path not in used:
                title = os.path.splitext(file.shown_name.rsplit("/", 1)[-1])[0]
                meta = {"title": title, **self.form.meta}
                yield Addition(file.path, file.shown_name, meta=meta, said=bool(self.form.meta))

    def _list_rows(self, table: Upload, named: NamedFiles, job: Job) -> Iterator[Addition]:
        """Yield the images of a table's rows; those without one are skipped. Raises: InputError for the table."""
        for row in read_rows(table, named, self.form.image_column):
            job.check()
            try:
                file = self._image_of(row, job)
            except (ImageError, InputError) as error:
                job.skip(row.name, str(error).rstrip("."))
                continue
            yield Addition(file.path, row.cell or row.name, meta={**row.meta, **self.form.meta}, said=True)

    def _unpack(self, job: Job) -> Iterator[Upload]:
        """Yield the files of the upload, those of archives in their place; limits are of all archives together."""
        limits = self.settings.limits
        for number, upload in enumerate(self.uploads):
            if upload.kind is not UploadKind.ZIP:
                yield upload
                continue
            job.check()
            try:
                folder = self.uploads.folder / f"zip-{number}"
                unpacked = unpack_zip(upload.path, folder, limits, _TAKEN)
            except InputError as error:
                job.skip(upload.shown_name, str(error))
                continue
            job.skipped += [(left.name, left.reason) for left in unpacked.left]
            limits = dataclasses.replace(
                limits,
                upload_bytes=limits.upload_bytes - sum(file.bytes for file in unpacked.files),
                files=limits.files - len(unpacked.files),
            )
            yield from unpacked.files

    def _image_of(self, row: TableRow, job: Job) -> Upload:
        """File of a row's image, fetched where it is a URL. Raises: ImageError or InputError with the reason."""
        if isinstance(row.image, Upload):
            return row.image
        if row.image is None:
            raise ImageError(row.reason)
        content = row.image
        if isinstance(content, str):
            if not self.settings.allow_urls:
                raise ImageError(NO_URLS)
            content = self.access.run(fetch_url(content, self.settings), job)
        return write_upload(self.uploads, content, row.cell or row.name, self.settings.limits)


def write_upload(uploads: Uploads, content: bytes, shown: str, limits: Limits) -> Upload:
    """Image among the files of an upload, under a name of ours. Raises: ImageError for what is not an image."""
    path = uploads.folder / f"row-{len(list(uploads.folder.iterdir())):06d}.part"
    if len(content) > limits.file_bytes:
        raise ImageError(f"has {len(content):,} bytes, more than the limit of {limits.file_bytes:,}")
    path.write_bytes(content)
    upload = receive(path, shown, limits)
    if upload.kind is not UploadKind.IMAGE:
        raise ImageError(f"is a {upload.kind.value}, expected an image")
    return upload


class _Writing:
    """Additions on their way into an index that may be written: kept as files, then embedded and committed."""

    def __init__(self, gallery: Gallery, folder: Path, job: Job) -> None:
        self.gallery = gallery
        self.folder = folder
        self.job = job
        self._source = to_text(folder)
        self._new: dict[Path, list[str]] = {}  # files that were not there before → ids of their rows
        self._ids: Counter[str] = Counter()
        self._shown: dict[str, str] = {}  # id → name for people

    def add(self, additions: Iterator[Addition], embed: EngineEmbedder) -> dict[str, Any]:
        """Add them; the counts as JSON. Files of what did not get into the index are removed again."""
        remove_parts(self.folder)  # of a process that was killed
        try:
            items = self._leave_out_others(list(self._keep_all(additions)))
            counts = dict.fromkeys(("added", "changed", "described", "unchanged"), 0)
            if items:
                summary = self.gallery.add(items, embed=embed, progress=self._report)
                counts = {name: getattr(summary, name) for name in counts}
                counts["added"] += summary.reused
                for skip in (*summary.skipped, *summary.incomplete):
                    self.job.skip(self._shown.get(str(skip.item), "an image"), skip.reason)
            self.job.added = counts["added"]
            self.job.already += counts["unchanged"]
            return counts
        finally:
            self._remove_unused()

    def _report(self, state: Progress) -> None:
        self.job.report(state.done, state.total, state.in_index)

    def _keep_all(self, additions: Iterator[Addition]) -> Iterator[Item]:
        """Yield the items of additions."""
        while some := list(itertools.islice(additions, _ROWS_AT_ONCE)):
            hashes = {one.file: _hash(one.file) for one in some if not one.said and one.file.suffix != PDF}
            known = self.gallery.index.find_vectors(list(set(hashes.values()))) if hashes else {}
            for addition in some:
                self.job.check()
                yield from self._keep(addition, is_there=hashes.get(addition.file) in known)

    def _keep(self, addition: Addition, *, is_there: bool) -> list[Item]:
        """Items of an addition, whose file is in the folder from now on; none of what the gallery has."""
        if is_there:
            return self._count_there(addition)
        kept = keep_file(self.folder, addition.file)
        if kept.new:
            self._new[kept.path] = []
        items = list(self._make_items(addition, kept.path))
        if not addition.said and any(item.id in self._ids for item in items):
            return self._count_there(addition)
        numbered = []
        for item in items:
            self._ids[item.id] += 1
            if (times := self._ids[item.id]) > 1:  # several rows of a table show it
                item = dataclasses.replace(item, id=f"{item.id}#{times}")
            numbered.append(item)
            self._shown[item.id] = addition.shown + (f" page {item.page}" if item.page is not None else "")
            if kept.path in self._new:
                self._new[kept.path].append(item.id)
        return numbered

    def _count_there(self, addition: Addition) -> list[Item]:
        self.job.already += 1
        self.job.skip(addition.shown, THERE)
        return []

    def _make_items(self, addition: Addition, path: Path) -> Iterator[Item]:
        status = os.stat(path)
        words = "\n".join(filter(None, [joined_text(addition.meta), name_words(addition.shown)]))
        if path.suffix != PDF:
            yield Item(
                addition.id or to_text(path),
                self._source,
                to_text(path),
                functools.partial(read_file, str(path)),
                None,
                status.st_size,
                status.st_mtime_ns,
                words,
                dict(addition.meta),
            )
            return
        for item in page_items(str(path), self._source, status, addition.shown):
            self.job.check()
            if isinstance(item, Skipped):
                self.job.skip(addition.shown, item.reason)
            else:
                text = "\n".join(filter(None, [joined_text(addition.meta), item.text]))
                yield dataclasses.replace(item, text=text, meta=dict(addition.meta))

    def _leave_out_others(self, items: list[Item]) -> list[Item]:
        """Items whose ids are free, or of rows that came through a server; the others are skipped."""
        foreign: set[str] = set()
        for start in range(0, len(items), _ROWS_AT_ONCE):
            rows = self.gallery.index.get([item.id for item in items[start : start + _ROWS_AT_ONCE]])
            foreign.update(row.id for row in rows if row.source != self._source)
        for id in sorted(foreign):
            self.job.skip(self._shown[id], f"has the id {id[:80]!r}, which an item of another source has; take another")
        self._new = {path: [id for id in ids if id not in foreign] for path, ids in self._new.items()}
        return [item for item in items if item.id not in foreign]

    def _remove_unused(self) -> None:
        """Remove the files that this job brought and no row shows, whatever happened."""
        try:
            unused = [path for path, ids in self._new.items() if not (ids and self.gallery.index.get(ids))]
        except WordsightError:  # the index has gone
            unused = [] if os.path.exists(self.gallery.location) else list(self._new)
        remove_files(self.folder, unused)


def _hash(path: Path) -> str:
    """Content hash, as rows have it."""
    with open(path, "rb") as file:
        return hash_file(file)
