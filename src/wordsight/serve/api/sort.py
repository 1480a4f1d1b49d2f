"""`/v1/sort`: the images of one folder of the server, sorted into classes; preview, move, undo."""

from __future__ import annotations

import asyncio
from typing import Annotated, Any

from fastapi import APIRouter, Depends
from fastapi.responses import Response
from pydantic import BaseModel, ConfigDict, Field

from wordsight.errors import ImageError
from wordsight.serve.api.callers import get_caller
from wordsight.serve.api.items import Started
from wordsight.serve.api.json_bodies import LargeBodyRoute
from wordsight.serve.engine.engine import Caller
from wordsight.serve.errors import RequestError
from wordsight.serve.inputs.classes import (
    CLASSES_SCHEMA,
    TEMPLATES_SCHEMA,
    check_prompts,
    read_classes,
    read_templates,
)
from wordsight.serve.inputs.models import find_model
from wordsight.serve.items.embedding import EngineInJob
from wordsight.serve.items.sort_folder import SortFolder
from wordsight.serve.items.sorting import Apply, Plan, Preview, check_changes, check_folders, undo_sorting
from wordsight.serve.media.keys import decode_key
from wordsight.serve.service import Service, get_service

router = APIRouter(prefix="/v1", tags=["sort"], route_class=LargeBodyRoute)

KIND = "sort"
_THUMB = 160  # pixels


class PreviewBody(BaseModel):
    """Classes that the folder's images may show, as of `/v1/classify`.

    min_probability: images that are less sure stay where they are, unless a person gives them a class.
    """

    model_config = ConfigDict(extra="forbid")
    classes: Annotated[Any, CLASSES_SCHEMA] = Field(examples=[["cat", "rocket"]])
    templates: Annotated[Any, TEMPLATES_SCHEMA] = "photo"
    none: bool = True
    min_probability: float = Field(default=0.0, ge=0, le=1)
    model: str | None = None


class ApplyBody(BaseModel):
    """plan: of a preview. changes: id of an image → another class. least: in place of the plan's min_probability."""

    model_config = ConfigDict(extra="forbid")
    plan: str
    changes: dict[str, str] = Field(default_factory=dict)
    least: float | None = Field(default=None, ge=0, le=1)
    copy_files: bool = Field(default=False, alias="copy")


class SortState(BaseModel):
    """folder: the name of the folder that this server may sort; null where there is none. undo: steps to undo."""

    folder: str | None
    undo: int = 0


async def find_folder(service: Annotated[Service, Depends(get_service)]) -> SortFolder:
    """Folder that the server may sort. Raises: RequestError (403) where there is none."""
    folder = service.settings.sort_folder
    if folder is None:
        raise RequestError(
            "is refused: this server moves no files; start it with --sort-folder FOLDER", "Sorting", status=403
        )
    return SortFolder(folder)


Folder = Annotated[SortFolder, Depends(find_folder)]


@router.get("/sort")
async def describe(service: Annotated[Service, Depends(get_service)]) -> SortState:
    """Folder that can be sorted, and whether a sorting can be undone."""
    if service.settings.sort_folder is None:
        return SortState(folder=None)
    folder = SortFolder(service.settings.sort_folder)
    return SortState(folder=folder.name, undo=await asyncio.to_thread(folder.count_undoable))


@router.post("/sort/preview", status_code=202)
async def preview(
    asked: PreviewBody,
    folder: Folder,
    service: Annotated[Service, Depends(get_service)],
    caller: Annotated[Caller, Depends(get_caller)],
) -> Started:
    """Judge the folder's images, as a job whose `plan` says where each would go. Nothing is moved."""
    wordings = read_classes(asked.classes, service.settings.limits.classes)
    templates = read_templates(asked.templates)
    check_prompts(wordings, templates)
    check_folders(list(wordings))
    service.jobs.check_room()
    _, engine = await find_model(service, asked.model)
    classifier = await service.classifiers.get(engine, caller, wordings, templates, none=asked.none)
    access = EngineInJob(engine, await engine.model(), caller, asyncio.get_running_loop())
    job = service.jobs.start(KIND, str(folder.folder), Preview(folder, classifier, access, asked.min_probability))
    return Started(job=job.id)


@router.post("/sort/apply", status_code=202)
async def apply(asked: ApplyBody, folder: Folder, service: Annotated[Service, Depends(get_service)]) -> Started:
    """Move (or copy) the images as a plan says, as a job. A plan is applied once, while its files are the same.

    Nothing is overwritten, and each step is listed in the folder, for `/v1/sort/undo`.
    """
    job = service.jobs.get(asked.plan)
    plan = job.value
    if not isinstance(plan, Plan):
        raise RequestError(f"is {asked.plan[:40]!r}, which is not a finished preview; its job is {job.state}", "plan")
    check_changes(plan, asked.changes)
    await asyncio.to_thread(plan.check_ready)
    least = plan.least if asked.least is None else asked.least
    work = Apply(plan, asked.changes, least, asked.copy_files)
    return Started(job=service.jobs.start(KIND, str(folder.folder), work).id)


@router.post("/sort/undo", status_code=202)
async def undo(folder: Folder, service: Annotated[Service, Depends(get_service)]) -> Started:
    """Put back all that was sorted in the folder, as a job. What has changed since stays, and is listed."""
    await asyncio.to_thread(folder.check_listing)
    return Started(job=service.jobs.start(KIND, str(folder.folder), lambda job: undo_sorting(folder, job)).id)


@router.get("/sort/thumb/{key}", response_class=Response)
async def show_thumb(key: str, folder: Folder, service: Annotated[Service, Depends(get_service)]) -> Response:
    """Thumbnail of an image in the folder, without metadata."""
    name = decode_key(key)
    if not await asyncio.to_thread(folder.has_image, name):
        raise RequestError("is not there: the folder has no such image", "key", status=404)
    try:
        content = await service.thumbnails.renderers.render(folder.path(name), _THUMB, "JPEG")
    except ImageError:
        raise RequestError("cannot be shown: it is not an image that can be read", "key", status=404) from None
    return Response(content, media_type="image/jpeg", headers={"Cache-Control": "private, max-age=3600"})
