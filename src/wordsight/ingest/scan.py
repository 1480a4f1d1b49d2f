"""From sources to units: which reader takes what the user named."""

from __future__ import annotations

import functools
import glob
import itertools
import os
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from wordsight.errors import InputError
from wordsight.images.files import expand, is_pattern
from wordsight.images.names import source_name
from wordsight.images.skipped import Skipped
from wordsight.ingest import hf
from wordsight.ingest.files import Opener, file_unit, folder_units
from wordsight.ingest.items import Unit
from wordsight.ingest.kinds import SourceKind, file_kind, source_kind
from wordsight.ingest.options import IngestOptions
from wordsight.ingest.patterns import excluder
from wordsight.ingest.pdf import page_items
from wordsight.ingest.tables import table_unit
from wordsight.ingest.tars import sample_items
from wordsight.path_text import to_path, to_text

NO_SOURCE = "No source was named; expected images, folders, tables, PDF or tar files."


def scan(sources: Sequence[str | Path] | str | Path, options: IngestOptions | None = None) -> Iterator[Unit | Skipped]:
    """Stream of the units of sources, in the order given: files as they are found, listed but not opened.

    sources: image files; folders, searched through all their subfolders for images, camera RAW, PDF and tar
        (names that begin with a dot, links to folders and `images.files.SYSTEM_FOLDERS` are skipped); tables (.csv,
        .tsv, .jsonl, .parquet); PDF; tar; patterns of these ("photos/**/*.jpg"); "hf:NAME_OR_FOLDER[:SPLIT]"; names
        that `source_root` returned. One named twice counts once.
    What cannot be listed comes as `Unlisted`, a file that cannot be used as `Skipped`.

    Raises (at once, before anything is listed): InputError for a source that does not exist, a table or dataset that
        cannot be opened or lacks a column; MissingExtraError for what a named source needs.
    """
    if isinstance(sources, str | os.PathLike):
        sources = [sources]
    named = list(sources)
    if not named:
        raise InputError(NO_SOURCE)
    options = options or IngestOptions()
    excluder(options.exclude)  # patterns that cannot be read are told at once
    roots = {source_root(source): source for source in named}
    return itertools.chain.from_iterable([_units(source, root, options) for root, source in roots.items()])


def source_root(source: str | Path) -> str:
    """Name under which a source is recorded: a file's or folder's absolute path by `path_text.to_text`.

    Of a dataset: "hf:" and its name, or its folder's path. `scan` takes it again, from wherever it is called.
    """
    if _is_dataset(source):
        return hf.format_source(*hf.parse(str(source)))
    return to_text(_absolute(source))


def _units(source: str | Path, root: str, options: IngestOptions) -> Iterable[Unit | Skipped]:
    if _is_dataset(source):
        return hf.dataset_units(root, options)
    if source_kind(source) is SourceKind.URL:
        raise InputError(
            f"'{source_name(source)}' is a URL; download it first, or name a table of URLs and add --urls."
        )
    if source == "":  # abspath makes it the current folder
        raise InputError(
            "'' does not exist; expected an image, a folder, a table (.csv, .tsv, .jsonl, .parquet), PDF or tar."
        )
    path = _absolute(source)
    openers: dict[str, Opener] = {
        ".pdf": page_items,
        ".tar": functools.partial(sample_items, text_columns=options.text_columns),
    }
    kind = source_kind(path)
    match kind:
        case SourceKind.PATTERN:
            return _matching_units(source, path, root, options)
        case SourceKind.FOLDER | SourceKind.SAVED_DATASET:
            return folder_units(path, root, options, openers)
        case SourceKind.TABLE:
            return [table_unit(path, root, options)]
        case SourceKind.MISSING:
            raise InputError(
                f"'{source_name(str(source))}' does not exist; expected an image, a folder, "
                "a table (.csv, .tsv, .jsonl, .parquet), PDF or tar."
            )
        case SourceKind.COMPRESSED:
            raise InputError(f"{path!r} is compressed, and single images cannot be read from it; unpack it first.")
    return [file_unit(path, root, openers)]


def _matching_units(source: str | Path, pattern: str, root: str, options: IngestOptions) -> Iterable[Unit | Skipped]:
    """Units of what matches a pattern; files of an unknown kind only where the pattern has their extension."""
    matches: list[str] = []
    folder = "\0"  # the last that matched: what lies in it is listed with it
    for path in sorted(expand(pattern), key=lambda path: path.split(os.sep)):  # a folder before what lies in it
        if path.startswith(folder):
            continue
        if os.path.isdir(path):
            folder = os.path.join(path, "")
        elif not _is_meant(path, pattern):
            continue
        matches.append(path)
    if not matches:
        raise InputError(f"The pattern {str(source)!r} matches no image, folder, table, PDF or tar; check it.")
    return itertools.chain.from_iterable([_units(path, root, options) for path in matches])


def _is_meant(path: str, pattern: str) -> bool:
    extension, wanted = (os.path.splitext(name)[1].lower() for name in (path, pattern))
    return extension == wanted or file_kind(path) not in (SourceKind.OTHER, SourceKind.COMPRESSED)


def _is_dataset(source: str | Path) -> bool:
    return source_kind(source) is SourceKind.DATASET


def is_there(root: str) -> bool:
    """Whether a recorded source is there now; a dataset, which may lie anywhere, is taken to be."""
    path = os.fspath(to_path(root))
    return not os.path.isabs(path) or os.path.lexists(path) or (is_pattern(path) and bool(expand(path)))


def _absolute(source: str | Path) -> str:
    """Absolute path, or pattern, of a source; brackets in the current folder's name are not a pattern."""
    path = _read_path(source)
    if is_pattern(path) and not os.path.isabs(path):
        return os.path.join(glob.escape(os.getcwd()), os.path.normpath(path))
    return os.path.abspath(path)


def _read_path(source: str | Path) -> str:
    """Path of a source as it was typed, or as `source_root` recorded it."""
    text = os.fspath(source)
    if os.path.lexists(text):
        return text
    return os.fspath(to_path(text))
