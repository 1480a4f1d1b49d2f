"""Whether a cut-off for each query beats one cosine threshold for all: F1 on collections whose right answers are known.

Queries are words (class names, columns of a product table, captions) and pictures (one of a class; the others answer).
To each collection come queries that nothing in it answers, taken from sets of other domains: each hit of theirs is a
false one. F1 is pooled over a collection's (query, picture) pairs, then averaged over collections, so that each counts
alike. "cosine, learn" is the threshold that is best on the learn sets; "cosine, hindsight" the one best on the very
sets that are measured, which no user could know. Ours is fitted on the learn sets, never on those measured.

    python benchmarks/search_cutoff.py [--model mini] [--fit] [--quick]

--fit prints the constants of `wordsight/search/cutoff.py`, fitted on the learn sets, and measures with them.
"""

from __future__ import annotations

import argparse
import csv
import dataclasses
import os
import random
import zlib
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from harness import table, write_rows

import wordsight
from wordsight.search import cutoff
from wordsight.search.cutoff import Curve, Cutoff, bank_of
from wordsight.search.parts import Part, embed_parts
from wordsight.search.tune import bootstrap

DATA = Path(os.environ.get("WORDSIGHT_DATA", Path(__file__).parents[2] / "shared" / "data"))
# transfer set → what its pictures show; queries that nothing answers come from sets that share no domain
LEARN = {
    "aid": "places aerial", "birds50": "animals", "butterflies100": "animals", "charts": "paper", "diagrams": "paper",
    "caltech101": "animals things plants food", "docs": "paper", "dogs120": "animals", "barcodes": "paper",
    "dreambooth": "things food animals", "emoji": "things animals food places people plants sport", "screens": "paper",
    "flowers5": "plants", "fruitveg": "food", "imagewoof": "animals", "monkeys10": "animals", "rooms6": "rooms",
    "mushrooms": "plants food", "scene15": "places rooms", "trashnet": "things", "weather5": "places",
}  # fmt: skip
MEASURE = {
    "animals22": "animals", "cub200": "animals", "dtd10": "texture", "flowers17": "plants", "food-3dishes": "food",
    "food101-10": "food", "messier": "sky", "oxford-pets": "animals", "pacs": "animals things people rooms",
    "roadsigns_it": "signs", "rsscn7": "places aerial", "sports22": "sport people", "sun8": "places rooms",
    "vehicles3": "things", "vnlandmarks": "places",
}  # fmt: skip
# sets whose classes do not meet: a collection of all sorts
MIXED = (
    ("aid", "birds50", "butterflies100", "charts", "docs", "dogs120", "flowers5", "fruitveg", "rooms6", "screens"),
    ("cub200", "oxford-pets", "flowers17", "food101-10", "sports22", "vehicles3", "rsscn7", "messier", "dtd10", "sun8"),
)
EVERYTHING = "animals things people places rooms sport food clothes plants"
CLOTHES = {"longsleeve": "long-sleeve top", "outwear": "jacket or coat"}  # as people would type them
WHOSE = {"Men": "men's", "Women": "women's", "Boys": "boys'", "Girls": "girls'", "Unisex": "unisex"}
DEPTH = 1000  # rows of each query that are looked at, nearest first
QUERIES = 150  # of each collection and kind at most
PHOTOS = 1200  # of a captioned set at most


@dataclass(frozen=True, eq=False)
class Collection:
    """Pictures (N, D) and the labels that tell, for each word query, which answer: query → numbers of pictures."""

    name: str
    domains: frozenset[str]
    vectors: np.ndarray
    answers: dict[str, np.ndarray]
    classes: bool = True  # whether pictures of one label answer each other


@dataclass(frozen=True, eq=False)
class Asked:
    """One query put to a collection: its nearest rows' cosines, which of them answer, how many do in all."""

    cosines: np.ndarray
    right: np.ndarray
    answers: int
    judge: Cutoff


class Pictures:
    """Embeds every picture once."""

    def __init__(self, model: Any, limit: int | None, cache: str | None) -> None:
        self.model, self.limit, self.cache = model, limit, Path(cache) if cache else None

    def labelled(
        self, name: str, domains: str, pairs: Sequence[tuple[Path, Sequence[str]]], classes: bool = True
    ) -> Collection:
        """Return a collection of (picture, the queries that it answers)."""
        pairs = (
            pairs
            if self.limit is None
            else [pairs[i] for i in np.random.default_rng(0).permutation(len(pairs))[: self.limit]]
        )
        answers: dict[str, list[int]] = defaultdict(list)
        for i, (_, queries) in enumerate(pairs):
            for query in queries:
                answers[query].append(i)
        found = {query: np.array(numbers) for query, numbers in answers.items()}
        return Collection(name, frozenset(domains.split()), self._embedded(name, [p for p, _ in pairs]), found, classes)

    def _embedded(self, name: str, paths: list[Path]) -> np.ndarray:
        """Embed, or read what was embedded by the same model before (--keep)."""
        if self.cache is None:
            return self.model.embed_images(paths)
        kept = self.cache / f"{name}-{len(paths)}-{self.model.fingerprint[:12]}.npy"
        if not kept.exists():
            self.cache.mkdir(parents=True, exist_ok=True)
            np.save(kept, self.model.embed_images(paths))
        return np.load(kept)


def half(product: str) -> int:
    """Return which half of the products one belongs to: the first is learnt from, the second measured."""
    return int(zlib.crc32(f"half{product}".encode()) / 2**32 >= 0.5)


def collections(pictures: Pictures, measured: bool) -> list[Collection]:
    """Return the collections to learn from, or those to measure with."""
    sets: dict[str, list[tuple[Path, list[str]]]] = defaultdict(list)
    with open(DATA / "transfer" / "labels.tsv", encoding="utf-8", newline="") as file:
        for name, picture, label in csv.reader(file, delimiter="\t"):
            sets[name].append((DATA / "transfer" / name / picture, [label]))
    chosen = MEASURE if measured else LEARN
    found = [pictures.labelled(name, domains, sets[name]) for name, domains in chosen.items()]
    by_name = {one.name: one for one in found}
    found.append(_joined("all sorts", [by_name[name] for name in MIXED[measured]]))
    split = "validation" if measured else "train"
    clothes = sorted((DATA / "clothing" / split).glob("*/*"))
    named = [(path, [CLOTHES.get(path.parent.name, path.parent.name)]) for path in clothes]
    found.append(pictures.labelled("clothing", "clothes", named))
    found += _products(pictures, int(measured))
    if not measured:
        rows = [line.split("\t") for line in (DATA / "grocery" / "labels.tsv").read_text(encoding="utf-8").splitlines()]
        fruit = [(DATA / "grocery" / "images" / row[0], [row[1].replace("-", " ").lower()]) for row in rows]
        found.append(pictures.labelled("grocery", "food", fruit))
    return [*found, _captioned(pictures, "flickr8k-a" if measured else "coco3k7")]


def _joined(name: str, parts: Sequence[Collection]) -> Collection:
    starts = np.cumsum([0, *(len(one.vectors) for one in parts)])
    answers = {
        query: start + right for one, start in zip(parts, starts, strict=False) for query, right in one.answers.items()
    }
    domains = frozenset[str]().union(*(one.domains for one in parts))
    return Collection(name, domains, np.concatenate([one.vectors for one in parts]), answers)


def _products(pictures: Pictures, part: int) -> Iterator[Collection]:
    """Yield the products of one half, asked for by type, by colour and type, and by whose, colour and type."""
    with open(DATA / "fashion" / "products.csv", encoding="utf-8", newline="") as file:
        rows = [row for row in csv.DictReader(file) if half(row["id"]) == part]
    named = []
    for row in rows:
        kind = row["articleType"].lower()
        coloured = f"{row['baseColour'].lower()} {kind}"
        named.append(
            (DATA / "fashion" / "images" / f"{row['id']}.jpg", [kind, coloured, f"{WHOSE[row['gender']]} {coloured}"])
        )
    whole = pictures.labelled(f"products {part}", "clothes things", named)
    for level, what in enumerate(("type", "colour and type", "whose, colour and type")):
        chosen = {queries[level] for _, queries in named}
        answers = {query: right for query, right in whole.answers.items() if query in chosen and len(right) >= 3}
        yield Collection(f"products by {what}", whole.domains, whole.vectors, answers)


def _captioned(pictures: Pictures, name: str) -> Collection:
    captions: dict[str, str] = {}
    for line in (DATA / name / "captions.tsv").read_text(encoding="utf-8").splitlines():
        captions.setdefault(*line.split("\t", 1))
    files = sorted(captions)
    if len(files) > PHOTOS:
        random.Random(0).shuffle(files)
    named = [(DATA / name / "images" / file, [captions[file]]) for file in files[:PHOTOS]]
    return pictures.labelled(name, EVERYTHING, named, classes=False)


def ask(model: Any, all_of: Sequence[Collection], kind: str, seed: int = 0) -> dict[str, list[Asked]]:
    """Return for each collection its queries of a kind, "text" or "picture", and a third as many without an answer."""
    rng = np.random.default_rng(seed)
    bank = bank_of(model) if kind == "text" else None
    words = {
        one.name: _text_queries(model, one, rng) if kind == "text" else _picture_queries(one, rng) for one in all_of
    }
    found = {}
    for one in all_of:
        if not words[one.name]:
            continue
        far = [vector for other in all_of if not other.domains & one.domains for vector, _, _ in words[other.name][:20]]
        strangers = [far[i] for i in rng.permutation(len(far))[: max(10, len(words[one.name]) // 3)]]
        queries = [*words[one.name], *((vector, np.zeros(0, int), None) for vector in strangers)]
        found[one.name] = [_asked(one.vectors, *query, bank) for query in queries]
    return found


def _text_queries(model: Any, one: Collection, rng: np.random.Generator) -> list[tuple[np.ndarray, np.ndarray, None]]:
    names = [list(one.answers)[i] for i in rng.permutation(len(one.answers))[:QUERIES]]
    vectors = embed_parts(model, [Part("text", name) for name in names])
    return [(vector, one.answers[name], None) for vector, name in zip(vectors, names, strict=True)]


def _picture_queries(one: Collection, rng: np.random.Generator) -> list[tuple[np.ndarray, np.ndarray, int]]:
    if not one.classes:
        return []
    members = [(int(i), right) for right in one.answers.values() if len(right) > 1 for i in right]
    chosen = [members[i] for i in rng.permutation(len(members))[:QUERIES]]
    return [(one.vectors[i], right[right != i], i) for i, right in chosen]


def _asked(vectors_ND: np.ndarray, query_D: np.ndarray, right: np.ndarray, itself: int | None, bank: Any) -> Asked:
    """Put a query to a collection, without the picture that is the query."""
    cosine_N = vectors_ND @ query_D
    if itself is not None:
        cosine_N[itself] = -np.inf
    near = np.argsort(-cosine_N, kind="stable")[: min(DEPTH, len(cosine_N) - (itself is not None))]
    sample = vectors_ND[np.unique(np.linspace(0, len(vectors_ND) - 1, min(cutoff.SAMPLE, len(vectors_ND))).astype(int))]
    judge = Cutoff.of(query_D, vectors_ND[near[: cutoff.TOP]], sample, len(vectors_ND), bank)
    return Asked(cosine_N[near], np.isin(near, right), len(right), judge)


def f1(asked: Sequence[Asked], scores: Sequence[np.ndarray], thresholds: np.ndarray) -> np.ndarray:
    """Return F1 over all pairs at each threshold."""
    shown = np.sort(-np.concatenate(scores))
    hits = np.sort(-np.concatenate([s[one.right] for one, s in zip(asked, scores, strict=True)]))
    true = np.searchsorted(hits, -thresholds, "right")
    return 2 * true / (np.searchsorted(shown, -thresholds, "right") + sum(one.answers for one in asked))


def by_query(asked: Sequence[Asked], scores: Sequence[np.ndarray], threshold: float) -> tuple[float, float]:
    """Return the mean F1 of queries that have answers, and the share of the others that get none."""
    f1s, empty = [], []
    for one, s in zip(asked, scores, strict=True):
        shown = s >= threshold
        if one.answers:
            f1s.append(2 * (shown & one.right).sum() / (shown.sum() + one.answers))
        else:
            empty.append(not shown.any())
    return float(np.mean(f1s)), float(np.mean(empty)) if empty else float("nan")


def best_threshold(found: dict[str, list[Asked]], scores: dict[str, list[np.ndarray]]) -> float:
    """Return the threshold of the largest mean F1."""
    every = np.concatenate([s for part in scores.values() for s in part])
    thresholds = np.unique(np.quantile(every, np.linspace(0.2, 1, 2000)))
    return float(thresholds[np.mean([f1(found[name], scores[name], thresholds) for name in found], axis=0).argmax()])


def features(asked: Asked) -> np.ndarray:
    """Return what a curve weighs, a row for each hit: 1, cosine, best, standing, size."""
    judge = asked.judge
    size = np.log(min(judge.size, cutoff.LARGEST))
    z = (asked.cosines - judge.mean) / judge.spread
    return np.stack([np.ones_like(z), z, *(np.full_like(z, x) for x in (judge.best, judge.standing, size))], axis=1)


def weight(one: Asked) -> float:
    """Return how much a query's hits count: a query of many answers for more than one of few, but not in proportion.

    Tried on the learn sets: all hits alike and all queries alike have a lower F1 there.
    """
    return 1 / max(one.answers, 1) ** 0.5


def fit(found: dict[str, list[Asked]]) -> Curve:
    """Return the curve of least log loss; each collection counts alike, and in it each query."""
    from scipy.optimize import minimize

    x = np.concatenate([features(one) for part in found.values() for one in part])
    y = np.concatenate([one.right for part in found.values() for one in part]).astype(float)
    w = np.concatenate([np.full(len(one.right), weight(one) / len(part)) for part in found.values() for one in part])
    w /= w.sum()

    def loss(b: np.ndarray) -> tuple[float, np.ndarray]:
        logit = x @ b
        return float(w @ (np.logaddexp(0, logit) - y * logit)), x.T @ (w * (0.5 * (1 + np.tanh(logit / 2)) - y))

    return Curve(*map(float, minimize(loss, np.zeros(x.shape[1]), jac=True, method="BFGS").x))


def judged(found: dict[str, list[Asked]], curve: Curve) -> dict[str, list[np.ndarray]]:
    """Return the probabilities of every query's hits."""
    return {
        name: [dataclasses.replace(one.judge, curve=curve).proba(one.cosines) for one in part]
        for name, part in found.items()
    }


def cosines(found: dict[str, list[Asked]]) -> dict[str, list[np.ndarray]]:
    """Return the cosines of every query's hits."""
    return {name: [one.cosines for one in part] for name, part in found.items()}


def measure(
    kind: str, learn: dict[str, list[Asked]], seen: dict[str, list[Asked]], curve: Curve, cut: float
) -> dict[str, list[Any]]:
    """Return the table of rules, F1 by collection, and what was said against what was so."""
    said, plain = judged(seen, curve), cosines(seen)
    rules = {
        "cosine, learn": (plain, best_threshold(learn, cosines(learn))),
        "cosine, hindsight": (plain, best_threshold(seen, plain)),
        "ours": (said, cut),
        "ours, hindsight": (said, best_threshold(seen, said)),
    }
    table_of = {rule: [float(f1(seen[n], s[n], np.array([t]))[0]) for n in seen] for rule, (s, t) in rules.items()}
    rows = []
    for rule, (scores, threshold) in rules.items():
        each = [by_query(seen[name], scores[name], threshold) for name in seen]
        gain = bootstrap(np.array(table_of[rule]) - np.array(table_of["cosine, hindsight"]))
        rows.append({
            "kind": kind, "rule": rule, "threshold": threshold, "F1": float(np.mean(table_of[rule])),
            "over hindsight": gain.mean, "low": gain.low, "high": gain.high,
            "F1 by query": float(np.mean([a for a, _ in each])),
            "no match right": float(np.nanmean([b for _, b in each])),
        })  # fmt: skip
    sets = [
        {"kind": kind, "collection": name, "queries": len(seen[name]), **{rule: table_of[rule][i] for rule in rules}}
        for i, name in enumerate(seen)
    ]
    return {"rules": rows, "collections": sets, "reliability": reliability(kind, seen, said)}


def reliability(kind: str, found: dict[str, list[Asked]], said: dict[str, list[np.ndarray]]) -> list[dict[str, Any]]:
    """Return the probability said against the share that was so, of hits in collections of equal weight."""
    pairs = [
        (p, one.right, np.full(len(p), weight(one) / len(found[n])))
        for n in found
        for one, p in zip(found[n], said[n], strict=True)
    ]
    p, right, weights = (np.concatenate([pair[i] for pair in pairs]) for i in range(3))
    tenth = np.minimum((p * 10).astype(int), 9)
    return [
        {"kind": kind, "said": float(np.average(p[tenth == t], weights=weights[tenth == t])),
         "so": float(np.average(right[tenth == t], weights=weights[tenth == t])), "hits": int((tenth == t).sum())}
        for t in range(10) if (tenth == t).any()
    ]  # fmt: skip


def main() -> None:
    """Measure, print and write `results/search_cutoff.jsonl`."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", default="mini")
    parser.add_argument("--fit", action="store_true")
    parser.add_argument("--quick", action="store_true", help="12 pictures of each collection: does it run?")
    parser.add_argument("--keep", metavar="DIR", help="Keep the pictures' embeddings there.")
    arguments = parser.parse_args()
    model = wordsight.load(arguments.model)
    pictures = Pictures(model, 12 if arguments.quick else None, arguments.keep)
    learn, seen = (collections(pictures, measured) for measured in (False, True))
    parts: dict[str, list[Any]] = defaultdict(list)
    for kind, curve in (("text", cutoff.TEXT), ("picture", cutoff.PICTURE)):
        learnt, asked, cut = ask(model, learn, kind), ask(model, seen, kind), cutoff.CUT
        if arguments.fit:
            curve = fit(learnt)
            cut = best_threshold(learnt, judged(learnt, curve))
            print(f"{kind}: {Curve(*(round(x, 2) for x in dataclasses.astuple(curve)))}  CUT {cut:.3f}")
        for title, rows in measure(kind, learnt, asked, curve, cut).items():
            parts[title] += [{k: round(v, 4) if isinstance(v, float) else v for k, v in row.items()} for row in rows]
    for title, rows in parts.items():
        print(f"\n{title}\n{table(rows)}")
    if not arguments.quick:
        about = {"model": arguments.model, "fingerprint": model.fingerprint}
        rows = [about, *({"part": title, **row} for title, rows in parts.items() for row in rows)]
        print(f"\n{write_rows('search_cutoff', rows)}")


if __name__ == "__main__":
    main()
