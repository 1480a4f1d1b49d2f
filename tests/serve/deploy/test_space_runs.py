"""A Space runs where nothing but Python is installed: its requirements and its own files are enough."""

import contextlib
import io
import os
import shutil
import socket
import subprocess
import sys
import time
import venv

import httpx
import pytest
from PIL import Image

from wordsight.serve.space.write import write_space

NAME = "me-shop.hf.space"


@contextlib.contextmanager
def run_space(python, space, home):
    """Run a Space's application as Hugging Face does; yields a client of its public address."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    told = {"SPACE_ID": "me/shop", "SPACE_HOST": NAME, "SPACE_AUTHOR_NAME": "me", "SYSTEM": "spaces"}
    environment = {"PATH": os.environ["PATH"], "HOME": str(home), "GRADIO_SERVER_PORT": str(port), **told}
    with open(home / "log", "w") as log:
        process = subprocess.Popen([python, "app.py"], cwd=space, env=environment, stdout=log, stderr=log)
    try:
        with httpx.Client(
            base_url=f"http://127.0.0.1:{port}", headers={"Host": NAME}, timeout=60, trust_env=False
        ) as client:
            wait_until_ready(client, process, home / "log")
            yield client
    finally:
        process.terminate()
        assert process.wait(60) == 0, (home / "log").read_text()
    assert "Traceback" not in (home / "log").read_text()


def wait_until_ready(client, process, log):
    end = time.monotonic() + 120
    while time.monotonic() < end and process.poll() is None:
        with contextlib.suppress(httpx.TransportError):
            if client.get("/readyz").status_code == 200:
                return
        time.sleep(0.1)
    raise AssertionError(log.read_text())


def check_space(client):
    found = client.post("/v1/search", json={"text": "a cup of coffee", "limit": 2}).json()
    assert found["hits"][0]["path"] == "images/shop/photos/coffee.jpg"
    thumbnail = client.get(found["hits"][0]["thumb"])
    assert Image.open(io.BytesIO(thumbnail.content)).width > 100
    page = client.get("/")
    assert page.status_code == 200
    assert "frame-ancestors 'self' https://huggingface.co" in page.headers["content-security-policy"]
    assert "x-frame-options" not in page.headers
    assert client.get("/readyz", headers={"Host": "evil.example"}).status_code == 421
    assert client.request("DELETE", "/v1/items", json={"ids": ["x"]}).status_code in (403, 404)
    from_page = client.post("/v1/search", json={"text": "cat"}, headers={"Origin": f"https://{NAME}"})
    assert from_page.status_code == 200
    elsewhere = client.post("/v1/search", json={"text": "cat"}, headers={"Origin": "https://evil.example"})
    assert elsewhere.status_code == 403


@pytest.fixture
def space(gallery_folder, tmp_path):
    """A Space that was moved since it was written, as a push and a clone move it."""
    write_space(tmp_path / "made", {"shop": str(gallery_folder)})
    return shutil.move(tmp_path / "made", tmp_path / "app")


@pytest.mark.slow
def test_a_space_runs_from_its_own_files(space, tmp_path):
    pytest.importorskip("gradio")
    with run_space(sys.executable, space, tmp_path) as client:
        check_space(client)


@pytest.mark.slow
def test_a_space_runs_in_a_bare_environment(space, tmp_path):
    venv.create(tmp_path / "bare", with_pip=True)
    python = tmp_path / "bare" / "bin" / "python"
    pip = [python, "-m", "pip", "install", "--quiet", "-r", space / "requirements.txt"]
    subprocess.run(pip, check=True, capture_output=True)
    with run_space(python, space, tmp_path) as client:
        check_space(client)
