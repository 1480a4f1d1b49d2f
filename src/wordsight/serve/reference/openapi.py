"""The OpenAPI document: what the routes say, with the errors and the key that all have."""

from __future__ import annotations

from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from fastapi.routing import APIRoute

from wordsight.serve.settings import Settings

DESCRIPTION = """\
Texts and images as vectors of one space, classes by words, search in galleries.

Bodies are JSON. Errors are `{"error": {"message", "type", "param", "code"}}`, as in OpenAI's API; `param` is the place
of what is wrong, such as `input.3`. An image is a data: URI, base64, a URL (where the server was started with
--allow-urls), or an object: `{"image": …}`, `{"url": …}`, `{"id": ITEM, "gallery": NAME}`.
"""
TAGS = {
    "embeddings": "Vectors of texts and images, in OpenAI's shape.",
    "models": "Models of this server.",
    "classify": "Classes by words.",
    "rank": "Texts and images by a query, in the shape of rerankers.",
    "similarity": "Images with texts.",
    "search": "Images of a gallery, by words, images and columns.",
    "galleries": "What the server has.",
    "items": "Adding and removing images.",
    "duplicates": "Near copies.",
    "media": "Thumbnails, files and pages of items.",
    "health": "For whoever watches the server.",
}
# status → when it is answered
_ERRORS = {
    "400": "A value that cannot be worked with; `param` names its place.",
    "404": "A model, gallery or item that the server does not have.",
    "413": "More than the server takes in one request.",
    "429": "The queue is full; `Retry-After` says in how many seconds there should be room.",
    "503": "The model or the gallery cannot be used now.",
}
_UNAUTHORISED = "The token is missing or wrong: send `Authorization: Bearer TOKEN`."
_ERROR = {
    "title": "Error",
    "type": "object",
    "required": ["error"],
    "properties": {
        "error": {
            "type": "object",
            "required": ["message", "type", "param", "code"],
            "properties": {
                "message": {"type": "string", "description": "What was seen, what was expected, what to do."},
                "type": {"type": "string"},
                "param": {"anyOf": [{"type": "string"}, {"type": "null"}], "description": "Place of what is wrong."},
                "code": {"anyOf": [{"type": "string"}, {"type": "null"}]},
            },
        }
    },
    "examples": [
        {
            "error": {
                "message": "model is 'clip', which this server does not have; it has: mini.",
                "type": "not_found_error",
                "param": "model",
                "code": "model_not_found",
            }
        }
    ],
}


def name_operation(route: APIRoute) -> str:
    """Operation's id: its tag and the name of its handler, of which there may be one for each tag."""
    return "_".join([*map(str, route.tags[:1]), route.name])


def describe_api(app: FastAPI, settings: Settings) -> None:
    """Let an application answer the whole document at /openapi.json; made when first asked for."""

    def openapi() -> dict[str, Any]:
        if app.openapi_schema is None:
            app.openapi_schema = build_openapi(app, with_token=settings.token is not None)
        return app.openapi_schema

    app.openapi = openapi  # type: ignore[method-assign]


def build_openapi(app: FastAPI, *, with_token: bool) -> dict[str, Any]:
    """OpenAPI 3.1 document of an application's routes. with_token: whether clients need one."""
    document = get_openapi(
        title=app.title,
        version=app.version,
        summary="Image search, classification and embeddings",
        description=DESCRIPTION,
        routes=app.routes,
        tags=[{"name": name, "description": text} for name, text in TAGS.items()],
    )
    schemas = document.setdefault("components", {}).setdefault("schemas", {})
    for unused in ("HTTPValidationError", "ValidationError"):  # invalid requests are answered as all errors are
        schemas.pop(unused, None)
    schemas["Error"] = _ERROR
    errors = dict(_ERRORS, **({"401": _UNAUTHORISED} if with_token else {}))
    for path in document["paths"].values():
        for operation in path.values():
            _complete(operation, errors)
    if with_token:
        document["components"]["securitySchemes"] = {"token": {"type": "http", "scheme": "bearer"}}
        document["security"] = [{"token": []}]
    return document


def _complete(operation: dict[str, Any], errors: dict[str, str]) -> None:
    """Give an operation the errors that all have, in the place of FastAPI's own."""
    responses = operation["responses"]
    responses.pop("422", None)
    if operation.get("tags") == ["health"]:
        return
    for status, text in errors.items():
        schema = {"schema": {"$ref": "#/components/schemas/Error"}}
        responses.setdefault(status, {"description": text, "content": {"application/json": schema}})
