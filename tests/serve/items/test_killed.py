"""A server that is killed while it adds: the gallery is whole, and the same upload adds the rest."""

import os
import re
import shutil
import signal
import subprocess
import sys

import httpx
from jobs import finish, image_bytes

from wordsight.gallery import Gallery

FILES = [("files", (f"{i}.png", image_bytes(i, side=200))) for i in range(1, 150)]


def start(index):
    """A server in a process of its own, and a client of it."""
    command = [sys.executable, "-m", "wordsight", "serve", "--gallery", f"shop={index}", "--api-only", "--allow-add",
               "--port", "0"]  # fmt: skip
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=os.environ)
    url = None
    for line in process.stderr:
        if found := re.search(r"serving on (\S+)", line):
            url = found[1]
            break
    assert url, "the server did not start"
    return process, httpx.Client(base_url=url, timeout=60, trust_env=False)


def test_a_server_killed_while_it_adds(gallery_folder, tmp_path):
    index = tmp_path / "index"
    shutil.copytree(gallery_folder, index)
    process, client = start(index)
    with client:
        job = client.post("/v1/items", files=FILES).json()["job"]
        while client.get(f"/v1/jobs/{job}").json()["done"] < 20:
            pass
        process.send_signal(signal.SIGKILL)
        process.wait()
    process.stderr.close()
    with Gallery.open(index) as gallery:
        left = len(gallery)
        assert gallery.index.check_files().damage == ()
    assert 24 <= left <= 24 + len(FILES)
    process, client = start(index)
    with client:
        state = finish(client, client.post("/v1/items", files=FILES))
        assert state["added"] + state["already"] == len(FILES)
        assert state["already"] == left - 24
        process.terminate()
    assert process.wait(60) == 0
    process.stderr.close()
    with Gallery.open(index) as gallery:
        assert len(gallery) == 24 + len(FILES)
    assert len(list((tmp_path / "index-uploads").iterdir())) == len(FILES)
