"""Modules and styles of the page, at /ui/VERSION/…: VERSION is a hash of all of them, so that they may be kept."""

from __future__ import annotations

import functools
import hashlib
from pathlib import Path

from fastapi import FastAPI
from fastapi.responses import FileResponse, Response
from starlette.exceptions import HTTPException

FOLDER = Path(__file__).parent / "static"
KINDS = {".js": "text/javascript", ".css": "text/css", ".svg": "image/svg+xml"}
FOR_EVER = "public, max-age=31536000, immutable"
REVALIDATE = "no-cache"


@functools.cache
def version() -> str:
    """Hash of all files of the page."""
    digest = hashlib.blake2b(digest_size=8)
    for name, path in _list_files().items():
        digest.update(name.encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()


@functools.cache
def _list_files() -> dict[str, Path]:
    """Name → file: what is served, and nothing else of the folder."""
    paths = sorted(path for path in FOLDER.rglob("*") if path.suffix in KINDS)
    return {path.relative_to(FOLDER).as_posix(): path for path in paths}


def asset_url(name: str) -> str:
    """Address of a file of the page."""
    return f"/ui/{version()}/{name}"


def mount_assets(app: FastAPI) -> None:
    """Serve the page's files."""
    files = _list_files()

    @app.get("/ui/{of}/{name:path}", include_in_schema=False)
    async def asset(of: str, name: str) -> Response:
        if name not in files:
            raise HTTPException(404, "There is nothing here.")
        headers = {"Cache-Control": FOR_EVER if of == version() else REVALIDATE}
        return FileResponse(files[name], media_type=KINDS[files[name].suffix], headers=headers)
