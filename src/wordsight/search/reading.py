"""From an item to the pixels that a model sees, in a decoding thread; and what its row says of the picture."""

from __future__ import annotations

import dataclasses
import io
import os
from dataclasses import dataclass
from typing import Literal

import numpy as np
from PIL import ExifTags, Image

from wordsight.errors import ImageError
from wordsight.images import ImageSource, Skipped, decode, source_name
from wordsight.index import Row
from wordsight.index.rows import Floats
from wordsight.ingest import Item
from wordsight.preprocess import preprocess
from wordsight.search.known import MASKED, Digests, about_of
from wordsight.spec import Preprocess

THUMBNAIL_SIDE = 320  # pixels: a page's headline and drawing can be made out, in about 12 KB
# EXIF of when the shutter opened, else of when the film was scanned; "DateTime" is when a program last wrote the file
_TAKEN = (ExifTags.Base.DateTimeOriginal, ExifTags.Base.DateTimeDigitized)


@dataclass(frozen=True, slots=True)
class Facts:
    """What a row says of a picture beside its vector: see `index.Row`."""

    digest: str
    width: int = 0
    height: int = 0
    taken: str | None = None
    thumbnail: bytes = b""


@dataclass(slots=True, eq=False)
class Task:
    """An item on its way into the index. `facts` are filled in where it is read.

    what: "read", or "describe" where only text or meta changed and the old vector stays. row: its position in `Known`.
    mask: leave out the title block. fresh: embed it whatever the index holds. embedded: it was.
    """

    item: Item
    what: Literal["read", "describe"] = "read"
    row: int | None = None
    mask: bool = False
    thumbnail: bool = False
    fresh: bool = False
    embedded: bool = False
    facts: Facts = Facts("")

    def as_row(self, vector_D: Floats) -> Row:
        """Return the row to be stored."""
        item, facts = self.item, self.facts
        return Row(
            id=item.id, source=item.source, path=item.path, digest=facts.digest, vector=vector_D, page=item.page,
            size=item.size, mtime_ns=item.mtime_ns, width=facts.width, height=facts.height, taken=facts.taken,
            about=about_of(item.text, item.meta), text=item.text, meta=item.meta, thumbnail=facts.thumbnail,
        )  # fmt: skip

    def described(self, old: Row) -> Row:
        """Return the old row with what is said of it now."""
        item = self.item
        about = about_of(item.text, item.meta)
        return dataclasses.replace(old, source=item.source, about=about, text=item.text, meta=item.meta)


class Reader:
    """Reads tasks for `Model.stream_read`: the answer is pixels (S, S, 3), None (its vector is known), or Skipped."""

    def __init__(self, spec: Preprocess, digests: Digests, *, exact: bool = False) -> None:
        self.spec = spec
        self.digests = digests
        self.exact = exact

    def __call__(self, task: Task) -> np.ndarray | Skipped | None:
        """Read one task's content; decode it unless the index holds the vector of such content."""
        if task.what == "describe":
            return None
        try:
            content = task.item.read()
            digest = content.digest + (MASKED if task.mask else "")
            known = not task.fresh and not self.digests.claim(digest)
            picture = content.picture()
            try:
                return self._pixels(task, digest, picture, known)
            except ImageError as error:
                raise ImageError(str(error).removeprefix(f"{source_name(picture)}: ")) from error
        except (ImageError, OSError) as error:
            reason = (error.strerror if isinstance(error, OSError) else None) or str(error)
            return Skipped(task.item.id, reason.removeprefix(f"{source_name(task.item.path)}: "))

    def _pixels(self, task: Task, digest: str, picture: ImageSource | Image.Image, known: bool) -> np.ndarray | None:
        width, height, taken = header(picture)
        if known and not task.thumbnail:
            task.facts = Facts(digest, width, height, taken)
            return None
        decoded = decode(picture, at_least=None if self.exact else self.spec.image_size)
        thumbnail = thumbnail_of(decoded.image) if task.thumbnail else b""
        task.facts = Facts(digest, width or decoded.image.width, height or decoded.image.height, taken, thumbnail)
        if known:
            return None
        image = decoded.image
        if task.mask:
            from wordsight.search.title_block import mask

            image = mask(image)
        return preprocess(image, self.spec, decoded.box)


def header(picture: ImageSource | Image.Image) -> tuple[int, int, str | None]:
    """Return a picture's width and height as it is seen (upright), and when it was taken, from its header alone.

    Zeros and None for what cannot be opened.
    """
    if isinstance(picture, np.ndarray):
        return picture.shape[1], picture.shape[0], None
    if isinstance(picture, Image.Image):
        return picture.width, picture.height, None
    try:
        with Image.open(io.BytesIO(picture) if isinstance(picture, bytes) else os.fspath(picture)) as image:
            exif = image.getexif()
            turned = exif.get(ExifTags.Base.Orientation, 1) in (5, 6, 7, 8)
            width, height = image.size[::-1] if turned else image.size
            return width, height, _taken(exif)
    except Exception:  # `decode` says what is wrong with it, if anything is
        return 0, 0, None


def _taken(exif: Image.Exif) -> str | None:
    """Return "2021-05-03T10:11:12" of EXIF's "2021:05:03 10:11:12"."""
    if not exif:
        return None
    details = exif.get_ifd(ExifTags.IFD.Exif)
    for tag in _TAKEN:
        value = str(details.get(tag, "")).strip("\0 ")
        if len(value) >= 19 and value[:4].isdigit() and value[:4] != "0000":
            return f"{value[:10].replace(':', '-')}T{value[11:19]}"
    return None


def thumbnail_of(image: Image.Image) -> bytes:
    """Return a JPEG of at most THUMBNAIL_SIDE pixels a side."""
    small = image.copy()
    small.thumbnail((THUMBNAIL_SIDE, THUMBNAIL_SIDE))
    out = io.BytesIO()
    small.save(out, "JPEG", quality=80)
    return out.getvalue()
