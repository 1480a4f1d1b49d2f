"""Pictures that are no files: what Python code holds in memory, put into an index under ids of its own."""

from __future__ import annotations

import functools
import os
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, TypeAlias

import numpy as np
from PIL import Image

from wordsight.errors import InputError
from wordsight.images import ImageSource
from wordsight.ingest import Content, Item, Unit
from wordsight.ingest.digests import digest_of
from wordsight.ingest.files import read_file
from wordsight.ingest.items import Value
from wordsight.ingest.paths import to_text

Given: TypeAlias = "tuple[str, ImageSource] | tuple[str, ImageSource, Mapping[str, Value]] | Item"

SOURCE = "python"  # the `Row.source` of these pictures


def given_units(given: Iterable[Given]) -> Iterator[Unit]:
    """Yield a unit for each `Item` and each tuple (id, picture) or (id, picture, metadata).

    Texts among the metadata are what words are searched in. A row's path is its id, unless the picture is a path.
    Raises: InputError for other tuples.
    """
    for one in given:
        item = one if isinstance(one, Item) else _item(one)
        yield Unit(item.source, item.path, item.size, item.mtime_ns, functools.partial(iter, [item]), final=False)


def _item(given: Any) -> Item:
    if not 2 <= len(given) <= 3 or not isinstance(given[0], str):
        raise InputError(f"A picture is given as {given!r:.80}, expected (id, picture) or (id, picture, metadata).")
    id, picture, meta = given if len(given) == 3 else (*given, {})
    text = " ".join(value for value in meta.values() if isinstance(value, str))
    if isinstance(picture, str | os.PathLike):
        path = os.path.abspath(picture)
        status = os.stat(path) if os.path.exists(path) else None
        size, mtime_ns = (status.st_size, status.st_mtime_ns) if status else (0, 0)
        return Item(
            id, SOURCE, to_text(path), functools.partial(read_file, path), None, size, mtime_ns, text, dict(meta)
        )
    digest = _digest(picture)
    state = int(digest[:15], 16)  # in the place of a file's time: another picture under the same id is a change
    return Item(id, SOURCE, id, lambda: Content(digest, lambda: picture), mtime_ns=state, text=text, meta=dict(meta))


def _digest(picture: ImageSource) -> str:
    """Return the hash of a picture in memory. Raises: InputError for what is none."""
    if isinstance(picture, bytes):
        return digest_of(picture)
    if isinstance(picture, Image.Image):
        return digest_of(f"{picture.mode} {picture.size} ".encode() + picture.tobytes())
    if isinstance(picture, np.ndarray):
        return digest_of(f"{picture.dtype} {picture.shape} ".encode() + picture.tobytes())
    raise InputError(f"A picture is given as {type(picture).__name__}, expected a path, bytes, a PIL picture or array.")
