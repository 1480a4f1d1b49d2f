"""An engine whose encoder is a fake: it can be held, so that a test decides what waits while a batch runs."""

import asyncio
import contextlib
import threading

import numpy as np
from small_spec import small_spec

from wordsight.checkpoint import Checkpoint
from wordsight.model import Model
from wordsight.serve.engine.callers import Caller, Lane
from wordsight.serve.engine.engine import Engine
from wordsight.serve.settings import Limits, Settings

ANNA, BEN = Caller("anna"), Caller("ben")
SEARCHER = Caller("carla", Lane.SEARCH)


class FakeEncoder:
    """Vectors made of the input itself; `batches` lists what was encoded, held calls wait for `release`."""

    backend, precision = "fake", "f32"

    def __init__(self):
        self.batches = []
        self.started = threading.Semaphore(0)
        self._free = threading.Event()
        self._free.set()
        self.broken = lambda ids: False

    def hold(self):
        self._free.clear()

    def release(self):
        self._free.set()

    def encode_texts(self, tokens_BT):
        texts = [tuple(row) for row in tokens_BT.tolist()]
        self._pass("text", texts)
        if self.broken(texts):
            raise MemoryError("out of memory")
        return np.array([unit_of(row) for row in texts], np.float32)

    def encode_images(self, pixels_BHWC):
        self._pass("image", [int(image.mean()) for image in pixels_BHWC])
        return np.array([unit_of(image[:2, 0].ravel().tolist()) for image in pixels_BHWC], np.float32)

    def _pass(self, kind, inputs):
        self.batches.append((kind, inputs))
        self.started.release()
        assert self._free.wait(30), "nobody released the encoder"


def unit_of(numbers):
    vector = np.array([1.0 + sum(n * (i + 1) ** k for i, n in enumerate(numbers)) % 97 for k in range(8)])
    return vector / np.linalg.norm(vector)


@contextlib.asynccontextmanager
async def fake_engine(decoders=None, **limits):
    """A warm engine with a fake encoder at `engine.fake`, whose list of batches is empty."""
    unload_after = limits.pop("unload_after", None)
    settings = Settings(page=False, unload_after=unload_after, limits=Limits(**limits))
    encoder = FakeEncoder()
    engine = Engine("fake", settings, Model(Checkpoint(spec=small_spec(), tensors={}), encoder), decoders=decoders)
    engine.fake = encoder
    await engine._running()  # not `warm`, which would start processes
    reset(encoder)
    try:
        yield engine
    finally:
        encoder.release()
        await engine.stop()


def reset(encoder):
    encoder.batches.clear()
    while encoder.started.acquire(blocking=False):
        pass


async def started(encoder):
    """Wait until the encoder has begun a further batch."""
    assert await asyncio.to_thread(encoder.started.acquire, True, 30), "no batch began"


async def queued(engine, inputs):
    """Wait until so many inputs are accepted."""
    for _ in range(3000):
        if engine.admission.waiting == inputs:
            return
        await asyncio.sleep(0.01)
    raise AssertionError(f"{engine.admission.waiting} inputs wait, expected {inputs}")
