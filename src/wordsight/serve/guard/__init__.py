"""Checks that every request passes before anything is parsed, and headers that every answer gets."""

from __future__ import annotations

from fastapi import FastAPI
from starlette.types import ASGIApp

from wordsight.serve.guard.gradio_paths import narrow_gradio
from wordsight.serve.guard.middleware import Guard
from wordsight.serve.settings import Settings


def install_guard(app: FastAPI, settings: Settings) -> None:
    """Put the checks in front of all that an application has, also of what is mounted or added after this call.

    They stand outside of the application's own handling of errors too, so that its 500 has the same headers.
    """
    build = app.build_middleware_stack

    def build_guarded() -> ASGIApp:
        narrow_gradio(app)
        return Guard(build(), settings)

    app.build_middleware_stack = build_guarded  # type: ignore[method-assign]
