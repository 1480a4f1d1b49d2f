"""Tables of compositional pairs, in Winoground's form (two images, two captions) or SugarCrepe's (one image)."""

from __future__ import annotations

import functools
import hashlib
import json
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np

from wordsight.errors import InputError
from wordsight.evaluate.datasets.labelled_set import LabelledSet
from wordsight.images.files import EXTENSIONS
from wordsight.ingest.table_files import describe_fault, open_table
from wordsight.json_records import parse_json
from wordsight.path_text import to_path

Form = Literal["two images", "one image"]

# Names of columns, the likeliest first, in lower case: those of Winoground (Thrush et al. 2022) and SugarCrepe (Hsieh
# et al. 2023), and of ARO and VL-CheckList, which have SugarCrepe's form.
_IMAGES = ("image", "filename", "image_path", "image_file", "filepath", "file", "path")
_RIGHT = ("caption", "true_caption", "positive_caption", "correct_caption", "right")
_WRONG = ("negative_caption", "false_caption", "wrong_caption", "foil", "wrong")
_FIRST = ("image_0", "caption_0", "image_1", "caption_1")
_KINDS = ("collapsed_tag", "kind", "category", "type", "tag")
_ALL = "all"


@dataclass(frozen=True)
class Item:
    """One test. images: places of its images, one or two. texts: two; the first belongs to the first image.

    Of one image the first text is right and the second wrong.
    """

    images: tuple[int, ...]
    texts: tuple[str, str]
    kind: str


@dataclass(frozen=True)
class PairSet:
    """Tests of one form. images: paths or encoded bytes, each once; keys: their names."""

    name: str
    form: Form
    images: Sequence[Any]
    keys: tuple[str, ...]
    items: tuple[Item, ...]
    left_out: tuple[str, ...] = ()

    @functools.cached_property
    def without_texts(self) -> LabelledSet:
        """The images alone, whose features are computed and kept as those of every set."""
        return LabelledSet(self.name, self.images, self.keys, np.full(len(self.images), -1), ())

    @functools.cached_property
    def content_hash(self) -> str:
        """Hash of images and tests: results with the same hash were measured on the same dataset."""
        running = hashlib.blake2b(self.without_texts.images_hash.encode(), digest_size=16)
        running.update(json.dumps([[item.images, item.texts, item.kind] for item in self.items]).encode())
        return running.hexdigest()


def open_pairs(sources: Sequence[str], *, images: str | None = None, kind_column: str | None = None) -> PairSet:
    """Tests of tables (CSV, TSV, JSON lines, Parquet) or of JSON objects of rows, as SugarCrepe's files are.

    images: folder of the images; by default they are looked for beside the table and in its folder "images". A name
    without an extension finds the image of that name. The kind of a test is in a column (Winoground's collapsed_tag,
    "kind", "category", "type", "tag"), else it is the name of its file.
    Raises: InputError for files that cannot be read, columns that are not there, and tables of both forms.
    """
    reader = _Reader(images, kind_column)
    for source in sources:
        reader.read(os.path.expanduser(source))
    if not reader.items:
        reasons = "; ".join(reader.left_out) or "they are empty"
        raise InputError(f"{', '.join(map(repr, sources))} hold no test: {reasons}.")
    if len({len(item.images) for item in reader.items}) > 1:
        raise InputError("Some tests have two images and others one; measure tables of the two forms apart.")
    form: Form = "one image"
    if len(reader.items[0].images) == 2:
        form = "two images"
    name = Path(sources[0]).stem
    if len(sources) > 1:
        name = Path(sources[0]).absolute().parent.name
    kept = reader.images
    return PairSet(name, form, list(kept.values()), tuple(kept), tuple(reader.items), tuple(reader.left_out))


class _Reader:
    """Collects the tests of several files, each image once."""

    def __init__(self, folder: str | None, kind_column: str | None) -> None:
        self._folder, self._kind_column = folder, kind_column
        self.images: dict[str, Any] = {}
        self.items: list[Item] = []
        self.left_out: list[str] = []
        self._place: dict[str, int] = {}

    def read(self, source: str) -> None:
        """Add the tests of a file."""
        try:
            records = list(_records(source))
        except (OSError, ValueError) as error:
            raise InputError(f"The table {source!r} cannot be read: {describe_fault(error)}.") from error
        columns = list(dict.fromkeys(name for record in records if isinstance(record, Mapping) for name in record))
        image_columns, text_columns = _find_columns(source, columns)
        kind = self._find_kind(source, columns)
        for number, record in enumerate(records, 1):
            problem = self._add(source, record, image_columns, text_columns, kind)
            if problem:
                self.left_out.append(f"{source} row {number} {problem}")

    def _add(
        self, source: str, record: Any, image_columns: Sequence[str], text_columns: Sequence[str], kind: str | None
    ) -> str:
        """Add a test; returns the reason why a row is not one, or ""."""
        if not isinstance(record, Mapping):
            return str(record)
        texts = [record.get(name) for name in text_columns]
        if not all(isinstance(text, str) and text.strip() for text in texts):
            return "has an empty caption"
        cells = [record.get(name) for name in image_columns]
        if not all(cells):
            return "names no image"
        places = tuple(self._find_place(source, cell, len(self.items)) for cell in cells)
        named = Path(source).stem
        if kind is not None:
            named = str(record.get(kind) or _ALL).strip()
        self.items.append(Item(places, (str(texts[0]), str(texts[1])), named))
        return ""

    def _find_place(self, source: str, cell: Any, number: int) -> int:
        """Place of an image among all, which is the same for the same file."""
        content, name = None, cell
        if isinstance(cell, Mapping):
            content, name = cell.get("bytes"), cell.get("path")
        elif isinstance(cell, bytes):
            content, name = cell, None
        key = str(name) if name else f"row {number}, image {len(self.images)}"
        image: Any = content
        if content is None:
            image = key = find_image(str(name), os.path.dirname(os.path.abspath(source)), self._folder)
        if key not in self._place:
            self._place[key] = len(self.images)
            self.images[key] = image
        return self._place[key]

    def _find_kind(self, source: str, columns: Sequence[str]) -> str | None:
        if self._kind_column is not None:
            if self._kind_column not in columns:
                raise InputError(f"{source!r} has no column {self._kind_column!r}; it has {', '.join(columns)}.")
            return self._kind_column
        return _first(columns, _KINDS)


def find_image(name: str, beside: str, folder: str | None = None) -> str:
    """Path of an image: in `folder`, beside the table, or in the folder "images" there; any extension if it has none.

    One that is not there keeps its likeliest path, and is reported when it is read.
    """
    path = os.fspath(to_path(name))
    folders = [beside, os.path.join(beside, "images")]
    if folder is not None:
        folders.insert(0, os.path.expanduser(folder))
    endings = [""]
    if os.path.splitext(path)[1].lower() not in EXTENSIONS:
        endings += sorted(EXTENSIONS)
    candidates = [os.path.normpath(os.path.join(place, path + ending)) for place in folders for ending in endings]
    return next((candidate for candidate in candidates if os.path.isfile(candidate)), candidates[0])


def _records(source: str) -> Iterable[Any]:
    if os.path.splitext(source)[1].lower() != ".json":
        return open_table(source).records()
    return _json_records(source)


def _json_records(source: str) -> Iterator[Any]:
    with open(source, encoding="utf-8-sig") as file:
        plain = parse_json(file.read(), most=10_000_000)
    if isinstance(plain, dict):
        plain = list(plain.values())
    if not isinstance(plain, list):
        raise ValueError("it is neither a list of rows nor an object of them")
    for record in plain:
        yield record if isinstance(record, dict) else f"is {str(record)[:20]!r}, expected an object"


def _find_columns(source: str, columns: Sequence[str]) -> tuple[list[str], list[str]]:
    """Columns of the images and of the two texts."""
    by_lower = {name.lower(): name for name in columns}
    if all(name in by_lower for name in _FIRST):
        return [by_lower["image_0"], by_lower["image_1"]], [by_lower["caption_0"], by_lower["caption_1"]]
    found = [_first(columns, names) for names in (_IMAGES, _RIGHT, _WRONG)]
    image, right, wrong = found
    if image is None or right is None or wrong is None:
        raise InputError(
            f"{source!r} has the columns {', '.join(columns) or 'of no row'}; expected image_0, image_1, caption_0 and "
            "caption_1 (Winoground), or filename, caption and negative_caption (SugarCrepe)."
        )
    return [image], [right, wrong]


def _first(columns: Sequence[str], names: Sequence[str]) -> str | None:
    """First of some names that is a column."""
    by_lower = {name.lower(): name for name in columns}
    return next((by_lower[name] for name in names if name in by_lower), None)
