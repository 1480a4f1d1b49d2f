"""What the handlers of requests share: settings, galleries, engines; one `Service` a process."""

from __future__ import annotations

from fastapi import Request

from wordsight.serve.engine.engine import Engine
from wordsight.serve.engine.engines import Engines
from wordsight.serve.library import Library, OpenGallery
from wordsight.serve.settings import Settings


class Service:
    """Galleries and engines of one server.

    Handlers get it by `Depends(get_service)`. Nothing in it blocks the event loop: galleries are asked in threads,
    models through their engine.
    """

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.engines = Engines(settings)
        self.library = Library(settings)

    async def start(self) -> None:
        """Begin to load models and galleries in the background; `ready` tells when they are."""
        await self.engines.start()
        await self.library.start()
        self.engines.warm([self.library.model_source(name) for name in self.library.names] or [self.settings.model])

    async def stop(self) -> None:
        """Finish what was accepted, then close galleries and engines."""
        await self.engines.stop()
        await self.library.stop()

    @property
    def ready(self) -> bool:
        """Whether the models are warm."""
        return self.engines.ready

    def open_gallery(self, name: str | None) -> OpenGallery:
        """Gallery of a name, or the default one. Raises: UnknownGalleryError, StoreError."""
        return self.library.open(name)

    def engine_of(self, gallery: OpenGallery) -> Engine:
        """Engine of a gallery's model."""
        return self.engines.get(gallery.model_source)


def get_service(request: Request) -> Service:
    """Service of the application that a request came to."""
    service: Service = request.app.state.service
    return service
