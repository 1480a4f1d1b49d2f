"""`/v1/items` and `/v1/jobs`: adding and removing images, where the server allows it."""

from __future__ import annotations

import asyncio
import json
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from wordsight.columns import Value, make_meta
from wordsight.errors import ImageError, InputError
from wordsight.ingest.in_memory import read_meta
from wordsight.serve.api.callers import get_caller
from wordsight.serve.api.image_inputs import ImageInput, read_image_input
from wordsight.serve.engine.engine import Caller
from wordsight.serve.errors import DiskFullError, RequestError, TooLargeError
from wordsight.serve.guard.uploads import PREFIX, Left, Uploads, read_uploads
from wordsight.serve.inputs.images import check_number
from wordsight.serve.items.adding import Adding, Addition, Form, write_upload
from wordsight.serve.items.embedding import EngineInJob
from wordsight.serve.items.jobs import Job, describe_disk
from wordsight.serve.items.uploads_folder import uploads_folder
from wordsight.serve.items.writing import remove_items
from wordsight.serve.service import Service, get_service

router = APIRouter(prefix="/v1", tags=["items"])

MOST_IDS = 10_000
MOST_META = 100  # columns of one image
REMOVAL_WAIT = 20.0  # seconds for which a removal waits for a job on the gallery


class Started(BaseModel):
    """A job that was started; `GET /v1/jobs/{id}` tells how it goes."""

    job: str


class GivenItem(BaseModel):
    """An image and what is said of it. id: of an item that is there already, whose place it takes."""

    model_config = ConfigDict(extra="forbid")
    id: str | None = Field(default=None, min_length=1, max_length=512)
    image: ImageInput
    meta: dict[str, Any] = Field(default_factory=dict, description="Columns: texts, numbers, true or false.")


class GivenItems(BaseModel):
    """Images for a gallery, as programs send them."""

    model_config = ConfigDict(extra="forbid")
    gallery: str | None = None
    items: list[GivenItem] = Field(min_length=1)


GIVEN_SCHEMA = {  # of `GivenItems`, without references: FastAPI does not see them in `openapi_extra`
    "type": "object",
    "required": ["items"],
    "properties": {
        "gallery": {"type": "string"},
        "items": {
            "type": "array",
            "minItems": 1,
            "items": {
                "type": "object",
                "required": ["image"],
                "properties": {
                    "id": {"type": "string", "minLength": 1, "maxLength": 512},
                    "image": {"type": "string", "description": "A data: URI, base64, or a URL where allowed."},
                    "meta": {"type": "object"},
                },
            },
        },
    },
}


class Removal(BaseModel):
    """Items to remove from a gallery; their files stay, unless they were uploaded and `delete_uploads` is true."""

    model_config = ConfigDict(extra="forbid")
    gallery: str | None = None
    ids: list[str] = Field(min_length=1, max_length=MOST_IDS)
    delete_uploads: bool = False


async def check_allowed(service: Annotated[Service, Depends(get_service)]) -> None:
    """Raise RequestError (403) unless the server takes changes."""
    if not service.settings.allow_add:
        raise RequestError("is refused: this server is read-only; start it with --allow-add", "The change", status=403)


@router.post(
    "/items",
    status_code=202,
    dependencies=[Depends(check_allowed)],
    openapi_extra={
        "requestBody": {
            "required": True,
            "content": {
                "multipart/form-data": {
                    "schema": {
                        "type": "object",
                        "required": ["files"],
                        "properties": {
                            "files": {"type": "array", "items": {"type": "string", "format": "binary"}},
                            "gallery": {"type": "string"},
                            "title": {"type": "string", "description": "Title of all images."},
                            "meta": {"type": "string", "description": "JSON object of columns for all images."},
                            "image_column": {"type": "string", "description": "Column of a table's images."},
                        },
                    }
                },
                "application/json": {"schema": GIVEN_SCHEMA},
            },
        }
    },
)
async def add_items(
    request: Request,
    service: Annotated[Service, Depends(get_service)],
    caller: Annotated[Caller, Depends(get_caller)],
) -> Started:
    """Add images, PDF files, tables, and ZIP archives of these to a gallery, as a job.

    Programs may send JSON instead: {"gallery": …, "items": [{"id": …, "image": …, "meta": {…}}]}.
    """
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() == "application/json":
        return await _add_given(request, service, caller)
    async with read_uploads(request, service.settings) as uploads:
        if not uploads.files and not uploads.left:
            raise RequestError("is empty: send files in the field 'files'", "files")
        fields = uploads.fields
        form = Form(_read_meta(fields.get("meta"), fields.get("title")), fields.get("image_column") or None)
        job = await _start(service, caller, fields.get("gallery") or None, uploads, form)
        uploads.keep()
    return Started(job=job.id)


async def _start(
    service: Service,
    caller: Caller,
    gallery: str | None,
    uploads: Uploads,
    form: Form,
    given: list[Addition] | None = None,
) -> Job:
    """Start to add an upload. Raises: UnknownGalleryError, StoreError, BusyError; InputError without a folder."""
    opened = await asyncio.to_thread(service.open_gallery, gallery)
    location = service.settings.galleries[opened.name]
    uploads_folder(location)
    service.jobs.check_room()
    engine = service.engine_of(opened)
    access = EngineInJob(engine, await engine.model(), caller, asyncio.get_running_loop())
    return service.jobs.start("add", location, Adding(service.settings, location, uploads, form, access, given))


async def _add_given(request: Request, service: Service, caller: Caller) -> Started:
    """Start to add images that a program gives as JSON."""
    try:
        asked = GivenItems.model_validate(await _read_json(request, service.settings.limits.body_bytes))
    except ValidationError as error:
        raise RequestValidationError(error.errors()) from None
    check_number(len(asked.items), service.settings.limits.images, "items", "items")
    ids = [item.id for item in asked.items if item.id is not None]
    if len(set(ids)) < len(ids):
        raise RequestError("name an id twice", "items")
    uploads = Uploads(Path(await asyncio.to_thread(tempfile.mkdtemp, prefix=PREFIX)))
    try:
        given = []
        for place, item in enumerate(asked.items):
            addition = await _read_given(item, f"items.{place}", uploads, service)
            if addition is not None:
                given.append(addition)
        job = await _start(service, caller, asked.gallery, uploads, Form(), given)
    except BaseException:
        uploads.remove()
        raise
    return Started(job=job.id)


async def _read_given(item: GivenItem, param: str, uploads: Uploads, service: Service) -> Addition | None:
    """Addition of one item; None, with a record among `uploads.left`, where its image is not one."""
    if item.id is not None and (not item.id.isprintable() or not item.id.strip()):
        raise RequestError("is empty or has characters that cannot be printed", f"{param}.id")
    meta = _make_meta(item.meta, f"{param}.meta")
    name = item.id or param
    try:
        content = await read_image_input(item.image, service, f"{param}.image")
        if not isinstance(content, bytes):
            raise RequestError("is an item of a gallery; send the image itself", f"{param}.image")
        upload = await asyncio.to_thread(write_upload, uploads, content, name, service.settings.limits)
    except ImageError as error:
        uploads.left.append(Left(name, str(error).rstrip(".")))
        return None
    except OSError as error:
        raise DiskFullError(describe_disk(error)) from error
    return Addition(upload.path, name, item.id, meta, said=item.id is not None or bool(meta))


async def _read_json(request: Request, most: int) -> Any:
    """Body of a request as JSON: within the limit of other requests, although the path takes uploads."""
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > most:
            raise TooLargeError(f"The JSON has more than {most:,} bytes, the limit of this server; send files instead.")
    try:
        return await asyncio.to_thread(json.loads, body)
    except (ValueError, RecursionError) as error:
        raise InputError(f"The body is not valid JSON: {str(error)[:100]}.") from None


@router.delete("/items", dependencies=[Depends(check_allowed)])
async def delete_items(asked: Removal, service: Annotated[Service, Depends(get_service)]) -> dict[str, int]:
    """Remove items; the number removed. Those of a followed source come back with its next update."""
    opened = await asyncio.to_thread(service.open_gallery, asked.gallery)
    location = service.settings.galleries[opened.name]
    ids = list(dict.fromkeys(asked.ids))
    async with service.jobs.alone(location, REMOVAL_WAIT):
        removed = await asyncio.to_thread(remove_items, location, ids, delete_uploads=asked.delete_uploads)
    return {"removed": removed}


@router.get("/jobs")
async def list_jobs(service: Annotated[Service, Depends(get_service)]) -> dict[str, Any]:
    """Jobs of the last hour, the newest first."""
    return {"jobs": [job.to_dict(brief=True) for job in service.jobs.all()]}


@router.get("/jobs/{id}")
async def read_job(id: str, service: Annotated[Service, Depends(get_service)]) -> dict[str, Any]:
    """State of a job: waiting, running, done, failed or cancelled; what was skipped; its result."""
    return service.jobs.get(id).to_dict()


@router.delete("/jobs/{id}")
async def cancel_job(id: str, service: Annotated[Service, Depends(get_service)]) -> dict[str, Any]:
    """Tell a job to stop; what it has done stays."""
    job = service.jobs.get(id)
    service.jobs.cancel(job)
    return job.to_dict()


def _read_meta(text: str | None, title: str | None) -> dict[str, Value]:
    """Columns for all images of an upload."""
    record: Any = {}
    if text:
        try:
            record = json.loads(text)
            if not isinstance(record, dict):
                raise TypeError
        except (ValueError, TypeError, RecursionError):
            raise InputError(f'meta is {text!r:.80}, expected a JSON object of columns: {{"colour": "red"}}.') from None
    meta = _make_meta(record, "meta")
    return {"title": title, **meta} if title else meta


def _make_meta(record: Mapping[str, Any], param: str) -> dict[str, Value]:
    """Columns of an image. Raises: RequestError for what a column cannot hold."""
    check_number(len(record), MOST_META, "columns", param)
    try:
        return make_meta(read_meta(record, param))
    except InputError as error:
        raise RequestError(f"cannot be kept: {error}", param) from None
