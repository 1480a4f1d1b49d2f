"""Paths that servers, proxies and file systems read in different ways."""

import pytest
from attacking import request, send_bytes

PATHS = [
    "/../etc/passwd", "/%2e%2e/etc/passwd", "/%2e%2e%2fetc%2fpasswd", "/static/../../etc/passwd",
    "/static/%2e%2e/%2e%2e/etc/passwd", "/static/..%2f..%2fetc%2fpasswd", "/static/..%5c..%5cwindows",
    "/static/%252e%252e/x", "/static/..%c0%af..%c0%afetc/passwd", "/file/..\\..\\x", "/file/%00", "/file/a%00.jpg",
    "//etc/passwd", "///etc/passwd", "//evil.test/%2f..", "/./healthz", "/healthz/.", "/%5c%5cevil.test", "/a%0d%0aX:b",
    "/%0a", "/file/%2f%2fetc", "/file/C:%5cWindows%5cwin.ini", "/%7f", "/%c2%85", "/static/....//....//etc",
]  # fmt: skip


@pytest.mark.parametrize("path", PATHS)
def test_a_path_with_two_meanings_is_a_bad_request(open_server, path):
    answer = send_bytes(open_server, request(f"GET {path}"))
    assert answer.status == 400, answer
    assert b"root:" not in answer.whole
    assert "set-cookie" not in answer.headers
    assert "location" not in answer.headers


@pytest.mark.parametrize("line", ["GET healthz", "GET *", "GET ?", "OPTIONS *", "GET http:/healthz", "GET \\healthz"])
def test_a_target_that_is_not_a_path_is_a_bad_request(open_server, line):
    assert send_bytes(open_server, request(line)).status == 400


@pytest.mark.parametrize("method", ["TRACE", "CONNECT", "PROPFIND", "DEBUG", "get", "G" * 100])
def test_other_methods_are_not_known(open_server, method):
    assert send_bytes(open_server, request(f"{method} /healthz")).status == 405


@pytest.mark.parametrize(
    "content",
    [b"\x00" * 100, b"\xff" * 1000, b"GET / HTTP/9.9\r\n\r\n", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
     b"GET /\xc3\xa9 HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", b"GET\r\n\r\n",
     b"GET / HTTP/1.1\r\nHo st: a\r\n\r\n",
     b"GET /a b HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n", b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n folded: x\r\n\r\n"]
)  # fmt: skip
def test_what_is_not_http_is_answered_400_and_the_server_lives_on(open_server, content):
    assert send_bytes(open_server, content + b"\r\n\r\n", seconds=2).status in (
        0,
        400,
        421,
    )  # 421: no host, or a folded one
    assert open_server.get("/healthz").status_code == 200


def test_headers_are_limited_in_number_and_size(open_server):
    many = request("GET /healthz", *(f"X-{i}: a" for i in range(10_000)))
    assert send_bytes(open_server, many).status in (400, 431)
    some = request("GET /healthz", *(f"X-{i}: a" for i in range(101)))
    assert send_bytes(open_server, some).status == 400
    assert send_bytes(open_server, request("GET /healthz", "X: " + "a" * 100_000)).status in (400, 431)
    assert send_bytes(open_server, request("GET /" + "a" * 100_000)).status in (400, 431)
    assert send_bytes(open_server, request("GET /healthz", *(f"X-{i}: a" for i in range(50)))).status == 200
