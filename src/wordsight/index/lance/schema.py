"""Rows as Arrow tables: the columns of every index, those that tables bring, and what happens where types differ."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from typing import Any, TypeVar

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from wordsight.columns import OWN_COLUMNS
from wordsight.errors import InputError, StoreError
from wordsight.index.base import FORMAT, Floats, IndexInfo, Row
from wordsight.text.analysis import VERSION, terms

Number = TypeVar("Number", bound=np.generic)

INFO_KEY = b"wordsight.about"
NAME_KEY = b"wordsight.name"
OLD = "_old "  # a column that a wider one has replaced, until it is dropped
INTERNAL = ("_id", "_source", "_digest", "_size", "_mtime_ns", "_about", "_text", "_terms", "_thumbnail", "_vector")
# names that Lance gives a meaning of its own
TAKEN = {*INTERNAL, "_rowid", "_rowaddr", "_rowoffset", "_distance", "_score", "query_index"}
TAKEN |= {"_row_last_updated_at_version", "_row_created_at_version"}
ROW_OF = {"_id": "id", "_source": "source", "_digest": "content_hash", "_size": "size", "_mtime_ns": "mtime_ns"}
ROW_OF |= {"_about": "annotation_hash", "_text": "text", "_thumbnail": "thumbnail"} | {
    name: name for name in OWN_COLUMNS
}
# what of a text is searched; made of "_text" by `wordsight.text.analysis`, whose version the field tells
TERMS = "_terms"
TERMS_FIELD = pa.field(TERMS, pa.string(), metadata={"wordsight.analysis": str(VERSION)})
KINDS = {"text": pa.string(), "integer": pa.int64(), "number": pa.float64(), "boolean": pa.bool_()}
KIND_OF = {arrow: kind for kind, arrow in KINDS.items()}


def base_schema(info: IndexInfo) -> pa.Schema:
    """Columns of an index into which no table has come yet; `info` travels with the schema."""
    text, integer = pa.string(), pa.int64()
    columns = [("_id", text), ("_source", text), ("_digest", text), ("_size", integer), ("_mtime_ns", integer)]
    columns += [("_about", text), ("_text", text), ("_terms", text), ("_thumbnail", pa.binary())]
    columns += [("path", text), ("page", integer), ("width", integer), ("height", integer), ("taken", text)]
    columns += [("_vector", pa.list_(pa.float32(), info.dim))]
    schema = pa.schema(columns, {INFO_KEY: json.dumps(asdict(info))})
    return schema.set(schema.get_field_index(TERMS), TERMS_FIELD)


def read_info(schema: pa.Schema, where: str) -> IndexInfo:
    """Model that a schema says its index was made with.

    Raises: StoreError if it says nothing, nothing readable, or is of a newer format.
    """
    try:
        return parse_info(json.loads((schema.metadata or {})[INFO_KEY]), where)
    except (KeyError, ValueError, TypeError) as error:
        raise StoreError(
            f"{where} holds Lance data that wordsight did not write ({error!r}); name another folder for the index."
        ) from None


def parse_info(facts: Any, where: str) -> IndexInfo:
    """IndexInfo that JSON holds. Raises: StoreError for a newer format; else ValueError, KeyError or TypeError."""
    if not isinstance(facts, dict):
        raise TypeError(f"not an object: {facts!r}")
    if int(facts["format"]) > FORMAT:
        raise StoreError(
            f"The index {where} has format {facts['format']}, made by a newer wordsight; this one reads up to "
            f"{FORMAT}. Update with: pip install --upgrade wordsight"
        )
    return IndexInfo(**{name: facts[name] for name in ("model", "fingerprint", "dim", "created", "format")})


def safe_column_name(name: str) -> str:
    """Name of a table's column in conditions: its own name, or one that an index can hold.

    "path" and its kin, and names that the store uses itself, get "table_" before them; dots and backticks become
    underscores; an empty name becomes "table_column".
    """
    safe = re.sub(r"[.`]", "_", name.encode("utf-8", "replace").decode())
    if not safe.strip():
        return "table_column"
    if safe in TAKEN or safe in OWN_COLUMNS or safe.startswith(OLD):
        return f"table_{safe.strip().lstrip('_')}"
    return safe


def user_fields(schema: pa.Schema) -> dict[str, pa.Field]:
    """Tables' columns: their own name → field."""
    fields = (field for field in schema if field.name not in INTERNAL and field.name not in OWN_COLUMNS)
    return {
        (field.metadata or {}).get(NAME_KEY, field.name.encode()).decode(): field
        for field in fields
        if not field.name.startswith(OLD) and field.name != "_rowid"
    }


def list_columns(schema: pa.Schema) -> dict[str, str]:
    """Columns that conditions may name → "text", "integer", "number" or "boolean"."""
    own = {name: KIND_OF[schema.field(name).type] for name in OWN_COLUMNS}
    return own | {field.name: KIND_OF[field.type] for field in user_fields(schema).values()}


def new_field(name: str, kind: str, schema: pa.Schema) -> pa.Field:
    """Field for a table's column that `schema` lacks, under a name that is still free there."""
    wanted = safe = safe_column_name(name)
    n = 2
    while safe in schema.names:
        safe, n = f"{wanted}_{n}", n + 1
    metadata = None
    if safe != name:
        metadata = {NAME_KEY: name.encode("utf-8", "replace")}
    return pa.field(safe, KINDS[kind], metadata=metadata)


def widened(schema: pa.Schema, kinds: Mapping[str, str]) -> tuple[pa.Schema, list[pa.Field]]:
    """A schema that holds columns of these kinds, and the fields in which it differs: new or of another type.

    It is the same object where nothing is missing.
    """
    known = user_fields(schema)
    changed = []
    for name, kind in kinds.items():
        if name not in known:
            field = new_field(name, kind, schema)
            schema = schema.append(field)
        elif known[name].type != KINDS[kind]:
            field = known[name].with_type(KINDS[kind])
            schema = schema.set(schema.get_field_index(field.name), field)
        else:
            continue
        changed.append(field)
    return schema, changed


def to_table(rows: Sequence[Row], schema: pa.Schema) -> pa.Table:
    """Table of rows with the columns of a schema, which has a column for each of the rows' meta.

    Raises: InputError for a vector of another length, or an id that no file system could have made.
    """
    dim = schema.field("_vector").type.list_size
    for row in rows:
        if row.vector.shape != (dim,):
            raise InputError(f"The vector of {row.id!r} has the shape {row.vector.shape}; expected ({dim},).")
    user = {field.name: name for name, field in user_fields(schema).items()}
    arrays = []
    for field in schema:
        if field.name == "_vector":
            flat = np.concatenate([np.zeros(0, np.float32), *(row.vector for row in rows)])
            arrays.append(pa.FixedSizeListArray.from_arrays(pa.array(flat.astype(np.float32, copy=False)), dim))
        elif field.name == TERMS:
            arrays.append(terms_array([row.text for row in rows]))
        elif field.name in ROW_OF:
            arrays.append(_array([getattr(row, ROW_OF[field.name]) for row in rows], field.type))
        else:
            arrays.append(_array([row.meta.get(user.get(field.name, "")) for row in rows], field.type))
    return pa.Table.from_arrays(arrays, schema=schema)


def terms_array(texts: Iterable[str]) -> pa.Array:
    """Terms of texts, which are searched, separated by spaces."""
    return pa.array([" ".join(terms(text)) for text in texts], pa.string())


def has_terms(schema: pa.Schema) -> bool:
    """Whether an index holds the terms of its texts, as this version makes them."""
    return TERMS in schema.names and (schema.field(TERMS).metadata or {}) == TERMS_FIELD.metadata


def _array(values: list[Any], kind: pa.DataType) -> pa.Array:
    """An Arrow array; half a surrogate pair, which no file can hold as UTF-8, becomes a question mark."""
    try:
        if kind == pa.float64():
            values = [None if value is None else float(value) for value in values]
        return pa.array(values, kind)
    except UnicodeEncodeError:
        return pa.array([value and value.encode("utf-8", "replace").decode() for value in values], kind)


def to_rows(table: pa.Table | pa.RecordBatch) -> list[Row]:
    """Rows of a table (or of one batch) that `to_table` made, some columns left out perhaps."""
    user = [(name, table.column(field.name).to_pylist()) for name, field in user_fields(table.schema).items()
            if field.name not in TAKEN]  # fmt: skip
    known = {ROW_OF[name]: table.column(name).to_pylist() for name in table.schema.names if name in ROW_OF}
    vectors_ND = to_vectors(table.column("_vector"))
    rows = []
    for i in range(table.num_rows):
        meta = {name: values[i] for name, values in user if values[i] is not None}
        rows.append(Row(vector=vectors_ND[i], meta=meta, **{name: values[i] for name, values in known.items()}))
    return rows


def to_vectors(column: pa.ChunkedArray | pa.FixedSizeListArray) -> Floats:
    """A vector column as (N, D) float32; a single chunk is not copied."""
    dim = column.type.list_size
    chunks = column.chunks if isinstance(column, pa.ChunkedArray) else [column]
    # `values` passes over the offset; `flatten`, which heeds it, imports pyarrow.compute: 0.06 s
    parts = [numbers(chunk.values, np.float32).reshape(-1, dim)[chunk.offset :][: len(chunk)] for chunk in chunks]
    if len(parts) == 1:
        return parts[0]
    return np.concatenate([np.zeros((0, dim), np.float32), *parts])


def numbers(array: pa.Array, dtype: type[Number]) -> NDArray[Number]:
    """Numbers of an Arrow array without a copy. pyarrow's own `to_numpy` imports pandas for it: 0.4 s."""
    if not len(array):
        return np.zeros(0, dtype)
    return np.frombuffer(array.buffers()[1], dtype, len(array), array.offset * np.dtype(dtype).itemsize)
