"""Embedding of what is added, by the server's own engine: decoded in its processes, after people's searches."""

from __future__ import annotations

import asyncio
import dataclasses
import io
import itertools
from collections.abc import Generator, Iterable
from typing import Any

from PIL import Image

from wordsight.serve.engine.engine import Caller, Engine
from wordsight.update.reader import Opened, Reader, Task, make_thumbnail, skip_task
from wordsight.update.run import Embed

_AT_ONCE = 16  # images asked for together: the encoder's largest batch, and bounded memory


def engine_embedder(engine: Engine, caller: Caller, loop: asyncio.AbstractEventLoop) -> Embed:
    """Embedder for `Gallery.add`, called in a thread beside the engine's event loop."""

    def embed(tasks: Iterable[Task], reader: Reader) -> Generator[tuple[Task, Any], None, None]:
        rest = iter(tasks)
        while some := list(itertools.islice(rest, _AT_ONCE)):
            yield from _embed_some(some, reader)

    def _embed_some(tasks: list[Task], reader: Reader) -> Generator[tuple[Task, Any], None, None]:
        waiting: list[Task] = []
        images: list[Any] = []
        for task in tasks:
            if task.what == "describe":
                yield task, None
                continue
            try:
                opened = reader.open(task)
                task, image = _prepare(task, opened)
            except Exception as error:  # whatever is wrong with one image, the others are added
                yield task, skip_task(task, error)
                continue
            if opened.known:
                yield task, None
                continue
            waiting.append(task)
            images.append(image)
        if waiting:
            answers = asyncio.run_coroutine_threadsafe(engine.embed_images(images, caller), loop).result()
            yield from zip(waiting, answers, strict=True)

    return embed


def _prepare(task: Task, opened: Opened) -> tuple[Task, Any]:
    """Task with its facts, and its image as the engine takes it: a path or encoded bytes."""
    facts, image = opened.facts, opened.image
    if isinstance(image, Image.Image):  # a page, rendered in a process of its own
        if task.thumbnail:
            facts = dataclasses.replace(facts, thumbnail=make_thumbnail(image))
        if task.mask:
            from wordsight.images.title_block import mask

            image = mask(image)
        file = io.BytesIO()
        image.save(file, "PNG", compress_level=1)
        image = file.getvalue()
    elif task.thumbnail:
        from wordsight.images.decode import read_image

        facts = dataclasses.replace(facts, thumbnail=make_thumbnail(read_image(image)))
    return dataclasses.replace(task, facts=facts), image
