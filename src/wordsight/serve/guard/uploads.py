"""Uploads: multipart bodies read within limits, into a temporary folder of ours, under names of ours."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import shutil
import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import IO, Any

import python_multipart as multipart
from python_multipart.exceptions import FormParserError
from python_multipart.multipart import parse_options_header
from starlette.requests import Request

from wordsight.errors import ImageError, InputError
from wordsight.serve.errors import DiskFullError, TooLargeError
from wordsight.serve.guard.received import Left, Upload, UploadKind, receive
from wordsight.serve.guard.shown_names import shown_name
from wordsight.serve.guard.zip_files import unpack_zip
from wordsight.serve.settings import Limits, Settings

__all__ = ["Left", "Upload", "UploadKind", "Uploads", "read_uploads", "unpack_zip"]

PREFIX = "wordsight-upload-"
_BATCH = 1 << 20  # bytes that one step in a thread parses and writes
_FIELDS = 64  # fields of a form that are not files
_FIELD_BYTES = 64 << 10  # of one of them
_PART_HEADERS = 16
_PART_HEADER_BYTES = 8 << 10


class Uploads:
    """Files of one upload, in a folder that goes away with the request unless it is kept.

    files: those that were taken; left: those that were not, and why; fields: the other fields of the form.
    folder: a temporary one, of this upload alone.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.files: list[Upload] = []
        self.left: list[Left] = []
        self.fields: dict[str, str] = {}
        self._kept = False

    def __iter__(self) -> Iterator[Upload]:
        return iter(self.files)

    def __len__(self) -> int:
        return len(self.files)

    def keep(self) -> None:
        """Leave the files when the request ends, for work that goes on; whoever does it calls `remove`."""
        self._kept = True

    def drop(self) -> None:
        """Let the files go when the request ends, whatever was said before."""
        self._kept = False

    @property
    def kept(self) -> bool:
        """Whether the files outlive the request."""
        return self._kept

    def remove(self) -> None:
        """Remove the files."""
        shutil.rmtree(self.folder, ignore_errors=True)


@contextlib.asynccontextmanager
async def read_uploads(request: Request, settings: Settings) -> AsyncIterator[Uploads]:
    """Files of a multipart request, each of them on disk under a name of ours.

    Nothing is held in memory but one step's bytes. Empty file fields, which browsers send where none was chosen, are
    left out. Within the context the files exist; after it only if `keep` was called.
    Raises: InputError for a body that is not multipart or is damaged; TooLargeError for one over a limit;
        DiskFullError.
    """
    boundary = _read_boundary(request.headers.get("content-type", ""))
    uploads = Uploads(Path(await asyncio.to_thread(tempfile.mkdtemp, prefix=PREFIX)))
    try:
        form = _Form(uploads, settings.limits, boundary)
        try:
            await _feed(form, request)
        finally:
            form.close()
        await asyncio.to_thread(form.receive)
        yield uploads
    except OSError as error:
        uploads.drop()
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise DiskFullError("The server's disk has no room for this upload; nothing of it was kept.") from error
        raise
    except BaseException:
        uploads.drop()
        raise
    finally:
        if not uploads.kept:
            await asyncio.to_thread(uploads.remove)


async def _feed(form: _Form, request: Request) -> None:
    waiting = bytearray()
    async for chunk in request.stream():
        waiting += chunk
        if len(waiting) >= _BATCH:
            await asyncio.to_thread(form.write, bytes(waiting))
            waiting.clear()
    await asyncio.to_thread(form.write, bytes(waiting))


def _read_boundary(content_type: str) -> bytes:
    kind, options = parse_options_header(content_type)
    boundary = options.get(b"boundary")
    if kind.lower() != b"multipart/form-data" or not boundary:
        raise InputError(
            f"The body is {content_type[:100] or 'of no type'!r}, expected multipart/form-data with the files in it."
        )
    return boundary


class _Form:
    """Parser of a multipart body that writes files as they come."""

    def __init__(self, uploads: Uploads, limits: Limits, boundary: bytes) -> None:
        self._uploads = uploads
        self._limits = limits
        self._total = 0
        self._ended = False
        self._received: list[tuple[Path, str]] = []
        self._file: IO[bytes] | None = None
        self._size = 0  # of the present part
        self._value = bytearray()
        self._name = ""
        self._header = (bytearray(), bytearray())
        self._disposition = b""
        callbacks: Any = {
            name: getattr(self, f"_{name}")
            for name in ("on_part_begin", "on_part_data", "on_part_end", "on_header_field", "on_header_value",
                         "on_header_end", "on_headers_finished", "on_end")
        }  # fmt: skip
        try:
            self._parser = multipart.MultipartParser(
                boundary, callbacks, max_header_count=_PART_HEADERS, max_header_size=_PART_HEADER_BYTES
            )
        except FormParserError as error:
            raise InputError(f"The multipart body cannot be read: {error}.") from error

    def write(self, data: bytes) -> None:
        """Take the next bytes of the body."""
        self._total += len(data)
        if self._total > self._limits.upload_bytes:
            raise TooLargeError(
                f"The upload has more than {self._limits.upload_bytes:,} bytes, the limit of this server; send it in "
                "parts."
            )
        try:
            if data:
                self._parser.write(data)
        except FormParserError as error:
            raise InputError(f"The multipart body is damaged: {error}.") from error

    def close(self) -> None:
        """Close the file that is being written."""
        if self._file is not None:
            self._file.close()
            self._file = None

    def receive(self) -> None:
        """Tell the kinds of the files, by their content."""
        if not self._ended:
            raise InputError("The multipart body breaks off before its end; nothing of it was kept.")
        for path, shown in self._received:
            try:
                self._uploads.files.append(receive(path, shown, self._limits))
            except ImageError as error:
                path.unlink(missing_ok=True)
                self._uploads.left.append(Left(shown, str(error)))

    def _on_part_begin(self) -> None:
        self._size, self._disposition = 0, b""
        self._value.clear()

    def _on_header_field(self, data: bytes, start: int, end: int) -> None:
        self._header[0].extend(data[start:end])

    def _on_header_value(self, data: bytes, start: int, end: int) -> None:
        self._header[1].extend(data[start:end])

    def _on_header_end(self) -> None:
        name, value = self._header
        if name.lower() == b"content-disposition":
            self._disposition = bytes(value)
        name.clear()
        value.clear()

    def _on_headers_finished(self) -> None:
        _, options = parse_options_header(self._disposition)
        if b"name" not in options:
            raise InputError("A part of the multipart body has no name.")
        self._name = options[b"name"].decode("utf-8", "replace")
        if b"filename" in options:
            self._begin_file(shown_name(options[b"filename"].decode("utf-8", "replace")))
        elif len(self._uploads.fields) >= _FIELDS:
            raise TooLargeError(f"The form has more than {_FIELDS} fields.")

    def _begin_file(self, shown: str) -> None:
        if len(self._received) >= self._limits.files:
            raise TooLargeError(
                f"The upload has more than {self._limits.files:,} files, the limit of this server; send it in parts."
            )
        path = self._uploads.folder / f"{len(self._received):06d}.part"
        self._file = open(path, "xb")  # noqa: SIM115 - closed at the end of the part
        self._received.append((path, shown))

    def _on_part_data(self, data: bytes, start: int, end: int) -> None:
        self._size += end - start
        if self._file is None:
            if self._size > _FIELD_BYTES:
                raise TooLargeError(f"The field {self._name[:40]!r} has more than {_FIELD_BYTES:,} bytes.")
            self._value += data[start:end]
            return
        if self._size > self._limits.file_bytes:
            raise TooLargeError(
                f"The file {self._received[-1][1]!r} has more than {self._limits.file_bytes:,} bytes, the limit of "
                "this server for one file."
            )
        self._file.write(memoryview(data)[start:end])

    def _on_part_end(self) -> None:
        if self._file is None:
            self._uploads.fields[self._name] = self._value.decode("utf-8", "replace")
            return
        self.close()
        path, shown = self._received[-1]
        if not self._size and shown == "unnamed":  # a field of a browser in which no file was chosen
            path.unlink()
            self._received.pop()

    def _on_end(self) -> None:
        self._ended = True
