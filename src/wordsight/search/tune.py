"""Choose how pictures and texts are fused, on queries whose right answers are known."""

from __future__ import annotations

import csv
import math
import os
from collections import defaultdict
from collections.abc import Sequence, Set
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wordsight.errors import InputError, did_you_mean
from wordsight.index import Index
from wordsight.model import Model
from wordsight.search.fusion import Fusion, Scores, ranked
from wordsight.search.parts import Part, embed_parts
from wordsight.search.query import CANDIDATES, SAMPLE, check_model

AT = 10  # answers that count
FEWEST = 5  # queries below which nothing can be chosen
# what is tried; ties go to the earlier
FUSIONS = (*(Fusion("score", n / 20) for n in sorted(range(1, 20), key=lambda n: abs(n - 10))), Fusion("rank"))
_FOLDS = 5
_DRAWS = 2000
_SHOWN = 5  # ids listed in an error


@dataclass(frozen=True)
class Judged:
    """A query and what answers it: ids of the index (or, as read from a file, paths)."""

    query: str
    relevant: frozenset[str]


@dataclass(frozen=True)
class Estimate:
    """A mean over queries with its 95 % confidence interval, from a bootstrap over queries."""

    mean: float
    low: float
    high: float


@dataclass(frozen=True)
class Figures:
    """How well one way of searching answers; of hybrid, each query by the fusion chosen on the other folds."""

    way: str
    ndcg: Estimate
    recall: Estimate


@dataclass(frozen=True)
class Tuned:
    """What was chosen and why.

    gain: nDCG@10 of hybrid less that of the better side alone, query by query; hybrid is chosen where all of its
    interval is above 0. best: the fusion that suits all queries best, chosen or not.
    """

    fusion: Fusion
    best: Fusion
    gain: Estimate
    figures: tuple[Figures, ...]
    queries: int

    @property
    def hybrid(self) -> bool:
        """Whether both sides together are better than either."""
        return self.fusion.way in ("rank", "score")

    def as_dict(self) -> dict[str, Any]:
        """Return what JSON can hold."""
        return asdict(self)


@dataclass(frozen=True)
class Sides:
    """What both sides found for one query."""

    vector: Scores
    text: Scores
    floor: float
    relevant: frozenset[str]

    def order(self, fusion: Fusion) -> list[str]:
        """Return the ids, best first."""
        return ranked(fusion(self.vector, self.text, self.floor))


def read_judged(path: str | os.PathLike[str]) -> list[Judged]:
    """Return the queries of a tab-separated file, "query<TAB>id or path" a line; a query may stand on several lines.

    A first line whose cells are "query" and "id" or the like is left out. Raises: InputError naming file and line.
    """
    try:
        lines = Path(path).read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"The file of queries {str(path)!r} cannot be read ({error}); expected UTF-8 text.") from error
    relevant: dict[str, set[str]] = defaultdict(set)
    for number, cells in enumerate(csv.reader(lines, delimiter="\t", quoting=csv.QUOTE_NONE), start=1):
        cells = [cell.strip() for cell in cells]
        if not any(cells) or (number == 1 and cells[0].lower() in ("query", "queries")):
            continue
        if len(cells) < 2 or not cells[0] or not cells[1]:
            raise InputError(
                f"{str(path)!r}, line {number}: {cells!r}; expected a query, a tab, and the id that answers."
            )
        relevant[cells[0]].add(cells[1])
    return [Judged(query, frozenset(ids)) for query, ids in relevant.items()]


def tune(index: Index, model: Model, judged: Sequence[Judged], *, seed: int = 0) -> Tuned:
    """Choose the fusion on judged queries, note it in the index as "fusion", and return it with its figures.

    The hybrid's figures are by cross-validation: the fusion that answers a query was chosen on other queries.
    Raises: InputError for fewer than 5 queries and for answers that the index does not hold, listing them.
    """
    check_model(index, model)
    if len(judged) < FEWEST:
        raise InputError(f"There are {len(judged)} queries, expected {FEWEST} or more to choose by; judge some more.")
    tuned = choose(search_both(index, model, resolve(index, judged)), seed)
    index.set_note("fusion", {**tuned.fusion.to_note(), "queries": tuned.queries, "ndcg_gain": asdict(tuned.gain)})
    return tuned


def choose(found: Sequence[Sides], seed: int = 0) -> Tuned:
    """Choose by nDCG@10 among FUSIONS, and between them and either side alone."""
    orders = {
        fusion: [sides.order(fusion) for sides in found] for fusion in (Fusion("text"), Fusion("vector"), *FUSIONS)
    }
    truth = [sides.relevant for sides in found]
    ndcg, recall = (
        {
            fusion: np.array([metric(ids, right) for ids, right in zip(order, truth, strict=True)])
            for fusion, order in orders.items()
        }
        for metric in (ndcg_at_k, recall_at_k)
    )
    by_fusion_FQ = np.stack([ndcg[fusion] for fusion in FUSIONS])
    picked_Q = cross_validated(by_fusion_FQ, seed)
    queries = np.arange(len(found))
    hybrid = [np.stack([scores[fusion] for fusion in FUSIONS])[picked_Q, queries] for scores in (ndcg, recall)]
    sides = (Fusion("text"), Fusion("vector"))
    better = max(sides, key=lambda side: float(ndcg[side].mean()))
    gain = bootstrap(hybrid[0] - ndcg[better], seed)
    best = FUSIONS[int(by_fusion_FQ.mean(axis=1).argmax())]
    figures = [Figures(f"{s.way} only", bootstrap(ndcg[s], seed), bootstrap(recall[s], seed)) for s in sides]
    figures.append(Figures("hybrid", *(bootstrap(values, seed) for values in hybrid)))
    return Tuned(best if gain.low > 0 else better, best, gain, tuple(figures), len(found))


def cross_validated(values_FQ: NDArray[np.floating], seed: int = 0, folds: int = _FOLDS) -> NDArray[np.intp]:
    """Return for each query which choice (row) is best on the queries of the other folds. (F, Q) → (Q,)."""
    count = values_FQ.shape[1]
    fold_Q = np.random.default_rng(seed).permutation(count) % min(folds, count)
    picked_Q = np.empty(count, np.intp)
    for fold in range(min(folds, count)):
        picked_Q[fold_Q == fold] = values_FQ[:, fold_Q != fold].mean(axis=1).argmax()
    return picked_Q


def ndcg_at_k(order: Sequence[str], relevant: Set[str], k: int = AT) -> float:
    """Return Σ 1 / log2(1 + rank) over the relevant among the first k, as a share of what a perfect order has.

    Source: Järvelin and Kekäläinen 2002, with gains of 0 and 1.
    """
    gained = sum(1 / math.log2(rank + 1) for rank, id in enumerate(order[:k], start=1) if id in relevant)
    return gained / sum(1 / math.log2(rank + 1) for rank in range(1, min(k, len(relevant)) + 1))


def recall_at_k(order: Sequence[str], relevant: Set[str], k: int = AT) -> float:
    """Return 1 where any relevant one is within the first k, else 0."""
    return float(not relevant.isdisjoint(order[:k]))


def bootstrap(values_Q: NDArray[np.floating], seed: int = 0, draws: int = _DRAWS) -> Estimate:
    """Return the mean over queries and its 95 % percentile interval; queries are drawn anew, with replacement.

    Equal seeds draw the same queries, so that a difference of two ways is bootstrapped as the mean of differences.
    Source: Efron and Tibshirani 1993, §13.3.
    """
    drawn = np.random.default_rng(seed).integers(len(values_Q), size=(draws, len(values_Q)))
    low, high = np.quantile(values_Q[drawn].mean(axis=1), [0.025, 0.975])
    return Estimate(float(values_Q.mean()), float(low), float(high))


def resolve(index: Index, judged: Sequence[Judged]) -> list[Judged]:
    """Return the queries with what answers them as ids of the index.

    What is given may be an id, a path (of a document: any of its pages), or the end of either: "shop/10006.jpg".
    Raises: InputError listing what the index does not hold, and what is the end of several paths.
    """
    given = {name for one in judged for name in one.relevant}
    ids_of = {name: {name} for name in (row.id for row in index.get(sorted(given)))}
    if missing := given - ids_of.keys():
        ids_of |= _by_path(index, missing)
    return [Judged(one.query, frozenset().union(*(ids_of[name] for name in one.relevant))) for one in judged]


def _by_path(index: Index, names: Set[str]) -> dict[str, set[str]]:
    """Return name → ids of the rows whose path, or end of path or id, it is."""
    whole = {name: os.path.abspath(name) for name in names}
    by_last: dict[str, list[str]] = defaultdict(list)
    for name in names:
        by_last[_last(name)].append(name)
    exact: dict[str, set[str]] = defaultdict(set)
    ends: dict[str, dict[str, set[str]]] = defaultdict(lambda: defaultdict(set))
    seen: list[str] = []
    for stamp in index.stamps():
        seen.append(stamp.path)
        for name in {*by_last.get(_last(stamp.path), ()), *by_last.get(_last(stamp.id), ())}:
            if stamp.path in (name, whole[name]):
                exact[name].add(stamp.id)
            elif stamp.path.endswith(f"/{name}") or stamp.id.endswith((f"/{name}", f"#{name}")):
                ends[name][stamp.path].add(stamp.id)
    _refuse_unknown(sorted(names - exact.keys() - ends.keys()), seen)
    for name in sorted(names - exact.keys()):
        if len(ends[name]) > 1:
            raise InputError(
                f"{name!r} is the end of {len(ends[name])} paths, such as {' and '.join(sorted(ends[name])[:2])}; "
                "give more of the path."
            )
    return {name: exact.get(name) or next(iter(ends[name].values())) for name in names}


def _refuse_unknown(unknown: Sequence[str], paths: Sequence[str]) -> None:
    """Raise InputError listing names that are not in the index, each with the file name nearest to it."""
    if not unknown:
        return
    known = {_last(path): None for path in paths[:20_000]}  # a hint is not worth a minute
    shown = [f"{name!r}.{did_you_mean(_last(name), known, n=1)}" for name in unknown[:_SHOWN]]
    more = f" … and {len(unknown) - _SHOWN} more." if len(unknown) > _SHOWN else ""
    raise InputError(
        f"The index holds none of these, {len(unknown)} in all: {' '.join(shown)}{more} "
        "Expected ids or paths of indexed pictures; index them first."
    )


def _last(name: str) -> str:
    return name.replace("#", "/").rsplit("/", 1)[-1]


def search_both(index: Index, model: Model, judged: Sequence[Judged]) -> list[Sides]:
    """Search both sides for every query, whose answers are ids (see `resolve`)."""
    mean_D = index.sample(SAMPLE).mean(axis=0)
    found = []
    for one, query_D in zip(judged, embed_parts(model, [Part("text", one.query) for one in judged]), strict=True):
        text = index.match_text(one.query, CANDIDATES)
        rows = {match.row.id: match.row for match in (*text, *index.nearest(query_D, CANDIDATES))}
        cosines = {id: float(row.vector @ query_D) for id, row in rows.items()}
        bm25 = {match.row.id: match.score for match in text}
        found.append(Sides(cosines, bm25, float(mean_D @ query_D), one.relevant))
    return found
