"""The server on a cluster of two nodes, which Ray simulates on one machine, answers as it does alone."""

import asyncio
import os
import socket
import time

import httpx
import numpy as np
import pytest

from wordsight.errors import ImageError, InputError, StoreError, UnknownModelError
from wordsight.serve.engine.engine import BusyError
from wordsight.serve.ray_plan import Plan, Scaling, read_plan
from wordsight.serve.settings import Settings

ray = pytest.importorskip("ray")
pytest.importorskip("ray.serve")


def on_ray():
    from wordsight.serve import on_ray

    return on_ray


def test_arguments_are_read_as_ray_gives_them():
    given = {"gallery.shop": "s3://bucket/shop", "search.most": "20", "bulk": {"cpus": 4}, "mcp": "true"}
    plan = read_plan(given)
    assert plan.settings.galleries == {"shop": "s3://bucket/shop"}
    assert plan.settings.mcp
    assert not plan.settings.page
    assert (plan.search.most, plan.search.least, plan.bulk.cpus) == (20, 1, 4.0)


def test_arguments_that_are_not_known_are_said():
    with pytest.raises(InputError, match=r"no argument 'galery\.shop'.*Did you mean: gallery.NAME"):
        read_plan({"galery.shop": "x"})
    with pytest.raises(InputError, match=r"search\.most is 'many', expected a number"):
        read_plan({"search.most": "many"})
    with pytest.raises(InputError, match="so a token is needed"):
        read_plan({"host": "0.0.0.0"})


@pytest.mark.parametrize(
    "error", [BusyError(3.0), InputError("a"), ImageError("b"), StoreError("c"), UnknownModelError("d")]
)
def test_errors_of_encoders_arrive_as_they_were(error):
    arrived = on_ray().Refusal.of(error).to_error()
    assert type(arrived) is type(error)
    assert str(arrived) == str(error)


def test_a_request_that_is_answered_in_part_waits_for_room():
    asked = []

    async def embed(part):
        asked.append(list(part))
        if asked == [[0, 1], [2, 3]] or len(asked) == 3:
            raise BusyError(0.01)
        return part

    async def refuse(part):
        raise BusyError(0.01)

    parts = asyncio.run(on_ray()._in_parts([0, 1, 2, 3, 4], 2, embed))
    assert parts == [[0, 1], [2, 3], [4]]
    with pytest.raises(BusyError):
        asyncio.run(on_ray()._in_parts([0, 1, 2], 2, refuse))


@pytest.fixture(scope="module")
def cluster():
    """Two nodes with two processors each, as Ray counts them, and a port for its proxy."""
    from ray import serve
    from ray.cluster_utils import Cluster

    before = os.environ.pop("RAY_ADDRESS", None)
    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 2, "include_dashboard": False})
    cluster.add_node(num_cpus=2)
    cluster.wait_for_nodes()
    ray.init(address=cluster.address, log_to_driver=False, logging_level="ERROR")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    serve.start(http_options={"host": "127.0.0.1", "port": port}, logging_config={"log_level": "ERROR"})
    yield f"http://127.0.0.1:{port}"
    serve.shutdown()
    ray.shutdown()
    cluster.shutdown()
    if before is not None:
        os.environ["RAY_ADDRESS"] = before


def plan_of(gallery_folder, **changes):
    small = Scaling(least=1, most=1, cpus=0.4)
    settings = Settings(galleries={"shop": str(gallery_folder)}, page=False)
    ingress = Scaling(least=1, most=1, cpus=0.4, ongoing=256, queued=1024)
    return Plan(**{"settings": settings, "search": small, "bulk": small, "ingress": ingress} | changes)


@pytest.mark.slow
def test_a_cluster_answers_as_one_server_does(cluster, client, gallery_folder):
    from ray import serve

    from wordsight.serve.on_ray import deploy

    plan = plan_of(gallery_folder, bulk=Scaling(least=2, most=2, cpus=1.2))  # more than fit on one node
    serve.run(deploy(plan))
    with httpx.Client(base_url=cluster, timeout=120, trust_env=False) as there:
        wait_until_ready(there)
        asked = {"input": ["a cup of coffee", "a cat"]}
        assert np.allclose(vectors(there, asked), vectors(client, asked), atol=1e-5)
        search = {"text": "a cup of coffee", "limit": 3}
        found, expected = (one.post("/v1/search", json=search).json() for one in (there, client))
        assert [hit["id"] for hit in found["hits"]] == [hit["id"] for hit in expected["hits"]]
        assert there.post("/v1/search", json={"text": "cat", "limit": 0}).status_code == 400
        assert there.get("/readyz", headers={"Host": "evil.example"}).status_code == 421  # the checks are in front
    assert serve.status().applications["default"].deployments["encoder-bulk-0"].replica_states == {"RUNNING": 2}
    assert os.environ["RAY_USAGE_STATS_ENABLED"] == "0"


@pytest.mark.slow
def test_more_than_may_wait_is_refused_and_searches_go_on(cluster, gallery_folder):
    from ray import serve

    from wordsight.serve.on_ray import deploy

    tight = Scaling(least=1, most=1, cpus=0.4, ongoing=1, queued=1)
    serve.run(deploy(plan_of(gallery_folder, bulk=tight)))

    async def flood():
        async with httpx.AsyncClient(base_url=cluster, timeout=120, trust_env=False) as there:
            bodies = [{"input": [f"text {n} of request {r}" for n in range(200)]} for r in range(24)]
            bulk = [asyncio.create_task(there.post("/v1/embeddings", json=body)) for body in bodies]
            search = await there.post("/v1/search", json={"text": "a cat that was not asked for before"})
            return search, await asyncio.gather(*bulk)

    with httpx.Client(base_url=cluster, timeout=120, trust_env=False) as there:
        wait_until_ready(there)
    search, answers = asyncio.run(flood())
    assert search.status_code == 200
    statuses = [answer.status_code for answer in answers]
    assert set(statuses) == {200, 429}
    refused = next(answer for answer in answers if answer.status_code == 429)
    assert int(refused.headers["Retry-After"]) >= 1
    assert refused.json()["error"]["type"] == "rate_limit_error"


def vectors(client, asked):
    return np.array([one["embedding"] for one in client.post("/v1/embeddings", json=asked).json()["data"]])


def wait_until_ready(client):
    end = time.monotonic() + 120
    while time.monotonic() < end:
        if client.get("/readyz").status_code == 200:
            return
        time.sleep(0.2)
    raise AssertionError(client.get("/readyz").text)
