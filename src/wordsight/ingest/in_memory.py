"""In-memory images: what Python code holds, put into an index under ids of its own."""

from __future__ import annotations

import functools
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, TypeAlias

import numpy as np
from PIL import Image

from wordsight.columns import Value
from wordsight.errors import InputError
from wordsight.hashes import hash_content
from wordsight.images.inputs import ImageSource, as_image
from wordsight.ingest import Content, Item, Unit
from wordsight.ingest.files import read_file
from wordsight.path_text import to_text

Given: TypeAlias = "tuple[str, ImageSource] | tuple[str, ImageSource, Mapping[str, Value]] | Item"

SOURCE = "python"  # the `Row.source` of these images


def given_units(given: Iterable[Given]) -> Iterator[Unit]:
    """Yield a unit for each `Item` and each tuple (id, image) or (id, image, metadata).

    Texts among the metadata are what words are searched in. A row's path is its id, unless the image is a path.
    Raises: InputError for other tuples.
    """
    for one in given:
        item = one if isinstance(one, Item) else _item(one)
        yield Unit(
            item.source,
            item.path,
            item.size,
            item.mtime_ns,
            functools.partial(iter, [item]),
            unchanged_if_same_mtime=False,
        )


def given_item(id: str, image: Any, meta: Mapping[str, Value], text: str) -> Item:
    """Item of an image (see `images.inputs`): a path, read when it is its turn, or one held in memory.

    Raises: InputError for other kinds of image; ImageError for an open file that cannot be read.
    """
    image = as_image(image)
    if isinstance(image, str | os.PathLike):
        path = os.path.abspath(image)
        size = mtime_ns = 0
        if os.path.exists(path):
            status = os.stat(path)
            size, mtime_ns = status.st_size, status.st_mtime_ns
        read = functools.partial(read_file, path)
        return Item(id, SOURCE, to_text(path), read, None, size, mtime_ns, text, dict(meta))
    content_hash = hash_image(image)
    state = int(content_hash[:15], 16)  # in the place of a file's time: another image under the same id is a change
    return Item(
        id, SOURCE, id, lambda: Content(content_hash, lambda: image), mtime_ns=state, text=text, meta=dict(meta)
    )


def joined_text(meta: Mapping[str, Value], names: Sequence[str] | None = None) -> str:
    """Text that words are searched in: the texts among the metadata, or the values of the columns named."""
    wanted = meta.values() if names is None else (meta.get(name) for name in names)
    return " ".join(str(value) for value in wanted if isinstance(value, str) or (names and value is not None))


def hash_image(image: ImageSource) -> str:
    """Hash of an image in memory."""
    if isinstance(image, Image.Image):
        return hash_content(f"{image.mode} {image.size} ".encode() + image.tobytes())
    if isinstance(image, np.ndarray):
        return hash_content(f"{image.dtype} {image.shape} ".encode() + image.tobytes())
    assert isinstance(image, bytes | bytearray | memoryview), image
    return hash_content(bytes(image))


def _item(given: Any) -> Item:
    if not 2 <= len(given) <= 3 or not isinstance(given[0], str):
        raise InputError(f"An image is given as {given!r:.80}, expected (id, image) or (id, image, metadata).")
    id, image, meta = (*given, {})[:3]
    return given_item(id, image, meta, joined_text(meta))
