"""Servers to attack: one without a token, and one with."""

import pytest
from fastapi import Request
from fastapi.responses import PlainTextResponse, RedirectResponse, Response, StreamingResponse
from serving import run_server

from wordsight.serve.settings import Limits

TOKEN = "correct-horse-battery"
LIMITS = Limits(body_bytes=200_000, upload_bytes=400_000)


def add_routes(app):
    """Routes that do what no route of a server should, so that only the guard stands between."""

    async def fail():
        raise RuntimeError("secret of the traceback")

    async def away(to: str):
        return RedirectResponse(to)

    async def echo(request: Request):
        return {"bytes": len(await request.body())}

    async def drawing():
        return Response("<svg xmlns='http://www.w3.org/2000/svg' onload='alert(1)'/>", media_type="image/svg+xml")

    async def markup():
        return Response("<script>alert(1)</script>", media_type="text/html")

    async def large():
        async def parts():
            for _ in range(64):
                yield bytes(1 << 20)

        return StreamingResponse(parts())

    async def cors():
        return PlainTextResponse("x", headers={"Access-Control-Allow-Origin": "null", "Server": "me/1.0"})

    for handler in (fail, large, away, drawing, markup, cors):
        app.add_api_route(f"/try/{handler.__name__}", handler)
    app.add_api_route("/try/echo", echo, methods=["POST"])


@pytest.fixture(scope="module")
def open_server():
    """Client of a server of this machine alone, without a token."""
    with run_server(wait=False, prepare=add_routes, limits=LIMITS) as client:
        yield client


@pytest.fixture(scope="module")
def closed_server():
    """Client without a token of a server that needs one."""
    with run_server(
        wait=False, prepare=add_routes, limits=LIMITS, token=TOKEN, allowed_hosts=("photos.test",)
    ) as client:
        del client.headers["Authorization"]
        yield client
