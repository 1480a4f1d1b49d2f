"""`/thumb`, `/file` and `/page`: images of a gallery's items, and nothing else of the disk."""

from __future__ import annotations

import asyncio
import hashlib
from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request
from fastapi.responses import FileResponse, Response

from wordsight.errors import ImageError
from wordsight.images.decode import read_image
from wordsight.index import Index, Row
from wordsight.row_images import shown_image
from wordsight.serve.errors import RequestError
from wordsight.serve.media.content_type import find_content_type
from wordsight.serve.media.keys import decode_key
from wordsight.serve.media.rendering import encode_image
from wordsight.serve.media.source_file import find_source_file
from wordsight.serve.service import Service, get_service

router = APIRouter(tags=["media"])

SIZES = (160, 320, 640, 1280)  # pixels of a thumbnail's longer side
PAGE_SIZE = 2000
LEAST_HASH = 16  # digits of `v`
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
    try:
        made = await service.thumbnails.get(index, row, side, kind)
    except ImageError as error:
        raise RequestError(f"cannot be shown: {error}", "key", status=404) from None
    return _answer_image(made.content, kind, request, lasting=made.lasting and _is_version(v, row))


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
    if row.page is None:
        return await thumb(key, request, service, gallery, v, SIZES[-1])
    found = await asyncio.to_thread(find_source_file, row)
    content = await asyncio.to_thread(_render_page, index, row, readable=found is not None)
    lasting = found is not None and found.unchanged and _is_version(v, row)
    return _answer_image(content, "JPEG", request, lasting=lasting)


@router.get("/file/{key}", response_class=Response)
async def file(key: str, service: Annotated[Service, Depends(get_service)], gallery: Gallery = None) -> Response:
    """The file of an item as it is, metadata included; of a document's page, the document.

    Types that run scripts in a browser (SVG, HTML) are sent as files to be saved. `Range` is understood.
    """
    _, row = await _find(service, gallery, key)
    found = await asyncio.to_thread(find_source_file, row)
    if found is None:
        raise RequestError(
            "is not there: the item's file has gone, is not below its source, or is part of an archive",
            "key",
            status=404,
        )
    path = found.path
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


def _is_version(v: str | None, row: Row) -> bool:
    """Whether an address names the content that the index has, so that its answer may be kept for ever."""
    return v is not None and len(v) >= LEAST_HASH and row.content_hash.startswith(v)


def _render_page(index: Index, row: Row, *, readable: bool) -> bytes:
    """Page as it looks, where its document may be read; else the small image that the index keeps."""
    try:
        if readable:
            return encode_image(shown_image(index, row), PAGE_SIZE, "JPEG")
        if kept := row.thumbnail or index.thumbnail(row.id):
            return encode_image(read_image(kept), PAGE_SIZE, "JPEG")
    except ImageError as error:
        raise RequestError(f"cannot be shown: {error}", "key", status=404) from None
    raise RequestError("cannot be shown: the index keeps no image of this page", "key", status=404)


def _answer_image(content: bytes, kind: str, request: Request, *, lasting: bool) -> Response:
    """Answer with an image; one that the browser has already is not sent again."""
    tag = f'"{hashlib.blake2b(content, digest_size=12).hexdigest()}"'
    headers = {"Cache-Control": FOR_EVER if lasting else REVALIDATE, "ETag": tag, "Vary": "Accept"}
    if request.headers.get("if-none-match") == tag:
        return Response(status_code=304, headers=headers)
    return Response(content, media_type=f"image/{kind.lower()}", headers=headers)
