"""What jobs ask of an engine: a busy one is waited for, a damaged model's answers are not taken."""

import asyncio
import threading

import numpy as np
import pytest

from wordsight.images.skipped import Skipped
from wordsight.serve.engine.engine import BusyError, Caller
from wordsight.serve.items.embedding import NOT_FINITE, EngineInJob
from wordsight.serve.items.jobs import Job, JobCancelledError


class Answering:
    """Engine with answers that are known. busy: how often it refuses first; never: it does not answer."""

    def __init__(self, answer=None, *, busy=0, never=False):
        self.answer, self.busy, self.never = answer, busy, never

    async def embed_images(self, images, caller):
        if self.never:
            await asyncio.sleep(3600)
        if self.busy:
            self.busy -= 1
            raise BusyError(0.01)
        return [self.answer for _ in images]


@pytest.fixture
def ask():
    """Answers of an engine in an event loop of another thread, asked by a job."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()

    def embed(engine, job):
        return EngineInJob(engine, None, Caller("test"), loop).embed_images([b"one", b"two"], job)

    yield embed
    loop.call_soon_threadsafe(loop.stop)
    thread.join()
    loop.close()


def test_weights_that_are_not_numbers_skip_images_with_the_reason(ask):
    answers = ask(Answering(np.array([np.nan, 1.0], np.float32)), Job("add"))
    assert [isinstance(answer, Skipped) and answer.reason for answer in answers] == [NOT_FINITE] * 2


def test_a_busy_engine_is_asked_again(ask):
    (first, _) = ask(Answering(np.array([1.0, 0.0], np.float32), busy=3), Job("add"))
    assert first.tolist() == [1.0, 0.0]


def test_a_cancelled_job_does_not_wait_for_an_answer(ask):
    job = Job("add")
    threading.Timer(0.1, job.stopping.set).start()
    with pytest.raises(JobCancelledError):
        ask(Answering(never=True), job)
