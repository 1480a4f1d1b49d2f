"""Questions of agents: asked of the same functions that answer the HTTP API, with the same checks and messages."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from wordsight.serve.api.classify import ClassifyRequest, classify
from wordsight.serve.api.facets import FacetsBody, facets
from wordsight.serve.api.search import SearchBody, search
from wordsight.serve.engine.engine import Caller
from wordsight.serve.service import Service


async def ask_search(service: Service, request: Mapping[str, Any], caller: Caller) -> dict[str, Any]:
    """Answer of `POST /v1/search` to a request."""
    return await search(SearchBody(**request), service, caller)


async def ask_facets(service: Service, request: Mapping[str, Any]) -> dict[str, Any]:
    """Answer of `POST /v1/facets` to a request."""
    return await facets(FacetsBody(**request), service)


async def ask_classes(service: Service, request: Mapping[str, Any], caller: Caller) -> dict[str, Any]:
    """Answer of `POST /v1/classify` to a request."""
    response = await classify(ClassifyRequest(**request), service, caller)
    answer: dict[str, Any] = json.loads(bytes(response.body))
    return answer
