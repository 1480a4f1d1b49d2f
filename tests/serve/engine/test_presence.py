"""Clients that leave: what they asked for leaves the queue, what others asked for does not."""

import asyncio
import base64
import contextlib
import json
import socket
import time

import pytest
from fake_engine import ANNA, fake_engine, started
from scraping import sample
from serving import run_server

from wordsight.samples import sample_images
from wordsight.serve.engine.presence import ClientGoneError, WatchClients


class Client:
    """The other end of a connection: `messages` are what it sends, then it stays until `leave`."""

    def __init__(self, *messages):
        self.messages = list(messages)
        self.left = asyncio.Event()

    async def receive(self):
        if self.messages:
            return self.messages.pop(0)
        await self.left.wait()
        return {"type": "http.disconnect"}


BODY = [{"type": "http.request", "body": b"{", "more_body": True}, {"type": "http.request", "body": b"}"}]


def handle(client, handler, method="POST"):
    """Task of a request."""

    async def app(scope, receive, send):
        if method == "POST":
            while (await receive()).get("more_body"):
                pass
        return await handler()

    return asyncio.create_task(WatchClients(app)({"type": "http", "method": method}, client.receive, None))


@pytest.mark.parametrize(("method", "messages"), [("POST", BODY), ("GET", [{"type": "http.request", "body": b""}])])
def test_a_request_whose_client_leaves_is_dropped(method, messages):
    async def main():
        async with fake_engine() as engine:
            engine.fake.hold()
            first = asyncio.create_task(engine.embed_texts(["first"], ANNA))
            await started(engine.fake)
            client = Client(*messages)
            task = handle(client, lambda: engine.embed_texts(["second"], ANNA), method)
            while engine.admission.waiting < 2:
                await asyncio.sleep(0.005)
            client.left.set()
            with pytest.raises(ClientGoneError):
                await task
            assert engine.admission.waiting == 1
            assert len(engine._queue) == 0
            engine.fake.release()
            await first

    asyncio.run(main())


def test_a_client_that_stays_gets_its_answer_and_the_app_its_messages():
    async def main():
        async with fake_engine() as engine:
            seen = []

            async def handler():
                seen.append(await engine.embed_texts(["a cat"], ANNA))

            await handle(Client(*BODY), handler)
            assert seen[0].vectors_ND.shape == (1, 8)

    asyncio.run(main())


def test_work_that_outlives_its_request_is_not_bound_to_it():
    async def main():
        async with fake_engine() as engine:
            engine.fake.hold()
            tasks = []

            async def handler():
                tasks.append(asyncio.create_task(engine.embed_texts(["job"], ANNA)))
                await started(engine.fake)

            client = Client(*BODY)
            await handle(client, handler)
            client.left.set()
            engine.fake.release()
            assert (await tasks[0]).vectors_ND.shape == (1, 8)

    asyncio.run(main())


def test_a_real_client_that_hangs_up_takes_its_images_along():
    image = base64.b64encode(sample_images()[0].read_bytes()).decode()
    body = json.dumps({"input": [f"data:image/jpeg;base64,{image}"] * 400, "modality": "image"}).encode()
    with run_server() as client:
        with contextlib.closing(socket.create_connection((client.base_url.host, client.base_url.port))) as raw:
            head = f"POST /v1/embeddings HTTP/1.1\r\nHost: {client.base_url.netloc.decode()}\r\n"
            head += f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
            raw.sendall(head.encode() + body)
            wait_for(lambda: sample(client, "wordsight_embedded_total", kind="image") > 0)
        wait_for(lambda: sample(client, "wordsight_queue_depth", stage="decode", lane="bulk") == 0)
        wait_for(lambda: sample(client, "wordsight_queue_depth", stage="encode", lane="bulk") == 0)
        assert sample(client, "wordsight_embedded_total", kind="image") < 400
        assert client.post("/v1/embeddings", json={"input": ["still there"]}).status_code == 200


def wait_for(condition):
    end = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.01)
