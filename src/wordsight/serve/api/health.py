"""Health: whether the process lives, and whether its models are warm."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends
from fastapi.responses import JSONResponse

from wordsight.serve.service import Service, get_service

router = APIRouter(tags=["health"])


@router.get("/healthz")
async def healthz() -> dict[str, str]:
    """Whether the process answers."""
    return {"status": "ok"}


@router.get("/readyz")
async def readyz(service: Annotated[Service, Depends(get_service)]) -> JSONResponse:
    """Whether both towers of every model are warm; 503 until then."""
    if service.ready:
        return JSONResponse({"status": "ready"})
    return JSONResponse({"status": "loading"}, 503, {"Retry-After": "1"})
