"""Gradio behind the guard: its published holes, and everything else that the page does not need."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from attacking import request, send_bytes
from serving import run_server
from starlette.routing import Mount

from wordsight.serve.guard.gradio_paths import NeededGradio, is_needed
from wordsight.serve.settings import Settings

pytest.importorskip("gradio")

HOLES = [
    # CVE-2024-1561, CVE-2023-51449, CVE-2024-47164, CVE-2024-47166, CVE-2026-28414: reading of files
    "/file=/etc/passwd", "/file/etc/passwd", "/file=../../etc/passwd", "/file=/proc/self/environ",
    "/gradio_api/file=/etc/passwd", "/gradio_api/file=C:/Windows/win.ini", "/gradio_api/file/etc/passwd",
    "/gradio_api/file=%5c%5cevil.test%5cshare", "/static/../../../etc/passwd", "/static//etc/passwd",
    "/static/%2fetc/passwd", "/static/C:%5cWindows%5cwin.ini", "/static/..%5c..%5cwin.ini",
    "/static//windows/win.ini", "/assets/..%2f..%2f..%2fetc%2fpasswd", "/assets/%5c%5chost%5cshare",
    "/svelte/../../etc/passwd", "/custom_component/../../etc/passwd",
    "/gradio_api/custom_component/x/client/component/style.css", "/component_server",
    # CVE-2024-8021: redirects to elsewhere
    "/file=http%3A%2F%2Fevil.test/", "/file=http://evil.test/", "/gradio_api/file=https://evil.test/",
    "/file=//evil.test",
    # CVE-2024-2206, CVE-2023-34239, CVE-2026-28416: requests to hosts of the client's choice
    "/proxy=http://169.254.169.254/latest/meta-data/", "/gradio_api/proxy=https://user.hf.space/file=/etc/passwd",
    "/proxy=http:/127.0.0.1:22/", "/gradio_api/proxy=http%3A%2F%2F127.0.0.1%3A1%2F",
    "/gradio_api/proxy=http:/169.254.169.254/",
    # CVE-2024-47168: monitoring that cannot be switched off
    "/monitoring", "/monitoring/summary", "/monitoring/x", "/gradio_api/profiling/traces",
    "/gradio_api/profiling/summary",
    # what tells of the server, or lets others take part in a session
    "/config", "/gradio_api/info", "/gradio_api/info/", "/info", "/gradio_api/openapi.json", "/gradio_api/app_id",
    "/token", "/gradio_api/token", "/gradio_api/user", "/gradio_api/login_check", "/gradio_api/deep_link",
    "/dev/reload", "/gradio_api/dev/reload", "/gradio_api/queue/data?session_hash=x", "/queue/data?session_hash=x",
    "/queue/status", "/gradio_api/queue/status", "/gradio_api/heartbeat/x", "/gradio_api/startup-events",
    "/gradio_api/runs", "/gradio_api/run-history/records", "/gradio_api/run-history/buckets",
    "/gradio_api/upload_progress?upload_id=x", "/gradio_api/call/x/y", "/gradio_api/stream/a/b/c/playlist.m3u8",
    "/gradio_api/mcp/sse", "/gradio_api/mcp/", "/pwa_icon", "/gradio_api/vibe-code", "/manifest.json",
    "/gradio_api/theme.css", "/main/", "/nothing",
]  # fmt: skip
CHANGES = [
    # CVE-2024-47167, CVE-2024-47872 and others: uploads, by file and by URL, and running of functions
    "/upload", "/gradio_api/upload", "/gradio_api/upload?upload_id=x", "/gradio_api/queue/join", "/queue/join",
    "/run/predict", "/gradio_api/run/predict", "/api/predict", "/gradio_api/api/predict", "/gradio_api/call/predict",
    "/gradio_api/cancel", "/gradio_api/call/v2/predict", "/gradio_api/reset", "/gradio_api/component_server",
    "/component_server", "/gradio_api/stream/x", "/gradio_api/stream/x/close", "/gradio_api/process_recording",
    "/gradio_api/vibe-edit", "/gradio_api/vibe-code", "/gradio_api/undo-vibe-edit",
    "/gradio_api/vibe-starter-queries", "/gradio_api/profiling/clear", "/gradio_api/run-history/connect",
    "/gradio_api/mcp/messages/", "/", "/theme.css", "/config",
]  # fmt: skip


@pytest.fixture(scope="module")
def application():
    """Application of the server below, once it runs."""
    return []


@pytest.fixture(scope="module")
def page_server(application):
    with run_server(Settings(port=0), wait=False, prepare=application.append) as client:
        client.get("/")
        yield client


def test_the_page_is_there_with_what_it_needs(page_server):
    page = page_server.get("/")
    assert page.status_code == 200
    sources = re.findall(r'(?:src|href)="\.?/?((?:assets|static|theme|ui)[^"]+)"', page.text)
    assert sources
    for source in sources:
        assert page_server.get(f"/{source}").status_code == 200, source


def test_the_page_runs_its_own_scripts_alone(page_server):
    policy = page_server.get("/", headers={"Accept-Encoding": "gzip, br"}).headers["content-security-policy"]
    rules = dict(rule.strip().split(" ", 1) for rule in policy.split(";"))
    assert rules["default-src"] == "'none'"
    assert "'unsafe-inline'" not in rules["script-src"]
    assert "'unsafe-eval'" not in rules["script-src"]
    assert "'sha256-" in rules["script-src"]
    assert not re.search(r"https?:|\*", policy)  # nothing of another site
    assert rules["connect-src"] == "'self'"
    assert rules["object-src"] == "'none'"
    assert rules["frame-ancestors"] == "'self'"


@pytest.mark.parametrize("path", HOLES)
def test_a_published_hole_is_closed(page_server, path):
    answer = send_bytes(page_server, request(f"GET {path}", "Connection: close"))
    assert answer.status in (400, 404), answer
    assert b"root:" not in answer.whole
    assert "location" not in answer.headers


@pytest.mark.parametrize("path", CHANGES)
def test_nothing_is_taken_by_gradio(page_server, path):
    body = json.dumps({"data": [{"path": "/etc/passwd", "url": "http://169.254.169.254/"}], "fn_index": 0}).encode()
    for kind, content in (("application/json", body), ("multipart/form-data; boundary=x", b"--x--\r\n")):
        asked = request(f"POST {path}", "Connection: close", f"Content-Type: {kind}", f"Content-Length: {len(content)}")
        answer = send_bytes(page_server, asked + content)
        assert answer.status in (404, 405), answer
        assert b"/etc/passwd" not in answer.body


def test_every_route_that_gradio_has_is_closed_unless_the_page_needs_it(page_server, application):
    """Also those that another version brings: what is open is a list, not what is closed."""
    (mount,) = (one for one in application[0].routes if isinstance(one, Mount) and isinstance(one.app, NeededGradio))
    paths = {route.path for route in mount.app.app.routes if hasattr(route, "path")}
    for router in mount.app.app.routes:
        paths |= {one.path for one in getattr(getattr(router, "original_router", None), "routes", ())}
    assert len(paths) > 20
    open_ones = {path for path in paths if is_needed("GET", path)}
    assert open_ones <= {"/", "/theme.css", "/favicon.ico", "/robots.txt", "/assets/{path:path}", "/static/{path:path}"}
    for path in paths - open_ones:
        concrete = re.sub(r"\{[^}]*\}", "x", path)
        answer = send_bytes(page_server, request(f"GET {concrete}", "Connection: close"))
        gradio_answered = answer.status not in (400, 404)
        ours = concrete in ("/docs", "/redoc", "/openapi.json", "/metrics", "/login", "/logout")
        assert not gradio_answered or ours, concrete


@pytest.mark.parametrize("origin", ["null", "http://localhost:1", "https://evil.test"])
def test_no_origin_is_let_in_by_gradio(page_server, origin):
    """CVE-2024-47084, CVE-2024-47165: CORS for localhost and for "null"."""
    assert page_server.get("/", headers={"Origin": origin}).status_code == 403
    answer = page_server.options("/", headers={"Origin": origin, "Access-Control-Request-Method": "POST"})
    assert not [name for name in answer.headers if name.startswith("access-control")]


CONNECTS = """
import socket, sys, urllib.request, threading, time, json
tried = []
real_connect, real_resolve = socket.socket.connect, socket.getaddrinfo
def is_here(host):
    return str(host) in ("127.0.0.1", "localhost", "::1", "0.0.0.0") or host is None
def connect(self, address):
    if self.family != socket.AF_UNIX and not is_here(address[0]):
        tried.append(str(address))
        raise OSError("nothing leaves this process")
    return real_connect(self, address)
def resolve(host, *given, **named):
    if not is_here(host):
        tried.append(str(host))
        raise socket.gaierror("nothing leaves this process")
    return real_resolve(host, *given, **named)
socket.socket.connect = socket.socket.connect_ex = connect
socket.getaddrinfo = resolve
sys.path.insert(0, sys.argv[1])
from serving import run_server
from wordsight.serve.settings import Settings
with run_server(Settings(port=0)) as client:
    for path in ("/", "/theme.css", "/v1/models", "/openapi.json"):
        assert client.get(path).status_code == 200, path
    client.post("/v1/embeddings", json={"input": "a red car"})
    time.sleep(1)
import os
print(json.dumps({"tried": tried, "analytics": os.environ.get("GRADIO_ANALYTICS_ENABLED"),
                  "gradio": "gradio" in sys.modules, "proxied": [k for k in os.environ if "GRADIO_SHARE" in k]}))
"""


def test_a_server_with_the_page_connects_to_nobody():
    support = Path(__file__).parents[2] / "support"
    done = subprocess.run(
        [sys.executable, "-c", CONNECTS, str(support)], capture_output=True, text=True, timeout=120, check=False,
        env={**os.environ, "GRADIO_ANALYTICS_ENABLED": "True"},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-2000:]
    found = json.loads(done.stdout.splitlines()[-1])
    assert found == {"tried": [], "analytics": "False", "gradio": True, "proxied": []}
