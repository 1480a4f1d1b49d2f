"""Files that were received, and their kinds by content."""

from __future__ import annotations

import codecs
import os
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

from wordsight.errors import ImageError
from wordsight.images.files import EXTENSIONS, RAW_EXTENSIONS
from wordsight.images.header import read_header
from wordsight.images.identify import identify
from wordsight.images.open_file import open_regular
from wordsight.images.quiet import quiet_pillow
from wordsight.serve.settings import Limits

_HEAD = 1 << 16  # bytes by which a text is told from other files
_TABLE_TEXTS = {".csv": ".csv", ".tsv": ".tsv", ".jsonl": ".jsonl", ".ndjson": ".jsonl"}
_SUFFIXES = {"JPEG": ".jpg", "MPO": ".jpg", "TIFF": ".tif", "JPEG2000": ".jp2", "DIB": ".bmp", "PPM": ".ppm"}


class UploadKind(Enum):
    """What an uploaded file is, by its content."""

    IMAGE = "image"
    ZIP = "ZIP archive"
    PDF = "PDF"
    TABLE = "table"


@dataclass(frozen=True)
class Upload:
    """A file that was received.

    shown_name: the name that its sender gave, cleaned, for showing alone. path: where it lies, under a name of ours
    whose extension follows from its content. bytes: its size.
    """

    shown_name: str
    path: Path
    kind: UploadKind
    bytes: int


@dataclass(frozen=True)
class Left:
    """A file that was received and not taken: the name as shown, and why."""

    name: str
    reason: str


def receive(path: Path, shown: str, limits: Limits) -> Upload:
    """Upload that lies at `path` under a name of ours, renamed by its kind.

    Raises: ImageError with the reason alone, for a file that is neither image, ZIP, PDF nor table.
    """
    kind, suffix = find_kind(path, shown, limits)
    named = path.with_suffix(suffix)
    path.rename(named)
    return Upload(shown, named, kind, named.stat().st_size)


def find_kind(path: Path, shown: str, limits: Limits) -> tuple[UploadKind, str]:
    """Kind of a file by its content, and the extension that goes with it.

    The name decides only between tables that are plain text, which look alike.
    Raises: ImageError with the reason alone, also for an image of more pixels than the limit.
    """
    with open(path, "rb") as file:
        head = file.read(_HEAD)
        file.seek(max(-4, -path.stat().st_size), os.SEEK_END)
        tail = file.read()
    if not head:
        raise ImageError("is empty")
    if head.startswith((b"PK\x03\x04", b"PK\x05\x06")):
        return UploadKind.ZIP, ".zip"
    if head.startswith(b"%PDF-"):
        return UploadKind.PDF, ".pdf"
    if head.startswith(b"PAR1") and tail == b"PAR1":
        return UploadKind.TABLE, ".parquet"
    dialect = _TABLE_TEXTS.get(os.path.splitext(shown)[1].lower())
    if dialect and _is_text(head):
        return UploadKind.TABLE, dialect
    return UploadKind.IMAGE, image_suffix(path, shown, limits)


def image_suffix(path: Path, shown: str, limits: Limits) -> str:
    """Extension of an image's format, by its content. Raises: ImageError with the reason alone."""
    try:
        with quiet_pillow(), open_regular(path) as file:
            image = identify(file)
            form = None if image is None else str(image.format)
        header = read_header(path)
    except Exception as error:
        raise ImageError("is not an image, PDF, ZIP or table that can be read here") from error
    if header.width * header.height > limits.pixels:
        raise ImageError(f"has {header.width:,} × {header.height:,} pixels, more than the limit of {limits.pixels:,}")
    given = os.path.splitext(shown)[1].lower()
    if form is None:
        return given if given in RAW_EXTENSIONS else ".dng"
    by_form = _SUFFIXES.get(form, f".{form.lower()}")
    return by_form if by_form in EXTENSIONS else ".png"


def _is_text(head: bytes) -> bool:
    """Whether bytes begin a table in plain text: UTF-8 (perhaps cut at the end), no controls, no markup."""
    if head.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return False
    try:
        text = codecs.getincrementaldecoder("utf-8-sig")().decode(head)
    except UnicodeDecodeError:
        return False
    if text.lstrip().startswith("<"):
        return False
    return not any(ord(letter) < 32 and letter not in "\t\n\r\f" for letter in text)
