"""Gain of texts over visual similarity: BM25 only, vectors only, and both fused, on products and captioned photos.

The gallery of products is the fifth of `fashion` that the bundled model never learnt from; the photos are `flickr8k-a`,
which it never saw. The query is never the text that is indexed with the answer:

- title, columns: a product's title is the query; the index has its category, colour, season and usage.
- shopper, titles: "women's black handbags", made of three columns, is the query; the index has the titles as the shop
  wrote them; every product with these three attributes answers (2 or more).
- shopper, wrong titles: the same, where every product has another one's title: misleading texts, which a tuned
  fusion has to notice.
- caption, caption: a photo's first caption is the query; the index has its last, by another person.

    python benchmarks/hybrid_quality.py [--model mini] [--quick]

Intervals are 95 % bootstraps over queries. "hybrid, tuned" answers each query by the fusion that was best on the other
folds, as `wordsight tune` reports it; "hybrid, untuned" is a search without tuning.
"""

from __future__ import annotations

import argparse
import csv
import os
import tempfile
import zlib
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from harness import table, write_rows

import wordsight
from wordsight.index import IndexInfo, Row, create_index
from wordsight.metrics import bootstrap_mean
from wordsight.search.fusion import Fusion
from wordsight.search.judged import Judged
from wordsight.search.tune import (
    DRAWS,
    FUSIONS,
    UNEVEN_F,
    cross_validated,
    measure_orders,
    search_both,
)

DATA = Path(os.environ.get("WORDSIGHT_DATA", Path(__file__).parents[2] / "shared" / "data"))
WHOSE = {"Men": "men's", "Women": "women's", "Boys": "boys'", "Girls": "girls'", "Unisex": "unisex"}
COLUMNS = ("gender", "masterCategory", "subCategory", "articleType", "baseColour", "season", "usage")


@dataclass(frozen=True)
class Task:
    """Images with a text each, and queries with the numbers of the images that answer."""

    name: str
    images: Sequence[Path]
    texts: Sequence[str]
    queries: Mapping[str, Sequence[int]]


def held_out(product: str) -> bool:
    """Whether the bundled model never learnt from a product (as its recipe splits them)."""
    return zlib.crc32(f"fashion{product}".encode()) / 2**32 < 0.2


def products(limit: int | None) -> list[dict[str, str]]:
    """Held-out rows of the product table."""
    with open(DATA / "fashion" / "products.csv", encoding="utf-8", newline="") as file:
        return [row for row in csv.DictReader(file) if held_out(row["id"])][:limit]


def tasks(limit: int | None = None) -> Iterator[Task]:
    """Yield the four tasks; `limit` images of each."""
    rows = products(limit)
    images = [DATA / "fashion" / "images" / f"{row['id']}.jpg" for row in rows]
    titles = [row["productDisplayName"] for row in rows]
    asked: dict[str, list[int]] = defaultdict(list)
    shopper: dict[str, list[int]] = defaultdict(list)
    for i, row in enumerate(rows):
        asked[titles[i]].append(i)
        shopper[f"{WHOSE[row['gender']]} {row['baseColour']} {row['articleType']}".lower()].append(i)
    shopper = {query: right for query, right in shopper.items() if len(right) > 1}
    yield Task("title, columns", images, [" ".join(row[c] for c in COLUMNS) for row in rows], asked)
    yield Task("shopper, titles", images, titles, shopper)
    wrong = [titles[i] for i in np.random.default_rng(0).permutation(len(titles))]
    yield Task("shopper, wrong titles", images, wrong, shopper)
    captions: dict[str, list[str]] = defaultdict(list)
    for line in (DATA / "flickr8k-a" / "captions.tsv").read_text(encoding="utf-8").splitlines():
        image, caption = line.split("\t", 1)
        captions[image].append(caption)
    files = list(captions)[:limit]
    first: dict[str, list[int]] = defaultdict(list)
    for i, file in enumerate(files):
        first[captions[file][0]].append(i)
    photos = [DATA / "flickr8k-a" / "images" / file for file in files]
    yield Task("caption, caption", photos, [captions[file][-1] for file in files], first)


def hybrid_rows(model: Any, limit: int | None = None, seed: int = 0) -> list[dict[str, Any]]:
    """Rows of each task and mode, with nDCG@10, recall@10, the hit rate and their intervals."""
    embedded: dict[Path, np.ndarray] = {}
    rows = []
    for task in tasks(limit):
        new = [image for image in task.images if image not in embedded]
        if new:
            embedded |= dict(zip(new, model.embed_images(new), strict=True))
        vectors_ND = np.stack([embedded[image] for image in task.images])
        rows += [{"task": task.name, **row} for row in task_rows(model, task, vectors_ND, seed)]
    return rows


def task_rows(model: Any, task: Task, vectors_ND: np.ndarray, seed: int = 0) -> Iterator[dict[str, Any]]:
    """Yield a row for each mode, on one task."""
    info = IndexInfo(model.spec.name, model.fingerprint, model.spec.embed_dim, "1970-01-01T00:00:00Z")
    pairs = enumerate(zip(vectors_ND, task.texts, strict=True))
    with tempfile.TemporaryDirectory() as folder:
        index = create_index(folder, info)
        index.add([Row(str(i), "", str(i), str(i), vector, text=text) for i, (vector, text) in pairs])
        index.optimise()
        judged = [Judged(query, frozenset(map(str, right))) for query, right in task.queries.items()]
        found = search_both(index, model, judged)
        index.close()
    ways = {
        "text": Fusion("text"),
        "vector": Fusion("vector"),
        "hybrid, untuned": Fusion(),
    }
    scored = {name: _scores(found, fusion) for name, fusion in ways.items()}
    every = [_scores(found, fusion) for fusion in FUSIONS]
    picked = cross_validated(np.stack([ndcg for ndcg, *_ in every]), seed, cost_F=UNEVEN_F)
    scored["hybrid, tuned"] = tuple(np.stack(part)[picked, np.arange(len(found))] for part in zip(*every, strict=True))
    single = max(scored["text"][0], scored["vector"][0], key=lambda values: float(values.mean()))
    best = FUSIONS[
        int(np.argmax([ndcg.mean() - cost / len(found) for (ndcg, *_), cost in zip(every, UNEVEN_F, strict=True)]))
    ]
    for way, (ndcg, recall, hits) in scored.items():
        n, r, h, gain = (
            bootstrap_mean(values, seed=seed, draws=DRAWS) for values in (ndcg, recall, hits, ndcg - single)
        )
        yield {
            "by": way, "gallery": len(task.texts), "queries": len(found),
            "nDCG@10": n.value, "nDCG low": n.low, "nDCG high": n.high,
            "recall@10": r.value, "recall low": r.low, "recall high": r.high,
            "hit rate@10": h.value, "hit rate low": h.low, "hit rate high": h.high,
            "over the better side": gain.value, "gain low": gain.low, "gain high": gain.high,
            "alpha": {"hybrid, untuned": ways["hybrid, untuned"].alpha,
                      "hybrid, tuned": best.alpha if best.method == "both" else None}.get(way),
        }  # fmt: skip


def _scores(found: Sequence[Any], fusion: Fusion) -> tuple[np.ndarray, ...]:
    return measure_orders(found, [sides.order(fusion) for sides in found])


def main() -> None:
    """Measure, print and write `results/hybrid_quality.jsonl`."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", default="mini")
    parser.add_argument("--quick", action="store_true", help="smoke run: 100 images of each task")
    arguments = parser.parse_args()
    model = wordsight.load(arguments.model)
    rows = hybrid_rows(model, 100 if arguments.quick else None)
    rows = [{k: round(v, 4) if isinstance(v, float) else v for k, v in row.items()} for row in rows]
    print(table(rows))
    if not arguments.quick:
        about = {"model": arguments.model, "fingerprint": model.fingerprint}
        print(f"\n{write_rows('hybrid_quality', [about, *rows])}")


if __name__ == "__main__":
    main()
