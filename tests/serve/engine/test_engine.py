"""An engine with a fake encoder: what joins into a batch, in which order, and what happens to requests that end."""

import asyncio
import dataclasses

import numpy as np
import pytest
from fake_engine import ANNA, BEN, SEARCHER, fake_engine, queued, started

from wordsight.serve.engine.engine import BusyError, StoppingError


def texts(n, word="word"):
    return [f"{word} {i}" for i in range(n)]


def rows(engine):
    """Kind and number of rows of each batch."""
    return [(kind, len(inputs)) for kind, inputs in engine.fake.batches]


def test_a_lone_request_is_encoded_at_once():
    async def main():
        async with fake_engine() as engine:
            answer = await engine.embed_texts(["a cat"], SEARCHER)
            assert rows(engine) == [("text", 2)]  # padded to a size that is compiled
            assert answer.vectors_ND.shape == (1, 8)
            assert answer.tokens_N.tolist() == [4]  # start, a, cat, end
            assert answer.truncated_N.tolist() == [0]

    asyncio.run(main())


def test_requests_that_come_while_a_batch_runs_join_into_the_next():
    async def main():
        async with fake_engine() as engine:
            engine.fake.hold()
            first = asyncio.create_task(engine.embed_texts(["first"], ANNA))
            await started(engine.fake)
            others = [asyncio.create_task(engine.embed_texts([text], ANNA)) for text in texts(8)]
            await queued(engine, 9)
            engine.fake.release()
            answers = await asyncio.gather(first, *others)
            assert rows(engine) == [("text", 2), ("text", 8)]
            assert len({answer.vectors_ND.tobytes() for answer in answers}) == 9

    asyncio.run(main())


def test_vectors_come_back_to_their_texts():
    async def main():
        async with fake_engine() as engine:
            many = texts(300)
            together = await engine.embed_texts(many, ANNA)
            engine.cache.clear()
            for i in (0, 17, 299):
                alone = await engine.embed_texts([many[i]], ANNA)
                np.testing.assert_array_equal(alone.vectors_ND[0], together.vectors_ND[i])

    asyncio.run(main())


def test_a_search_overtakes_bulk_work():
    async def main():
        async with fake_engine() as engine:
            engine.fake.hold()
            bulk = asyncio.create_task(engine.embed_texts(texts(500, "bulk"), ANNA))
            await started(engine.fake)
            search = asyncio.create_task(engine.embed_texts(["sunset"], SEARCHER))
            await queued(engine, 501)
            engine.fake.release()
            await search
            await bulk
            sunset = engine._encoder.loaded.model.tokenizer(["sunset"]).ids[0].tolist()
            assert list(engine.fake.batches[1][1][0]) == sunset

    asyncio.run(main())


def test_a_full_queue_refuses_and_says_for_how_long():
    async def main():
        async with fake_engine(queued=10) as engine:
            engine.fake.hold()
            accepted = asyncio.create_task(engine.embed_texts(texts(10), ANNA))
            await started(engine.fake)
            with pytest.raises(BusyError) as refused:
                await engine.embed_texts(["one more"], BEN)
            assert refused.value.retry_after >= 1
            assert engine.metrics.refused._value.get() == 1
            engine.fake.release()
            await accepted
            await engine.embed_texts(["one more"], BEN)

    asyncio.run(main())


def test_a_cancelled_request_leaves_the_queue():
    async def main():
        async with fake_engine(queued=10) as engine:
            engine.fake.hold()
            first = asyncio.create_task(engine.embed_texts(["first"], ANNA))
            await started(engine.fake)
            gone = asyncio.create_task(engine.embed_texts(texts(9), BEN))
            await queued(engine, 10)
            gone.cancel()
            with pytest.raises(asyncio.CancelledError):
                await gone
            assert engine.admission.waiting == 1
            assert len(engine._queue) == 0
            engine.fake.release()
            await first
            assert rows(engine) == [("text", 2)]

    asyncio.run(main())


def test_what_was_accepted_is_answered_before_the_engine_stops():
    async def main():
        async with fake_engine() as engine:
            engine.fake.hold()
            accepted = asyncio.create_task(engine.embed_texts(texts(50), ANNA))
            await started(engine.fake)
            stopping = asyncio.create_task(engine.stop())
            await asyncio.sleep(0)
            with pytest.raises(StoppingError, match="is stopping"):
                await engine.embed_texts(["too late"], BEN)
            engine.fake.release()
            await stopping
            assert (await accepted).vectors_ND.shape == (50, 8)
            assert not engine.ready

    asyncio.run(main())


def test_a_repeated_search_needs_no_forward_pass_and_still_tells_what_was_truncated():
    async def main():
        async with fake_engine() as engine:
            long = "word " * 20
            first = await engine.embed_texts([long, "a cat", long], SEARCHER)
            assert len(engine.fake.batches) == 1
            again = await engine.embed_texts([long, "a cat", long], SEARCHER)
            assert len(engine.fake.batches) == 1
            np.testing.assert_array_equal(first.vectors_ND, again.vectors_ND)
            assert again.truncated_N.tolist() == first.truncated_N.tolist() == [14, 0, 14]  # of 8 - start and end
            assert again.tokens_N.tolist() == [8, 4, 8]

    asyncio.run(main())


def test_an_error_is_that_of_its_input_alone():
    async def main():
        async with fake_engine() as engine:
            bad = engine._encoder.loaded.model.tokenizer(["bad"]).ids[0].tolist()
            engine.fake.broken = lambda rows: tuple(bad) in rows
            engine.fake.hold()
            first = asyncio.create_task(engine.embed_texts(["first"], ANNA))
            await started(engine.fake)
            tasks = [asyncio.create_task(engine.embed_texts([text], ANNA)) for text in ("good", "bad", "fine")]
            await queued(engine, 4)
            engine.fake.release()
            good, failed, fine = await asyncio.gather(*tasks, return_exceptions=True)
            await first
            assert good.vectors_ND.shape == fine.vectors_ND.shape == (1, 8)
            assert isinstance(failed, MemoryError)
            assert engine.admission.waiting == 0
            assert (await engine.embed_texts(["after"], ANNA)).vectors_ND.shape == (1, 8)

    asyncio.run(main())


def test_a_model_that_is_not_used_leaves_and_comes_back():
    async def main():
        async with fake_engine(unload_after=0.05) as engine:
            first = await engine.embed_texts(["a cat"], SEARCHER)
            for _ in range(500):
                if engine.unloaded:
                    break
                await asyncio.sleep(0.01)
            assert engine.unloaded
            assert engine._encoder is None
            assert engine.ready  # the next request is answered
            assert "wordsight_models_loaded 0.0" in engine.metrics.render().decode()
            engine.settings = dataclasses.replace(engine.settings, unload_after=None)  # stays, however slow this is
            again = await engine.embed_texts(["a dog", "a cat"], SEARCHER)
            np.testing.assert_array_equal(first.vectors_ND[0], again.vectors_ND[1])
            assert not engine.unloaded

    asyncio.run(main())


def test_no_texts_and_no_images_are_no_work():
    async def main():
        async with fake_engine() as engine:
            assert (await engine.embed_texts([], ANNA)).vectors_ND.shape == (0, 8)
            assert await engine.embed_images([], ANNA) == []
            assert engine.fake.batches == []

    asyncio.run(main())
