"""ZIP archives unpacked within limits: images alone, under names of ours."""

from __future__ import annotations

import io
import os
import re
import stat
import struct
import zipfile
import zlib
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path

from wordsight.errors import ImageError, InputError
from wordsight.images.files import SYSTEM_FOLDERS
from wordsight.serve.errors import TooLargeError
from wordsight.serve.guard.received import Left, Upload, UploadKind, receive
from wordsight.serve.guard.shown_names import shown_member
from wordsight.serve.settings import Limits

MOST_RATIO = 200  # of a member's size to its bytes in the archive; images are compressed already
RATIO_FROM = 1 << 20  # bytes below which a ratio does no harm
MOST_DIRECTORY = 4 << 20  # bytes of the list of members, which is held in memory
_CHUNK = 1 << 16
_LOCAL = struct.Struct("<4s22xHH")  # header before each member: signature, lengths of its name and extra field
_ENCRYPTED = 0x1 | 0x40 | 0x2000  # flags: encrypted, strongly encrypted, list of members encrypted
_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)  # others unpack into memory of a size that the archive states
_DRIVE = re.compile(r"[A-Za-z]:")


@dataclass(frozen=True)
class Unpacked:
    """Members of an archive that were taken, and the members that were left, each with the reason."""

    files: tuple[Upload, ...]
    left: tuple[Left, ...]


def unpack_zip(
    path: Path, folder: Path, limits: Limits, kinds: Collection[UploadKind] = (UploadKind.IMAGE,)
) -> Unpacked:
    """Images of a ZIP archive, written to `folder` under names of ours; other members are left and listed.

    kinds: of the members that are taken; of archives none is.
    Nothing is written before the whole list of members was checked. Hidden files and folders of systems (`.DS_Store`,
    `__MACOSX`) are left without a word, as in folders.
    Raises: TooLargeError for an archive of too many members or bytes, or of a ratio that only bombs have; InputError
        for one that is damaged, encrypted, or has members with paths outside the archive, links or overlaps.
    """
    try:
        with _BoundedFile(path) as file, zipfile.ZipFile(file) as archive:
            members = _check(archive, file, limits)
            return _unpack(archive, members, folder, limits, kinds)
    except (zipfile.BadZipFile, zlib.error, NotImplementedError, struct.error, EOFError, ValueError) as error:
        raise InputError(f"The ZIP archive is damaged ({error}); nothing of it was kept.") from error


class _BoundedFile(io.FileIO):
    """A file of which no single read takes more than a list of members may have."""

    def __init__(self, path: Path) -> None:
        super().__init__(path, "rb")

    def read(self, size: int | None = -1, /) -> bytes:
        """Read. Raises: TooLargeError for a read without a limit that would be more."""
        if size is None or size < 0:
            size = os.fstat(self.fileno()).st_size - self.tell()
        if size > MOST_DIRECTORY:
            raise TooLargeError(f"The ZIP archive's list of members has {size:,} bytes, more than {MOST_DIRECTORY:,}.")
        return super().read(size) or b""


def _check(archive: zipfile.ZipFile, file: _BoundedFile, limits: Limits) -> list[zipfile.ZipInfo]:
    """Members worth unpacking, after all were checked."""
    members = archive.infolist()
    if len(members) > limits.files * 2:  # with folders, and the files that macOS puts beside each
        raise TooLargeError(
            f"The ZIP archive has {len(members):,} members, more than the limit of {limits.files * 2:,}."
        )
    for member in members:
        _check_member(member)
    total = sum(member.file_size for member in members)
    if total > limits.upload_bytes:
        raise TooLargeError(
            f"The ZIP archive unpacks to {total:,} bytes, more than the limit of {limits.upload_bytes:,}."
        )
    _check_overlaps(archive, members, file)
    wanted = [member for member in members if not member.is_dir() and not _is_hidden(member.filename)]
    if len(wanted) > limits.files:
        raise TooLargeError(f"The ZIP archive has {len(wanted):,} files, more than the limit of {limits.files:,}.")
    return wanted


def _check_member(member: zipfile.ZipInfo) -> None:
    shown = shown_member(member.filename)
    parts = re.split(r"[/\\]", member.orig_filename)
    if ".." in parts or parts[0] == "" or _DRIVE.match(member.orig_filename) or "\0" in member.orig_filename:
        raise InputError(f"The ZIP archive has a member whose path leads out of it ({shown!r}); nothing was unpacked.")
    if stat.S_IFMT(member.external_attr >> 16) not in (0, stat.S_IFREG, stat.S_IFDIR):
        raise InputError(f"The ZIP archive has a link or device ({shown!r}); nothing was unpacked.")
    if member.flag_bits & _ENCRYPTED:
        raise InputError(f"The ZIP archive is encrypted ({shown!r}); send one without a password.")
    if member.file_size > RATIO_FROM and member.file_size > MOST_RATIO * max(member.compress_size, 1):
        raise TooLargeError(
            f"The ZIP archive's member {shown!r} unpacks {member.compress_size:,} bytes to {member.file_size:,}, which "
            f"no image does; the limit is {MOST_RATIO} to 1."
        )


def _check_overlaps(archive: zipfile.ZipFile, members: list[zipfile.ZipInfo], file: _BoundedFile) -> None:
    """Raise InputError where two members share bytes, as in bombs that state each small."""
    end = 0
    for member in sorted(members, key=lambda one: one.header_offset):
        if member.header_offset < end:
            raise InputError("The ZIP archive is damaged (members overlap); nothing was unpacked.")
        file.seek(member.header_offset)
        signature, name, extra = _LOCAL.unpack(file.read(_LOCAL.size))
        if signature != b"PK\x03\x04":
            raise InputError("The ZIP archive is damaged (a member has no header); nothing was unpacked.")
        end = member.header_offset + _LOCAL.size + name + extra + member.compress_size
    if end > archive.start_dir:
        raise InputError("The ZIP archive is damaged (members overlap its list); nothing was unpacked.")


def _unpack(
    archive: zipfile.ZipFile,
    members: list[zipfile.ZipInfo],
    folder: Path,
    limits: Limits,
    kinds: Collection[UploadKind],
) -> Unpacked:
    folder.mkdir(parents=True, exist_ok=True)
    files: list[Upload] = []
    left: list[Left] = []
    room = limits.upload_bytes
    for i, member in enumerate(members):
        shown = shown_member(member.filename)
        path = folder / f"{i:06d}.part"
        try:
            room -= _write(archive, member, path, min(room, limits.file_bytes))
            upload = receive(path, shown, limits)
            if upload.kind not in kinds:
                path = upload.path
                taken = " and ".join(f"{kind.value}s" for kind in kinds)
                raise ImageError(f"is a {upload.kind.value}; of an archive only the {taken} are taken")
            files.append(upload)
        except ImageError as error:
            path.unlink(missing_ok=True)
            left.append(Left(shown, str(error)))
    return Unpacked(tuple(files), tuple(left))


def _write(archive: zipfile.ZipFile, member: zipfile.ZipInfo, path: Path, most: int) -> int:
    """Number of bytes of a member that were written. Raises: ImageError for one that is not taken."""
    if member.compress_type not in _METHODS:
        raise ImageError(f"is compressed by method {member.compress_type}; expected deflate")
    if member.file_size > most:
        raise ImageError(f"has {member.file_size:,} bytes, more than the limit of {most:,}")
    size = 0
    with open(path, "xb") as target:
        for chunk in _read_chunks(archive, member):
            size += len(chunk)
            if size > most:
                raise ImageError(f"has more than {most:,} bytes, the limit")
            target.write(chunk)
    return size


def _read_chunks(archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> Iterator[bytes]:
    """Yield the bytes of a member. Raises: ImageError where they are damaged."""
    try:
        with archive.open(member) as source:
            while chunk := source.read(_CHUNK):
                yield chunk
    except (zipfile.BadZipFile, zlib.error, EOFError) as error:
        raise ImageError(f"is damaged ({error})") from error


def _is_hidden(name: str) -> bool:
    parts = re.split(r"[/\\]", name)
    return any(part.startswith(".") for part in parts) or any(part.lower() in SYSTEM_FOLDERS for part in parts[:-1])
