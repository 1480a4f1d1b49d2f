"""Answers: what every one of them carries, and what none of them holds."""

import logging
from urllib.parse import urljoin

import pytest
from attacking import request, send_bytes
from serving import run_server

from wordsight.serve.guard.access_log import escape
from wordsight.serve.guard.answers import script_hashes

EVERYWHERE = {
    "x-content-type-options": "nosniff",
    "cross-origin-resource-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
    "referrer-policy": "no-referrer",
    "cache-control": "no-store",
}


@pytest.mark.parametrize(
    "line", ["GET /healthz", "GET /nothing", "POST /healthz", "GET /try/fail", "GET /../x", "TRACE /",
             "GET /openapi.json", "POST /v1/embeddings", "HEAD /healthz", "GET /try/away?to=//evil.test"]
)  # fmt: skip
def test_every_answer_has_the_headers(open_server, line):
    answer = send_bytes(open_server, request(line, "Connection: close"))
    assert answer.status
    assert {name: answer.headers.get(name) for name in EVERYWHERE} == EVERYWHERE
    policy = answer.headers["content-security-policy"]
    assert policy.startswith("default-src 'none'")
    assert "frame-ancestors 'self'" in policy
    assert "server" not in answer.headers


def test_a_refused_host_and_a_refused_body_have_them_too(open_server):
    for answer in (
        send_bytes(open_server, request("GET /", host="evil.test")),
        send_bytes(open_server, request("POST /try/echo", "Content-Length: 99999999")),
    ):
        assert {name: answer.headers.get(name) for name in EVERYWHERE} == EVERYWHERE


def test_a_failure_tells_nothing_of_the_code(open_server):
    answer = open_server.get("/try/fail")
    assert answer.status_code == 500
    assert answer.json()["error"]["type"] == "server_error"
    for part in ("Traceback", "secret of the traceback", "RuntimeError", ".py", "wordsight/"):
        assert part not in answer.text
    assert "connection" not in answer.headers
    for _ in range(5):  # the connection stays as it was
        assert open_server.get("/try/fail").status_code == 500
        assert open_server.get("/healthz").status_code == 200


def test_a_drawing_is_never_shown_in_place(open_server):
    answer = open_server.get("/try/drawing")
    assert answer.headers["content-disposition"] == "attachment"
    assert "sandbox" in answer.headers["content-security-policy"]
    assert "script-src" not in answer.headers["content-security-policy"]


def test_markup_that_a_route_sends_by_mistake_runs_no_script(open_server):
    policy = open_server.get("/try/markup").headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "sandbox;" in policy


def test_what_an_inner_application_says_of_itself_is_removed(open_server):
    answer = open_server.get("/try/cors")
    assert "server" not in answer.headers
    assert "access-control-allow-origin" not in answer.headers


@pytest.mark.parametrize(
    "to", ["https://evil.test", "//evil.test", "///evil.test", "/\\evil.test", "\\\\evil.test", "http:evil.test",
           "javascript:alert(1)", "data:text/html,x", "http://127.0.0.1@evil.test", "http://evil.test#@127.0.0.1",
           "https:evil.test", "http://127.0.0.1:1/", " //evil.test", "ftp://127.0.0.1"]
)  # fmt: skip
def test_no_redirect_leads_to_another_site(open_server, to):
    answer = open_server.get("/try/away", params={"to": to})
    if "location" in answer.headers:  # Starlette escaped what browsers would take for a slash
        there = urljoin(f"{open_server.base_url}/try/away", answer.headers["location"])
        assert there.startswith(f"{open_server.base_url}/")
        assert "\\" not in there
    else:
        assert answer.status_code == 500
        assert "evil" not in answer.text


def test_a_redirect_within_the_site_passes(open_server):
    here = str(open_server.base_url).rstrip("/")
    assert open_server.get("/try/away", params={"to": "/healthz?a=b"}).headers["location"] == "/healthz?a=b"
    assert open_server.get("/try/away", params={"to": f"{here}/healthz"}).status_code == 307


@pytest.mark.parametrize(
    "to", ["/a\r\nSet-Cookie: a=b", "/a\nX-Evil: 1", "/a\r\n\r\n<script>", "/\u560d\u560aX-Evil: 1"]
)
def test_no_header_can_be_put_into_a_redirect(open_server, to):
    answer = open_server.get("/try/away", params={"to": to})
    assert "set-cookie" not in answer.headers
    assert "x-evil" not in answer.headers


def test_the_log_of_requests_holds_no_token_and_nothing_that_steers(caplog):
    token = "correct-horse-battery"
    with caplog.at_level(logging.INFO, "wordsight.serve.access"), run_server(wait=False, token=token) as client:
        client.get(f"/v1/{token}?token={token}&q=my+secret+search")
        send_bytes(client, request("GET /a%0aforged%20line%1b%5b31m%22"))
        send_bytes(client, request("GET /\u202e".encode().decode("latin-1")))
    logged = [record.getMessage() for record in caplog.records if record.name == "wordsight.serve.access"]
    assert any('"GET /v1/***" 200' in line or '"GET /v1/***" 404' in line for line in logged)
    assert any(r'"GET /a\nforged line\x1b[31m\"" 400' in line for line in logged)
    assert not [line for line in logged if token in line or "secret" in line or "\n" in line or "\x1b" in line]


def test_text_is_escaped_to_one_line():
    assert escape('a\r\n"b"\\\u2028\u202e\x00é') == r"a\r\n\"b\"\\\u2028\u202e\x00é"
    assert len(escape("a" * 1000)) == 300


def test_the_scripts_of_a_page_are_allowed_and_no_others():
    page = b"<script>one()</script><script type='module' src='x.js'></script><SCRIPT\ndata-a>two()\r\n</SCRIPT >"
    assert script_hashes(page) == [
        "'sha256-HR7iaask9daLMRRskMI++QeJtjWDOjyPA6lGzYGzKW4='",
        "'sha256-KUcSpvSxT6ZpY6acqJ+PnKqVvcJP86bOsmFTj6jYNDk='",
    ]


def test_frames_of_other_sites_are_a_setting():
    with run_server(wait=False, allowed_frames=("https://huggingface.co",)) as client:
        policy = client.get("/healthz").headers["content-security-policy"]
    assert "frame-ancestors 'self' https://huggingface.co" in policy
