"""Engines of a server: one for each model that its galleries were made with."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable

from wordsight.serve.engine.engine import Engine
from wordsight.serve.settings import Settings


class Engines:
    """Engines by the name that their model is loaded by, made when first asked for."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self._engines: dict[str, Engine] = {}
        self._warming: set[asyncio.Task[None]] = set()

    async def start(self) -> None:
        """Begin; models are loaded by `warm`."""

    def warm(self, names: Iterable[str]) -> None:
        """Begin to load models and compile their towers."""
        for name in dict.fromkeys(names):
            task = asyncio.create_task(self.get(name).warm())
            self._warming.add(task)
            task.add_done_callback(self._warming.discard)

    @property
    def ready(self) -> bool:
        """Whether every model that was asked to warm is."""
        return bool(self._engines) and all(engine.ready for engine in self._engines.values())

    def get(self, name: str) -> Engine:
        """Engine of a model."""
        if name not in self._engines:
            self._engines[name] = Engine(name, self.settings)
        return self._engines[name]

    async def stop(self) -> None:
        """Stop all engines."""
        for engine in self._engines.values():
            await engine.stop()
