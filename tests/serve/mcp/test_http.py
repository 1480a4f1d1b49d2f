"""The endpoint at /mcp: answers the same, keeps nothing for clients, is there only when asked for."""

import httpx
import pytest
from agents import connect, http
from serving import run_server


@pytest.fixture(scope="module")
def server(gallery_folder):
    with run_server(galleries={"shop": str(gallery_folder)}, mcp=True) as client:
        yield client


@pytest.fixture(scope="module")
def address(server):
    return str(server.base_url).rstrip("/")


@pytest.mark.parametrize("mode", ["auto", "legacy"])
def test_an_agent_asks_by_http(address, mode):
    with connect(http(address), mode=mode) as agent:
        text, data, _ = agent.call("search_images", text="a cup of coffee", limit=1)
        assert data["hits"][0]["name"] == "coffee.jpg"
        assert text.splitlines()[1].startswith("1. ")
        _, _, images = agent.call("show_images", ids=[data["hits"][0]["id"]])
        assert len(images) == 1


def test_nothing_is_kept_for_clients(server):
    headers = {"Accept": "application/json, text/event-stream"}
    hello = {
        "jsonrpc": "2.0", "id": 1, "method": "initialize",
        "params": {"protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": {"name": "a", "version": "1"}},
    }  # fmt: skip
    answer = server.post("/mcp", json=hello, headers=headers)
    assert answer.status_code == 200
    assert "mcp-session-id" not in answer.headers
    assert server.get("/mcp", headers=headers).status_code == 405
    assert server.delete("/mcp").status_code == 405


def test_garbage_is_a_client_error(server):
    assert (
        400 <= server.post("/mcp", content=b"\xff\x00", headers={"Content-Type": "application/json"}).status_code < 500
    )
    assert 400 <= server.post("/mcp", json=[1, 2]).status_code < 500
    assert server.get("/healthz").status_code == 200


def test_the_endpoint_is_off_unless_asked_for(client):
    assert client.post("/mcp", json={}).status_code == 404


def test_an_address_with_a_token_needs_it(gallery_folder):
    with run_server(galleries={"shop": str(gallery_folder)}, mcp=True, token="t" * 16) as client:
        address = str(client.base_url).rstrip("/")
        assert httpx.post(f"{address}/mcp", json={}, trust_env=False).status_code == 401
        with connect(http(address, Authorization="Bearer " + "t" * 16)) as agent:
            assert agent.call("describe_gallery")[1]["images"] == 24
