"""Answers of the guard itself, and the headers that it puts on every answer."""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Iterable
from urllib.parse import urlsplit

from starlette.datastructures import MutableHeaders
from starlette.responses import JSONResponse
from starlette.types import Message, Scope

from wordsight.serve.api.errors import error_body

_ALWAYS = {
    "X-Content-Type-Options": "nosniff",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Permissions-Policy": "camera=(), microphone=(), geolocation=(), payment=(), usb=()",
    "X-Permitted-Cross-Domain-Policies": "none",
}
_NOTHING = "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors {frames}"
_DOCUMENT = "default-src 'none'; object-src 'self'; style-src 'unsafe-inline'; frame-ancestors {frames}"  # PDF viewers
_MARKUP = "default-src 'none'; style-src 'unsafe-inline'; sandbox; frame-ancestors {frames}"
_PAGE = (
    "default-src 'none'; script-src 'self' {scripts}; style-src 'self' 'unsafe-inline'; img-src 'self' data: blob:; "
    "font-src 'self' data:; connect-src 'self'; media-src 'self' blob:; worker-src 'self' blob:; frame-src 'self'; "
    "manifest-src 'self'; object-src 'none'; base-uri 'self'; form-action 'self'; frame-ancestors {frames}"
)
_SCRIPT = re.compile(rb"<script\b([^>]*)>(.*?)</script\s*>", re.DOTALL | re.IGNORECASE)
_WITH_SOURCE = re.compile(rb"\ssrc\s*=", re.IGNORECASE)
# kinds of which a browser runs scripts when it opens them
_MARKUP_KINDS = ("image/svg", "text/xml", "application/xml", "application/xhtml", "text/html", "multipart/")
_REMOVED = ("server", "x-powered-by", "access-control-allow-origin", "access-control-allow-credentials",
            "access-control-allow-methods", "access-control-allow-headers", "access-control-expose-headers",
            "access-control-max-age", "access-control-allow-private-network")  # fmt: skip


def error_answer(status: int, message: str, **headers: str) -> JSONResponse:
    """An error answer in the API's form; headers: names with _ in the place of -."""
    sent = {name.replace("_", "-"): value for name, value in headers.items()}
    return JSONResponse(error_body(status, message), status, sent)


class AnswerHeaders:
    """Headers that every answer gets. frames: origins that may show the page in a frame, beside its own."""

    def __init__(self, frames: Iterable[str]) -> None:
        self._frames = " ".join(("'self'", *frames))

    def complete(self, start: Message, scope: Scope) -> None:
        """Add them to the message that starts an answer."""
        headers = MutableHeaders(raw=list(start["headers"]))
        for name in _REMOVED:
            del headers[name]
        for name, value in _ALWAYS.items():
            headers[name] = value
        headers.setdefault("Referrer-Policy", "no-referrer")
        headers.setdefault("Cache-Control", "no-store")
        kind = headers.get("content-type", "").lower()
        headers.setdefault("Content-Security-Policy", self._policy(kind))
        if kind.startswith("image/svg") and not scope["path"].startswith(("/static/", "/assets/")):
            headers["Content-Disposition"] = "attachment"
        start["headers"] = headers.raw

    def page_policy(self, page: bytes) -> str:
        """Content-Security-Policy of a page of ours: scripts that it holds, and those of this server."""
        return _PAGE.format(scripts=" ".join(script_hashes(page)), frames=self._frames)

    def _policy(self, kind: str) -> str:
        if kind.startswith(_MARKUP_KINDS):
            return _MARKUP.format(frames=self._frames)
        if kind.startswith("application/pdf"):
            return _DOCUMENT.format(frames=self._frames)
        return _NOTHING.format(frames=self._frames)


def script_hashes(page: bytes) -> list[str]:
    """Sources of a Content-Security-Policy that allow exactly the scripts which a page holds."""
    found: dict[str, None] = {}
    for attributes, script in _SCRIPT.findall(page):
        if not _WITH_SOURCE.search(attributes):
            # browsers hash the script after CR LF became LF
            text = script.replace(b"\r\n", b"\n")
            found[f"'sha256-{base64.b64encode(hashlib.sha256(text).digest()).decode()}'"] = None
    return list(found)


def leads_away(start: Message, host: str) -> bool:
    """Whether an answer redirects to another site, which no route of this server does."""
    if not 300 <= start["status"] < 400:
        return False
    there = MutableHeaders(raw=list(start["headers"])).get("location", "")
    if re.match(r"[\s\\/]*[\\/][\s\\/]*[\\/]", there):
        return True
    try:
        parts = urlsplit(there)
    except ValueError:
        return True
    return bool(parts.scheme or parts.netloc) and (
        parts.scheme not in ("http", "https") or parts.netloc.lower() != host.lower()
    )
