"""A row as a point of Qdrant, and back."""

from __future__ import annotations

import base64
import uuid
from collections.abc import Sequence
from typing import Any, cast

import numpy as np

from wordsight.columns import OWN_COLUMNS, Value
from wordsight.index.base import Floats, Row
from wordsight.index.payload_fields import clean, clean_value, decode_field_name, field_name, meta_fields, parse_seconds
from wordsight.index.records import STORED_FIELD
from wordsight.text.analysis import terms

IMAGE, TEXT = "image", "text"  # names of a point's vectors
_STORED = STORED_FIELD | {name: name for name in OWN_COLUMNS}  # field of `Row` → its name in the payload


def point_id(id: str) -> str:
    """Id of a row's point: a hash of the row's, as Qdrant's are numbers or UUIDs."""
    return str(uuid.uuid5(uuid.NAMESPACE_URL, clean(id)))


def field_key(column: str) -> str:
    """Key of a column in the payload."""
    return field_name(column, "meta.")


def payload_value(point: Any, key: str) -> Value:
    """Value under a column's key in a point's payload, or None."""
    value: Any = point.payload
    for part in key.split(".", 1):
        value = (value or {}).get(part)
    return cast(Value, value)


def to_payload(row: Row) -> dict[str, Any]:
    """Payload that a point holds of a row beside its vectors."""
    own = {stored: getattr(row, name) for name, stored in _STORED.items()}
    payload = {
        **{name: clean_value(value) for name, value in own.items()},
        "taken_seconds": parse_seconds(row.taken or ""),
        "text": clean(row.text),
        "words": len(terms(row.text)),
        "thumbnail": base64.b64encode(row.thumbnail).decode() or None,
        "meta": meta_fields(row),
    }
    return {name: value for name, value in payload.items() if value is not None}


def to_row(point: Any) -> Row:
    """Row of a point that was read with its image's vector."""
    payload = point.payload
    return Row(
        vector=np.asarray(point.vector[IMAGE], np.float32),
        meta={decode_field_name(name): value for name, value in payload.get("meta", {}).items()},
        thumbnail=base64.b64decode(payload.get("thumbnail", "")),
        text=payload.get("text", ""),
        **{name: payload[stored] for name, stored in _STORED.items() if stored in payload},
    )


def vectors_in(points: Sequence[Any]) -> Floats:
    """Images' vectors (N, D) of points."""
    return np.array([point.vector[IMAGE] for point in points], np.float32)
