"""The page: tabs by Gradio, contents by components of our own in `page/static`."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from fastapi import FastAPI

    from wordsight.serve.service import Service


def mount_page(app: FastAPI, service: Service) -> None:
    """Add the page to an application, at /. Raises: MissingExtraError without Gradio."""
