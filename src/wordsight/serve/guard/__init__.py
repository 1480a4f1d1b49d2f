"""Checks that every request passes before anything is parsed: host, origin, token, size."""

from __future__ import annotations

from fastapi import FastAPI

from wordsight.serve.settings import Settings


def install_guard(app: FastAPI, settings: Settings) -> None:
    """Put the checks in front of an application's routes."""
