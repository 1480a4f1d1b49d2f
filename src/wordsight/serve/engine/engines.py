"""Engines of a server: one for each model that its galleries were made with."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterable

from wordsight.serve.engine.decoders import Decoders
from wordsight.serve.engine.engine import Engine
from wordsight.serve.engine.metrics import Metrics
from wordsight.serve.settings import Settings


class Engines:
    """Engines by the name that their model is loaded by, made when first asked for.

    They share the processes that decode, and the metrics.
    """

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.metrics = Metrics()
        self.decoders = Decoders(settings.limits, self.metrics, idle_seconds=settings.unload_after)
        self._engines: dict[str, Engine] = {}
        self._wanted: set[str] = set()
        self._warming: set[asyncio.Task[None]] = set()

    async def start(self) -> None:
        """Begin; models are loaded by `warm`."""

    def warm(self, names: Iterable[str]) -> None:
        """Begin to load models and compile their towers; the server is ready once they are."""
        for name in dict.fromkeys(names):
            self._wanted.add(name)
            task = asyncio.create_task(_warm(self.get(name)))
            self._warming.add(task)
            task.add_done_callback(self._warming.discard)

    @property
    def ready(self) -> bool:
        """Whether every model that was asked to warm is; one that is used by a request alone does not count."""
        return bool(self._wanted) and all(self._engines[name].ready for name in self._wanted)

    @property
    def problems(self) -> dict[str, str]:
        """Why models that were asked to warm cannot be used, by their name."""
        return {name: said for name in sorted(self._wanted) if (said := self._engines[name].problem)}

    @property
    def unloaded(self) -> list[str]:
        """Names of the models that left memory since nobody used them."""
        return sorted(name for name, engine in self._engines.items() if engine.unloaded)

    def get(self, name: str) -> Engine:
        """Engine of a model."""
        if name not in self._engines:
            self._engines[name] = Engine(name, self.settings, decoders=self.decoders, metrics=self.metrics)
        return self._engines[name]

    async def stop(self) -> None:
        """Stop all engines: what was accepted is answered first."""
        await asyncio.gather(*(engine.stop() for engine in self._engines.values()))
        await asyncio.to_thread(self.decoders.stop)


async def _warm(engine: Engine) -> None:
    with contextlib.suppress(Exception):  # kept as the engine's problem, and answered to each request
        await engine.warm()
