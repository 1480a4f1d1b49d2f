"""Text without secrets: passwords and tokens in URLs, and keys from the environment, replaced by "…"."""

from __future__ import annotations

import os
import re
from typing import Any

REDACTED = "…"
# environment variables whose values are sent to services, which may repeat them in what they answer
SECRET_VARIABLES = (
    "QDRANT_API_KEY",
    "PINECONE_API_KEY",
    "HF_TOKEN",
    "HUGGING_FACE_HUB_TOKEN",
    "AWS_SECRET_ACCESS_KEY",
    "AWS_SESSION_TOKEN",
    "WORDSIGHT_API_KEY",
)
_SHORTEST = 6  # characters: a shorter value may be an ordinary word

_URL = re.compile(r"\b[a-z][a-z0-9+.-]*://[^\s'\"<>]+", re.IGNORECASE)
_USER = re.compile(r"(?<=://)[^\s/?#]*@")
_PARAMETER = re.compile(
    r"([?&#;][\w.%-]*(?:sig|token|key|secret|pass|pwd|credential|auth|session|jwt|code)[\w.%-]*=)"
    r"[^&#;]+?(?=[.,:)\]]*(?:[&#;]|$))",  # without the punctuation of a sentence behind the URL
    re.IGNORECASE,
)
_TOKEN = re.compile(r"\bhf_\w{6,}|(?<=\bBearer )[\w.~+/=-]{6,}")


def redact(text: str) -> str:
    """Text without the secrets in it.

    Of URLs, the user's name, the password and the values of parameters such as `sig`, `token` or `X-Amz-Signature` are
    replaced, and anywhere, tokens of the hub and the values of `SECRET_VARIABLES`.
    """
    for name in SECRET_VARIABLES:
        secret = os.environ.get(name, "")
        if len(secret) >= _SHORTEST:
            text = text.replace(secret, REDACTED)
    text = _TOKEN.sub(REDACTED, text)
    if "://" not in text:
        return text
    return _URL.sub(_redact_url, text)


def redact_values(value: Any) -> Any:
    """Lists and dicts, such as those for JSON, with all their texts redacted."""
    if isinstance(value, str):
        return redact(value)
    if isinstance(value, dict):
        return {redact_values(key): redact_values(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [redact_values(each) for each in value]
    return value


def _redact_url(match: re.Match[str]) -> str:
    url = _USER.sub(f"{REDACTED}@", match.group())
    return _PARAMETER.sub(rf"\g<1>{REDACTED}", url)
