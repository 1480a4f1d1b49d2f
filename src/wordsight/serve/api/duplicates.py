"""`POST /v1/duplicates`: near copies in a gallery, as a job; nothing is deleted."""

from __future__ import annotations

import asyncio
import csv
import io
import math
from typing import Annotated, Any

from fastapi import APIRouter, Depends
from fastapi.responses import PlainTextResponse
from pydantic import BaseModel, ConfigDict, Field

from wordsight.duplicates.groups import Group, find_duplicates
from wordsight.errors import InputError
from wordsight.index import Index
from wordsight.serve.api.hit_json import describe_row
from wordsight.serve.api.items import Started
from wordsight.serve.items.jobs import Job
from wordsight.serve.service import Service, get_service

router = APIRouter(prefix="/v1", tags=["duplicates"])

MOST_GROUPS = 2000  # of one answer; the largest


class DuplicatesBody(BaseModel):
    """threshold: the cosine from which two images may be copies; default: as learnt, or one that suits the model."""

    model_config = ConfigDict(extra="forbid")
    gallery: str | None = None
    threshold: float | None = Field(default=None, ge=-1, le=1)


@router.post("/duplicates", status_code=202)
async def find(asked: DuplicatesBody, service: Annotated[Service, Depends(get_service)]) -> Started:
    """Start to look for near copies. The job's result has `groups`: items side by side, the one to keep first."""
    if asked.threshold is not None and not math.isfinite(asked.threshold):
        raise InputError(f"threshold is {asked.threshold}, expected a cosine from -1 to 1.")
    opened = await asyncio.to_thread(service.open_gallery, asked.gallery)
    index, name = opened.gallery.index, opened.name

    def work(job: Job) -> dict[str, Any]:
        return _find(index, name, asked.threshold, job)

    return Started(job=service.jobs.start("duplicates", f"duplicates of {name}", work).id)


@router.get("/duplicates/{job}.csv", response_class=PlainTextResponse)
async def export(job: str, service: Annotated[Service, Depends(get_service)]) -> PlainTextResponse:
    """Copies that a job found, as CSV: keep, copy, cosine, because."""
    found = service.jobs.get(job)
    if found.kind != "duplicates" or found.state != "done":
        raise InputError(f"The job {job!r:.60} has found no duplicates (yet); its state is {found.state}.")
    file = io.StringIO()
    writer = csv.writer(file)
    writer.writerow(["keep", "copy", "cosine", "because"])
    for group in found.result["groups"]:
        kept = next(item for item in group["items"] if item["keep"])
        for item in group["items"]:
            if not item["keep"]:
                writer.writerow([_cell(kept["path"]), _cell(item["path"]), item["cosine"], group["because"]])
    headers = {"Content-Disposition": 'attachment; filename="duplicates.csv"'}
    return PlainTextResponse(file.getvalue(), headers=headers, media_type="text/csv")


def _find(index: Index, name: str, threshold: float | None, job: Job) -> dict[str, Any]:
    def progress(done: int, total: int) -> None:
        job.report(done, total)

    found = find_duplicates(index, threshold, progress=progress)
    groups = [_describe(group, name) for group in found.groups[:MOST_GROUPS]]
    return {"threshold": threshold, "groups": groups, "groups_total": len(found.groups), "gone": len(found.gone)}


def _describe(group: Group, gallery: str) -> dict[str, Any]:
    facts = group.to_dict()
    items = [
        describe_row(row, gallery)
        | {"size": row.size, "cosine": said["cosine"], "role": said["role"], "keep": said["role"] != "copy"}
        for row, said in zip(group.rows, facts["images"], strict=True)
    ]
    return {"because": group.because, "exact": group.exact, "items": items}


def _cell(text: str) -> str:
    """Cell that no spreadsheet takes for a formula."""
    return f"'{text}" if text[:1] in "=+-@\t\r" else text
