"""Health: whether the process lives, whether its models are warm, and its figures."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Depends
from fastapi.responses import JSONResponse, Response

from wordsight.serve.service import Service, get_service

router = APIRouter(tags=["health"])
PROMETHEUS = "text/plain; version=0.0.4; charset=utf-8"


@router.get("/healthz")
async def healthz() -> dict[str, str]:
    """Whether the process answers."""
    return {"status": "ok"}


@router.get("/readyz")
async def readyz(service: Annotated[Service, Depends(get_service)]) -> JSONResponse:
    """Whether both towers of every model are warm; 503 until then, with the reasons where one cannot be loaded.

    A model that was unloaded since nobody used it is ready: the next request loads it. It is named in "unloaded".
    """
    engines = service.engines
    if problems := engines.problems:
        return JSONResponse({"status": "failed", "problems": problems}, 503)
    if not service.ready:
        return JSONResponse({"status": "loading"}, 503, {"Retry-After": "1"})
    body: dict[str, Any] = {"status": "ready"}
    if engines.unloaded:
        body["unloaded"] = engines.unloaded
    return JSONResponse(body)


@router.get("/metrics", response_class=Response)
async def metrics(service: Annotated[Service, Depends(get_service)]) -> Response:
    """Figures of queues, decoding, encoding and requests in Prometheus's text format."""
    return Response(service.engines.metrics.render(), media_type=PROMETHEUS)
