"""What `wordsight serve` sustains: embeddings a second, latency and memory under closed and open load.

    python benchmarks/serve_load.py [--seconds 6] [--parts closed,open,mixed,start,rivals] [--infinity PROGRAM]

All on one machine, the clients too: one process, whose own processor time each row states (`client_cpu`, in cores).
Closed: so many clients, each asking again once it is answered, one image (a bundled photograph as a data URI) or one
text (each new, so that no cache answers) a request. Share of offline: against `model.embed_images` of the same bytes
in a process of its own, measured before and after. Open: requests at a fixed rate, timed from when each was due.
Mixed: searches at 5 a second in a gallery of the bundled images while 32 clients embed images. Start: a fresh process
until it answers, until it is ready, its first text, and memory (resident, of the server's process and with those
that decode). Rivals: a randomly initialised ViT-B/32 in wordsight (f32 and auto), in `plain_server.py`, and in
infinity-emb where --infinity names its command (in an environment of its own: pip install
"infinity-emb[server,torch]" aiohttp "torch==2.13.0" "numpy<2" "transformers<5"). Rows go to results/serve_load.jsonl.
Takes about five minutes; --quick: one.
"""

from __future__ import annotations

import argparse
import base64
import contextlib
import functools
import itertools
import json
import os
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import harness
from serve_clients import Tally, closed_loop, make_request, open_loop, run_clients

from wordsight.gallery import Gallery
from wordsight.samples import sample_images

CLIENTS = (1, 8, 32, 128)
RATES = {"image": (20, 60), "text": (100, 400)}  # requests a second
SEARCHES = 5  # a second, beside bulk work
WORDS = ("red", "old", "small", "dog", "street", "rain", "chair", "night", "green", "boat", "child", "garden", "snow")
EMBED = "/v1/embeddings"


# servers


class Server:
    """A server in a process of its own, ready to answer. `seconds`: from its start until it was."""

    def __init__(self, command: Sequence[str], port: int, seconds: dict[str, float], process: Any) -> None:
        self.command = command
        self.address = f"http://127.0.0.1:{port}"
        self.seconds = seconds
        self.process = process

    def memory(self) -> dict[str, float]:
        """Resident MiB of the server's process, and with its children."""
        own = resident(self.process.pid)
        return {"rss_mib": own, "rss_all_mib": own + sum(resident(pid) for pid in children(self.process.pid))}


@contextlib.contextmanager
def serve(*command: str, ready: str = "/readyz") -> Iterator[Server]:
    """Start a server with "PORT" in its command replaced, and end it."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = tuple(part.replace("PORT", str(port)) for part in command)
    start = time.perf_counter()
    quiet = {"HF_HUB_OFFLINE": "1", "DO_NOT_TRACK": "1", "INFINITY_ANONYMOUS_USAGE_STATS": "0"}
    process = subprocess.Popen(
        command, env={**os.environ, **quiet}, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        seconds = {}
        for name, path in (("answers", "/healthz"), ("ready", ready)):
            if name == "answers" and ready != "/readyz":
                continue
            wait_for(f"http://127.0.0.1:{port}{path}", process)
            seconds[name] = time.perf_counter() - start
        yield Server(command, port, seconds, process)
    finally:
        process.terminate()
        try:
            process.wait(60)
        except subprocess.TimeoutExpired:
            process.kill()


def wait_for(url: str, process: Any) -> None:
    """Wait until a URL answers with 200, or anything below 500 where it does not exist."""
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    end = time.monotonic() + 180
    while time.monotonic() < end:
        if process.poll() is not None:
            raise RuntimeError(f"The server ended with status {process.returncode} before it answered.")
        try:
            opener.open(url, timeout=10).close()
            return
        except urllib.error.HTTPError as error:
            if error.code < 500:
                return
        except OSError:
            pass
        time.sleep(0.01)
    raise RuntimeError(f"{url} did not answer within three minutes.")


def resident(pid: int) -> float:
    """Resident MiB of a process."""
    with contextlib.suppress(OSError), open(f"/proc/{pid}/status") as status:
        return next((int(line.split()[1]) / 1024 for line in status if line.startswith("VmRSS")), 0.0)
    return 0.0


def children(pid: int) -> list[int]:
    """Processes that a process started, and those that these started."""
    found = []
    with contextlib.suppress(OSError):
        for task in os.listdir(f"/proc/{pid}/task"):
            for child in Path(f"/proc/{pid}/task/{task}/children").read_text().split():
                found += [int(child), *children(int(child))]
    return found


def wordsight(*options: str) -> tuple[str, ...]:
    """Command of our server."""
    return (sys.executable, "-m", "wordsight", "serve", "--api-only", "--port", "PORT", *options)


# requests


def image_requests(address: str, model: str | None = None) -> Iterator[bytes]:
    """One bundled photograph a request, in turn."""
    made = []
    for path in sample_images():
        kind = "jpeg" if path.suffix == ".jpg" else "png"
        if kind == "png":
            continue
        uri = f"data:image/{kind};base64,{base64.b64encode(path.read_bytes()).decode()}"
        body = {"input": [uri], "modality": "image", **({"model": model} if model else {})}
        made.append(make_request(address, EMBED, json.dumps(body).encode()))
    return itertools.cycle(made)


def texts() -> Iterator[str]:
    """Texts of three to six words, each new."""
    for number in itertools.count():
        picked = [WORDS[(number // len(WORDS) ** k) % len(WORDS)] for k in range(3 + number % 4)]
        yield f"{' '.join(picked)} {number}"


def text_requests(address: str, model: str | None = None) -> Iterator[bytes]:
    """One new text a request."""
    for text in texts():
        body = {"input": [text], **({"model": model} if model else {})}
        yield make_request(address, EMBED, json.dumps(body).encode())


def search_requests(address: str) -> Iterator[bytes]:
    """One search of new words a request."""
    for text in texts():
        yield make_request(address, "/v1/search", json.dumps({"text": text, "limit": 30}).encode())


REQUESTS = {"image": image_requests, "text": text_requests}


def finish(kind: str, server: Server, tally: Tally, cpu: float, wall: float, **more: Any) -> dict[str, Any]:
    """Row of one load."""
    row = {"kind": kind, **more, **tally.row(wall), "client_cpu": cpu / wall, **server.memory()}
    shown = {key: value for key, value in row.items() if key not in ("kind", "p95_ms")}
    print(harness.table([shown]).splitlines()[-1], flush=True)
    return row


def closed(server: Server, of: str, clients: int, seconds: float, **more: Any) -> dict[str, Any]:
    """Row of a closed loop."""
    requests = REQUESTS[of](server.address, more.pop("ask_model", None))
    warm_up = seconds / 4
    make = functools.partial(closed_loop, server.address, requests, clients, seconds, warm_up)
    tally, cpu = run_clients(make)
    cpu *= seconds / (seconds + warm_up)
    return finish("closed", server, tally, cpu, seconds, of=of, clients=clients, **more)


# parts


OFFLINE = """
import wordsight, sys, time, json
from wordsight.samples import sample_images
from wordsight.model import load
model = load(sys.argv[1], precision=sys.argv[3])
images = [path.read_bytes() for path in sample_images() if path.suffix == ".jpg"]
texts = [line.strip() for line in sys.stdin]
result = {}
for of, call in (("image", lambda: model.embed_images(images * 8)), ("text", lambda: model.embed_texts(texts))):
    call()
    done, start = 0, time.perf_counter()
    while time.perf_counter() - start < float(sys.argv[2]):
        done += len(call())
    result[of] = done / (time.perf_counter() - start)
print(json.dumps(result))
"""


def offline(model: str, seconds: float, precision: str = "auto") -> dict[str, float]:
    """Embeddings a second of the library itself, by kind."""
    command = [sys.executable, "-c", OFFLINE, model, str(seconds), precision]
    lines = "\n".join(itertools.islice(texts(), 1000))
    done = subprocess.run(command, input=lines, capture_output=True, text=True, check=True)
    rates: dict[str, float] = json.loads(done.stdout.strip().splitlines()[-1])
    return rates


def closed_part(seconds: float) -> list[dict[str, Any]]:
    """Rows of closed loops with mini, and their share of offline encoding."""
    before = offline("mini", seconds / 2)
    print("of, clients, per second, p50 ms, p99 ms, refused, errors, client CPU, MiB, MiB of all")
    with serve(*wordsight("--model", "mini")) as server:
        rows = [closed(server, of, clients, seconds, model="mini") for of in REQUESTS for clients in CLIENTS]
    after = offline("mini", seconds / 2)
    for row in rows:
        rate = (before[row["of"]] + after[row["of"]]) / 2
        row |= {"offline_per_second": rate, "share_of_offline": row["per_second"] / rate}
    print(harness.table([{k: r[k] for k in ("of", "clients", "per_second", "share_of_offline")} for r in rows]))
    return rows


def open_part(seconds: float) -> list[dict[str, Any]]:
    """Rows of open loops with mini."""
    rows = []
    with serve(*wordsight("--model", "mini")) as server:
        for of, rates in RATES.items():
            for rate in rates:
                requests = REQUESTS[of](server.address)
                start = time.perf_counter()
                tally, cpu = run_clients(functools.partial(open_loop, server.address, requests, rate, seconds))
                wall = time.perf_counter() - start
                rows.append(finish("open", server, tally, cpu, wall, of=of, rate=rate, model="mini"))
    return rows


def mixed_part(seconds: float, folder: Path) -> list[dict[str, Any]]:
    """Row of searches alone, and of searches while 32 clients embed images."""
    with Gallery.create(folder / "gallery") as gallery:
        gallery.add(sample_images()[0].parent)
    rows = []
    with serve(*wordsight("--gallery", f"samples={folder / 'gallery'}")) as server:
        searches = search_requests(server.address)
        for clients in (0, 32):
            child = None
            if clients:
                command = [sys.executable, __file__, "--only-clients", server.address, str(clients), str(seconds + 3)]
                child = subprocess.Popen(command)
                time.sleep(2)
            tally, cpu = run_clients(functools.partial(open_loop, server.address, searches, SEARCHES, seconds))
            if child is not None:
                child.wait()
            rows.append(finish("mixed", server, tally, cpu, seconds, of="search", bulk_clients=clients, model="mini"))
            print(f"search p95 beside {clients} bulk clients: {rows[-1]['p95_ms']:.0f} ms")
    return rows


def start_part(rounds: int) -> list[dict[str, Any]]:
    """Rows of fresh servers: seconds until they answer and are ready, first text and image, memory."""
    rows = []
    for _ in range(rounds):
        with serve(*wordsight("--model", "mini")) as server:
            row: dict[str, Any] = {"kind": "start", "model": "mini", **server.seconds, "ready_memory": server.memory()}
            for of, make in REQUESTS.items():
                requests = itertools.islice(make(server.address), 1)
                tally, _ = run_clients(functools.partial(open_loop, server.address, requests, 1, 1))
                row[f"first_{of}_ms"] = 1000 * tally.seconds[0]
            row["used_memory"] = server.memory()
        print(row, flush=True)
        rows.append(row)
    return rows


def rivals_part(seconds: float, folder: Path, infinity: str | None) -> list[dict[str, Any]]:
    """Rows of closed loops with the same ViT-B/32 in several servers."""
    import rivals

    place = str(rivals.write_tokenizer(rivals.vit_b_32(folder / "vit-b-32")))
    plain = str(Path(__file__).parent / "plain_server.py")
    contenders = {
        "wordsight auto": wordsight("--model", place),
        "wordsight f32": wordsight("--model", place, "--precision", "f32"),
        "FastAPI + transformers": (sys.executable, plain, place, "PORT"),
    }
    if infinity:
        options = (
            "--engine",
            "torch",
            "--device",
            "cpu",
            "--host",
            "127.0.0.1",
            "--port",
            "PORT",
            "--url-prefix",
            "/v1",
        )
        named = ("--served-model-name", "clip", "--no-bettertransformer")
        contenders["infinity"] = (infinity, "v2", "--model-id", place, *options, *named)
    rows = []
    for name, command in contenders.items():
        ours, model = name.startswith("wordsight"), "clip" if name == "infinity" else None
        with serve(*command, ready="/v1/models" if name == "infinity" else "/readyz") as server:
            for of in REQUESTS:
                for clients in (1, 32):
                    more = {"contender": name, "model": "ViT-B/32", "ask_model": model}
                    rows.append(closed(server, of, clients, seconds, **more))
        if ours:
            rates = offline(place, seconds, name.split()[1])
            for row in rows[-4:]:
                row |= {
                    "offline_per_second": rates[row["of"]],
                    "share_of_offline": row["per_second"] / rates[row["of"]],
                }
    return rows


def main() -> None:
    """Run the parts that are asked for and write their rows."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--seconds", type=float, default=6)
    parser.add_argument("--parts", default="closed,open,mixed,start,rivals")
    parser.add_argument("--infinity", metavar="PROGRAM", help="infinity_emb of an environment that has it")
    parser.add_argument("--quick", action="store_true", help="smoke run: a second for each load")
    parser.add_argument("--only-clients", nargs=3, metavar=("ADDRESS", "CLIENTS", "SECONDS"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.only_clients:
        address, clients, seconds = options.only_clients
        run_clients(functools.partial(closed_loop, address, image_requests(address), int(clients), float(seconds), 0))
        return
    seconds = 1.0 if options.quick else options.seconds
    with tempfile.TemporaryDirectory() as temporary:
        parts = {
            "start": lambda: start_part(1 if options.quick else 3),
            "closed": lambda: closed_part(seconds),
            "open": lambda: open_part(seconds),
            "mixed": lambda: mixed_part(3 * seconds, Path(temporary)),
            "rivals": lambda: rivals_part(seconds, Path(temporary), options.infinity),
        }
        rows = [row for name in options.parts.split(",") for row in parts[name]()]
    if not options.quick:
        print(f"written: {harness.write_rows('serve_load', rows)}")


if __name__ == "__main__":
    main()
