"""Fit of text and visual similarity together: the constants HYBRID_WEIGHTS and WORDS_WEIGHTS of `search/relevance.py`.

    python benchmarks/hybrid_fit.py [--model mini]

Fitted on queries whose answers are known from something other than the text that is searched: titles of products for
types, colours and genders, their columns for titles, one caption of a Flickr8k validation photo for everyday queries
and for another caption. Tasks have equal weight, and so have the queries of a task; of a query the 200 nearest images
and the 200 best texts. Also printed: nDCG@10 and calibration on the other half of the products and on flickr8k-a.
"""

from __future__ import annotations

import argparse
import csv
import math
import tempfile
import zlib
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import everyday_queries
import numpy as np
from harness import table
from hybrid_quality import COLUMNS, DATA, WHOSE
from search_cutoff import CLOTHES, calibration_error, captions_of

import wordsight
from wordsight.index import IndexInfo, Row, create_index
from wordsight.metrics import ndcg_at_k
from wordsight.search.finder import CANDIDATES, gather_evidence
from wordsight.search.reference import load_reference
from wordsight.search.relevance import HYBRID_RANGE, count_words, judge_text
from wordsight.zeroshot.logistic import sigmoid

QUERIES = 150  # per task, at most


@dataclass(frozen=True)
class Task:
    """Images with a text each (vectors (N, D)), and queries with the numbers of those that answer."""

    name: str
    vectors_ND: np.ndarray
    texts: Sequence[str]
    queries: Mapping[str, set[int]]


@dataclass(frozen=True, eq=False)
class Candidates:
    """Results of both modes for one query: log-odds of visual similarity, evidence of texts (K, 4), truth (K,)."""

    task: str
    visual_K: np.ndarray
    texts_KF: np.ndarray
    right_K: np.ndarray
    answers: int

    @property
    def features_KF(self) -> np.ndarray:
        """Columns in the order of HYBRID_WEIGHTS."""
        full_K = self.texts_KF[:, 1] > 0
        visual_K = np.clip(self.visual_K, np.where(full_K, HYBRID_RANGE[1], HYBRID_RANGE[0]), HYBRID_RANGE[2])
        return np.concatenate([np.ones((len(visual_K), 1)), visual_K[:, None], self.texts_KF], axis=1)


def tasks(model: Any, half: int) -> Iterator[Task]:
    """Yield the tasks of one half: 0 to fit on, 1 to evaluate on."""
    with open(DATA / "fashion" / "products.csv", encoding="utf-8", newline="") as file:
        rows = [row for row in csv.DictReader(file) if zlib.crc32(f"fashion{row['id']}".encode()) / 2**32 < 0.2]
    rows = rows[half::2]
    vectors_ND = model.embed_images([DATA / "fashion" / "images" / f"{row['id']}.jpg" for row in rows])
    titles = [row["productDisplayName"] for row in rows]
    shopper: dict[str, set[int]] = defaultdict(set)
    for i, row in enumerate(rows):
        kind = row["articleType"].lower()
        for query in (
            kind,
            f"{row['baseColour'].lower()} {kind}",
            f"{WHOSE[row['gender']]} {row['baseColour'].lower()} {kind}",
        ):
            shopper[query].add(i)
    asked = [query for query, right in shopper.items() if len(right) > 1]
    asked = [asked[i] for i in np.random.default_rng(0).permutation(len(asked))[:QUERIES]]
    unrelated = [q for q in everyday_queries.everyday_queries() if not set(q.split()) & CLOTHES][::4]
    yield Task("shopper, titles", vectors_ND, titles, {q: shopper.get(q, set()) for q in (*asked, *unrelated)})
    titled: dict[str, set[int]] = defaultdict(set)
    for i, title in enumerate(titles[:QUERIES]):
        titled[title].add(i)
    yield Task("title, columns", vectors_ND, [" ".join(row[c] for c in COLUMNS) for row in rows], titled)
    name, source = (("flickr8k-a", "flickr8k-a"), ("flickr8k validation", "flickr8k-train"))[half == 0]
    captions = captions_of(name)
    told = list(captions.values())
    vectors_ND = model.embed_images([DATA / source / "images" / image for image in captions])
    everyday = {
        query: {i for i, one in enumerate(told) if everyday_queries.said(query, one[1:])}
        for query in everyday_queries.everyday_queries()
    }
    yield Task("everyday, caption", vectors_ND, [one[0] for one in told], everyday)
    yield Task(
        "caption, caption", vectors_ND, [one[-1] for one in told], {told[i][0]: {i} for i in range(0, len(told), 3)}
    )


def candidates(model: Any, task: Task) -> Iterator[Candidates]:
    """Yield the results of both modes for each query of a task."""
    reference = load_reference(model)
    info = IndexInfo(model.spec.name, model.fingerprint, model.spec.embed_dim, "1970-01-01T00:00:00Z")
    with tempfile.TemporaryDirectory() as folder:
        index = create_index(folder, info)
        rows = enumerate(zip(task.vectors_ND, task.texts, strict=True))
        index.add([Row(str(i), "", str(i), str(i), vector, text=text) for i, (vector, text) in rows])
        index.optimise()
        for query_D, (query, right) in zip(model.embed_texts(list(task.queries)), task.queries.items(), strict=True):
            words = index.query_words(query)
            said = index.match_text(words, CANDIDATES)
            near = index.nearest(query_D, CANDIDATES)
            found = {match.row.id: match.row for match in (*near, *said)}
            relevance = judge_text(
                reference, query_D, count_words(query), np.stack([match.row.vector for match in near[:3]])
            )
            yield Candidates(
                task.name,
                relevance.logits(np.array([row.vector @ query_D for row in found.values()])),
                gather_evidence(list(found), said, len(words)),
                np.array([int(id) in right for id in found]),
                len(right),
            )
        index.close()


def fit(found: Sequence[Candidates], kept: Sequence[bool], penalty: float = 1e-4) -> np.ndarray:
    """Weights (6,) of least log loss; 0 for features that are not kept."""
    from scipy.optimize import minimize

    number = {name: sum(one.task == name for one in found) for name in {one.task for one in found}}
    x = np.concatenate([one.features_KF for one in found]) * np.array(kept)
    y = np.concatenate([one.right_K for one in found]).astype(float)
    w = np.concatenate([np.full(len(o.right_K), 1 / number[o.task] / len(o.right_K)) for o in found])
    w /= w.sum()

    def loss(b: np.ndarray) -> tuple[float, np.ndarray]:
        logit, shrunk = x @ b, np.concatenate([[0.0], b[1:]])
        return float(w @ (np.logaddexp(0, logit) - y * logit) + penalty / 2 * shrunk @ shrunk), x.T @ (
            w * (sigmoid(logit) - y)
        ) + penalty * shrunk

    return np.asarray(minimize(loss, np.zeros(x.shape[1]), jac=True, method="L-BFGS-B").x)


def measured(found: Sequence[Candidates], weights_F: np.ndarray) -> Iterator[dict[str, Any]]:
    """Yield the figures of each task."""
    for name in dict.fromkeys(one.task for one in found):
        chosen = [one for one in found if one.task == name]
        proba = [sigmoid(one.features_KF @ weights_F) for one in chosen]

        def ndcg(one: Candidates, score_K: np.ndarray) -> float:
            marks_K = one.right_K[np.argsort(-score_K, kind="stable")]
            return float(ndcg_at_k(marks_K[None], 10, [one.answers])[0])

        asked = [(one, p) for one, p in zip(chosen, proba, strict=True) if one.answers]
        p, y = np.concatenate(proba), np.concatenate([one.right_K for one in chosen])
        yield {
            "task": name,
            "nDCG@10": float(np.mean([ndcg(one, p) for one, p in asked])),
            "visual similarity only": float(np.mean([ndcg(one, one.visual_K) for one, _ in asked])),
            "ECE": calibration_error(p, y, np.ones(len(p))),
            "precision above": float(y[p >= 0.5].mean()) if (p >= 0.5).any() else math.nan,
        }


def main() -> None:
    """Fit and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", default="mini")
    model = wordsight.load(parser.parse_args().model, precision="f32")
    learn, seen = ([one for task in tasks(model, half) for one in candidates(model, task)] for half in (0, 1))
    for name, kept in (("HYBRID_WEIGHTS", [True] * 6), ("WORDS_WEIGHTS", [True, False, True, True, True, True])):
        weights_F = fit(learn, kept).round(2)
        print(f"{name} = {tuple(weights_F.tolist())}")
        print(
            table(
                [
                    {k: round(v, 3) if isinstance(v, float) else v for k, v in row.items()}
                    for row in measured(seen, weights_F)
                ]
            )
        )


if __name__ == "__main__":
    main()
