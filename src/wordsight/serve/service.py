"""What the handlers of requests share: settings, galleries, engines; one `Service` a process."""

from __future__ import annotations

import asyncio
import contextlib

from fastapi import Request

from wordsight.errors import WordsightError
from wordsight.search.reference import Reference, load_reference
from wordsight.serve.classifiers import Classifiers
from wordsight.serve.engine.engine import Engine
from wordsight.serve.engine.engines import Engines
from wordsight.serve.items.jobs import Jobs
from wordsight.serve.library import Library, OpenGallery
from wordsight.serve.media.thumbnails import Thumbnails
from wordsight.serve.settings import Settings


class Service:
    """Galleries and engines of one server.

    Handlers get it by `Depends(get_service)`. Nothing in it blocks the event loop: galleries are asked in threads,
    models through their engine.
    """

    def __init__(self, settings: Settings, engines: Engines | None = None) -> None:
        self.settings = settings
        self.engines = engines or Engines(settings)
        self.library = Library(settings)
        self.jobs = Jobs()
        self.classifiers = Classifiers()
        self.thumbnails = Thumbnails(settings.limits)
        self._opening: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Begin to open galleries and load models in the background; `ready` tells when they are."""
        await self.engines.start()
        self._opening = asyncio.create_task(self._open_all())

    async def _open_all(self) -> None:
        """Open the galleries, warm their models, and read what the first search needs."""
        sources = []
        for name in self.library.names:
            with contextlib.suppress(WordsightError):  # each request says it again
                sources.append((await asyncio.to_thread(self.open_gallery, name)).model_source)
        self.engines.warm(sources or [self.settings.model])
        for source in dict.fromkeys(sources):
            with contextlib.suppress(WordsightError):
                await self.reference_of(self.engines.get(source))

    async def stop(self) -> None:
        """Finish what was accepted, then close galleries and engines."""
        if self._opening is not None:
            self._opening.cancel()
        await self.jobs.stop()
        await self.thumbnails.stop()
        await self.engines.stop()
        await asyncio.to_thread(self.library.close)

    @property
    def ready(self) -> bool:
        """Whether the galleries are open and the models warm."""
        return self._opening is not None and self._opening.done() and self.engines.ready

    def open_gallery(self, name: str | None) -> OpenGallery:
        """Gallery of a name, or the default one; blocks, so call it in a thread.

        Raises: UnknownGalleryError, StoreError.
        """
        return self.library.open(name)

    def engine_of(self, gallery: OpenGallery) -> Engine:
        """Engine of a gallery's model."""
        return self.engines.get(gallery.model_source)

    async def reference_of(self, engine: Engine) -> Reference:
        """Reference of an engine's model, by which its cosines are judged."""
        return await asyncio.to_thread(load_reference, await engine.model())


async def get_service(request: Request) -> Service:
    """Service of the application that a request came to. Async, or FastAPI would call it in a thread."""
    service: Service = request.app.state.service
    return service
