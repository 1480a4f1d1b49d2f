"""Milliseconds that a server takes for searches, listings and facets of a large gallery.

    python benchmarks/serve_search.py [--items 100000] [--asked 50] [--folder DIR] [--quick]

A server, in a thread beside the client, on one gallery of synthetic rows: the mixture of vectors of `query_speed.py` in
the bundled model's dimensions, a text and five columns each (colour, thing, price, date, in stock). One client asks one
request at a time, words of each new, so that no cache answers them. "server": as the answer's `took_ms` says, "whole":
as the client waits. First facets read every column, cached ones none; "narrowed": under a filter not asked before. Rows
go to results/serve_search.jsonl. Takes three minutes; --quick: 5,000 items, half a minute. --folder keeps the index.
"""

from __future__ import annotations

import argparse
import itertools
import shutil
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import harness
import httpx
import numpy as np
from query_speed import COLOURS, THINGS, mixture

from wordsight.index import IndexInfo, Row, create_index
from wordsight.model import load
from wordsight.serve.run import make_server, open_socket
from wordsight.serve.settings import Settings

WORDS = ("old", "small", "woollen", "wet", "bright", "new", "striped", "broken", "quiet", "plain")
CHUNK = 5000
PAGES = 10  # that a reader scrolls down


def build(folder: Path, items: int) -> None:
    """Write the gallery, unless it is there."""
    if folder.exists():
        return
    model = load("mini")
    info = IndexInfo("mini", model.fingerprint, model.spec.embed_dim, "2026-01-01T00:00:00Z")
    index = create_index(folder, info)
    vectors = itertools.chain.from_iterable(mixture(items, info.dim, max(1, items // 100), seed=1))
    numbered = enumerate(vectors)
    while part := list(itertools.islice(numbered, CHUNK)):
        index.add([make_row(i, vector) for i, vector in part])
    index.optimise()
    index.close()


def make_row(i: int, vector_D: np.ndarray) -> Row:
    """Row of a product."""
    colour, thing, word = COLOURS[i % 7], THINGS[i % 11], WORDS[i % 10]
    facts = {"colour": colour, "thing": thing, "price": round(i * 7919 % 20_000 / 100, 2), "in_stock": i % 3 > 0,
             "added": f"20{15 + i % 10}-0{1 + i % 9}-11"}  # fmt: skip
    path = f"/shop/{i:07d}.jpg"
    return Row(path, "/shop", path, f"{i:032x}", vector_D, width=800, height=800, text=f"{word} {colour} {thing}",
               meta=facts)  # fmt: skip


def ask(client: httpx.Client, path: str, asked: dict[str, Any]) -> dict[str, Any]:
    """Answer to a request."""
    answer = client.post(path, json=asked)
    answer.raise_for_status()
    return dict(answer.json())


def measure(name: str, requests: Sequence[Callable[[], dict[str, Any]]]) -> dict[str, Any]:
    """Row of a kind of request: median and 95th percentile, milliseconds."""
    whole, server = [], []
    for request in requests:
        start = time.perf_counter()
        answer = request()
        whole.append(1000 * (time.perf_counter() - start))
        server.append(answer.get("took_ms", whole[-1]))
    return {"what": name, "n": len(whole), "server_p50": round(float(np.percentile(server, 50)), 1),
            "server_p95": round(float(np.percentile(server, 95)), 1),
            "whole_p50": round(float(np.percentile(whole, 50)), 1),
            "whole_p95": round(float(np.percentile(whole, 95)), 1)}  # fmt: skip


def measure_all(client: httpx.Client, n: int) -> list[dict[str, Any]]:
    """Rows of all kinds of requests."""
    phrases = [f"{a} {c} {t}" for a, c, t in itertools.product(WORDS, COLOURS, THINGS)]
    np.random.default_rng(0).shuffle(phrases)
    texts = iter(phrases)

    def searches(**more: Any) -> list[Callable[[], dict[str, Any]]]:
        return [lambda text=text: ask(client, "/v1/search", {"text": text, **more})  # type: ignore[misc]
                for text in itertools.islice(texts, n)]  # fmt: skip

    def facets(**more: Any) -> Callable[[], dict[str, Any]]:
        return lambda: ask(client, "/v1/facets", more)

    ids = [hit["id"] for hit in ask(client, "/v1/search", {"limit": min(n, 200)})["hits"]]
    rows = [
        measure("first text", searches()[:1]),
        measure("text, looks", searches(by="vector")),
        measure("text, looks and words", searches(by="both")),
        measure("text, filtered", searches(filter={"colour": "red", "price": {"lt": 50}})),
        measure("like", [lambda id=id: ask(client, "/v1/search", {"query": [{"like": id}]}) for id in ids]),  # type: ignore[misc]
        measure("listing, filtered, first", [lambda: ask(client, "/v1/search", {"filter": {"thing": "hat"}})]),
        measure("listing, filtered, again", [lambda: ask(client, "/v1/search", {"filter": {"thing": "hat"}})] * n),
        measure("facets, first", [facets()]),
        measure("facets, cached", [facets()] * n),
        measure("facets, narrowed", [facets(filter={"price": {"lt": 10 + i}}) for i in range(min(n, 20))]),
    ]
    return [*rows, measure("text, next pages", scroll(client))]


def scroll(client: httpx.Client) -> list[Callable[[], dict[str, Any]]]:
    """Requests for one page after the other."""
    asked: dict[str, Any] = {"text": "a striped garden", "limit": 50}

    def following() -> dict[str, Any]:
        answer = ask(client, "/v1/search", asked)
        asked["cursor"] = answer["cursor"]
        return answer

    return [following] * PAGES


def main() -> None:
    """Build, serve, measure."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--items", type=int, default=100_000)
    parser.add_argument("--asked", type=int, default=50)
    parser.add_argument("--folder", type=Path)
    parser.add_argument("--quick", action="store_true")
    given = parser.parse_args()
    items, asked = (5000, 10) if given.quick else (given.items, given.asked)
    kept = given.folder or Path(tempfile.mkdtemp())
    build(kept / f"gallery-{items}", items)
    settings = Settings(galleries={"shop": str(kept / f"gallery-{items}")}, port=0, page=False)
    listener = open_socket(settings)
    server = make_server(settings)
    threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True).start()
    address = f"http://127.0.0.1:{listener.getsockname()[1]}"
    with httpx.Client(base_url=address, timeout=120, trust_env=False) as client:
        while not server.started or client.get("/readyz").status_code != 200:
            time.sleep(0.1)
        rows = [{"items": items, **row} for row in measure_all(client, asked)]
    server.should_exit = True
    print(harness.table(rows))
    harness.write_rows("serve_search", rows)
    if given.folder is None:
        shutil.rmtree(kept)


if __name__ == "__main__":
    main()
