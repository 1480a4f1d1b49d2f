"""From what a user asks (words, images, several of both with weights) to the images that answer."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal, TypeAlias, get_args

import numpy as np

from wordsight.errors import InputError, did_you_mean
from wordsight.index import Index, Row
from wordsight.index.base import Floats, Match, check_model
from wordsight.model import Model
from wordsight.path_text import to_path
from wordsight.search.fold import fold_copies, fold_threshold
from wordsight.search.fusion import Fusion
from wordsight.search.hits import Hit, Hits
from wordsight.search.query_parts import Part, Query, embed_parts, query_vector, without_title_blocks
from wordsight.search.reference import Reference, reference_of
from wordsight.search.relevance import (
    BEST,
    LIKELY,
    Relevance,
    best_among,
    count_words,
    follow,
    proba_of,
    relevance_of_image,
    relevance_of_text,
    sigmoid,
    text_evidence,
)
from wordsight.text.analysis import Word, terms

__all__ = ["By", "Part", "Query", "run", "run_many"]

By: TypeAlias = Literal["auto", "vector", "text", "both"]

# rows taken from each side before they are put in one order
CANDIDATES = 200
# rows of the collection that show how much the cosines of a query's parts vary
SAMPLE = 1000
# rows compared whitened: the best of them by a product that lacks only the rows' own whitened lengths
_WHITENED = 500
_MOST_COPIES = 2000  # rows beyond those asked for, after which a page of few hits has to do
_SPARE = 20  # rows taken beyond those asked for, of which some are copies of others


def run(
    index: Index,
    model: Model,
    query: Any,
    k: int = 10,
    *,
    offset: int = 0,
    where: str | None = None,
    by: By = "auto",
    likely: bool = False,
    whiten: bool = False,
    fold: bool = False,
) -> Hits:
    """Return the k images of the index that most probably answer a query (see `Query.of`), the most probable first.

    offset: hits before these, of earlier pages.
    where: an SQL condition (see `Index`).
    by: "vector" (what images show), "text" (BM25 over their texts), "both", or "auto": what `wordsight tune` chose;
        else both where images came with texts of their own (tables, documents, captions), and what they show where a
        file's name is all there is.
    likely: leave out hits that probably do not answer; [] is then "nothing is likely to match".
    whiten: compare images after subtracting what all of the collection share (see `search.whitening`).
    fold: show near copies as one hit (see `search.fold`), with the others as its `copies`.

    Raises: InputError for a query, k, offset, condition or `by` that cannot be worked with; ImageError for an image
    that cannot be read; StoreError for an index of another model.
    """
    query = Query.of(query)
    (hits,) = run_many(
        index, model, [query], k, offset=offset, where=where, by=by, likely=likely, whiten=whiten, fold=fold
    )
    return hits


def run_many(
    index: Index,
    model: Model,
    queries: Iterable[Any],
    k: int = 10,
    *,
    offset: int = 0,
    where: str | None = None,
    by: By = "auto",
    likely: bool = False,
    whiten: bool = False,
    fold: bool = False,
) -> list[Hits]:
    """Return the hits of each of many queries, in order, all embedded in one batch: see `run`."""
    asked = [Query.of(query) for query in queries]
    for query in asked:
        _check_call(index, model, query, k, offset, by, whiten)
    if any(said.get("mask_title_block") for said in (index.note("sources") or {}).values()):
        asked = list(map(without_title_blocks, asked))
    parts_PD = embed_parts(model, [part for query in asked for part in query.parts])
    answers, start, end = [], 0, offset + k
    for query in asked:
        own_PD = parts_PD[start : start + len(query.parts)]
        start += len(query.parts)
        search = _Search(index, reference_of(model), query, own_PD, where, by)
        found, groups = _groups(index, search.find_whitened if whiten else search.find, end, fold)
        hits = [_hit(found, group) for group in groups[offset:end]]
        chosen = [hit for hit in hits if hit.likely] if likely else hits
        answers.append(Hits(chosen, *found.count_likely(), index=index))
    return answers


@dataclass(frozen=True, eq=False)
class _Found:
    """Rows in order, the most probable first. count_likely: how many likely ones there are, and whether maybe more."""

    rows: Sequence[Row]
    cosine_K: Floats
    proba_K: Floats
    count_likely: Callable[[], tuple[int, bool]]
    bm25: dict[str, float] = field(default_factory=dict)
    words: tuple[Word, ...] = ()


def _groups(index: Index, find: Callable[[int], _Found], end: int, fold: bool) -> tuple[_Found, list[tuple[int, ...]]]:
    """Return what was found, and the positions that each hit stands for, of at least `end` hits if there are any."""
    if not fold:
        found = find(end)
        return found, [(at,) for at in range(len(found.rows))]
    threshold = fold_threshold(index)
    n = end + _SPARE
    while True:
        found = find(n)
        vectors = [row.vector for row in found.rows]
        groups = fold_copies(found.rows, np.stack(vectors), threshold) if vectors else []
        if len(groups) >= end or len(found.rows) < n or n >= end + _MOST_COPIES:
            return found, groups
        n *= 2


def _hit(found: _Found, group: Sequence[int]) -> Hit:
    """Return the hit of the first of a group of positions, the others its copies."""
    first, *others = (
        Hit(row.id, to_path(row.path), float(cosine), float(proba), row, found.bm25.get(row.id), found.words)
        for row, cosine, proba in ((found.rows[at], found.cosine_K[at], found.proba_K[at]) for at in group)
    )
    return replace(first, copies=tuple(others))


class _Search:
    """One query put to an index: finds as many rows as asked."""

    def __init__(
        self, index: Index, reference: Reference, query: Query, parts_PD: Floats, where: str | None, by: By
    ) -> None:
        self.index, self.reference, self.query, self.parts_PD = index, reference, query, parts_PD
        self.where, self.by = where, by
        self.best = best_among(len(index))
        self.sample_ND = index.sample(SAMPLE) if len(query.parts) > 1 else self.parts_PD[:0]
        self.query_D = query_vector(query, self.parts_PD, self.sample_ND)

    def find(self, n: int) -> _Found:
        """Return at least n rows of the sides that count, where there are so many."""
        near = self.index.nearest(self.query_D, max(n, BEST), self.where)
        # a condition narrows the answers, not what it takes to be one
        best = self.index.nearest(self.query_D, self.best) if self.where else near[: self.best]
        relevance = self._relevance([match.row for match in best])
        fusion = _fusion(self.index, self.query, self.by, [match.row for match in near[:BEST]])
        if fusion.way == "vector":
            return self._by_vector(near, relevance)
        return self._by_text(max(n, CANDIDATES), relevance, fusion)

    def _by_vector(self, near: Sequence[Match], relevance: Relevance) -> _Found:
        cosine_K = np.array([match.score for match in near], np.float32)
        proba_K = proba_of(relevance, cosine_K, image=self.query.is_one_image)

        def count() -> tuple[int, bool]:
            if not near or near[-1].score < relevance.line:  # the likely ones are all here: no need to ask the store
                return sum(match.score >= relevance.line for match in near), False
            return self.index.count_near(self.query_D, relevance.line, self.where)

        return _Found([match.row for match in near], cosine_K, proba_K, count)

    def _by_text(self, n: int, relevance: Relevance, fusion: Fusion) -> _Found:
        """Return rows of texts that hold words of the query and, unless texts alone count, of the nearest images."""
        words = self.index.query_words(self.query.words)
        said = self.index.match_text(words, n, self.where)
        near = [] if fusion.way == "text" else self.index.nearest(self.query_D, n, self.where)
        if not said and fusion.way == "both":  # texts say nothing: what images show decides alone
            return self._by_vector(near, relevance)
        rows = list({match.row.id: match.row for match in (*near, *said)}.values())
        cosine_K = np.array([row.vector @ self.query_D for row in rows], np.float32)
        texts_KF = evidence_of([row.id for row in rows], said, len(words))
        logit_K = fusion.logits(relevance.logits(cosine_K), texts_KF)
        order = sorted(range(len(rows)), key=lambda at: (-logit_K[at], -cosine_K[at], rows[at].id))
        proba_K = np.asarray(sigmoid(logit_K), np.float32)
        proba = {row.id: p for row, p in zip(rows, proba_K, strict=True)}
        last = [side[-1].row.id for side in (near, said) if len(side) >= n]
        more = any(proba[id] >= LIKELY for id in last)  # who comes after the last of a side is less likely
        number = int((proba_K >= LIKELY).sum())
        bm25 = {match.row.id: match.score for match in said}
        return _Found([rows[at] for at in order], cosine_K[order], proba_K[order], lambda: (number, more), bm25, words)

    def find_whitened(self, n: int) -> _Found:
        """Return rows by their cosines with the query, both whitened.

        The index holds plain vectors. W(q - m) · W(x - m) is, but for what no x changes, WW(q - m) · x: the index finds
        the largest of these, and only the division by the length of W(x - m) is left to do.
        """
        from wordsight.search.whitening import whitening_of

        whitening = whitening_of(self.index)
        towards_D = whitening.matrix_DD @ (whitening.matrix_DD @ (self.query_D - whitening.mean_D))
        if not np.linalg.norm(towards_D) > 0:  # the query lies in the mean: whitening keeps its own direction
            towards_D = self.query_D.astype(np.float64)
        unit_D = np.asarray(towards_D / np.linalg.norm(towards_D), np.float32)
        rows = [match.row for match in self.index.nearest(unit_D, max(n, _WHITENED), self.where)]
        if not rows:
            return _Found([], self.query_D[:0], self.query_D[:0], lambda: (0, False))
        plain_KD = np.stack([row.vector for row in rows])
        cosine_K = whitening.apply(plain_KD) @ whitening.apply(self.query_D[None])[0]
        relevance = follow(self._relevance(rows[: self.best]).logits(plain_KD @ self.query_D), cosine_K)
        order = np.argsort(-cosine_K, kind="stable")
        proba_K = proba_of(relevance, cosine_K[order], image=self.query.is_one_image)
        number = int((proba_K >= LIKELY).sum())
        return _Found(
            [rows[at] for at in order],
            cosine_K[order],
            proba_K,
            lambda: (number, number == len(rows) >= max(n, _WHITENED)),
        )

    def _relevance(self, near: Sequence[Row]) -> Relevance:
        """Return how cosines with the query are judged; of several parts, by the mean log-odds of the wanted ones.

        A part that is not wanted counts by log(1 - p) of its own probability: it never makes an image likelier.
        """
        near_KD = _stacked(near, self.parts_PD)
        if len(self.query.parts) == 1:
            return self._relevance_of(self.query.parts[0], self.parts_PD[0], near_KD)
        seen_ND = np.concatenate([near_KD, self.sample_ND])
        if not len(seen_ND):
            return Relevance(0.0, 1.0)
        wanted = sum(part.weight for part in self.query.parts if part.weight > 0)
        logit_N = np.zeros(len(seen_ND))
        for part, part_D in zip(self.query.parts, self.parts_PD, strict=True):
            nearest = _stacked([match.row for match in self.index.nearest(part_D, self.best)], self.parts_PD)
            own_N = self._relevance_of(part, part_D, nearest).logits(seen_ND @ part_D)
            logit_N += part.weight / wanted * (own_N if part.weight > 0 else np.logaddexp(0, own_N))
        return follow(logit_N, seen_ND @ self.query_D)

    def _relevance_of(self, part: Part, part_D: Floats, near_KD: Floats) -> Relevance:
        if part.kind == "text":
            return relevance_of_text(self.reference, part_D, count_words(part.value), near_KD)
        return relevance_of_image(self.reference, part_D)


def evidence_of(ids: Sequence[str], said: Sequence[Match], words: int) -> np.ndarray:
    """Return what their texts say for candidates, (K, 4) as `text_evidence`; said: those that hold any of the words."""
    found = {match.row.id: (match.coverage or 0.0, match.score) for match in said}
    coverage_K, bm25_K = np.array([found.get(id, (0.0, 0.0)) for id in ids]).reshape(-1, 2).T
    return text_evidence(coverage_K, bm25_K, words)


def _stacked(rows: Sequence[Row], like_ND: Floats) -> Floats:
    """Return the rows' vectors (K, D), also of no rows."""
    return np.stack([row.vector for row in rows]) if rows else like_ND[:0]


def _fusion(index: Index, query: Query, by: By, near: Sequence[Row]) -> Fusion:
    """Return how the two sides count: what the caller says, else what was tuned, else what the rows came with."""
    if by in ("vector", "text"):
        return Fusion(by)
    if not query.words.strip():
        return Fusion("vector")
    note = index.note("fusion")
    tuned = Fusion.from_note(note) if note else None
    if by == "both":
        return tuned if tuned and tuned.way == "both" else Fusion()
    return tuned or (Fusion() if any(map(speaks, near)) else Fusion("vector"))


def speaks(row: Row) -> bool:
    """Return whether a row came with more text than the name of its file: a table's, a document's, a caption."""
    return row.page is not None or bool(row.meta) or not set(terms(row.text)) <= set(terms(row.path))


def _check_call(index: Index, model: Model, query: Query, k: int, offset: int, by: str, whiten: bool) -> None:
    """Raise for a call that cannot be answered."""
    if k < 1:
        raise InputError(f"k is {k}, expected 1 or more: how many hits to give.")
    if offset < 0:
        raise InputError(f"offset is {offset}, expected 0 or more: how many hits to pass over.")
    if by not in get_args(By):
        raise InputError(f"by is {by!r}, expected one of: {', '.join(get_args(By))}.{did_you_mean(by, get_args(By))}")
    if by in ("text", "both") and not query.words.strip():
        raise InputError(
            f"by={by!r} searches texts, but the query has no words that are wanted; add some, or leave it out."
        )
    if whiten and any(part.kind == "text" for part in query.parts):
        raise InputError("whiten compares images with images, but the query holds text; leave one of the two out.")
    check_model(index, model)
