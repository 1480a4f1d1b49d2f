"""Errors as OpenAI's API answers them: {"error": {"message", "type", "param", "code"}}."""

from __future__ import annotations

import math
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from wordsight.errors import (
    CheckpointError,
    ImageError,
    InputError,
    MissingExtraError,
    NoIndexError,
    StoreError,
    UnknownModelError,
    WordsightError,
)
from wordsight.serve.engine.engine import BusyError, ClientGoneError, StoppingError
from wordsight.serve.errors import DiskFullError, RequestError, TooLargeError
from wordsight.serve.items.jobs import UnknownJobError
from wordsight.serve.library import UnknownGalleryError

# of the first class that fits
_STATUS: dict[type[WordsightError], int] = {
    BusyError: 429,
    ClientGoneError: 499,  # as nginx counts it; nobody reads the answer
    StoppingError: 503,
    UnknownGalleryError: 404,
    UnknownJobError: 404,
    NoIndexError: 404,
    UnknownModelError: 404,
    TooLargeError: 413,
    DiskFullError: 507,
    InputError: 400,
    ImageError: 400,
    MissingExtraError: 501,
    StoreError: 503,
    CheckpointError: 503,
    WordsightError: 400,
}
_TYPES = {400: "invalid_request_error", 401: "authentication_error", 403: "permission_error", 404: "not_found_error",
          413: "request_too_large", 429: "rate_limit_error"}  # fmt: skip


def error_body(status: int, message: str, *, param: str | None = None, code: str | None = None) -> dict[str, Any]:
    """Body of an error answer."""
    kind = _TYPES.get(status, "invalid_request_error" if status < 500 else "server_error")
    return {"error": {"message": _encodable(message), "type": kind, "param": param and _encodable(param), "code": code}}


def _encodable(text: str) -> str:
    """Text without halves of surrogate pairs, which JSON can hold and UTF-8 cannot."""
    return text.encode(errors="replace").decode()


def error_response(
    status: int, message: str, *, param: str | None = None, code: str | None = None, **headers: str
) -> JSONResponse:
    """An error answer; headers: names with _ in the place of -."""
    sent = {name.replace("_", "-"): value for name, value in headers.items()}
    return JSONResponse(error_body(status, message, param=param, code=code), status, sent)


def handle_errors(app: FastAPI) -> None:
    """Answer every error of an application in OpenAI's form, without traces."""

    @app.exception_handler(WordsightError)
    async def ours(_: Request, error: WordsightError) -> JSONResponse:
        if isinstance(error, RequestError):
            return error_response(error.status, str(error), param=error.param, code=error.code)
        status = next(status for kind, status in _STATUS.items() if isinstance(error, kind))
        if isinstance(error, BusyError):
            return error_response(status, str(error), Retry_After=str(math.ceil(error.retry_after)))
        return error_response(status, str(error))

    @app.exception_handler(RequestValidationError)
    async def invalid(request: Request, error: RequestValidationError) -> JSONResponse:
        return _describe_invalid(error.errors()[0], request.headers.get("content-type", ""))

    @app.exception_handler(HTTPException)
    async def http(_: Request, error: HTTPException) -> JSONResponse:
        return JSONResponse(error_body(error.status_code, str(error.detail)), error.status_code, error.headers)

    @app.exception_handler(Exception)
    async def unexpected(_: Request, __: Exception) -> JSONResponse:
        return error_response(500, "The server failed at this request; its log says why.")


def _describe_invalid(first: dict[str, Any], content_type: str) -> JSONResponse:
    """Answer about the first value of a request that is not of the kind asked for."""
    place = ".".join(str(part) for part in first["loc"] if part not in ("body", "query", "path", "header"))
    if first["type"] == "json_invalid":
        reason = first.get("ctx", {}).get("error", "it cannot be read")
        return error_response(400, f"The body is not valid JSON: {reason}, at character {place or 0}.")
    if place:
        return error_response(400, f"{place}: {first['msg']}.", param=place)
    if first["type"] == "missing":
        return error_response(400, "The body is empty; expected a JSON object.")
    kind = content_type.partition(";")[0].strip()
    if not kind.endswith("json"):
        return error_response(400, f"The body is {kind[:100] or 'of no type'!r}, expected application/json.")
    return error_response(400, "The body is not a JSON object.")
