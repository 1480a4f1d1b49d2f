"""In-memory images: what Python code holds, put into an index under ids of its own."""

from __future__ import annotations

import dataclasses
import functools
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, TypeAlias

import numpy as np
from PIL import Image

from wordsight.columns import Value, as_python, plain, value_kind
from wordsight.errors import InputError
from wordsight.hashes import hash_content
from wordsight.images.inputs import ImageSource, as_image
from wordsight.images.skipped import Skipped
from wordsight.ingest import Content, Item, Unit
from wordsight.ingest.files import read_file
from wordsight.path_text import to_text

Given: TypeAlias = "tuple[str, ImageSource] | tuple[str, ImageSource, Mapping[str, Any] | None] | Item"

SOURCE = "python"  # the `Row.source` of these images


def given_units(given: Iterable[Given]) -> Iterator[Unit | Skipped]:
    """Yield a unit for each `Item` and each tuple (id, image) or (id, image, metadata).

    Texts among the metadata are what words are searched in. A row's path is its id, unless the image is a path.
    An image whose metadata cannot be kept comes as `Skipped` (see `read_meta`).
    Raises: InputError for other tuples.
    """
    for one in given:
        item = _read_item(one)
        if isinstance(item, Skipped):
            yield item
            continue
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


def read_meta(meta: Any, id: str) -> dict[str, Value]:
    """Metadata of an image as columns hold it: Python's numbers, dates in ISO 8601; {} of None.

    Keys that are whole numbers are written as text. Raises: InputError naming image, key and type for other values.
    """
    if meta is None:
        return {}
    if not isinstance(meta, Mapping):
        raise InputError(f"metadata of {id!r} is {type(meta).__name__}; expected a dict or None")
    read: dict[str, Value] = {}
    for name, given in meta.items():
        kind = type(given).__name__
        if not isinstance(name, str | int | np.integer):
            raise InputError(f"metadata of {id!r} has the key {name!r:.80} ({type(name).__name__}); expected text")
        value = as_python(given)
        if value is not None and not value_kind(value):
            if isinstance(value, int):
                kind = "a number of more than 64 bits"
            raise InputError(f"metadata {str(name)!r} of {id!r} is {kind}; expected text, number, true/false or None")
        read[str(plain(str(name)))] = plain(value)
    return read


def _read_item(given: Any) -> Item | Skipped:
    if not isinstance(given, Item) and (not 2 <= len(given) <= 3 or not isinstance(given[0], str)):
        raise InputError(f"An image is given as {given!r:.80}, expected (id, image) or (id, image, metadata).")
    try:
        if isinstance(given, Item):
            return dataclasses.replace(given, meta=read_meta(given.meta, given.id))
        id, image, meta = (*given, None)[:3]
        meta = read_meta(meta, id)
    except InputError as error:
        return Skipped(given.id if isinstance(given, Item) else given[0], str(error))
    return given_item(id, image, meta, joined_text(meta))
