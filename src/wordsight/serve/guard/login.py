"""Signing in on the page: a form of our own, and the cookie it gives."""

from __future__ import annotations

import base64
import hashlib
import html
import json
import math
from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qs, quote

from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, RedirectResponse, Response

from wordsight.serve.guard.answers import error_answer
from wordsight.serve.guard.paths import safe_next
from wordsight.serve.guard.sessions import LASTS, Attempts, Sessions

MOST_BYTES = 16 << 10  # of a body that signs in
_STYLE = """
:root { color-scheme: light dark; font: 1rem/1.5 system-ui, sans-serif; }
body { display: grid; min-height: 100vh; margin: 0; place-items: center; }
main { width: min(22rem, 100% - 2rem); }
label, input, button { display: block; box-sizing: border-box; width: 100%; font: inherit; }
input, button { margin-top: .5rem; padding: .6rem; border: 1px solid #767676; border-radius: .4rem; }
button { margin-top: 1rem; background: #1d4ed8; color: #fff; border-color: #1d4ed8; cursor: pointer; }
:focus-visible { outline: 3px solid #f59e0b; outline-offset: 2px; }
[role=alert] { padding: .6rem; border-left: .3rem solid #b91c1c; background: #fee2e2; color: #7f1d1d; }
"""
_FORM = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="robots" content="noindex">
<title>Sign in – wordsight</title>
<style>{style}</style>
</head>
<body>
<main>
<h1>Sign in</h1>
{alert}<form method="post" action="/login">
<input type="hidden" name="next" value="{next}">
<label for="token">Token of this server</label>
<input id="token" name="token" type="password" autocomplete="current-password" required autofocus{described}>
<button type="submit">Sign in</button>
</form>
</main>
</body>
</html>
"""


class Login:
    """Answers of /login and /logout."""

    def __init__(self, sessions: Sessions, attempts: Attempts, frames: tuple[str, ...]) -> None:
        self._sessions = sessions
        self._attempts = attempts
        allowed = " ".join(("'self'", *frames))
        style = base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()
        self._headers = {
            "Content-Security-Policy": f"default-src 'none'; style-src 'sha256-{style}'; form-action 'self'; "
            f"base-uri 'none'; frame-ancestors {allowed}",
            "Referrer-Policy": "same-origin",  # with no-referrer browsers would send the form with "Origin: null"
        }

    async def answer(self, request: Request) -> Response:
        """Answer a request to /login or /logout."""
        if request.url.path == "/logout":
            return self._logout(request)
        if request.method == "POST":
            return await self._login(request)
        if request.method in ("GET", "HEAD"):
            return self._form(request.query_params.get("next"))
        return error_answer(405, f"{request.method} is not among the methods of /login.", Allow="GET, POST")

    def ask(self, request: Request) -> Response:
        """Answer to one who has to sign in first: the form for people, 401 for programs."""
        if request.method == "GET" and "text/html" in request.headers.get("accept", ""):
            there = request.url.path + (f"?{request.url.query}" if request.url.query else "")
            return RedirectResponse(f"/login?next={quote(safe_next(there), safe='')}", 303)
        return error_answer(
            401,
            'This server needs its token: send it as "Authorization: Bearer TOKEN", or sign in at /login.',
            WWW_Authenticate='Bearer realm="wordsight"',
        )

    async def _login(self, request: Request) -> Response:
        is_json = request.headers.get("content-type", "").lower().startswith("application/json")
        fields = _read_json(await request.body()) if is_json else _read_form(await request.body())
        there = safe_next(fields.get("next"))
        client = request.client.host if request.client else "local"
        if wait := self._attempts.wait(client):
            return self._refuse(is_json, 429, "Too many attempts; try again later.", there, math.ceil(wait))
        if not self._sessions.is_token(fields.get("token", "").strip()):
            self._attempts.count(client)
            return self._refuse(is_json, 401, "This is not the token of this server.", there)
        answer = JSONResponse({"status": "ok"}) if is_json else RedirectResponse(there, 303)
        self._set_cookie(answer, request, self._sessions.open(), LASTS)
        return answer

    def _logout(self, request: Request) -> Response:
        if request.method != "POST":
            return error_answer(405, "Signing out is a POST to /logout.", Allow="POST")
        self._sessions.close(request.cookies.get(self._sessions.cookie_name, ""))
        answer = RedirectResponse("/login", 303)
        self._set_cookie(answer, request, "", 0)
        return answer

    def _set_cookie(self, answer: Response, request: Request, value: str, age: int) -> None:
        secure = "https" in (request.url.scheme, request.headers.get("x-forwarded-proto", "").lower())
        answer.set_cookie(
            self._sessions.cookie_name, value, max_age=age, path="/", secure=secure, httponly=True, samesite="strict"
        )

    def _form(self, there: str | None, alert: str = "", status: int = 200) -> HTMLResponse:
        said = f'<p role="alert" id="alert">{html.escape(alert)}</p>\n' if alert else ""
        page = _FORM.format(
            style=_STYLE,
            alert=said,
            next=html.escape(safe_next(there)),
            described=' aria-invalid="true" aria-describedby="alert"' if alert else "",
        )
        return HTMLResponse(page, status, self._headers)

    def _refuse(self, is_json: bool, status: int, message: str, there: str, wait: int = 0) -> Response:
        answer: Response = error_answer(status, message) if is_json else self._form(there, message, status)
        if wait:
            answer.headers["Retry-After"] = str(wait)
        return answer


def _read_json(body: bytes) -> Mapping[str, str]:
    try:
        found: Any = json.loads(body)
    except (ValueError, RecursionError):
        return {}
    return {key: value for key, value in found.items() if isinstance(value, str)} if isinstance(found, dict) else {}


def _read_form(body: bytes) -> Mapping[str, str]:
    try:
        fields = parse_qs(body.decode("ascii"), keep_blank_values=True, max_num_fields=10)
    except ValueError:
        return {}
    return {name: values[-1] for name, values in fields.items()}
