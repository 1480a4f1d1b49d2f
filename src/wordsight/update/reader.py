"""From an item to the pixels that a model sees, in a decoding thread; and what its row says of the image."""

from __future__ import annotations

import contextlib
import dataclasses
import io
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import numpy as np
from PIL import Image

from wordsight.errors import ImageError
from wordsight.images.decode import decode
from wordsight.images.header import read_header
from wordsight.images.inputs import ImageSource
from wordsight.images.names import source_name
from wordsight.images.preprocess import preprocess
from wordsight.images.skipped import Skipped, describe_error
from wordsight.index import Row
from wordsight.index.base import Floats
from wordsight.ingest import Item
from wordsight.spec import Preprocess
from wordsight.update.row_state import MASKED, Contents, hash_annotations

THUMBNAIL_SIDE = 320  # pixels: a page's headline and drawing can be made out, in about 12 KB


@dataclass(frozen=True, slots=True)
class Facts:
    """Facts about an image that a row keeps beside its vector: see `index.Row`. flaw: see `images.decode.Decoded`."""

    content_hash: str
    width: int = 0
    height: int = 0
    taken: str | None = None
    thumbnail: bytes = b""
    flaw: str = ""


@dataclass(frozen=True, slots=True, eq=False)
class Task:
    """An item on its way into the index. Each room that it passes replaces it: `Reader.finish` adds the `facts`.

    what: "read", or "describe" where only text or meta changed and the old vector stays. row: position in `RowStates`.
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
        """Row to be stored."""
        item, facts = self.item, self.facts
        return Row(
            id=item.id, source=item.source, path=item.path, content_hash=facts.content_hash, vector=vector_D,
            page=item.page, size=item.size, mtime_ns=item.mtime_ns, width=facts.width, height=facts.height,
            taken=facts.taken, annotation_hash=hash_annotations(item.text, item.meta), text=item.text, meta=item.meta,
            thumbnail=facts.thumbnail,
        )  # fmt: skip

    def described(self, old: Row) -> Row:
        """Old row with what is said of it now."""
        item = self.item
        annotation_hash = hash_annotations(item.text, item.meta)
        return dataclasses.replace(
            old, source=item.source, annotation_hash=annotation_hash, text=item.text, meta=item.meta
        )


@dataclass(frozen=True, slots=True, eq=False)
class Opened:
    """Content of a task: its image, what its header says, and whether the index holds the vector of such content."""

    image: ImageSource | Image.Image
    facts: Facts
    known: bool


@contextlib.contextmanager
def _reason_alone(image: ImageSource | Image.Image) -> Iterator[None]:
    """Leave the image's name out of errors: the record of the task has one."""
    try:
        yield
    except ImageError as error:
        raise ImageError(str(error).removeprefix(f"{source_name(image)}: ")) from error


def skip_task(task: Task, error: Exception) -> Skipped:
    """Record of a task that cannot be read."""
    return Skipped(task.item.id, describe_error(error).removeprefix(f"{source_name(task.item.path)}: "))


class Reader:
    """Reads tasks for `Model.stream_read`: the answer is pixels (S, S, 3), None (its vector is known), or Skipped."""

    def __init__(self, spec: Preprocess, contents: Contents, *, exact: bool = False) -> None:
        self.spec = spec
        self.contents = contents
        self.exact = exact
        self._facts: dict[str, Facts] = {}  # id → facts of tasks that were read and are still in the encoder

    def finish(self, task: Task) -> Task:
        """Replace a task that was read here by one with its facts."""
        return dataclasses.replace(task, facts=self._facts.pop(task.item.id, task.facts))

    def __call__(self, task: Task) -> np.ndarray | Skipped | None:
        """Read one task's content; decode it unless the index holds the vector of such content."""
        if task.what == "describe":
            return None
        try:
            opened = self.open(task)
            with _reason_alone(opened.image):
                return self._pixels(task, opened)
        except Exception as error:  # whatever is wrong with one image, the others are read
            return skip_task(task, error)

    def open(self, task: Task) -> Opened:
        """Content of a task, not decoded yet: for those who decode elsewhere. Raises: ImageError and others."""
        content = task.item.read()
        content_hash = content.content_hash + (MASKED if task.mask else "")
        known = not task.fresh and not self.contents.claim(content_hash)
        image = content.image()
        with _reason_alone(image):
            said = read_header(image)
        return Opened(image, Facts(content_hash, said.width, said.height, said.taken), known)

    def _pixels(self, task: Task, opened: Opened) -> np.ndarray | None:
        if opened.known and not task.thumbnail:
            self._facts[task.item.id] = opened.facts
            return None
        decoded = decode(opened.image, at_least=None if self.exact else self.spec.image_size)
        thumbnail = b""
        if task.thumbnail:
            thumbnail = make_thumbnail(decoded.image)
        self._facts[task.item.id] = dataclasses.replace(opened.facts, thumbnail=thumbnail, flaw=decoded.flaw)
        if opened.known:
            return None
        image = decoded.image
        if task.mask:
            from wordsight.images.title_block import mask

            image = mask(image)
        return preprocess(image, self.spec, decoded.box)


def make_thumbnail(image: Image.Image) -> bytes:
    """A JPEG of at most THUMBNAIL_SIDE pixels a side."""
    small = image.copy()
    small.thumbnail((THUMBNAIL_SIDE, THUMBNAIL_SIDE))
    out = io.BytesIO()
    small.save(out, "JPEG", quality=80)
    return out.getvalue()
