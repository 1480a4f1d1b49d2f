"""Images by URL, as a way into the network of the server: every known trick, and the honest case."""

import asyncio
import dataclasses
import http.server
import socket
import threading
import time

import pytest
from serving import run_server

from wordsight.errors import ImageError, InputError
from wordsight.ingest import url_route
from wordsight.ingest.url_route import is_private
from wordsight.samples import sample_images
from wordsight.serve.guard import fetch
from wordsight.serve.settings import Limits, Settings

IMAGE = sample_images()[0].read_bytes()
SETTINGS = Settings(allow_urls=True, limits=Limits(file_bytes=200_000))
PUBLIC = "203.0.114.1"  # stands for a host of the internet


def fetch_image(url, settings=SETTINGS):
    return asyncio.run(fetch.fetch_url(url, settings))


class Handler(http.server.BaseHTTPRequestHandler):
    """Site that sends an image, redirects, and other things."""

    def do_GET(self):
        self.server.asked.append((self.headers["Host"], self.path))
        name, _, there = self.path.partition("?to=")
        if name == "/to":
            self.send_response(302)
            self.send_header("Location", there)
            self.end_headers()
        elif name == "/drip":
            self.send_response(200)
            self.end_headers()
            while not self.server.stopped.wait(0.05):
                self.wfile.write(b"a")
        else:
            content = {"/image": IMAGE, "/text": b"<html>secret</html>", "/large": bytes(300_000)}.get(name, b"")
            self.send_response(200)
            self.send_header("Content-Type", "image/jpeg")
            self.end_headers()
            self.wfile.write(content)

    def log_message(self, *_):
        """Say nothing."""


@pytest.fixture
def site(monkeypatch):
    """A site on this machine. Names of `PUBLIC_NAMES` resolve to it as to a public address; all others as they do."""
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.asked, server.stopped, server.resolved, server.connected = [], threading.Event(), [], []
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    real_resolve, real_connect = socket.getaddrinfo, socket.socket.connect

    def resolve(host, port, *given, **named):
        server.resolved.append(host)
        if host == "site.test":
            return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (PUBLIC, port))]
        if host == "inside.test":
            return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("10.0.0.5", port))]
        if host == "both.test":
            return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (one, port)) for one in (PUBLIC, "127.0.0.1")]
        if host == "rebinding.test":  # public when it is asked first, private then
            public = server.resolved.count(host) == 1
            return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (PUBLIC if public else "127.0.0.1", port))]
        return real_resolve(host, port, *given, **named)

    def connect(self, address):
        server.connected.append(address[0])
        return real_connect(self, server.server_address if address[0] == PUBLIC else address)

    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    monkeypatch.setattr(socket.socket, "connect", connect)
    monkeypatch.setattr(url_route.Route, "connected", lambda *_: None)  # the peer is this machine after all
    yield server
    server.stopped.set()
    server.shutdown()
    server.server_close()


def test_an_image_is_fetched(site):
    assert fetch_image("http://site.test/image") == IMAGE
    assert fetch_image("http://site.test:80/to?to=/image") == IMAGE
    assert site.connected == [PUBLIC] * 3


def test_nothing_is_fetched_unless_it_is_allowed(site):
    with pytest.raises(InputError, match="--allow-urls"):
        fetch_image("http://site.test/image", Settings())
    assert not site.asked


INSIDE = [
    "http://127.0.0.1/", "http://localhost/", "http://localhost./", "http://LOCALHOST/", "http://127.1/", "http://0/",
    "http://0.0.0.0/", "http://2130706433/", "http://0x7f000001/", "http://0x7f.1/", "http://017700000001/",
    "http://0177.0.0.1/", "http://[::1]/", "http://[::]/", "http://[::ffff:127.0.0.1]/", "http://[::ffff:7f00:1]/",
    "http://[::127.0.0.1]/", "http://[64:ff9b::127.0.0.1]/", "http://[64:ff9b::a9fe:a9fe]/", "http://[2002:7f00:1::]/",
    "http://[2002:a9fe:a9fe::1]/", "http://169.254.169.254/latest/meta-data/", "http://[fe80::1]/", "http://[fd00:ec2::254]/",
    "http://10.0.0.1/", "http://172.16.0.1/", "http://192.168.1.1/", "http://100.64.0.1/", "http://192.0.2.1/",
    "http://198.18.0.1/", "http://224.0.0.1/", "http://255.255.255.255/", "http://240.0.0.1/", "http://[ff02::1]/",
    "http://[fec0::1]/", "http://[2001:db8::1]/", "http://[fe80::1%25eth0]/", "http://127.0.0.1.:80/", "https://127.0.0.1/",
    "http://\u2460\u2461\u2466.\u2460/", "http://127\u30020\u30020\u30021/", "http://inside.test/", "http://both.test/",
]  # fmt: skip


@pytest.mark.parametrize("url", INSIDE)
def test_no_address_of_this_machine_or_network_is_reached(site, url):
    with pytest.raises(ImageError, match="was not fetched"):
        fetch_image(url)
    assert not site.connected
    assert not site.asked


@pytest.mark.parametrize("url", [one for one in INSIDE if one.isascii()])
def test_no_redirect_leads_there_either(site, url):
    with pytest.raises(ImageError, match="was not fetched"):
        fetch_image(f"http://site.test/to?to={url}")
    assert site.connected == [PUBLIC]
    assert len(site.asked) == 1


def test_the_connection_goes_to_the_address_that_was_checked(site):
    """DNS rebinding: the name has another address when it is asked again, so it is not."""
    assert fetch_image("http://rebinding.test/image") == IMAGE
    assert site.resolved.count("rebinding.test") == 1
    assert site.connected == [PUBLIC]
    with pytest.raises(ImageError, match="private network"):  # and each redirect is a check of its own
        fetch_image("http://rebinding.test/to?to=http://rebinding.test/image")


@pytest.mark.parametrize(
    "url", ["file:///etc/passwd", "ftp://site.test/", "gopher://site.test/", "data:image/png;base64,AAAA",
            "//site.test/", "/etc/passwd", "http:site.test", "jar:http://site.test/!/", "http://site.test/\r\nX: y",
            "http://site.test/\x00", "http://site.test/" + "a" * 5000, "", "dict://site.test:11211/"]
)  # fmt: skip
def test_other_schemes_are_no_urls(site, url):
    with pytest.raises(InputError, match="is not a URL that is fetched"):
        fetch_image(url)
    assert not site.connected


@pytest.mark.parametrize(
    "there", ["file:///etc/passwd", "ftp://site.test/", "gopher://x", "data:image/png;base64,AAAA"]
)
def test_no_redirect_leads_to_another_scheme(site, there):
    with pytest.raises(ImageError, match=r"redirects to|cannot be fetched|answers 302"):
        fetch_image(f"http://site.test/to?to={there}")


@pytest.mark.parametrize(
    "url", ["http://user:password@site.test/image", "http://site.test@127.0.0.1/", "http://127.0.0.1#@site.test/",
            "http://127.0.0.1\\@site.test/", "http://site.test:22/", "http://site.test:6379/", "http://site.test:99999/",
            "http://site.test:8080/image", "http://[::1", "http://", "http://..", "http://site.test:80:80/"]
)  # fmt: skip
def test_parts_that_readers_of_urls_read_differently_are_refused(site, url):
    with pytest.raises(ImageError, match="was not fetched"):
        fetch_image(url)
    assert not site.connected


def test_a_redirect_to_another_port_is_refused(site):
    with pytest.raises(ImageError, match="names the port 22; only 80 and 443"):
        fetch_image("http://site.test/to?to=http://site.test:22/")


def test_redirects_are_counted(site):
    with pytest.raises(ImageError, match="was not fetched"):
        fetch_image("http://site.test/to?to=/to?to=/to")
    there = "/image"
    for _ in range(7):
        there = f"/to?to={there}"
    with pytest.raises(ImageError, match="was not fetched"):
        fetch_image(f"http://site.test{there}")
    assert len(site.asked) < 20


def test_what_is_not_an_image_does_not_come_back(site):
    with pytest.raises(ImageError, match="is not an image") as caught:
        fetch_image("http://site.test/text")
    assert "secret" not in str(caught.value)


def test_size_and_time_are_limited(site, monkeypatch):
    with pytest.raises(ImageError, match="larger than 200,000 bytes"):
        fetch_image("http://site.test/large")
    monkeypatch.setattr(fetch, "TOTAL_SECONDS", 0.5)
    began = time.monotonic()
    with pytest.raises(ImageError, match="longer than"):
        fetch_image("http://site.test/drip")
    assert time.monotonic() - began < 3


def test_a_proxy_of_the_environment_is_not_used(site, monkeypatch):
    monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{site.server_port}")
    monkeypatch.setenv("HTTP_PROXY", f"http://127.0.0.1:{site.server_port}")
    assert fetch_image("http://site.test/image") == IMAGE
    assert site.asked == [("site.test", "/image")]


def test_pixels_are_limited_by_the_header(site):
    few = dataclasses.replace(SETTINGS, limits=Limits(pixels=100))
    with pytest.raises(ImageError, match="more than 100"):
        fetch_image("http://site.test/image", few)


@pytest.mark.parametrize("address", ["8.8.8.8", "2606:4700::1111", "64:ff9b::808:808", "2002:808:808::1"])
def test_addresses_of_the_internet_are_public(address):
    assert not is_private(address)


def test_a_real_server_does_not_reach_itself():
    with run_server(wait=False, allow_urls=True) as client:
        for url in (f"{client.base_url}/healthz", f"http://[::ffff:127.0.0.1]:{client.base_url.port}/healthz",
                    "http://169.254.169.254/latest/meta-data/", "http://localhost/"):  # fmt: skip
            answer = client.post("/v1/embeddings", json={"input": [{"image": url}], "modality": "image"})
            assert answer.status_code == 400, answer.text
            assert '"error"' in answer.text
            assert '"ok"' not in answer.text
