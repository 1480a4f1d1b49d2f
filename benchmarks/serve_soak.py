"""A server under valid, broken and hostile requests for some minutes: crashes, unanswered requests, memory.

    python benchmarks/serve_soak.py               # ten minutes
    python benchmarks/serve_soak.py --minutes 1   # a smoke run

Eight clients send requests of a fixed random sequence to a server in a process of its own on this machine. Counted: the
statuses, answers that did not come (a connection that broke, or none within a minute), statuses from 500 on other than
503, and what is in a 200 that should not be. Memory is that of the server with its workers (proportional set size),
measured each second: its median over the minute after warm-up, and over the last minute.
"""

from __future__ import annotations

import argparse
import base64
import contextlib
import io
import os
import random
import re
import subprocess
import sys
import tempfile
import threading
import time
import zipfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from statistics import median
from typing import Any

import harness
import httpx

from wordsight.gallery import Gallery
from wordsight.samples import sample_images

CLIENTS = 8
WARM_UP = 0.2  # share of the time
TIMEOUT = 60.0
WORDS = [
    "cat",
    "a cup of coffee",
    "red",
    "rocket",
    "x" * 3000,
    "猫",
    "' or 1=1 --",
    "",
    "\u202eabc",
    "strawberry on grass",
]

Request = tuple[str, str, dict[str, Any]]


class Requests:
    """Random requests of one client, the same for the same seed."""

    def __init__(self, seed: int, ids: list[str]) -> None:
        self.rng = random.Random(seed)
        self.images = [path.read_bytes() for path in sample_images()]
        self.ids = ids
        self.kinds = [getattr(self, name) for name in sorted(dir(self)) if name.startswith("_send_")]

    def __iter__(self) -> Iterator[Request]:
        while True:
            yield self.rng.choice(self.kinds)()

    def _uri(self) -> str:
        """An image as a data URI, one time in four damaged."""
        content = bytearray(self.rng.choice(self.images))
        if self.rng.random() < 0.25:
            for _ in range(self.rng.randint(1, 50)):
                content[self.rng.randrange(len(content))] = self.rng.randrange(256)
            content = content[: self.rng.randrange(len(content))]
        return f"data:image/jpeg;base64,{base64.b64encode(content).decode()}"

    def _send_texts(self) -> Request:
        texts = [self.rng.choice(WORDS) for _ in range(self.rng.choice([1, 2, 40]))]
        return "POST", "/v1/embeddings", {"json": {"input": texts, "encoding_format": "base64"}}

    def _send_images(self) -> Request:
        images = [self._uri() for _ in range(self.rng.choice([1, 3]))]
        return "POST", "/v1/embeddings", {"json": {"input": images, "modality": "image"}}

    def _send_search(self) -> Request:
        body = {"text": self.rng.choice(WORDS), "limit": self.rng.choice([1, 30, -1, 10**9])}
        return "POST", "/v1/search", {"json": body}

    def _send_like(self) -> Request:
        weights = [self.rng.choice([1, -1, 0, 1e308]) for _ in range(2)]
        query = [{"like": self.rng.choice([*self.ids, "nothing"]), "weight": weight} for weight in weights]
        return "POST", "/v1/search", {"json": {"query": query}}

    def _send_filter(self) -> Request:
        value = self.rng.choice([3, "x", None, [], {"gt": 5}, {"like": "%'--"}, {"in": list(range(500))}])
        column = self.rng.choice(["width", "path", "nothing", "a'b"])
        return "POST", "/v1/facets", {"json": {"filter": {column: value}}}

    def _send_classes(self) -> Request:
        classes = [f"class {number}" for number in range(self.rng.choice([1, 5, 300]))]
        return "POST", "/v1/classify", {"json": {"images": [self._uri()], "classes": classes, "none": True}}

    def _send_thumbnail(self) -> Request:
        key = base64.urlsafe_b64encode(self.rng.choice([*self.ids, "../../etc/passwd"]).encode()).decode().rstrip("=")
        return "GET", f"/{self.rng.choice(['thumb', 'file', 'page'])}/{key}", {}

    def _send_traversal(self) -> Request:
        path = self.rng.choice(["/static/../../etc/passwd", "/static/%2e%2e/x", "/file/..%2f..%2fetc%2fpasswd", "//x"])
        return "GET", path, {}

    def _send_noise(self) -> Request:
        content = self.rng.randbytes(self.rng.choice([0, 10, 100_000]))
        path = self.rng.choice(["/v1/search", "/v1/embeddings", "/v1/classify", "/v1/items"])
        return "POST", path, {"content": content, "headers": {"content-type": "application/json"}}

    def _send_nested(self) -> Request:
        return "POST", "/v1/search", {"content": b"[" * 50_000, "headers": {"content-type": "application/json"}}

    def _send_foreign(self) -> Request:
        headers = {"Host": "evil.example", "Origin": "http://evil.example"}
        return "POST", "/v1/search", {"json": {"text": "cat"}, "headers": headers}

    def _send_bomb(self) -> Request:
        file = io.BytesIO()
        with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr("../../evil.jpg", b"\0" * 5_000_000)
        return "POST", "/v1/items", {"files": {"files": ("../x.zip", file.getvalue())}}

    def _send_health(self) -> Request:
        return "GET", self.rng.choice(["/healthz", "/readyz", "/metrics", "/v1/models", "/openapi.json"]), {}


@contextlib.contextmanager
def started(index: Path) -> Iterator[tuple[int, str]]:
    """A server of an index; yields its process id and URL."""
    command = [sys.executable, "-m", "wordsight", "serve", "--api-only", "--port", "0", "--gallery", str(index)]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        try:
            assert process.stderr is not None
            line = next(line for line in process.stderr if "serving on" in line)
            threading.Thread(target=process.stderr.read, daemon=True).start()  # a full pipe would stop it
            found = re.search(r"serving on (\S+)", line)
            assert found is not None
            yield process.pid, found[1]
        finally:
            process.terminate()
            if process.wait(60):
                raise RuntimeError(f"the server ended with {process.returncode}")


def memory_mib(pid: int) -> float:
    """Proportional set size of a process and its descendants, MiB (Linux)."""
    total, waiting = 0, [pid]
    while waiting:
        one = waiting.pop()
        with contextlib.suppress(OSError):
            for thread in os.listdir(f"/proc/{one}/task"):
                waiting += map(int, Path(f"/proc/{one}/task/{thread}/children").read_text().split())
            rollup = Path(f"/proc/{one}/smaps_rollup").read_text()
            total += next(int(line.split()[1]) for line in rollup.splitlines() if line.startswith("Pss:"))
    return total / 1024


def send(url: str, requests: Requests, end: float, seen: Counter[str], lock: threading.Lock) -> None:
    """Send one client's requests until the time is over; count what comes back."""
    with httpx.Client(base_url=url, timeout=TIMEOUT, trust_env=False) as client:
        for method, path, how in requests:
            if time.monotonic() > end:
                return
            kind = path.split("?")[0]
            try:
                answer = client.request(method, path, **how)
                outcome = f"{answer.status_code}"
                if b"root:" in answer.content or b"Traceback" in answer.content:
                    outcome = "leak"
            except httpx.HTTPError as error:
                outcome = f"no answer ({type(error).__name__}) {kind}"
            if outcome.startswith("5") and outcome != "503":
                outcome += f" {kind}"
            with lock:
                seen[outcome] += 1


def soak(minutes: float) -> dict[str, Any]:
    """Figures of one run."""
    with tempfile.TemporaryDirectory() as folder:
        index = Path(folder) / "index"
        with Gallery.create(index) as gallery:
            gallery.add(sample_images())
        ids = [str(path) for path in sample_images()]
        with started(index) as (pid, url):
            begin = time.monotonic()
            end, seen, lock = begin + 60 * minutes, Counter[str](), threading.Lock()
            requests = [Requests(seed, ids) for seed in range(CLIENTS)]
            clients = [threading.Thread(target=send, args=(url, each, end, seen, lock)) for each in requests]
            for client in clients:
                client.start()
            memory = []
            while any(client.is_alive() for client in clients):
                memory.append((time.monotonic() - begin, memory_mib(pid)))
                time.sleep(1)
            alive = httpx.get(f"{url}/readyz", trust_env=False, timeout=TIMEOUT).status_code == 200
    return {"kind": "soak", "minutes": minutes, **summarise(seen, memory, minutes), "ready_at_the_end": alive}


def summarise(seen: Counter[str], memory: list[tuple[float, float]], minutes: float) -> dict[str, Any]:
    """Counts of outcomes, and memory after warm-up and at the end, medians over a minute or a tenth of the time."""
    seconds = 60 * minutes
    width = min(60.0, max(3.0, seconds / 10))
    after = median(mib for at, mib in memory if WARM_UP * seconds <= at <= WARM_UP * seconds + width)
    last = median(mib for at, mib in memory if at >= seconds - width)
    failures = {key: n for key, n in sorted(seen.items()) if key == "leak" or " " in key}
    return {
        "requests": sum(seen.values()),
        "by_status": {key: n for key, n in sorted(seen.items()) if key not in failures},
        "failures": failures,
        "mib_after_warm_up": round(after, 1),
        "mib_at_the_end": round(last, 1),
        "growth": round(last / after - 1, 4),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=10.0)
    chosen = parser.parse_args()
    row = soak(chosen.minutes)
    print("\n".join(f"{key}: {value}" for key, value in row.items()))
    if chosen.minutes >= 10:
        print(harness.write_rows("serve_soak", [row]))


if __name__ == "__main__":
    main()
