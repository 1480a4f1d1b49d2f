"""Embeddings as clip-retrieval keeps them: `img_emb/img_emb_0.npy` beside `metadata/metadata_0.parquet`, and so on.

Line i of a metadata part describes row i of the embeddings part of the same number.
Source: clip-retrieval 2.44, clip_inference/writer.py.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import re
import shutil
import warnings
from array import array
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pyarrow as pa
import pyarrow.parquet as parquet

from wordsight.columns import INT_64, KIND_NAMES, OWN_COLUMNS, ColumnKindError, Value, fit_meta
from wordsight.errors import InputError, WordsightError, WordsightWarning
from wordsight.hashes import hash_text
from wordsight.images.skipped import Skipped
from wordsight.index.base import Floats, Index, Row
from wordsight.index.lance.schema import KINDS, safe_column_name
from wordsight.unique_ids import Numbers

EMBEDDINGS, METADATA = "img_emb", "metadata"
MODEL = "wordsight-model.json"  # what clip-retrieval has no place for: the model, and its fingerprint
ROWS_PER_PART = 65_536  # held in memory while a part is put together
ROWS_AT_ONCE = 2048
PLACE = ("image_path", "url", "page")  # the columns that say which image a row is of


@dataclass(frozen=True)
class Part:
    """One embeddings file (N, D) and the metadata of its rows."""

    embeddings: Path
    metadata: Path
    rows: int
    dim: int


def export_index(
    index: Index,
    folder: Path,
    *,
    dtype: Literal["float16", "float32"] = "float16",
    rows_per_part: int = ROWS_PER_PART,
    progress: Callable[[int], object] | None = None,
) -> int:
    """Write an index into a new folder, and return the number of rows.

    dtype: clip-retrieval writes float16, whose cosines differ by less than 1e-3. progress: called with rows done.
    What was written is removed where it fails or is interrupted.
    Raises: InputError for a folder that holds such files already; OSError; what `Index.batches` raises.
    """
    if (folder / EMBEDDINGS).exists() or (folder / METADATA).exists():
        raise InputError(f"{str(folder)!r} holds {EMBEDDINGS}/ or {METADATA}/ already; choose another folder.")
    was_there = folder.exists()
    try:
        for name in (EMBEDDINGS, METADATA):
            (folder / name).mkdir(parents=True)
        return _export(index, folder, dtype, rows_per_part, progress)
    except BaseException:  # half an export looks like a whole one, and stands in the way of the next
        made = [folder]
        if was_there:
            made = [folder / EMBEDDINGS, folder / METADATA]
        for path in made:
            shutil.rmtree(path, ignore_errors=True)
        raise


def _export(
    index: Index,
    folder: Path,
    dtype: Literal["float16", "float32"],
    rows_per_part: int,
    progress: Callable[[int], object] | None,
) -> int:
    digits = len(str(max(0, len(index) - 1) // rows_per_part))
    kinds = {name: kind for name, kind in index.columns().items() if name not in OWN_COLUMNS}
    done = 0
    for number, rows in enumerate(_split_rows(index, rows_per_part)):
        stem = str(number).zfill(digits)
        vectors_ND = np.stack([row.vector for row in rows]).astype(dtype)
        np.save(folder / EMBEDDINGS / f"{EMBEDDINGS}_{stem}.npy", vectors_ND)
        parquet.write_table(_metadata(rows, kinds), folder / METADATA / f"{METADATA}_{stem}.parquet")
        done += len(rows)
        if progress:
            progress(done)
    facts = {"model": index.info.model, "fingerprint": index.info.fingerprint, "dim": index.info.dim}
    (folder / MODEL).write_text(json.dumps(facts, indent=1), encoding="utf-8")
    return done


def _split_rows(index: Index, rows_per_part: int) -> Iterator[list[Row]]:
    part: list[Row] = []
    for ids, _ in index.batches(min(ROWS_AT_ONCE, rows_per_part)):
        # thumbnails have no place in these files; a vector that is not a copy would keep all of the store's answer
        part += [replace(row, vector=row.vector.copy(), thumbnail=b"") for row in index.get(ids)]
        while len(part) >= rows_per_part:
            yield part[:rows_per_part]
            part = part[rows_per_part:]
    if part:
        yield part


def _metadata(rows: list[Row], kinds: Mapping[str, str]) -> pa.Table:
    """Table of image_path, caption, the index's own columns and those of tables, under their names in conditions."""
    metas = [{safe_column_name(name): value for name, value in row.meta.items()} for row in rows]
    columns: dict[str, pa.Array] = {
        "image_path": pa.array([row.path for row in rows]),
        "caption": pa.array([str(meta.get("caption") or row.text) for meta, row in zip(metas, rows, strict=True)]),
        "page": pa.array([row.page for row in rows], pa.int64()),
        "width": pa.array([row.width for row in rows], pa.int64()),
        "height": pa.array([row.height for row in rows], pa.int64()),
        "taken": pa.array([row.taken for row in rows], pa.string()),
    }
    for name, kind in kinds.items():
        if name not in columns:
            columns[name] = pa.array([meta.get(name) for meta in metas], KINDS[kind])
    return pa.table(columns)


def read_model_name(folder: Path) -> str | None:
    """Model that `export_index` noted in a folder, or None."""
    try:
        return str(json.loads((folder / MODEL).read_text(encoding="utf-8"))["model"])
    except (OSError, ValueError, KeyError, TypeError):
        return None


def find_parts(folder: Path) -> list[Part]:
    """Parts of a folder in the order of their numbers, each checked for as many vectors as lines.

    Raises: InputError for a folder that has none, a part without its other half, or one of another length or shape.
    """
    embeddings = _numbered(folder / EMBEDDINGS, ".npy")
    metadata = _numbered(folder / METADATA, ".parquet")
    if not embeddings:
        raise InputError(
            f"{str(folder)!r} holds no {EMBEDDINGS}/{EMBEDDINGS}_0.npy; expected the output folder of "
            "clip-retrieval inference, or of wordsight export."
        )
    if alone := embeddings.keys() ^ metadata.keys():
        raise InputError(
            f"In {str(folder)!r} the parts {sorted(alone)} have embeddings or metadata but not both; copy the rest too."
        )
    return [_checked(embeddings[number], metadata[number]) for number in sorted(embeddings)]


def _numbered(folder: Path, suffix: str) -> dict[int, Path]:
    found = ((re.search(r"(\d+)$", path.stem), path) for path in folder.glob(f"*{suffix}"))
    return {int(number[1]): path for number, path in found if number}


def _checked(embeddings: Path, metadata: Path) -> Part:
    try:
        shape = np.load(embeddings, mmap_mode="r").shape
        lines = parquet.ParquetFile(metadata).metadata.num_rows
    except (ValueError, EOFError, pa.ArrowInvalid) as error:
        raise InputError(f"{str(embeddings)!r} or {str(metadata)!r} is damaged ({error}); copy it again.") from None
    if len(shape) != 2:
        raise InputError(f"{str(embeddings)!r} has the shape {shape}; expected (rows, dimensions).")
    if shape[0] != lines:
        raise InputError(f"{str(embeddings)!r} has {shape[0]} rows, {str(metadata)!r} has {lines}; expected as many.")
    return Part(embeddings, metadata, *shape)


def check_dim(parts: Sequence[Part], dim: int, model: str) -> None:
    """Raise InputError for a part whose vectors are not as long as the model's, or no part at all."""
    for part in parts:
        if part.dim != dim:
            raise InputError(
                f"{str(part.embeddings)!r} holds vectors of {part.dim} dimensions; the model {model} makes {dim}. "
                "Name the model that made them with --model."
            )


def import_folder(folder: Path, index: Index, progress: Callable[[int], object] | None = None) -> list[Skipped]:
    """Add the rows of a folder to an index, and return those that could not be used, with the reason.

    The vectors become unit length. Of columns, numbers, text, true and false are kept as they are, dates as ISO 8601,
    lists and objects as JSON. Rows of one path and page get the ids "path", "path#2" and so on, as in tables. Where it
    fails or is interrupted, the rows that it added leave again.
    Raises: InputError for what `find_parts` refuses, or vectors of another length than the index's.
    """
    parts = find_parts(folder)
    check_dim(parts, index.info.dim, index.info.model)
    skipped: list[Skipped] = []
    done = 0
    source = str(folder.absolute())
    left_out: Counter[tuple[str, str]] = Counter()
    index.begin_writing()
    before = {version.id for version in index.row_versions() if version.source == source}
    try:
        numbers = _number_ids(parts, source)
        for part in parts:
            for rows in _read_rows(part, source, numbers, skipped):
                _add(index, rows, left_out)
                done += len(rows)
                if progress:
                    progress(done)
    except BaseException as error:
        with contextlib.suppress(WordsightError):  # what stopped it matters more
            index.remove(
                [
                    version.id
                    for version in index.row_versions()
                    if version.source == source and version.id not in before
                ]
            )
            index.optimise()
        if isinstance(error, ValueError | EOFError) or (
            isinstance(error, OSError) and error.errno is None
        ):  # pyarrow's
            reason = " ".join(str(error).split()).rstrip(".")
            raise InputError(f"The files in {str(folder)!r} are damaged ({reason}); copy them again.") from error
        raise
    index.optimise()
    for (column, kind), cells in left_out.items():
        if cells:
            what = "one of its cells was"
            if cells > 1:
                what = f"{cells:,} of its cells were"
            warnings.warn(
                f"The column {column!r} holds {KIND_NAMES[kind]} in this index; {what} of another kind and left out.",
                WordsightWarning,
                stacklevel=2,
            )
    return skipped


def _add(index: Index, rows: list[Row], left_out: Counter[tuple[str, str]]) -> None:
    """Add rows; a cell of another kind than its column has in the index is left out, and counted by column and kind."""
    while True:
        try:
            index.add(rows)
            return
        except ColumnKindError as error:
            fitted = [fit_meta(row.meta, error.column, error.kind) for row in rows]
            rows = [replace(row, meta=meta) for row, (meta, _) in zip(rows, fitted, strict=True)]
            left_out[error.column, error.kind] += sum(lost is not None for _, lost in fitted)


def _number_ids(parts: Sequence[Part], source: str) -> Numbers:
    """Numbers for rows of the same path and page."""
    keys = array("Q")
    for part in parts:
        with parquet.ParquetFile(part.metadata) as file:
            names = [name for name in PLACE if name in file.schema_arrow.names]
            if not names:
                continue
            start = 0
            for batch in file.iter_batches(ROWS_AT_ONCE, columns=names):
                for i, meta in enumerate(batch.to_pylist(), start):
                    keys.append(hash_text(_id(*_place(meta, part, i, source))))
                start += len(batch)
    return Numbers(keys)


def _read_rows(part: Part, source: str, numbers: Numbers, skipped: list[Skipped]) -> Iterator[list[Row]]:
    vectors_ND = np.load(part.embeddings, mmap_mode="r")
    start = 0
    for batch in parquet.ParquetFile(part.metadata).iter_batches(ROWS_AT_ONCE):
        metas = batch.to_pylist()
        block_ND = np.asarray(vectors_ND[start : start + len(metas)], np.float32)
        norms_N = np.linalg.norm(block_ND, axis=1)
        rows = []
        for i, (meta, norm) in enumerate(zip(metas, norms_N, strict=True)):
            if np.isfinite(norm) and norm > 0:
                path, page = _place(meta, part, start + i, source)
                id = _id(path, page)
                if meta.get("image_path") or meta.get("url"):  # else its id is a number already
                    id += numbers.suffix(id)
                rows.append(_row(meta, block_ND[i] / norm, id, path, page, source))
            else:
                where = f"{part.embeddings.name}, row {start + i}"
                skipped.append(Skipped(where, f"its vector has the length {norm}; expected a number above 0"))
        start += len(metas)
        yield rows


def _place(meta: Mapping[str, Any], part: Part, number: int, source: str) -> tuple[str, int | None]:
    """A row's path and page. A path that leads to a file from here is made absolute."""
    path = str(meta.get("image_path") or meta.get("url") or f"{source}/{part.metadata.stem}#{number}")
    if Path(path).is_file():
        path = str(Path(path).absolute())
    return path, _whole_number(meta.get("page"))


def _id(path: str, page: int | None) -> str:
    if page is None:
        return path
    return f"{path}#page={page}"


def _row(meta: dict[str, Any], vector: Floats, id: str, path: str, page: int | None, source: str) -> Row:
    """A row of the index."""
    _, _, width, height, taken = (meta.pop(name, None) for name in ("image_path", "page", "width", "height", "taken"))
    kept = {name: value for name, value in ((name, _value(value)) for name, value in meta.items()) if value is not None}
    return Row(
        id=id,
        source=source,
        path=path,
        content_hash=f"vector:{hashlib.blake2b(vector.tobytes(), digest_size=16).hexdigest()}",
        vector=vector,
        page=page,
        width=_whole_number(width) or 0,
        height=_whole_number(height) or 0,
        taken=None if taken is None else str(_value(taken)),
        text=" ".join([*re.findall(r"\w+", Path(path).stem.replace("_", " ")), str(kept.get("caption", ""))]).strip(),
        meta=kept,
    )


def _whole_number(value: Any) -> int | None:
    """A finite number without its fraction; None for anything else."""
    if isinstance(value, int | float) and np.isfinite(value):
        return int(value)
    return None


def _value(value: Any) -> Value:
    if isinstance(value, int) and value not in INT_64:
        return str(value)
    if value is None or isinstance(value, str | bool | int | float):
        return value
    if hasattr(value, "isoformat"):
        return str(value.isoformat())
    return json.dumps(value, ensure_ascii=False, default=str)
