"""Images with captions, several per image: read from tables, folders, shards and datasets as for training."""

from __future__ import annotations

import functools
import hashlib
import itertools
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from wordsight.errors import InputError
from wordsight.evaluate.datasets.labelled_set import LabelledSet
from wordsight.ingest.kinds import SourceKind, source_kind
from wordsight.pairs.options import PairOptions
from wordsight.pairs.reader import LeftOutError, PairReader
from wordsight.pairs.references import FileRange, Reference
from wordsight.pairs.sources import PairSources
from wordsight.pairs.tally import Tally


@dataclass(frozen=True)
class CaptionedSet:
    """N images with one caption or more each, in a fixed order.

    images: paths or encoded bytes. keys: a name of each image that is unique in the set. left_out: lines that say
    which rows have no image or no caption, and why.
    """

    name: str
    images: Sequence[Any]
    keys: tuple[str, ...]
    captions: tuple[tuple[str, ...], ...]
    left_out: tuple[str, ...] = ()

    @functools.cached_property
    def without_captions(self) -> LabelledSet:
        """The images alone, whose features are computed and kept as those of every set."""
        return LabelledSet(self.name, self.images, self.keys, np.full(len(self.images), -1), ())

    @functools.cached_property
    def content_hash(self) -> str:
        """Hash of images and captions: results with the same hash were measured on the same dataset."""
        running = hashlib.blake2b(self.without_captions.images_hash.encode(), digest_size=16)
        for texts in self.captions:
            running.update("\0".join(texts).encode("utf-8", "surrogatepass") + b"\1")
        return running.hexdigest()


def open_captions(
    source: str,
    *,
    image_column: str | None = None,
    text_columns: Sequence[str] | None = None,
    name: str | None = None,
    limit: int | None = None,
) -> CaptionedSet:
    """Images and captions of a source: a table, a folder with .txt beside images, shards, or "hf:NAME".

    Of a folder that holds a table called captions, such as captions.csv, it is the table that is read.
    Rows that name the same image file are one image with several captions. limit: images taken at most, the first
    ones. Images in shards and datasets are held in memory.
    Raises: InputError for a source that cannot be read, columns that are not there, and where no pair is left.
    """
    columns = None
    if text_columns:
        columns = tuple(text_columns)
    options = PairOptions(image_column=image_column, text_columns=columns, setting="--{}")
    source = _find_table(source) or source
    sources = PairSources([source], options)
    reader = PairReader(options, sources.datasets)
    tally = sources.tally
    images: dict[str, Any] = {}
    captions: dict[str, list[str]] = {}
    for reference in _references(sources):
        read = _read(reference, reader, tally)
        if read is None:
            continue
        key, image, texts = read
        if key not in images and limit is not None and len(images) >= limit:
            break
        images.setdefault(key, image)
        captions.setdefault(key, []).extend(texts)
    if not images:
        reasons = "; ".join(tally.lines()) or "it is empty"
        raise InputError(f"{source!r} holds no image with a caption: {reasons}.")
    folder = os.path.commonpath([os.path.dirname(key) for key in images])
    keys = tuple(os.path.relpath(key, folder) if folder else key for key in images)
    texts_N = tuple(tuple(dict.fromkeys(texts)) for texts in captions.values())
    return CaptionedSet(name or _name(source), list(images.values()), keys, texts_N, tuple(tally.lines()))


def _find_table(folder: str) -> str | None:
    """Path of the one table in a folder that is called captions, or None."""
    found: list[str] = []
    if os.path.isdir(folder):
        tables = (str(path) for path in Path(folder).glob("captions.*"))
        found = [path for path in tables if source_kind(path) is SourceKind.TABLE]
    if len(found) == 1:
        return found[0]
    return None


def _references(sources: PairSources) -> Iterator[Reference]:
    listed = (sources.listed.reference(index, ()) for index in range(len(sources.listed)))
    return itertools.chain(listed, *(shard.references(()) for shard in sources.shards))


def _read(reference: Reference, reader: PairReader, tally: Tally) -> tuple[str, Any, list[str]] | None:
    """Key, image and captions of a pair; None for one that is left out, which is counted."""
    if reference.problem or reference.image is None:
        tally.add(reference.key, reference.problem or "holds no image")
        return None
    try:
        if isinstance(reference.image, FileRange) and reference.image.size < 0:
            return reference.key, reference.image.path, reader.read_captions(reference)
        image, texts = reader.read(reference)
    except LeftOutError as error:
        tally.add(reference.key, str(error))
        return None
    return reference.key, image, texts


def _name(source: str) -> str:
    """Name of a set: of a file called as every set's is, such as "captions.tsv", its folder's."""
    path = Path(source)
    if path.stem in ("captions", "pairs", "metadata", "labels", "index"):
        return path.absolute().parent.name
    return path.stem or source
