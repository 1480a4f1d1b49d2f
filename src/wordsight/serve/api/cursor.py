"""Cursors: where an answer's next results begin. Opaque to clients; a forged one only begins elsewhere."""

from __future__ import annotations

import base64
import hashlib
import json
from dataclasses import dataclass
from typing import Any

from wordsight.errors import InputError

MOST_OFFSET = 10_000_000  # beyond the images of a gallery that one server lists


@dataclass(frozen=True)
class Cursor:
    """offset: of the next results. request: hash of what was asked. state: of the gallery then (`Index.state`)."""

    offset: int
    request: str
    state: str | None

    def encode(self) -> str:
        """Text of the cursor."""
        content = json.dumps([self.offset, self.request, self.state], separators=(",", ":"))
        return base64.urlsafe_b64encode(content.encode()).decode().rstrip("=")


def read_cursor(text: str, request: str) -> Cursor:
    """Cursor of a text. Raises: InputError for what is not one, or one of another request."""
    try:
        offset, of, state = json.loads(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))
        valid = type(offset) is int and 0 < offset <= MOST_OFFSET and isinstance(state, str | None)
    except (ValueError, TypeError, RecursionError):
        valid = False
    if not valid:
        raise InputError(f"The cursor {text!r:.80} is not one; take it from the answer before.")
    if of != request:
        raise InputError("The cursor is of another search; send the same request that it came from, with the cursor.")
    return Cursor(offset, of, state)


def hash_request(asked: Any) -> str:
    """Hash of a request that JSON can hold."""
    content = json.dumps(asked, sort_keys=True, default=str).encode("utf-8", "surrogatepass")
    return hashlib.blake2b(content, digest_size=9).hexdigest()
