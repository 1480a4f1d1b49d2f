"""Images by URL: fetched where that was asked for, within limits, and from nowhere else than the URL names."""

import contextlib
import http.server
import threading
import time

import pytest
from items import items_of
from PIL import Image

from wordsight.errors import ImageError, InputError
from wordsight.images.skipped import Skipped
from wordsight.ingest import url_route
from wordsight.ingest.urls import ascii_url, fetch

TARGETS = {"/ftp": "ftp://localhost/x", "/file": "file:///etc/passwd", "/moved": "/a.png", "/loop": "/loop",
           "/credentials": "http://user:secret@127.0.0.1:9/x.png"}  # fmt: skip


@pytest.fixture
def shop(tmp_path):
    """A folder with one image."""
    Image.new("RGB", (8, 6), (200, 0, 0)).save(tmp_path / "a.png")
    return tmp_path


def write(path, text):
    path.write_text(text, encoding="utf-8")
    return path


@pytest.fixture
def server(shop):
    """A small web server of the shop's folder that remembers what was asked of it."""
    asked = []

    class Handler(http.server.SimpleHTTPRequestHandler):
        def __init__(self, *args):
            super().__init__(*args, directory=str(shop))

        def do_GET(self):
            asked.append((self.path, self.headers["User-Agent"]))
            if self.path in TARGETS:
                self.send_response(302)
                self.send_header("Location", TARGETS[self.path])
                self.end_headers()
            elif self.path == "/cut":
                self.send_response(200)
                self.send_header("Content-Length", "1000")
                self.end_headers()
                self.wfile.write(b"x" * 10)
            elif self.path == "/slow_headers":
                with contextlib.suppress(OSError):
                    self.wfile.write(b"HTTP/1.1 200 OK\r\nX: ")
                    while True:
                        self.wfile.write(b"x")
                        time.sleep(0.05)
            elif self.path == "/drip":
                self.send_response(200)
                self.end_headers()
                with contextlib.suppress(OSError):
                    while True:
                        self.wfile.write(b"x")
                        time.sleep(0.05)
            else:
                super().do_GET()

        def log_message(self, *args):
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as running:
        threading.Thread(target=running.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{running.server_port}", asked
        running.shutdown()


def test_urls_are_fetched_only_when_that_was_asked_for(shop, server):
    url, asked = server
    table = write(shop / "t.csv", f"image_url,title\n{url}/a.png,Red\n{url}/gone 猫.png,Gone\n")
    assert items_of(table) == [
        Skipped(f"{url}/{name}", "is a URL; add --urls to fetch such images") for name in ("a.png", "gone 猫.png")
    ]
    assert not asked
    red, gone = items_of(table, urls=True)
    assert not asked  # not before the item is read
    assert (red.path, red.size, red.mtime_ns, red.text) == (f"{url}/a.png", 0, 0, "Red\na")
    assert red.read().content_hash == items_of(shop / "a.png")[0].read().content_hash
    with pytest.raises(ImageError, match=r"^the URL answers 404 "):
        gone.read()
    assert [path for path, _ in asked] == ["/a.png", "/gone%20%E7%8C%AB.png"]
    assert asked[0][1].startswith("wordsight/")


@pytest.mark.parametrize(
    ("url", "sent"),
    [
        ("http://bücher.example/a ö.png?q=ä", "http://xn--bcher-kva.example/a%20%C3%B6.png?q=%C3%A4"),
        ("https://me:ö@例え.テスト:8080/x", "https://me:%C3%B6@xn--r8jz45g.xn--zckzah:8080/x"),
        ("http://[::1]:80/%20x?", "http://[::1]:80/%20x?"),
    ],
)
def test_urls_are_sent_as_browsers_send_them(url, sent):
    assert ascii_url(url) == sent


def test_a_host_that_has_no_ascii_form_is_told():
    with pytest.raises(ImageError, match="the URL cannot be fetched"):
        fetch(f"http://{'ü' * 70}.example/")


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("http://user:secret@host.example/x.jpg", "holds a user name or password, which is not sent"),
        ("https://secret@host.example/x.jpg", "holds a user name or password"),
        ("http://user:secret/more@host.example/x.jpg", "its port is not a number"),
        ("http://[secret/x.jpg", "its host is malformed"),
    ],
)
def test_credentials_are_neither_looked_up_nor_sent_nor_repeated(url, reason, monkeypatch):
    asked = []
    monkeypatch.setattr("socket.getaddrinfo", lambda *args, **options: asked.append(args) or [])
    with pytest.raises(ImageError, match=reason) as caught:
        fetch(url)
    assert "secret" not in str(caught.value)
    assert not asked


def test_a_redirect_to_a_url_with_credentials_is_not_followed(server):
    url, asked = server
    with pytest.raises(ImageError, match="holds a user name or password"):
        fetch(f"{url}/credentials")
    assert [path for path, _ in asked] == ["/credentials"]


def test_fetching_has_limits(shop, server):
    url, _ = server
    assert fetch(f"{url}/moved") == (shop / "a.png").read_bytes()
    with pytest.raises(ImageError, match="larger than 10 bytes"):
        fetch(f"{url}/a.png", size_limit=10)
    with pytest.raises(ImageError, match="broke off 990 bytes before the end"):
        fetch(f"{url}/cut")
    with pytest.raises(ImageError, match=r"took longer than 0\.3 seconds"):
        fetch(f"{url}/drip", total=0.3)
    for path in ("/ftp", "/file"):
        with pytest.raises(ImageError, match=r"the URL redirects to ftp:, which is not|Redirection to url 'file:"):
            fetch(url + path)
    with pytest.raises(ImageError, match=r"cannot be fetched \(.*refused"):
        fetch("http://127.0.0.1:9/x.png", timeout=5)
    with pytest.raises(InputError, match=r"'file:///etc/passwd' is not the URL of an image"):
        fetch("file:///etc/passwd")


@pytest.mark.parametrize("path", ["/drip", "/slow_headers"])
def test_an_answer_that_drips_is_given_up(server, path):
    url, _ = server
    began = time.monotonic()
    with pytest.raises(ImageError, match=r"^the URL took longer than 0\.3 seconds$"):
        fetch(url + path, timeout=5, total=0.3)
    assert time.monotonic() - began < 3


def test_a_public_url_does_not_lead_to_a_private_host(server, monkeypatch):
    url, asked = server
    answers = iter([False, True])
    monkeypatch.setattr(url_route, "is_private", lambda _: next(answers))
    with pytest.raises(ImageError, match="redirects to a host of this machine or of a private network"):
        fetch(f"{url}/moved")
    assert [path for path, _ in asked] == ["/moved"]  # the second host was not asked


def test_redirects_in_a_circle_end(server):
    with pytest.raises(ImageError, match="the URL answers 302"):
        fetch(f"{server[0]}/loop")


@pytest.mark.parametrize(
    ("host", "private"),
    [
        ("127.0.0.1", True), ("::1", True), ("10.1.2.3", True), ("192.168.0.1", True), ("169.254.169.254", True),
        ("::ffff:127.0.0.1", True), ("fe80::1%eth0", True), ("0.0.0.0", True), ("localhost", True),
        ("8.8.8.8", False), ("2606:4700::1111", False), ("example.org", False),
    ],
)  # fmt: skip
def test_private_hosts(host, private):
    assert url_route.is_private(host) is private
