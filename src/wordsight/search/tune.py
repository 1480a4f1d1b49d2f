"""Choose how images and texts are fused, on queries whose right answers are known."""

from __future__ import annotations

import csv
import os
from collections import defaultdict
from collections.abc import Mapping, Sequence, Set
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wordsight.errors import InputError, did_you_mean
from wordsight.index import Index
from wordsight.index.base import check_model
from wordsight.metrics import Estimate, bootstrap_mean, hit_rate_at_k, mark_relevant, ndcg_at_k, recall_at_k
from wordsight.model import Model
from wordsight.search.fusion import Fusion
from wordsight.search.query import CANDIDATES, evidence_of
from wordsight.search.query_parts import Part, embed_parts
from wordsight.search.reference import reference_of
from wordsight.search.relevance import best_among, count_words, relevance_of_text

AT = 10  # answers that count
FEWEST = 5  # queries below which nothing can be chosen
ENOUGH = 20  # queries below which neither side is switched off, whatever the interval says
# what is tried; of equal ones the middle
FUSIONS = tuple(Fusion("both", n / 20) for n in sorted(range(1, 20), key=lambda n: abs(n - 10)))
SIDES = (Fusion("text"), Fusion("vector"))
NOTE = "fusion"
# what each costs for its distance from counting both sides alike, in queries answered perfectly: a few queries cannot
# drown one side out, a hundred can
UNEVEN_F = 3 * np.array([(2 * fusion.alpha - 1) ** 2 for fusion in FUSIONS])
_FOLDS = 5
DRAWS = 2000  # resamples of the queries
_MEASURES = ("ndcg", "recall", "hit_rate")
_SHOWN = 5  # ids or queries listed in a message
_PARTIAL = 0.2  # share of the queries in whose results unjudged ones stand above the only judged one: too many to trust


@dataclass(frozen=True)
class Judged:
    """A query and what answers it: ids of the index (or, as read from a file, paths)."""

    query: str
    relevant: frozenset[str]


@dataclass(frozen=True)
class Figures:
    """How well one way of searching answers; of hybrid, each query by the fusion chosen on the other folds.

    recall: the share of the right answers among the first 10; hit_rate: of queries with any among them.
    """

    way: str
    ndcg: Estimate
    recall: Estimate
    hit_rate: Estimate


@dataclass(frozen=True)
class Unjudged:
    """Queries of a single judged answer, above which the results have others: perhaps right, and not listed.

    singles: queries with one answer; above: of these, with unjudged results above it; examples: (query, its first
    unjudged result).
    """

    singles: int
    above: int
    examples: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class Tuned:
    """What was chosen and why.

    fusion: both sides, drawn towards their counting alike where there are few queries; one side alone only where all
    of `gain`'s interval speaks for it. gain: nDCG@10 of hybrid less that of the better side alone, query by query.
    unknown: judged answers that the index does not hold, which were left out. partial: whether the judgements seem to
    list only some of the right answers.
    """

    fusion: Fusion
    best: Fusion
    gain: Estimate
    figures: tuple[Figures, ...]
    queries: int
    unjudged: Unjudged = Unjudged(0, 0)
    unknown: tuple[str, ...] = ()

    @property
    def hybrid(self) -> bool:
        """Whether both sides count."""
        return self.fusion.way == "both"

    @property
    def partial(self) -> bool:
        """Whether so many unjudged results stand above the only judged one that the figures are too low."""
        singles, above = self.unjudged.singles, self.unjudged.above
        return 2 * singles > self.queries and above > _PARTIAL * self.queries

    def as_dict(self) -> dict[str, Any]:
        """Return what JSON can hold."""
        figures = [
            {"way": one.way, **{name: _estimate_to_note(getattr(one, name)) for name in _MEASURES}}
            for one in self.figures
        ]
        gain = _estimate_to_note(self.gain)
        return asdict(self) | {"gain": gain, "figures": figures, "partial": self.partial}

    def to_note(self) -> dict[str, Any]:
        """Return what the index keeps: the fusion, by which searches go, and how it came about."""
        return {**self.fusion.to_note(), "tuned": self.as_dict()}

    @classmethod
    def from_note(cls, note: Mapping[str, Any]) -> Tuned | None:
        """Return the choice of a note, or None of one that an older version wrote."""
        if not (said := note.get("tuned")):
            return None
        queries = said["queries"]
        figures = tuple(
            Figures(one["way"], *(_estimate_from_note(one[name], queries) for name in _MEASURES))
            for one in said["figures"]
        )
        unjudged = said["unjudged"] | {"examples": tuple(map(tuple, said["unjudged"]["examples"]))}
        fusion, best = Fusion.from_note(said["fusion"]), Fusion.from_note(said["best"])
        gain, unknown = _estimate_from_note(said["gain"], queries), tuple(said["unknown"])
        return cls(fusion, best, gain, figures, queries, Unjudged(**unjudged), unknown)


def _estimate_to_note(one: Estimate) -> dict[str, float]:
    """Numbers of an estimate under the names that the notes of all versions have."""
    return {"mean": one.value, "low": one.low, "high": one.high}


def _estimate_from_note(numbers: Mapping[str, float], queries: int) -> Estimate:
    return Estimate(numbers["mean"], numbers["low"], numbers["high"], queries)


@dataclass(frozen=True, eq=False)
class Sides:
    """The candidates of both sides for a query: ids, log-odds by looks (K,), evidence of texts (K, 4), the answers."""

    ids: Sequence[str]
    visual_K: np.ndarray
    texts_KF: np.ndarray
    relevant: frozenset[str]
    query: str = ""

    def order(self, fusion: Fusion) -> list[str]:
        """Return the ids, the most probable first; of texts alone, those that hold a word of the query."""
        logit_K = fusion.logits(self.visual_K, self.texts_KF)
        found = [at for at in range(len(self.ids)) if fusion.way != "text" or self.texts_KF[at, 0] > 0]
        return [self.ids[at] for at in sorted(found, key=lambda at: (-logit_K[at], -self.visual_K[at], self.ids[at]))]


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

    The hybrid's figures are by cross-validation: the fusion that answers a query was chosen on other queries. Answers
    that the index does not hold are left out, and are listed in the result.
    Raises: InputError for fewer than 5 queries, listing answers that the index does not hold.
    """
    check_model(index, model)
    if len(judged) < FEWEST:
        raise InputError(f"There are {len(judged)} queries, expected {FEWEST} or more to choose by; judge some more.")
    known, unknown = resolve(index, judged)
    if len(known) < FEWEST:
        raise InputError(_unknown_text(index, unknown, len(known)))
    tuned = replace(choose(search_both(index, model, known), seed), unknown=tuple(unknown))
    index.set_note(NOTE, tuned.to_note())
    return tuned


def tuning_of(index: Index) -> Tuned | Fusion | None:
    """Return what was chosen for an index; the fusion alone where an older version chose it; None where nothing was."""
    note = index.note(NOTE)
    return (Tuned.from_note(note) or Fusion.from_note(note)) if note else None


def reset(index: Index) -> None:
    """Forget what was chosen: searches weigh both sides alike again."""
    if index.note(NOTE):
        index.set_note(NOTE, {})


def choose(found: Sequence[Sides], seed: int = 0) -> Tuned:
    """Choose by nDCG@10 among FUSIONS, regularised; one side alone only if it is better beyond doubt."""
    orders = {fusion: [sides.order(fusion) for sides in found] for fusion in (*SIDES, *FUSIONS)}
    measured = {fusion: measure_orders(found, order) for fusion, order in orders.items()}
    ndcg, recall, hits = ({fusion: values[which] for fusion, values in measured.items()} for which in range(3))
    by_fusion_FQ = np.stack([ndcg[fusion] for fusion in FUSIONS])
    picked_Q, queries = cross_validated(by_fusion_FQ, seed, cost_F=UNEVEN_F), np.arange(len(found))
    hybrid = [np.stack([of[fusion] for fusion in FUSIONS])[picked_Q, queries] for of in (ndcg, recall, hits)]
    better = max(SIDES, key=lambda side: float(ndcg[side].mean()))
    gain = bootstrap_mean(hybrid[0] - ndcg[better], seed=seed, draws=DRAWS)
    best = FUSIONS[_best(by_fusion_FQ, UNEVEN_F)]
    figures = [
        Figures(f"{side.way} only", *(bootstrap_mean(of[side], seed=seed, draws=DRAWS) for of in (ndcg, recall, hits)))
        for side in SIDES
    ]
    figures.append(Figures("hybrid", *(bootstrap_mean(values, seed=seed, draws=DRAWS) for values in hybrid)))
    fusion = better if gain.high < 0 and len(found) >= ENOUGH else best
    return Tuned(fusion, best, gain, tuple(figures), len(found), _unjudged(found, orders[fusion]))


def measure_orders(found: Sequence[Sides], orders: Sequence[Sequence[str]]) -> tuple[NDArray[np.float64], ...]:
    """NDCG, recall and hit rate among the first 10 of an order of ids for each query, (Q,) each."""
    marks_QK, total_Q = mark_relevant(orders, [one.relevant for one in found], AT)
    return ndcg_at_k(marks_QK, AT, total_Q), recall_at_k(marks_QK, AT, total_Q), hit_rate_at_k(marks_QK, AT)


def _best(values_FQ: NDArray[np.floating], cost_F: NDArray[np.floating] | float) -> int:
    """Return the row of the largest mean over queries, each less its share of a cost."""
    return int((values_FQ.mean(axis=1) - cost_F / max(1, values_FQ.shape[1])).argmax())


def _unjudged(found: Sequence[Sides], orders: Sequence[Sequence[str]]) -> Unjudged:
    """Return for how many queries of one judged answer others stand above it among the first 10."""
    singles = [(one, order[:AT]) for one, order in zip(found, orders, strict=True) if len(one.relevant) == 1]
    above = [(one.query, order[0]) for one, order in singles if order and order[0] not in one.relevant]
    return Unjudged(len(singles), len(above), tuple(above[:_SHOWN]))


def cross_validated(
    values_FQ: NDArray[np.floating],
    seed: int = 0,
    folds: int = _FOLDS,
    cost_F: NDArray[np.floating] | float = 0.0,
) -> NDArray[np.intp]:
    """Return for each query which choice (row) is best on the queries of the other folds. (F, Q) → (Q,).

    cost_F: what a choice costs once, whatever the number of queries.
    """
    count = values_FQ.shape[1]
    fold_Q = np.random.default_rng(seed).permutation(count) % min(folds, count)
    picked_Q = np.empty(count, np.intp)
    for fold in range(min(folds, count)):
        picked_Q[fold_Q == fold] = _best(values_FQ[:, fold_Q != fold], cost_F)
    return picked_Q


def resolve(index: Index, judged: Sequence[Judged]) -> tuple[list[Judged], list[str]]:
    """Return the queries with what answers them as ids of the index, and the answers that it does not hold.

    What is given may be an id, a path (of a document: any of its pages), or the end of either: "shop/10006.jpg".
    Queries of which no answer is left are left out. Raises: InputError for what is the end of several paths.
    """
    given = {name for one in judged for name in one.relevant}
    ids_of = {name: {name} for name in (row.id for row in index.get(sorted(given)))}
    if missing := given - ids_of.keys():
        ids_of |= _by_path(index, missing)
    known = [
        Judged(one.query, frozenset().union(*(ids_of[name] for name in one.relevant if name in ids_of)))
        for one in judged
    ]
    return [one for one in known if one.relevant], sorted(given - ids_of.keys())


def _by_path(index: Index, names: Set[str]) -> dict[str, set[str]]:
    """Return name → ids of the rows whose path, or end of path or id, it is; names of none are left out."""
    whole = {name: os.path.abspath(name) for name in names}
    by_last: dict[str, list[str]] = defaultdict(list)
    for name in names:
        by_last[_last(name)].append(name)
    exact: dict[str, set[str]] = defaultdict(set)
    ends: dict[str, dict[str, set[str]]] = defaultdict(lambda: defaultdict(set))
    for stamp in index.stamps():
        for name in {*by_last.get(_last(stamp.path), ()), *by_last.get(_last(stamp.id), ())}:
            if stamp.path in (name, whole[name]):
                exact[name].add(stamp.id)
            elif stamp.path.endswith(f"/{name}") or stamp.id.endswith((f"/{name}", f"#{name}")):
                ends[name][stamp.path].add(stamp.id)
    found = {*exact, *ends}
    for name in sorted(found - exact.keys()):
        if len(ends[name]) > 1:
            raise InputError(
                f"{name!r} is the end of {len(ends[name])} paths, such as {' and '.join(sorted(ends[name])[:2])}; "
                "give more of the path."
            )
    return {name: exact.get(name) or next(iter(ends[name].values())) for name in found}


def _unknown_text(index: Index, unknown: Sequence[str], left: int) -> str:
    """Return what is said where too few queries have an answer in the index; each name with the one nearest to it."""
    known = dict.fromkeys(_last(stamp.path) for stamp, _ in zip(index.stamps(), range(20_000), strict=False))
    shown = [f"{name!r}.{did_you_mean(_last(name), known, n=1)}" for name in unknown[:_SHOWN]]
    more = f" … and {len(unknown) - _SHOWN} more." if len(unknown) > _SHOWN else ""
    return (
        f"The index holds none of these, {len(unknown)} in all: {' '.join(shown)}{more} {left} queries are left, where "
        f"{FEWEST} are needed. Expected ids or paths of indexed images; index them first."
    )


def _last(name: str) -> str:
    return name.replace("#", "/").rsplit("/", 1)[-1]


def search_both(index: Index, model: Model, judged: Sequence[Judged]) -> list[Sides]:
    """Search both sides for every query, whose answers are ids (see `resolve`)."""
    reference = reference_of(model)
    found = []
    for one, query_D in zip(judged, embed_parts(model, [Part("text", one.query) for one in judged]), strict=True):
        words = index.query_words(one.query)
        said, near = index.match_text(words, CANDIDATES), index.nearest(query_D, CANDIDATES)
        rows = {match.row.id: match.row for match in (*near, *said)}
        texts_KF = evidence_of(list(rows), said, len(words))
        best = near[: best_among(len(index))]
        near_KD = np.stack([match.row.vector for match in best]) if best else query_D[None][:0]
        relevance = relevance_of_text(reference, query_D, count_words(one.query), near_KD)
        visual_K = relevance.logits(np.array([row.vector @ query_D for row in rows.values()]))
        found.append(Sides(list(rows), visual_K, texts_KF, one.relevant, one.query))
    return found
