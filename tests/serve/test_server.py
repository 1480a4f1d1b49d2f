"""A server starts, answers, and stops."""

import pytest
from serving import run_server

from wordsight.errors import InputError
from wordsight.serve.run import open_socket
from wordsight.serve.settings import Settings


def test_a_server_is_ready_once_its_models_are_warm(client):
    assert client.get("/healthz").json() == {"status": "ok"}
    assert client.get("/readyz").json() == {"status": "ready"}


def test_a_text_has_an_embedding(client):
    answer = client.post("/v1/embeddings", json={"input": "a red car"}).json()
    assert len(answer["data"][0]["embedding"]) == 384


def test_an_address_beyond_this_machine_needs_a_token():
    with pytest.raises(InputError, match=r"'0\.0\.0\.0' is reachable from other machines.*WORDSIGHT_TOKEN"):
        Settings(host="0.0.0.0")
    assert Settings(host="0.0.0.0", token="a" * 16).token


def test_a_port_in_use_is_said():
    with run_server() as client:
        port = client.base_url.port
        with pytest.raises(InputError, match=f"Cannot listen on 127.0.0.1:{port}.*--port"):
            open_socket(Settings(port=port))
