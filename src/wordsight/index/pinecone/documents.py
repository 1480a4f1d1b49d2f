"""A row as a document of Pinecone, and back."""

from __future__ import annotations

import base64
import hashlib
import json
import re
import warnings
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from wordsight.columns import OWN_COLUMNS
from wordsight.errors import InputError, WordsightWarning
from wordsight.index.base import Floats, Row
from wordsight.index.payload_fields import (
    Scalar,
    clean,
    clean_value,
    condition_name,
    decode_field_name,
    field_name,
    meta_fields,
    parse_seconds,
)
from wordsight.index.records import STORED_FIELD
from wordsight.text.analysis import terms

METADATA_BYTES = 40_000  # docs.pinecone.io, "Operation limits": 40 KB of metadata a document
TEXT_BYTES = 100_000
BELOW = "\n\u241e\n"  # between a text and the terms that are searched beside its words
# field of `RowVersion` → its name in a document, where "id" would be the document's own
VERSION_FIELDS = STORED_FIELD | {"id": "row_id"}
WHOLE_NUMBERS = ("size", "page", "width", "height")


def document_id(id: str) -> str:
    """Id of a row's document: a hash of the row's, as Pinecone's are ASCII."""
    return hashlib.sha256(clean(id).encode()).hexdigest()[:40]


def field_key(column: str) -> str:
    """Document's field of a column."""
    return field_name(column, "meta_")


def to_document(row: Row) -> dict[str, Any]:
    """A row as a document. Raises: InputError for whole numbers that a float cannot hold."""
    metadata: dict[str, Any] = {
        **{stored: getattr(row, name) for name, stored in VERSION_FIELDS.items()},
        **{name: getattr(row, name) for name in OWN_COLUMNS},
        "mtime_ns": str(row.mtime_ns),  # more digits than a float has
        "taken_seconds": parse_seconds(row.taken or ""),
        **{f"meta_{field}": value for field, value in meta_fields(row).items()},
    }
    for name, value in metadata.items():
        if isinstance(value, int) and abs(value) > 2**53:
            raise InputError(f"{name} of {row.id!r} is {value}; Pinecone keeps whole numbers up to 2^53.")
    metadata = {n: clean_value(v) for n, v in metadata.items() if v is not None}
    thumbnail = base64.b64encode(row.thumbnail).decode()
    if thumbnail and _size(metadata | {"thumbnail": thumbnail}) <= METADATA_BYTES:
        metadata["thumbnail"] = thumbnail
    _cut(metadata, row)
    document = {"_id": document_id(row.id), "vector": [float(value) for value in row.vector], **metadata}
    if row.text:
        document["text"] = searchable(_shortened(clean(row.text), TEXT_BYTES))
    return document


def to_row(document: Any, columns: Mapping[str, str]) -> Row:
    """Row of a document; whole numbers, which come back as floats, are so again by the columns' types."""
    stored_fields = VERSION_FIELDS | {name: name for name in OWN_COLUMNS}
    found = {name: document.get(stored) for name, stored in stored_fields.items()}
    fields = {name: value for name, value in found.items() if value is not None}
    fields |= {name: int(fields[name]) for name in WHOLE_NUMBERS if name in fields}
    meta: dict[str, Scalar] = {}
    for field, value in document.to_dict().items():
        if field.startswith("meta_"):
            name = decode_field_name(field.removeprefix("meta_"))
            if isinstance(value, float) and columns.get(condition_name(name)) == "integer":
                value = int(value)
            meta[name] = value
    return Row(
        mtime_ns=int(fields.pop("mtime_ns")),
        vector=np.asarray(document.get("vector"), np.float32),
        text=(document.get("text") or "").partition(BELOW)[0],
        thumbnail=base64.b64decode(document.get("thumbnail") or ""),
        meta=meta,
        **fields,
    )


def searchable(text: str) -> str:
    """A text with those of its terms below it that are not among its own words, which Pinecone does not stem.

    Terms for which there is no room are left out.
    """
    words = Counter(re.findall(r"\w+", text.lower()))
    room = TEXT_BYTES - len(text.encode()) - len(BELOW.encode())
    added: list[str] = []
    for term in map(as_word, terms(text)):
        if words[term]:
            words[term] -= 1
            continue
        room -= len(term.encode()) + 1
        if room < 0:
            break
        added.append(term)
    if not added:
        return text
    return text + BELOW + " ".join(added)


def as_word(term: str) -> str:
    """A term as Pinecone keeps it, which splits at what is neither letter nor digit."""
    return re.sub(r"[^\w]", "", term)


def _cut(metadata: dict[str, Any], row: Row) -> None:
    """Cut the longest text columns until the metadata is within Pinecone's limit."""
    while (over := _size(metadata) - METADATA_BYTES) > 0:
        texts = {n: len(v.encode()) for n, v in metadata.items() if n.startswith("meta_") and isinstance(v, str)}
        longest = max(texts, key=texts.__getitem__, default="")
        if not longest or texts[longest] < 100:
            raise InputError(
                f"The columns of {row.id!r} take {over + METADATA_BYTES:,} bytes; Pinecone keeps {METADATA_BYTES:,} of "
                "a row. Leave columns out."
            )
        name = decode_field_name(longest.removeprefix("meta_"))
        message = f"The column {name!r} of {row.id!r} is too long for Pinecone and was truncated."
        warnings.warn(message, WordsightWarning, stacklevel=4)
        metadata[longest] = _shortened(metadata[longest], max(50, texts[longest] - over - 10))


def _shortened(text: str, size: int) -> str:
    return text.encode()[:size].decode(errors="ignore")


def _size(metadata: Mapping[str, Any]) -> int:
    return len(json.dumps(metadata).encode())


def vectors_in(documents: Sequence[Any]) -> Floats:
    """Vectors (N, D) of documents."""
    return np.array([document.get("vector") for document in documents], np.float32)
