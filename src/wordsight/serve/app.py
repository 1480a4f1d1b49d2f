"""The application: routes of the API, media, page and MCP behind the checks of `guard`."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator

from fastapi import FastAPI

from wordsight import __version__
from wordsight.serve.api import (
    classify,
    duplicates,
    embeddings,
    facets,
    galleries,
    health,
    items,
    models,
    rank,
    search,
    similarity,
    sort,
    templates,
)
from wordsight.serve.api.errors import handle_errors
from wordsight.serve.engine.metrics import CountRequests
from wordsight.serve.engine.presence import WatchClients
from wordsight.serve.guard import install_guard
from wordsight.serve.media import routes as media
from wordsight.serve.reference import page as reference
from wordsight.serve.reference.openapi import describe_api, name_operation
from wordsight.serve.service import Service
from wordsight.serve.settings import Settings

ROUTERS = (
    classify.router,
    duplicates.router,
    embeddings.router,
    facets.router,
    galleries.router,
    health.router,
    items.router,
    media.router,
    models.router,
    reference.router,
    rank.router,
    search.router,
    similarity.router,
    sort.router,
    templates.router,
)


def create_app(settings: Settings, service: Service | None = None) -> FastAPI:
    """Application of a server; its models load once it runs. service: None makes it of the settings.

    Raises: MissingExtraError for a page without Gradio.
    """
    service = service or Service(settings)

    @contextlib.asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        await service.start()
        try:
            yield
        finally:
            await service.stop()

    app = FastAPI(title="wordsight", version=__version__, lifespan=lifespan, docs_url=None, redoc_url=None,
                  generate_unique_id_function=name_operation)  # fmt: skip
    app.state.service = service
    handle_errors(app)
    for router in ROUTERS:
        app.include_router(router)
    describe_api(app, settings)
    install_guard(app, settings)
    app.add_middleware(WatchClients)
    app.add_middleware(CountRequests, metrics=service.engines.metrics)
    if settings.mcp:
        from wordsight.serve.mcp.http import mount_mcp

        mount_mcp(app, service)
    if settings.page:
        from wordsight.serve.page import mount_page

        mount_page(app)
    return app
