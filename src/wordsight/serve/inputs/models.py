"""Models of a server by the ids that requests name them by."""

from __future__ import annotations

import asyncio
import os
from dataclasses import dataclass, field

from wordsight.errors import WordsightError
from wordsight.serve.engine.engine import Engine
from wordsight.serve.errors import RequestError
from wordsight.serve.service import Service


@dataclass(frozen=True)
class ServedModel:
    """A model of a server. source: what `wordsight.load` takes. galleries: names of those made with it."""

    id: str
    source: str
    galleries: list[str] = field(default_factory=list)


async def find_model(service: Service, name: str | None, param: str = "model") -> tuple[str, Engine]:
    """Id and engine of a model that a request names, or of the default one.

    The default is the default gallery's model, or the settings' on a server without galleries.
    Raises: RequestError (404) for one that the server does not have; StoreError for a default gallery that cannot be
        opened.
    """
    if name is None:
        source = service.settings.model
        if service.library.names:
            source = await asyncio.to_thread(service.library.model_source, service.library.names[0])
        return _id(source), service.engines.get(source)
    models = await list_models(service)
    for model in models:
        if name in (model.id, model.source):
            return model.id, service.engines.get(model.source)
    ids = ", ".join(model.id for model in models)
    raise RequestError(
        f"is {name[:200]!r}, which this server does not have; it has: {ids}",
        param,
        status=404,
        code="model_not_found",
    )


async def list_models(service: Service) -> list[ServedModel]:
    """Models of the galleries in their order, then the settings' own; a gallery that cannot be opened adds none."""
    return await asyncio.to_thread(_list_models, service)


def _list_models(service: Service) -> list[ServedModel]:
    galleries: dict[str, list[str]] = {}
    for name in service.library.names:
        try:
            galleries.setdefault(service.library.model_source(name), []).append(name)
        except WordsightError:
            continue
    galleries.setdefault(service.settings.model, [])
    models: dict[str, ServedModel] = {}
    for source, names in galleries.items():
        id = _id(source)
        models[source] = ServedModel(source if id in {model.id for model in models.values()} else id, source, names)
    return list(models.values())


def _id(source: str) -> str:
    """Name of a model for clients: a file or folder of this machine by its last part."""
    return os.path.basename(os.path.normpath(source)) if os.path.isabs(source) else source
