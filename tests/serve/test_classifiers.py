"""Classifiers are embedded through the engine, kept, and do not hold up other requests."""

import asyncio
import time

import numpy as np
import pytest

import wordsight
from wordsight.serve.classifiers import embed_prompts
from wordsight.serve.engine.engine import BusyError, Caller, Lane, TextAnswer
from wordsight.serve.service import Service
from wordsight.serve.settings import Settings
from wordsight.zeroshot.classifier import word_classes

CALLER = Caller("here")


def serve(ask):
    """Answer of a coroutine function that is given a service and its engine."""

    async def run():
        service = Service(Settings(page=False, precision="f32"))
        try:
            return await ask(service, service.engines.get("mini"))
        finally:
            await service.stop()

    return asyncio.run(run())


def test_a_classifier_of_the_server_is_that_of_the_library():
    classes, templates = {"cat": ["cat", "kitten"], "rose": ["rose"]}, ("a photo of a {}.", "a {}")

    async def ask(service, engine):
        wordings = word_classes(classes)
        made = await service.classifiers.get(engine, CALLER, wordings, templates, judged=True, none=True)
        assert made is await service.classifiers.get(engine, CALLER, wordings, templates, judged=True, none=True)
        return made

    made = serve(ask)
    own = wordsight.Classifier(
        wordsight.load("mini", precision="f32"), classes, templates=templates, none=True, cache=False
    )
    assert made.class_embeddings == pytest.approx(own.class_embeddings, abs=1e-5)
    assert made.labels == own.labels
    images = own.model.embed_images(wordsight.samples.sample_images()[:3])
    assert made.proba_of_embeddings(images) == pytest.approx(own.proba_of_embeddings(images), abs=1e-4)
    assert made.proba_multi_of_embeddings(images) == pytest.approx(own.proba_multi_of_embeddings(images), abs=1e-4)


def test_a_search_does_not_wait_for_thousands_of_classes():
    wordings = {f"thing number {i}": (f"thing number {i}",) for i in range(3000)}

    async def ask(service, engine):
        await engine.warm()
        many = asyncio.create_task(service.classifiers.get(engine, CALLER, wordings, ["a photo of a {}."]))
        waits = []
        while not many.done():
            start = time.perf_counter()
            await engine.embed_texts([f"a search, the {len(waits)}th"], Caller("person", Lane.SEARCH))
            waits.append(time.perf_counter() - start)
        return waits, (await many).class_embeddings.shape

    waits, shape = serve(ask)
    assert shape == (3000, 384)
    assert len(waits) >= 5  # they were answered in between
    assert np.median(waits) < 0.2 * sum(waits)


class FullEngine:
    """An engine whose queue is full at some calls."""

    def __init__(self, *full):
        self.calls, self.full = 0, full

    async def embed_texts(self, texts, caller):
        self.calls += 1
        if self.calls in self.full:
            raise BusyError(0.01)
        return TextAnswer(np.ones((len(texts), 2), np.float32), np.ones(len(texts)), np.zeros(len(texts)))


def test_a_full_queue_refuses_what_has_not_begun_and_delays_what_has():
    texts = [str(i) for i in range(600)]
    with pytest.raises(BusyError):
        asyncio.run(embed_prompts(FullEngine(1), CALLER, texts))
    delayed = FullEngine(2, 3, 5)
    assert asyncio.run(embed_prompts(delayed, CALLER, texts)).shape == (600, 2)
    assert delayed.calls == 6
