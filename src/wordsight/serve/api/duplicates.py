"""`POST /v1/duplicates`: near copies in a gallery, side by side; nothing is deleted."""

from __future__ import annotations

import asyncio
import contextlib
import math
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends
from fastapi.responses import JSONResponse, PlainTextResponse, Response
from pydantic import BaseModel, ConfigDict, Field

from wordsight.errors import InputError, StoreError
from wordsight.serve.api.cursor import Cursor, read_cursor
from wordsight.serve.api.json_bodies import LargeBodyRoute
from wordsight.serve.items.duplicates import (
    FoundGroups,
    Search,
    find_groups,
    read_found,
    show_groups,
    write_csv,
    write_text,
)
from wordsight.serve.service import Service, get_service

router = APIRouter(prefix="/v1", tags=["duplicates"], route_class=LargeBodyRoute)

PROMPT = 1.0  # seconds within which an answer comes at once, without a job to ask for


class DuplicatesBody(BaseModel):
    """threshold: the cosine from which two images may be copies; default: as learnt, or one that suits the model.

    limit: groups of an answer; the next ones come by the cursor. format: csv and text list all copies.
    """

    model_config = ConfigDict(extra="forbid")
    gallery: str | None = None
    threshold: float | None = Field(default=None, ge=-1, le=1)
    limit: int = Field(default=100, ge=1, le=1000)
    cursor: str | None = None
    format: Literal["json", "csv", "text"] = "json"


@router.post(
    "/duplicates",
    responses={
        200: {"description": "Groups of copies: the items side by side, those to keep marked, each with a reason."},
        202: {"description": 'It takes longer: {"job": …}, whose `result` is the answer.'},
    },
)
async def find(asked: DuplicatesBody, service: Annotated[Service, Depends(get_service)]) -> Response:
    """Look for near copies in a gallery.

    It comes at once where it is known or found within a second; else a job is named, whose `result` is the same.
    """
    if asked.threshold is not None and not math.isfinite(asked.threshold):
        raise InputError(f"threshold is {asked.threshold}, expected a cosine from -1 to 1.")
    opened = await asyncio.to_thread(service.open_gallery, asked.gallery)
    search = Search(opened.name, asked.threshold, await asyncio.to_thread(opened.gallery.index.state))
    cursor = read_cursor(asked.cursor, search.hash) if asked.cursor else None
    job = find_groups(service.jobs, opened, search, asked.limit)
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(PROMPT):
            await job.finished.wait()
    if job.state in ("waiting", "running"):
        return JSONResponse({"job": job.id}, status_code=202)
    if job.state != "done":
        raise StoreError(job.message or "The search for duplicates was stopped.")
    found = read_found(job)
    if asked.format != "json":
        return _export(found, asked.format)
    return await asyncio.to_thread(_answer, found, asked, cursor)


@router.get("/duplicates/{job}.csv", response_class=PlainTextResponse)
async def export(job: str, service: Annotated[Service, Depends(get_service)]) -> Response:
    """Copies that a job found, as CSV: group, keep, copy, bytes, cosine, reason."""
    return _export(read_found(service.jobs.get(job)), "csv")


def _answer(found: FoundGroups, asked: DuplicatesBody, cursor: Cursor | None) -> Response:
    answer: dict[str, Any] = show_groups(found, cursor.offset if cursor else 0, asked.limit)
    answer["changed"] = cursor is not None and cursor.state != found.asked.state
    return JSONResponse(answer)


def _export(found: FoundGroups, form: str) -> Response:
    name, write, kind = ("csv", write_csv, "text/csv") if form == "csv" else ("txt", write_text, "text/plain")
    headers = {"Content-Disposition": f'attachment; filename="duplicates.{name}"'}
    return PlainTextResponse(write(found), headers=headers, media_type=kind)
