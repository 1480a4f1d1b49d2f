"""Choose how images and texts are fused, on queries whose right answers are known."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wordsight.errors import InputError
from wordsight.index import Index
from wordsight.index.base import check_model
from wordsight.metrics import Estimate, bootstrap_mean, hit_rate_at_k, mark_relevant, ndcg_at_k, recall_at_k
from wordsight.model import Model
from wordsight.search.finder import CANDIDATES, gather_evidence
from wordsight.search.fusion import Fusion
from wordsight.search.judged import Judged, describe_unknown, resolve_answers
from wordsight.search.query_parts import QueryPart, embed_parts
from wordsight.search.reference import load_reference
from wordsight.search.relevance import best_among, count_words, judge_text

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
class Figures:
    """Quality of one mode of search; of hybrid, each query by the fusion chosen on the other folds.

    mode: "text only", "vector only" or "hybrid". recall: share of the right answers among the first 10; hit_rate: of
    queries with any among them.
    """

    mode: str
    ndcg: Estimate
    recall: Estimate
    hit_rate: Estimate

    def to_dict(self) -> dict[str, Any]:
        """The figures as JSON; the mode is called "way", as in the notes of all versions."""
        return {"way": self.mode, **{name: _estimate_to_dict(getattr(self, name)) for name in _MEASURES}}


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
    """The chosen weights and the evidence for them.

    fusion: both sides, shrunk towards equal weights where there are few queries; one side alone only where all of
    `gain`'s interval speaks for it. gain: nDCG@10 of hybrid less that of the better side alone, query by query.
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
        return self.fusion.method == "both"

    @property
    def partial(self) -> bool:
        """Whether so many unjudged results stand above the only judged one that the figures are too low."""
        singles, above = self.unjudged.singles, self.unjudged.above
        return 2 * singles > self.queries and above > _PARTIAL * self.queries

    def to_dict(self) -> dict[str, Any]:
        """The choice and its figures as JSON."""
        return {
            "fusion": self.fusion.to_dict(),
            "best": self.best.to_dict(),
            "gain": _estimate_to_dict(self.gain),
            "figures": [one.to_dict() for one in self.figures],
            "queries": self.queries,
            "unjudged": asdict(self.unjudged),
            "unknown": list(self.unknown),
            "partial": self.partial,
        }

    def to_note(self) -> dict[str, Any]:
        """The note of the index: the fusion, which searches use, and the figures behind it."""
        return {**self.fusion.to_dict(), "tuned": self.to_dict()}

    @classmethod
    def from_note(cls, note: Mapping[str, Any]) -> Tuned | None:
        """Choice of a note, or None of one that an older version wrote."""
        said = note.get("tuned")
        if not said:
            return None
        queries = said["queries"]
        figures = tuple(
            Figures(one["way"], *(_estimate_from_dict(one[name], queries) for name in _MEASURES))
            for one in said["figures"]
        )
        unjudged = said["unjudged"] | {"examples": tuple(map(tuple, said["unjudged"]["examples"]))}
        fusion, best = Fusion.from_note(said["fusion"]), Fusion.from_note(said["best"])
        gain, unknown = _estimate_from_dict(said["gain"], queries), tuple(said["unknown"])
        return cls(fusion, best, gain, figures, queries, Unjudged(**unjudged), unknown)


def _estimate_to_dict(one: Estimate) -> dict[str, float]:
    """Numbers of an estimate under the names that the notes of all versions have."""
    return {"mean": one.value, "low": one.low, "high": one.high}


def _estimate_from_dict(numbers: Mapping[str, float], queries: int) -> Estimate:
    return Estimate(numbers["mean"], numbers["low"], numbers["high"], queries)


@dataclass(frozen=True, eq=False)
class Sides:
    """Candidates of both sides for a query: ids, visual log-odds (K,), evidence of texts (K, 4), the answers."""

    ids: Sequence[str]
    visual_K: np.ndarray
    texts_KF: np.ndarray
    relevant: frozenset[str]
    query: str = ""

    def order(self, fusion: Fusion) -> list[str]:
        """Ids, the most probable first; of texts alone, those that hold a word of the query."""
        logit_K = fusion.logits(self.visual_K, self.texts_KF)
        found = [at for at in range(len(self.ids)) if fusion.method != "text" or self.texts_KF[at, 0] > 0]
        return [self.ids[at] for at in sorted(found, key=lambda at: (-logit_K[at], -self.visual_K[at], self.ids[at]))]


def tune(index: Index, model: Model, judged: Sequence[Judged], *, seed: int = 0) -> Tuned:
    """Choose the fusion on judged queries, note it in the index as "fusion", and return it with its figures.

    The hybrid's figures are by cross-validation: the fusion that answers a query was chosen on other queries. Answers
    that the index does not hold are left out, and are listed in the result.
    Raises: InputError for fewer than 5 queries, listing answers that the index does not hold.
    """
    check_model(index, model)
    if len(judged) < FEWEST:
        raise InputError(f"There are {len(judged)} queries, expected {FEWEST} or more to choose by; judge some more.")
    known, unknown = resolve_answers(index, judged)
    if len(known) < FEWEST:
        raise InputError(describe_unknown(index, unknown, len(known), FEWEST))
    tuned = replace(choose(search_both(index, model, known), seed), unknown=tuple(unknown))
    index.set_note(NOTE, tuned.to_note())
    return tuned


def read_tuning(index: Index) -> Tuned | Fusion | None:
    """Choice for an index; the fusion alone where an older version chose it; None where nothing was chosen."""
    note = index.note(NOTE)
    if not note:
        return None
    return Tuned.from_note(note) or Fusion.from_note(note)


def reset(index: Index) -> None:
    """Remove the choice: searches weigh both sides alike again."""
    if index.note(NOTE):
        index.set_note(NOTE, {})


def choose(found: Sequence[Sides], seed: int = 0) -> Tuned:
    """Choose by nDCG@10 among FUSIONS, regularised; one side alone only if it is better beyond the interval."""
    orders = {fusion: [sides.order(fusion) for sides in found] for fusion in (*SIDES, *FUSIONS)}
    measured = {fusion: measure_orders(found, order) for fusion, order in orders.items()}
    ndcg, recall, hits = ({fusion: values[which] for fusion, values in measured.items()} for which in range(3))
    by_fusion_FQ = np.stack([ndcg[fusion] for fusion in FUSIONS])
    picked_Q, queries = cross_validated(by_fusion_FQ, seed, cost_F=UNEVEN_F), np.arange(len(found))
    hybrid = [np.stack([of[fusion] for fusion in FUSIONS])[picked_Q, queries] for of in (ndcg, recall, hits)]
    better = max(SIDES, key=lambda side: float(ndcg[side].mean()))
    gain = bootstrap_mean(hybrid[0] - ndcg[better], seed=seed, draws=DRAWS)
    best = FUSIONS[_find_best(by_fusion_FQ, UNEVEN_F)]
    figures = [
        Figures(
            f"{side.method} only", *(bootstrap_mean(of[side], seed=seed, draws=DRAWS) for of in (ndcg, recall, hits))
        )
        for side in SIDES
    ]
    figures.append(Figures("hybrid", *(bootstrap_mean(values, seed=seed, draws=DRAWS) for values in hybrid)))
    fusion = best
    if gain.high < 0 and len(found) >= ENOUGH:
        fusion = better
    return Tuned(fusion, best, gain, tuple(figures), len(found), _count_unjudged(found, orders[fusion]))


def measure_orders(found: Sequence[Sides], orders: Sequence[Sequence[str]]) -> tuple[NDArray[np.float64], ...]:
    """NDCG, recall and hit rate among the first 10 of an order of ids for each query, (Q,) each."""
    marks_QK, total_Q = mark_relevant(orders, [one.relevant for one in found], AT)
    return ndcg_at_k(marks_QK, AT, total_Q), recall_at_k(marks_QK, AT, total_Q), hit_rate_at_k(marks_QK, AT)


def _find_best(values_FQ: NDArray[np.floating], cost_F: NDArray[np.floating] | float) -> int:
    """Row of the largest mean over queries, each less its share of a cost."""
    return int((values_FQ.mean(axis=1) - cost_F / max(1, values_FQ.shape[1])).argmax())


def _count_unjudged(found: Sequence[Sides], orders: Sequence[Sequence[str]]) -> Unjudged:
    """Number of queries of one judged answer with others above it among the first 10."""
    singles = [(one, order[:AT]) for one, order in zip(found, orders, strict=True) if len(one.relevant) == 1]
    above = [(one.query, order[0]) for one, order in singles if order and order[0] not in one.relevant]
    return Unjudged(len(singles), len(above), tuple(above[:_SHOWN]))


def cross_validated(
    values_FQ: NDArray[np.floating],
    seed: int = 0,
    folds: int = _FOLDS,
    cost_F: NDArray[np.floating] | float = 0.0,
) -> NDArray[np.intp]:
    """Best choice (row) for each query on the queries of the other folds. (F, Q) → (Q,).

    cost_F: what a choice costs once, whatever the number of queries.
    """
    count = values_FQ.shape[1]
    fold_Q = np.random.default_rng(seed).permutation(count) % min(folds, count)
    picked_Q = np.empty(count, np.intp)
    for fold in range(min(folds, count)):
        picked_Q[fold_Q == fold] = _find_best(values_FQ[:, fold_Q != fold], cost_F)
    return picked_Q


def search_both(index: Index, model: Model, judged: Sequence[Judged]) -> list[Sides]:
    """Search both sides for every query, whose answers are ids (see `resolve_answers`)."""
    reference = load_reference(model)
    found = []
    for one, query_D in zip(judged, embed_parts(model, [QueryPart("text", one.query) for one in judged]), strict=True):
        words = index.query_words(one.query)
        said, near = index.match_text(words, CANDIDATES), index.nearest(query_D, CANDIDATES)
        rows = {match.row.id: match.row for match in (*near, *said)}
        texts_KF = gather_evidence(list(rows), said, len(words))
        best = near[: best_among(len(index))]
        near_KD = np.stack([match.row.vector for match in best]) if best else query_D[None][:0]
        relevance = judge_text(reference, query_D, count_words(one.query), near_KD)
        visual_K = relevance.logits(np.array([row.vector @ query_D for row in rows.values()]))
        found.append(Sides(list(rows), visual_K, texts_KF, one.relevant, one.query))
    return found
