"""Keys of rows in URLs: base64url of their ids, without padding."""

from __future__ import annotations

import base64
import binascii

from wordsight.errors import InputError


def encode_key(id: str) -> str:
    """Key of a row's id."""
    return base64.urlsafe_b64encode(id.encode()).decode().rstrip("=")


def decode_key(key: str) -> str:
    """Id that a key stands for. Raises: InputError for what is not a key."""
    try:
        content = base64.b64decode(key + "=" * (-len(key) % 4), altchars=b"-_", validate=True)
        return content.decode()
    except (binascii.Error, ValueError):
        raise InputError(f"{key!r:.80} is not the key of an item; take it from a search's answer.") from None
