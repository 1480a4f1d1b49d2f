"""Ids of images as agents see and send them.

An id is the path that an index keeps, which is plain to read and costs few tokens. One with characters that could be
lost, escaped or not seen on its way through a model is given as "key:" and its base64url form.
"""

from __future__ import annotations

import base64
import binascii

from wordsight.errors import InputError
from wordsight.serve.mcp.quoting import clean_text

_LONGEST = 400  # characters of an id that is given as it is
_KEY = "key:"


def name_row(id: str) -> str:
    """The id as an agent is shown it."""
    if id == clean_text(id, _LONGEST) and not id.startswith(_KEY) and not set(id) & {'"', "\\"}:
        return id
    return _KEY + base64.urlsafe_b64encode(id.encode()).decode().rstrip("=")


def read_row_name(name: str) -> str:
    """The id that an agent means. Raises: InputError for a key that is not base64url."""
    if not name.startswith(_KEY):
        return name
    code = name.removeprefix(_KEY)
    try:
        return base64.b64decode(code + "=" * (-len(code) % 4), altchars=b"-_", validate=True).decode()
    except (binascii.Error, ValueError):
        raise InputError(f"The id {clean_text(name)!r} is not one that a search answered; copy it whole.") from None
