"""`/v1/items` and `/v1/jobs`: adding and removing images, where the server allows it."""

from __future__ import annotations

import asyncio
import json
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request
from pydantic import BaseModel, ConfigDict, Field

from wordsight.columns import Value, make_meta, plain
from wordsight.errors import InputError
from wordsight.serve.api.callers import get_caller
from wordsight.serve.engine.engine import Caller
from wordsight.serve.errors import RequestError
from wordsight.serve.guard.uploads import read_uploads
from wordsight.serve.items.adding import Adding, remove_items, uploads_folder
from wordsight.serve.service import Service, get_service

router = APIRouter(prefix="/v1", tags=["items"])

MOST_IDS = 10_000


class Started(BaseModel):
    """A job that was started; `GET /v1/jobs/{id}` tells how it goes."""

    job: str


class Removal(BaseModel):
    """Items to remove from a gallery; their files stay, unless they were uploaded and `delete_uploads` is true."""

    model_config = ConfigDict(extra="forbid")
    gallery: str | None = None
    ids: list[str] = Field(min_length=1, max_length=MOST_IDS)
    delete_uploads: bool = False


def check_allowed(service: Annotated[Service, Depends(get_service)]) -> None:
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
                            "meta": {"type": "string", "description": "JSON object of columns for all images."},
                        },
                    }
                }
            },
        }
    },
)
async def add_items(
    request: Request,
    service: Annotated[Service, Depends(get_service)],
    caller: Annotated[Caller, Depends(get_caller)],
) -> Started:
    """Add images, ZIP archives of images, PDF files and tables to a gallery, as a job."""
    async with read_uploads(request, service.settings) as uploads:
        if not uploads.files and not uploads.left:
            raise RequestError("is empty: send files in the field 'files'", "files")
        opened = await asyncio.to_thread(service.open_gallery, uploads.fields.get("gallery") or None)
        location = service.settings.galleries[opened.name]
        uploads_folder(location)  # raises where nothing can be kept
        engine = service.engine_of(opened)
        adding = Adding(
            service.settings,
            location,
            uploads,
            _read_meta(uploads.fields.get("meta")),
            engine,
            await engine.model(),
            caller,
            asyncio.get_running_loop(),
        )
        job = service.jobs.start("add", location, adding)
        uploads.keep()
    return Started(job=job.id)


@router.delete("/items", dependencies=[Depends(check_allowed)])
async def delete_items(asked: Removal, service: Annotated[Service, Depends(get_service)]) -> dict[str, int]:
    """Remove items; the number removed. Those of a followed source come back with its next update."""
    opened = await asyncio.to_thread(service.open_gallery, asked.gallery)
    location = service.settings.galleries[opened.name]
    removed = await asyncio.to_thread(remove_items, location, asked.ids, delete_uploads=asked.delete_uploads)
    return {"removed": removed}


@router.get("/jobs")
async def list_jobs(service: Annotated[Service, Depends(get_service)]) -> dict[str, Any]:
    """Jobs of the last hour, the newest first."""
    return {"jobs": [job.to_dict() | {"result": None} for job in service.jobs.all()]}


@router.get("/jobs/{id}")
async def read_job(id: str, service: Annotated[Service, Depends(get_service)]) -> dict[str, Any]:
    """State of a job: waiting, running, done, failed or cancelled; what was skipped; its result."""
    return service.jobs.get(id).to_dict()


@router.delete("/jobs/{id}")
async def cancel_job(id: str, service: Annotated[Service, Depends(get_service)]) -> dict[str, Any]:
    """Tell a job to stop; what it has done stays."""
    job = service.jobs.get(id)
    job.stopping.set()
    return job.to_dict()


def _read_meta(text: str | None) -> dict[str, Value]:
    """Columns for all images of an upload."""
    if not text:
        return {}
    try:
        record = json.loads(text)
        if not isinstance(record, dict):
            raise TypeError
    except (ValueError, TypeError, RecursionError):
        raise InputError(f'meta is {text!r:.80}, expected a JSON object of columns: {{"colour": "red"}}.') from None
    return make_meta({str(name): plain(value) for name, value in record.items()})
