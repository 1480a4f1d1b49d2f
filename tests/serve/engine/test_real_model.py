"""An engine with a real model: the library's own vectors, models that cannot be loaded, memory."""

import asyncio
import base64
from concurrent.futures import ThreadPoolExecutor

import httpx
import numpy as np
import pytest
from fake_engine import ANNA, SEARCHER, FakeEncoder
from scraping import sample
from serving import run_server
from small_spec import small_spec

from wordsight.checkpoint import Checkpoint
from wordsight.errors import CheckpointError, InputError, UnknownModelError
from wordsight.model import Model, load
from wordsight.samples import sample_images
from wordsight.serve.engine.engine import Engine
from wordsight.serve.settings import Settings
from wordsight.text.tokenizer import TextTruncatedWarning

TEXTS = ["a cat", "a dog on a beach", "", "Ein Hund läuft über die Straße", "word " * 60, "a photo of a red car " * 3]


def test_vectors_are_those_of_the_library():
    async def main():
        engine = Engine("mini", Settings(page=False, precision="f32"))
        images = [path.read_bytes() for path in sample_images()]
        try:
            return await asyncio.gather(
                engine.embed_texts(TEXTS, SEARCHER),
                engine.embed_images(images, ANNA),
                engine.embed_images(images[:1], SEARCHER),
                *(engine.embed_texts([f"text {i}"], ANNA) for i in range(40)),
            )
        finally:
            await engine.stop()

    texts, images, one, *others = asyncio.run(main())
    model = load("mini", precision="f32")
    with pytest.warns(TextTruncatedWarning):
        np.testing.assert_allclose(texts.vectors_ND, model.embed_texts(TEXTS), atol=1e-5)
    np.testing.assert_array_equal(texts.truncated_N, model.tokenizer(TEXTS).truncated)
    expected = model.embed_images(sample_images())
    np.testing.assert_allclose(np.stack(images), expected, atol=1e-5)
    np.testing.assert_allclose(one[0], expected[0], atol=1e-5)
    alone = model.embed_texts([f"text {i}" for i in range(40)])
    np.testing.assert_allclose(np.concatenate([o.vectors_ND for o in others]), alone, atol=1e-5)


def test_requests_that_come_while_a_model_loads_share_one_loading(monkeypatch):
    loads = []

    def count(*asked):
        loads.append(asked)
        return load("mini")

    monkeypatch.setattr("wordsight.serve.engine.engine.load", count)

    async def main():
        engine = Engine("mini", Settings(page=False))
        try:
            answers = await asyncio.gather(*(engine.embed_texts([f"text {i}"], ANNA) for i in range(10)))
            assert len(loads) == 1
            assert all(answer.vectors_ND.shape == (1, 384) for answer in answers)
        finally:
            await engine.stop()

    asyncio.run(main())


def test_a_model_that_is_not_there_says_so_to_each_request_and_the_server_lives_on(tmp_path):
    with run_server(model=str(tmp_path / "missing.pt"), wait=False) as client:
        for _ in range(3):
            answer = client.post("/v1/embeddings", json={"input": ["a cat"]})
            assert answer.status_code in (400, 404, 503)
            assert "missing.pt" in answer.json()["error"]["message"]
        ready = client.get("/readyz")
        assert ready.status_code == 503
        assert ready.json()["status"] == "failed"
        assert "missing.pt" in next(iter(ready.json()["problems"].values()))
        assert client.get("/healthz").json() == {"status": "ok"}


def test_damaged_weights_are_named_at_each_request():
    encoder = FakeEncoder()
    encoder.encode_images = lambda pixels: np.full((len(pixels), 8), np.nan, np.float32)

    async def main():
        engine = Engine("damaged", Settings(page=False), Model(Checkpoint(spec=small_spec(), tensors={}), encoder))
        try:
            for _ in range(2):
                with pytest.raises(CheckpointError, match="norm nan"):
                    await engine.embed_texts(["a cat"], ANNA)
            assert "norm nan" in engine.problem
            assert not engine.ready
        finally:
            await engine.stop()

    asyncio.run(main())


def test_a_model_without_a_text_tower_still_takes_images():
    encoder = FakeEncoder()
    encoder.encode_texts = lambda tokens: np.zeros((len(tokens), 8), np.float32)

    async def main():
        engine = Engine("images", Settings(page=False), Model(Checkpoint(spec=small_spec(), tensors={}), encoder))
        try:
            with pytest.raises(InputError, match="without a text tower"):
                await engine.embed_texts(["a cat"], ANNA)
            (vector,) = await engine.embed_images([sample_images()[0]], ANNA)
            assert vector.shape == (8,)
        finally:
            await engine.stop()

    asyncio.run(main())


def test_a_model_is_tried_again_after_a_while(monkeypatch):
    monkeypatch.setattr("wordsight.serve.engine.engine.RETRY_SECONDS", 0.0)
    answers = [UnknownModelError("not yet"), load("mini")]

    def answer(*_):
        one = answers.pop(0)
        if isinstance(one, Exception):
            raise one
        return one

    monkeypatch.setattr("wordsight.serve.engine.engine.load", answer)

    async def main():
        engine = Engine("mini", Settings(page=False))
        try:
            with pytest.raises(UnknownModelError, match="not yet"):
                await engine.embed_texts(["a cat"], ANNA)
            assert (await engine.embed_texts(["a cat"], ANNA)).vectors_ND.shape == (1, 384)
            assert engine.problem is None
        finally:
            await engine.stop()

    asyncio.run(main())


def test_an_unloaded_model_is_said_and_comes_back():
    with run_server(unload_after=0.2) as client:
        first = client.post("/v1/embeddings", json={"input": ["a cat"]}).json()
        for _ in range(600):
            answer = client.get("/readyz")
            if "unloaded" in answer.json():
                break
        assert answer.status_code == 200
        assert answer.json() == {"status": "ready", "unloaded": ["mini"]}
        again = client.post("/v1/embeddings", json={"input": ["a cat", "a dog"]}).json()
        assert again["data"][0] == first["data"][0]


def test_a_server_that_is_told_to_stop_answers_what_it_accepted():
    uri = f"data:image/jpeg;base64,{base64.b64encode(sample_images()[0].read_bytes()).decode()}"
    with ThreadPoolExecutor(1) as thread:
        with run_server() as client:
            body = {"input": [uri] * 60, "modality": "image"}
            answer = thread.submit(httpx.post, f"{client.base_url}/v1/embeddings", json=body, timeout=60)
            while not sample(client, "wordsight_embedded_total", kind="image"):
                assert not answer.done()
        assert answer.result().status_code == 200
        assert len(answer.result().json()["data"]) == 60
