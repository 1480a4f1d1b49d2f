"""Bodies that are too large, lie about their size, or never end."""

import contextlib
import socket
import threading
import time

import pytest
from attacking import read_answer, request, send_bytes

from wordsight.serve.guard import bodies, connections

JSON = "Content-Type: application/json"


def is_refusal(answer):
    return answer.status == 413 and b'"request_too_large"' in answer.body and b"200,000 bytes" in answer.body


def test_a_body_over_the_limit_is_refused_by_its_stated_length(open_server):
    assert is_refusal(send_bytes(open_server, request("POST /try/echo", "Content-Length: 200001")))
    assert is_refusal(
        send_bytes(open_server, request("POST /v1/embeddings", JSON, "Content-Length: 99999999999999999"))
    )
    whole = open_server.post("/try/echo", content=bytes(300_000))
    assert whole.status_code == 413
    assert open_server.post("/try/echo", content=bytes(200_000)).json() == {"bytes": 200_000}


def test_a_refused_body_is_read_so_that_its_sender_sees_why(open_server):
    answer = open_server.post("/try/echo", content=bytes(20 << 20))
    assert answer.status_code == 413
    assert answer.headers["connection"] == "close"


@pytest.mark.parametrize("path", ["/try/echo", "/v1/embeddings", "/nothing"])
def test_a_body_that_states_no_length_is_counted(open_server, path):
    def chunks():
        for _ in range(100):
            yield bytes(10_000)

    answer = open_server.post(path, content=chunks(), headers={"Content-Type": "application/json"})
    assert answer.status_code in (404, 413)  # nobody reads a body sent to nothing
    assert answer.status_code == 413 or path == "/nothing"


def test_an_upload_has_a_limit_of_its_own(open_server):
    assert open_server.post("/v1/items", content=bytes(300_000)).status_code != 413
    too_large = open_server.post("/v1/items", content=bytes(400_001))
    assert too_large.status_code == 413
    assert "400,000" in too_large.json()["error"]["message"]
    assert open_server.post("/v1/items/", content=bytes(300_000)).status_code == 413  # no other path has it


@pytest.mark.parametrize("length", ["-1", "1e3", "0x10", "+5", "5, 6", "", " ", "five", "٣"])
def test_a_length_that_is_not_a_number_is_refused(open_server, length):
    assert send_bytes(open_server, request("POST /try/echo", f"Content-Length: {length}")).status == 400


@pytest.mark.parametrize(
    "headers",
    [("Content-Length: 5", "Transfer-Encoding: chunked"), ("Content-Length: 5", "Content-Length: 6"),
     ("Transfer-Encoding: chunked, identity",), ("Transfer-Encoding: xchunked",), ("Transfer-Encoding : chunked",),
     ("Transfer-Encoding: gzip, chunked",), ("Transfer-Encoding: chunked", "Transfer-Encoding: identity"),
     ("Content-Length: 5\n6",), ("X: a\x00b",), ("X: a\rb",)]
)  # fmt: skip
def test_a_body_whose_end_can_be_read_in_two_ways_is_refused(open_server, headers):
    """Request smuggling: a proxy in front would see another request."""
    smuggled = b"0\r\n\r\nGET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"
    answer = send_bytes(open_server, request("POST /try/echo", *headers) + smuggled, seconds=3)
    assert answer.status in (400, 501), answer
    assert answer.whole.count(b"HTTP/1.1 ") == 1  # and the connection is closed
    assert b'{"status"' not in answer.whole


@pytest.mark.parametrize(
    "chunk", [b"zz\r\nabc\r\n", b"-5\r\nabc\r\n", b"ffffffffffffffffffffff\r\n", b"5;" + b"a" * 99_999]
)
def test_a_damaged_chunk_ends_the_request(open_server, chunk):
    answer = send_bytes(open_server, request("POST /try/echo", "Transfer-Encoding: chunked") + chunk, seconds=3)
    assert answer.status in (0, 400)


def test_a_body_that_never_comes_is_given_up(open_server, monkeypatch):
    monkeypatch.setattr(bodies, "PATIENCE", 0.4)
    began = time.monotonic()
    answer = send_bytes(open_server, request("POST /try/echo", "Content-Length: 1000") + b"a")
    assert answer.status == 408
    assert b"came too slowly" in answer.body
    assert answer.headers["connection"] == "close"
    assert time.monotonic() - began < 3


def test_a_body_that_drips_is_given_up(open_server, monkeypatch):
    """Each byte in time, but all of them never."""
    monkeypatch.setattr(bodies, "PATIENCE", 0.4)
    address = (open_server.base_url.host, open_server.base_url.port)
    with socket.create_connection(address, timeout=5) as connection:
        connection.sendall(request("POST /try/echo", "Content-Length: 1000"))
        stop = threading.Event()
        threading.Thread(target=_drip, args=(connection, stop), daemon=True).start()
        assert read_answer(connection).status == 408
        stop.set()


def _drip(connection, stop):
    while not stop.wait(0.05):
        try:
            connection.send(b"a")
        except OSError:
            return


@pytest.mark.parametrize(
    "sent", [b"", b"GET /healthz HTTP/1.1\r\n", b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\nX: "]
)
def test_headers_that_never_come_are_given_up(open_server, monkeypatch, sent):
    """Slowloris: connections held open by saying nothing, or almost nothing."""
    monkeypatch.setattr(connections, "HEADER_SECONDS", 0.4)
    address = (open_server.base_url.host, open_server.base_url.port)
    began = time.monotonic()
    with socket.create_connection(address, timeout=5) as connection:
        connection.sendall(sent)
        assert read_answer(connection).status == 0
    assert time.monotonic() - began < 3


def test_a_second_request_is_not_waited_for_either(open_server, monkeypatch):
    monkeypatch.setattr(connections, "HEADER_SECONDS", 0.4)
    address = (open_server.base_url.host, open_server.base_url.port)
    with socket.create_connection(address, timeout=5) as connection:
        connection.sendall(request("GET /healthz"))
        assert read_answer(connection).status == 200
        connection.sendall(b"GET /hea")
        began = time.monotonic()
        assert read_answer(connection).status == 0
        assert time.monotonic() - began < 3


def test_many_idle_connections_do_not_keep_others_out(open_server):
    address = (open_server.base_url.host, open_server.base_url.port)
    held = [socket.create_connection(address) for _ in range(300)]
    try:
        for connection in held:
            connection.sendall(b"GET /healthz HTTP/1.1\r\nX-a: ")
        assert open_server.get("/healthz").status_code == 200
    finally:
        for connection in held:
            connection.close()


def test_an_answer_that_nobody_reads_is_given_up(open_server, monkeypatch):
    monkeypatch.setattr(connections, "READ_SECONDS", 0.4)
    with socket.socket() as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        connection.connect((open_server.base_url.host, open_server.base_url.port))
        connection.settimeout(10)
        connection.sendall(request("GET /try/large"))
        time.sleep(1.5)
        assert _read_all(connection) < 64 << 20


def _read_all(connection):
    size = 0
    with contextlib.suppress(ConnectionError):
        while chunk := connection.recv(1 << 20):
            size += len(chunk)
    return size
