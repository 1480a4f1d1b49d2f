"""Requests that a page of another site makes a visitor's browser send."""

import pytest
from attacking import request, send_bytes

ELSEWHERE = [
    {"Origin": "https://evil.test"},
    {"Origin": "null"},
    {"Origin": "http://127.0.0.1:1"},  # another server of this machine
    {"Origin": "http://localhost.evil.test"},
    {"Origin": "file://"},
    {"Origin": "http://"},
    {"Origin": ""},
    {"Origin": "http://[evil"},
    {"Sec-Fetch-Site": "cross-site"},
    {"Sec-Fetch-Site": "same-site"},
    {"Sec-Fetch-Site": "nonsense"},
    {"Sec-Fetch-Site": "same-origin", "Origin": "https://evil.test"},
]


@pytest.mark.parametrize("headers", ELSEWHERE, ids=str)
@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE"])
def test_no_other_site_changes_anything(open_server, method, headers):
    assert open_server.request(method, "/try/echo", headers=headers).status_code == 403


@pytest.mark.parametrize("headers", ELSEWHERE, ids=str)
def test_no_other_site_reads_anything(open_server, headers):
    assert open_server.get("/v1/models", headers=headers).status_code == 403


def test_the_page_and_programs_do(open_server):
    here = str(open_server.base_url).rstrip("/")
    assert open_server.post("/try/echo", headers={"Origin": here}).status_code == 200
    assert open_server.post("/try/echo", headers={"Origin": here, "Sec-Fetch-Site": "same-origin"}).status_code == 200
    assert open_server.post("/try/echo").status_code == 200


def test_a_link_of_another_site_is_followed_but_loads_nothing_else(open_server):
    link = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document"}
    assert open_server.get("/healthz", headers=link).status_code == 200
    assert open_server.post("/try/echo", headers=link).status_code == 403
    for kind in ("image", "script", "object", "embed"):
        part = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "no-cors", "Sec-Fetch-Dest": kind}
        assert open_server.get("/healthz", headers=part).status_code == 403
    embedded = {**link, "Sec-Fetch-Dest": "object"}
    assert open_server.get("/healthz", headers=embedded).status_code == 403


@pytest.mark.parametrize("origin", ["null", "https://evil.test", "http://localhost"])
def test_no_answer_lets_another_site_read_it(open_server, origin):
    asked = {
        "Origin": origin,
        "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Private-Network": "true",
    }
    for answer in (
        open_server.options("/v1/embeddings", headers=asked),
        open_server.get("/try/cors", headers={"Origin": origin}),
        open_server.get("/try/cors"),
    ):
        assert not [name for name in answer.headers if name.startswith("access-control")]


def test_a_websocket_is_not_opened(open_server):
    upgrade = ("Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==",
               "Sec-WebSocket-Version: 13")  # fmt: skip
    here = f"127.0.0.1:{open_server.base_url.port}"
    assert send_bytes(open_server, request("GET /healthz", *upgrade, host=here)).status == 200  # answered as a GET
    foreign = request("GET /healthz", *upgrade, "Origin: https://evil.test", host=here)
    assert send_bytes(open_server, foreign).status == 403
