"""`/thumb`, `/file` and `/page`: images of a gallery's items, and nothing else of the disk."""

from __future__ import annotations

import asyncio
import hashlib
import io
import os
import stat
from pathlib import Path
from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request
from fastapi.responses import FileResponse, Response
from PIL import Image

from wordsight.errors import ImageError
from wordsight.index import Index, Row
from wordsight.path_text import to_path
from wordsight.row_images import row_image, shown_image
from wordsight.serve.errors import RequestError
from wordsight.serve.media.content_type import find_content_type
from wordsight.serve.media.keys import decode_key
from wordsight.serve.service import Service, get_service

router = APIRouter(tags=["media"])

SIZES = (160, 320, 640, 1280)  # pixels of a thumbnail's longer side
PAGE_SIZE = 2000
FOR_EVER = "private, max-age=31536000, immutable"
REVALIDATE = "private, no-cache"

Gallery = Annotated[str | None, Query(description="Name of the gallery; default: the server's first.")]


@router.get("/thumb/{key}", response_class=Response)
async def thumb(
    key: str,
    request: Request,
    service: Annotated[Service, Depends(get_service)],
    gallery: Gallery = None,
    v: Annotated[str | None, Query(description="Hash of the content: with it the answer may be kept for ever.")] = None,
    size: Annotated[int, Query(description="Longer side in pixels; the next of 160, 320, 640 and 1280 is sent.")] = 320,
) -> Response:
    """Thumbnail of an item as WebP or JPEG, without metadata."""
    index, row = await _find(service, gallery, key)
    side = next((one for one in SIZES if one >= size), SIZES[-1])
    kind = "WEBP" if "image/webp" in request.headers.get("accept", "") else "JPEG"
    content = await asyncio.to_thread(_render_thumbnail, index, row, side, kind)
    return _answer_image(content, kind, request, lasting=v is not None and row.content_hash.startswith(v))


@router.get("/page/{key}", response_class=Response)
async def page(
    key: str,
    request: Request,
    service: Annotated[Service, Depends(get_service)],
    gallery: Gallery = None,
    v: str | None = None,
) -> Response:
    """Page of a document, rendered to be read."""
    index, row = await _find(service, gallery, key)
    content = await asyncio.to_thread(_render_page, index, row)
    return _answer_image(content, "JPEG", request, lasting=v is not None and row.content_hash.startswith(v))


@router.get("/file/{key}", response_class=Response)
async def file(key: str, service: Annotated[Service, Depends(get_service)], gallery: Gallery = None) -> Response:
    """The file of an item as it is, metadata included."""
    _, row = await _find(service, gallery, key)
    path = await asyncio.to_thread(_find_file, row)
    kind = await asyncio.to_thread(find_content_type, path)
    disposition = "inline" if kind.inline else "attachment"
    return FileResponse(
        path,
        media_type=kind.mime,
        filename=path.name.encode("utf-8", "replace").decode(),
        content_disposition_type=disposition,
        headers={"Cache-Control": REVALIDATE},
    )


async def _find(service: Service, gallery: str | None, key: str) -> tuple[Index, Row]:
    """Row of a key, of the rows that the gallery has. Raises: RequestError (404) for others."""
    id = decode_key(key)
    opened = await asyncio.to_thread(service.open_gallery, gallery)
    rows = await asyncio.to_thread(opened.gallery.index.get, [id])
    if not rows:
        raise RequestError("is not there: the gallery has no such item", "key", status=404)
    return opened.gallery.index, rows[0]


def _find_file(row: Row) -> Path:
    """File of a row: a regular file below the source that it was indexed from, links followed.

    Raises: RequestError (404) where it is gone, leads elsewhere, or was fetched from a URL.
    """
    path = to_path(row.path)
    source = to_path(row.source)
    try:
        real = Path(os.path.realpath(path, strict=True))
        root = Path(os.path.realpath(source if source.is_dir() else source.parent, strict=True))
        if stat.S_ISREG(real.stat().st_mode) and real.is_relative_to(root):
            return real
    except (OSError, ValueError):
        pass
    raise RequestError("is not there: the item's file has gone, or is not below its source", "key", status=404)


def _render_thumbnail(index: Index, row: Row, side: int, kind: str) -> bytes:
    try:
        image = row_image(index, row, at_least=side)
    except ImageError as error:
        raise RequestError(f"cannot be shown: {error}", "key", status=404) from None
    return _encode(image, side, kind)


def _render_page(index: Index, row: Row) -> bytes:
    try:
        return _encode(shown_image(index, row), PAGE_SIZE, "JPEG")
    except ImageError as error:
        raise RequestError(f"cannot be shown: {error}", "key", status=404) from None


def _encode(image: Image.Image, side: int, kind: str) -> bytes:
    """Pixels alone, scaled down to a longer side."""
    image = image.convert("RGB")
    image.thumbnail((side, side), Image.Resampling.LANCZOS)
    file = io.BytesIO()
    Image.frombytes("RGB", image.size, image.tobytes()).save(file, kind, quality=82)
    return file.getvalue()


def _answer_image(content: bytes, kind: str, request: Request, *, lasting: bool) -> Response:
    """Answer with an image; one that the browser has already is not sent again."""
    tag = f'"{hashlib.blake2b(content, digest_size=12).hexdigest()}"'
    headers = {"Cache-Control": FOR_EVER if lasting else REVALIDATE, "ETag": tag, "Vary": "Accept"}
    if request.headers.get("if-none-match") == tag:
        return Response(status_code=304, headers=headers)
    return Response(content, media_type=f"image/{kind.lower()}", headers=headers)
