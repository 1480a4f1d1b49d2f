"""The MCP endpoint at /mcp."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from fastapi import FastAPI

    from wordsight.serve.service import Service


def mount_mcp(app: FastAPI, service: Service) -> None:
    """Add the endpoint to an application."""
