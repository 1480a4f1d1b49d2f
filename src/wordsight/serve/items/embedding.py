"""Embedding of what is added, by the server's own engine: decoded in its processes, after people's searches."""

from __future__ import annotations

import asyncio
import concurrent.futures
import dataclasses
import io
import itertools
from collections.abc import Coroutine, Generator, Iterable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
from PIL import Image

from wordsight.images.skipped import Skipped
from wordsight.model import Model
from wordsight.serve.engine.engine import BusyError, Caller, Engine, Floats
from wordsight.serve.items.jobs import Job, JobCancelledError
from wordsight.update.reader import Opened, Reader, Task, make_thumbnail, skip_task

_AT_ONCE = 16  # images asked for together: the encoder's largest batch, and bounded memory
_PATIENCE = 5.0  # seconds at most between tries
_LOOK = 0.5  # seconds between looks at whether the job was cancelled
T = TypeVar("T")
NOT_FINITE = "the model answered with what is not a number; its weights are damaged"


@dataclass(frozen=True, eq=False)
class EngineInJob:
    """An engine as jobs ask it, from threads beside its event loop; bulk work waits for a full queue.

    model: the engine's, loaded.
    """

    engine: Engine
    model: Model
    caller: Caller
    loop: asyncio.AbstractEventLoop

    def run(self, asked: Coroutine[Any, Any, T], job: Job) -> T:
        """Result of a coroutine in the event loop. Raises: what it raises; JobCancelledError."""
        return _wait(asyncio.run_coroutine_threadsafe(asked, self.loop), job)

    def embed_images(self, images: Sequence[Any], job: Job) -> list[Floats | Skipped]:
        """Vectors (D,) of images as `Engine.embed_images` gives them. Raises: JobCancelledError."""
        return self.collect(self.submit(images), images, job)

    def submit(self, images: Sequence[Any]) -> Future[list[Floats | Skipped]]:
        """Answers to come."""
        return asyncio.run_coroutine_threadsafe(self.engine.embed_images(images, self.caller), self.loop)

    def collect(
        self, future: Future[list[Floats | Skipped]], images: Sequence[Any], job: Job
    ) -> list[Floats | Skipped]:
        """Answers that were submitted; submitted again while the engine is busy."""
        while True:
            try:
                return [_check(answer) for answer in _wait(future, job)]
            except BusyError as error:
                job.wait(min(error.retry_after, _PATIENCE))
                future = self.submit(images)


def _wait(future: Future[T], job: Job) -> T:
    while not concurrent.futures.wait([future], _LOOK).done:
        try:
            job.check()
        except JobCancelledError:
            future.cancel()
            raise
    return future.result()


def _check(answer: Floats | Skipped) -> Floats | Skipped:
    if isinstance(answer, Skipped) or np.isfinite(answer).all():
        return answer
    return Skipped("", NOT_FINITE)


@dataclass(frozen=True, eq=False)
class EngineEmbedder:
    """Embedder for `Gallery.add`: while one batch is in the engine the next one is read."""

    access: EngineInJob
    job: Job

    def __call__(self, tasks: Iterable[Task], reader: Reader) -> Generator[tuple[Task, Any], None, None]:
        """Yield tasks with their vectors (D,), None where the vector is known, or `Skipped`.

        Raises: JobCancelledError.
        """
        rest = iter(tasks)
        asked: _Asked | None = None
        try:
            while some := list(itertools.islice(rest, _AT_ONCE)):
                self.job.check()
                done, waiting, images = _read(some, reader)
                yield from done
                if asked is not None:
                    yield from self._collect(asked)
                    asked = None
                if waiting:
                    asked = _Asked(waiting, images, self.access.submit(images))
            if asked is not None:
                yield from self._collect(asked)
                asked = None
        finally:
            if asked is not None:
                asked.future.cancel()

    def _collect(self, asked: _Asked) -> Generator[tuple[Task, Any], None, None]:
        """Yield the answers to a batch, once they are there."""
        answers = self.access.collect(asked.future, asked.images, self.job)
        for task, answer in zip(asked.tasks, answers, strict=True):
            if isinstance(answer, Skipped):
                yield task, Skipped(task.item.id, answer.reason)
            else:
                yield task, answer


@dataclass(frozen=True, eq=False)
class _Asked:
    """Tasks whose images are in the engine."""

    tasks: list[Task]
    images: list[Any]
    future: Future[list[Any]]


def _read(tasks: list[Task], reader: Reader) -> tuple[list[tuple[Task, Any]], list[Task], list[Any]]:
    """Tasks that need no embedding, with their answers; those that do, and their images."""
    done: list[tuple[Task, Any]] = []
    waiting: list[Task] = []
    images: list[Any] = []
    for task in tasks:
        if task.what == "describe":
            done.append((task, None))
            continue
        try:
            opened = reader.open(task)
            read, image = _prepare(task, opened)
        except Exception as error:  # whatever is wrong with one image, the others are added
            done.append((task, skip_task(task, error)))
            continue
        if opened.known:
            done.append((read, None))
            continue
        waiting.append(read)
        images.append(image)
    return done, waiting, images


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
    return dataclasses.replace(task, facts=facts), image
