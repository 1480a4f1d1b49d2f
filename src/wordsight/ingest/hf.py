"""Datasets of the `datasets` library, "hf:NAME_OR_FOLDER[/CONFIG][:SPLIT]": on disk, a folder of images, a name."""

from __future__ import annotations

import functools
import os
import threading
from collections.abc import Iterator, Mapping
from typing import Any

from wordsight.columns import TOO_MANY_COLUMNS, Kinds, make_meta, plain
from wordsight.errors import ImageError, InputError, MissingExtraError, did_you_mean
from wordsight.hashes import hash_content
from wordsight.images.skipped import Skipped, describe_error
from wordsight.ingest.files import read_file
from wordsight.ingest.items import Content, Item, Unit
from wordsight.ingest.kinds import DATASET_PREFIX, SourceKind, source_kind
from wordsight.ingest.options import IngestOptions
from wordsight.path_text import name_words, to_path, to_text

_NO_CONFIG = "Config name is missing"  # how the library's message begins


def parse(source: str) -> tuple[str, str | None]:
    """Name and the split of a source: "hf:cats:train" → ("cats", "train"); a folder as an absolute path.

    Raises: InputError where no name follows.
    """
    text = source.removeprefix(DATASET_PREFIX)
    name, split = text, None
    if not os.path.isdir(_path(text)) and ":" in text:
        name, _, split = text.rpartition(":")
    if not name:
        raise InputError(f"{source!r} names no dataset; expected hf:NAME, hf:FOLDER or hf:NAME:SPLIT.")
    if os.path.isdir(_path(name)):
        name = to_text(os.path.abspath(_path(name)))
    return name, split


def format_source(name: str, split: str | None) -> str:
    """Source that `parse` takes apart: "hf:cats:train", or "hf:cats" without a split."""
    if not split:
        return f"{DATASET_PREFIX}{name}"
    return f"{DATASET_PREFIX}{name}:{split}"


def dataset_units(source: str, options: IngestOptions) -> list[Unit]:
    """Units of a dataset, one for each split, loaded from the disk, the cache, or where its name leads.

    Nothing but the name the user gave is asked for; HF_HUB_OFFLINE=1 keeps to the cache.
    Raises: InputError where the library is missing, the dataset cannot be loaded or holds no column of images.
    """
    return [
        Unit(reader.source, reader.root, len(reader.data), reader.state, reader.items, unchanged_if_same_mtime=False)
        for reader in open_splits(source, options).values()
    ]


def open_splits(source: str, options: IngestOptions) -> dict[str, DatasetReader]:
    """Readers of a dataset by split; "" where it is one set without splits. Raises: as `dataset_units`."""
    name, split = parse(source)
    readers = {}
    for split_name, data in _load(name, split).items():
        root = format_source(name, split_name)
        readers[split_name] = DatasetReader(data, format_source(name, split), root, options)
    return readers


class DatasetReader:
    """Reads one split. Images are taken as they are stored, not decoded."""

    def __init__(self, data: Any, source: str, root: str, options: IngestOptions) -> None:
        from datasets import Image

        self.source, self.root, self.options = source, root, options
        self.column = _image_column(data, root, options.image_column)
        for name in options.text_columns or ():
            _check(name, data, root)
        data = data.cast_column(self.column, Image(decode=False))
        self.data = data
        if data._indices is not None:
            self.data = data.flatten_indices()
        self.state = int(str(data._fingerprint)[:15], 16)  # changes with the data
        self._lock = threading.Lock()
        others = [name for name, feature in data.features.items() if not _is_media(feature)]
        self.rest: Any = [{}] * len(data)  # a set of no columns would have no rows
        if others:
            self.rest = self.data.select_columns(others)

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in self.__dict__.items() if name != "_lock"}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state, _lock=threading.Lock())

    def items(self) -> Iterator[Item | Skipped]:
        """Yield the rows in order: "<source>#row=<number>", counted from 0 as the library does."""
        kinds = Kinds()
        for record in self.rest:
            kinds.see(self._values(record))
        kinds.settle()
        if kinds.too_many:
            yield Skipped(self.root, TOO_MANY_COLUMNS)
        paths, held = self.cells()
        for row in range(len(self.data)):
            values = kinds.typed(self._values(self.rest[row]))
            wanted = self.options.text_columns
            if wanted is None:
                wanted = tuple(name for name in values if kinds.kinds[name] == "text")
            said = [str(values[name]) for name in wanted if values.get(name) is not None]
            file = paths[row].as_py()
            make = functools.partial(Item, id=f"{self.root}#row={row}", source=self.source, meta=make_meta(values))
            if file:
                said.append(name_words(os.path.basename(file)))
            text = "\n".join(dict.fromkeys(filter(None, said)))
            if held[row].as_py():
                yield make(path=self.root, read=functools.partial(self._read, row), mtime_ns=self.state, text=text)
            elif file:
                yield from self._file_item(make, file, text, row)
            else:
                yield Skipped(f"{self.root} row {row}", "holds no image")

    def _file_item(self, make: Any, file: str, text: str, row: int) -> Iterator[Item | Skipped]:
        try:
            status = os.stat(file)
        except OSError as error:
            yield Skipped(f"{self.root} row {row}", f"{describe_error(error)}: {file}")
            return
        read = functools.partial(read_file, file)
        path = to_text(os.path.abspath(file))
        yield make(path=path, read=read, size=status.st_size, mtime_ns=status.st_mtime_ns, text=text)

    def cells(self) -> tuple[Any, Any]:
        """Images' paths and whether each holds bytes, as columns of Arrow: no bytes are read for it."""
        import pyarrow.compute

        cells = self.data.data.column(self.column)
        held = pyarrow.compute.is_valid(pyarrow.compute.struct_field(cells, "bytes"))
        return pyarrow.compute.struct_field(cells, "path"), held

    def _read(self, row: int) -> Content:
        with self._lock:
            content = self.data[row][self.column]["bytes"]
        if not content:
            raise ImageError("the file is empty")
        return Content(hash_content(content), lambda: content)

    def _values(self, record: Mapping[str, Any]) -> dict[str, Any]:
        """Row without images; numbers of classes as their names."""
        values = {}
        for name, value in record.items():
            feature = self.data.features[name]
            named = hasattr(feature, "int2str") and isinstance(value, int) and value >= 0
            values[name] = feature.int2str(value) if named else plain(value)
        return values


def _load(name: str, split: str | None) -> dict[str, Any]:
    """Datasets by split; the one of a single dataset is called by the split asked for, or ""."""
    try:
        import datasets
    except ImportError:
        raise MissingExtraError(f"The source {DATASET_PREFIX}{name}", "datasets", "hf") from None
    if "HF_UPDATE_DOWNLOAD_COUNTS" not in os.environ:  # else each load tells the name to a counter on the web
        datasets.config.HF_UPDATE_DOWNLOAD_COUNTS = False
    folder = os.fspath(_path(name))
    try:
        if os.path.isfile(folder) and folder.endswith(".parquet"):
            loaded = datasets.load_dataset("parquet", data_files=folder, split="train")
        elif source_kind(folder) is SourceKind.SAVED_DATASET:
            loaded = datasets.load_from_disk(folder)
        else:
            loaded = datasets.load_dataset(*split_config(folder, name))
    except Exception as error:  # the library raises its own kinds, the hub's, pyarrow's and built-in ones
        lines = (str(error).strip() or type(error).__name__).splitlines()
        if lines[0].startswith(_NO_CONFIG):  # the next line lists them
            raise InputError(
                f"The dataset {name!r} has several configurations; name one, as in '{DATASET_PREFIX}{name}/CONFIG' "
                f"({' '.join(lines[1:2])})."
            ) from error
        raise InputError(f"The dataset {name!r} cannot be loaded ({lines[0]}).") from error
    if not isinstance(loaded, dict):
        if split not in (None, str(loaded.split)):
            raise InputError(f"The dataset {name!r} has no split {split!r}; it is one set without splits.")
        return {split or "": loaded}
    if split is None:
        return dict(loaded)
    if split not in loaded:
        raise InputError(
            f"The dataset {name!r} has no split {split!r}; it has {', '.join(loaded)}.{did_you_mean(split, loaded)}"
        )
    return {split: loaded[split]}


def split_config(folder: str, name: str) -> tuple[str, ...]:
    """Folder or name, and the configuration where one follows: "org/cats/small" → ("org/cats", "small")."""
    if os.path.isdir(folder):
        return (folder,)
    above, _, config = folder.rpartition("/")
    if config and (os.path.isdir(above) or name.count("/") == 2):
        return above, config
    return (name,)


def _image_column(data: Any, root: str, named: str | None) -> str:
    """Column of images: the one named, else the first whose type is an image.

    Raises: InputError naming the columns.
    """
    from datasets import Image

    if named is not None:
        _check(named, data, root)
        return named
    for name, feature in data.features.items():
        if isinstance(feature, Image):
            return str(name)
    raise InputError(
        f"The dataset {root!r} has no column of images; its columns are {', '.join(data.features)}. "
        "Name one that holds their bytes or paths with --image-column."
    )


def _check(name: str, data: Any, root: str) -> None:
    if name not in data.features:
        raise InputError(
            f"The dataset {root!r} has no column {name!r}; its columns are {', '.join(data.features)}."
            f"{did_you_mean(name, data.features)}"
        )


def _is_media(feature: Any) -> bool:
    return type(feature).__name__ in ("Image", "Audio", "Video", "Pdf", "Nifti", "Mesh")


def _path(name: str) -> str:
    if os.path.isdir(name):
        return name
    return os.fspath(to_path(name))
