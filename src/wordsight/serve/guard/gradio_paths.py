"""Paths of Gradio that the page needs; all others answer 404.

Gradio serves files, fetches URLs, takes uploads and runs functions by endpoints that the page does without: its
contents ask the server's own API. What cannot be reached needs no trust in its checks.
"""

from __future__ import annotations

from fastapi import FastAPI
from starlette.routing import Mount
from starlette.types import ASGIApp, Receive, Scope, Send

from wordsight.serve.guard.answers import error_answer

PATHS = frozenset({"", "/", "/theme.css", "/favicon.ico", "/robots.txt"})
FOLDERS = ("/assets/", "/static/")  # scripts, styles and fonts that Gradio brings
METHODS = frozenset({"GET", "HEAD"})


class NeededGradio:
    """Gradio's application, of which only the needed paths can be reached, for reading alone."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on or answer 404."""
        if scope["type"] == "lifespan" or (scope["type"] == "http" and is_needed(scope["method"], scope["path"])):
            await self.app(scope, receive, send)
        elif scope["type"] == "http":
            await error_answer(404, "There is nothing here.")(scope, receive, send)
        else:
            await send({"type": "websocket.close", "code": 1008})


def is_needed(method: str, path: str) -> bool:
    """Whether the page needs a path of Gradio."""
    return method in METHODS and (path in PATHS or path.startswith(FOLDERS))


def narrow_gradio(app: FastAPI) -> None:
    """Narrow every mounted application of Gradio to what is needed."""
    for route in app.routes:
        if isinstance(route, Mount) and type(route.app).__module__.startswith("gradio"):
            route.app = NeededGradio(route.app)
