"""Rows of an index that answer one query, the most probable first: by visual similarity, by texts, or by both."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np

from wordsight.index import Index, Row
from wordsight.index.base import Floats, Match
from wordsight.search.condition_hint import suggest_values
from wordsight.search.fusion import Fusion
from wordsight.search.options import By, SearchOptions
from wordsight.search.query_parts import Query, QueryPart, query_vector
from wordsight.search.reference import Reference
from wordsight.search.relevance import (
    BEST,
    LIKELY,
    Relevance,
    best_among,
    count_words,
    fit_relevance,
    is_identical,
    judge_image,
    judge_text,
    text_evidence,
)
from wordsight.text.analysis import Word, terms
from wordsight.zeroshot.logistic import sigmoid

# rows taken from each side before they are put in one order
CANDIDATES = 200
# rows of the collection that show how much the cosines of a query's parts vary
SAMPLE = 1000
# rows compared whitened: the best of them by a product that lacks only the rows' own whitened lengths
_WHITENED = 500


@dataclass(frozen=True, eq=False)
class Found:
    """Rows in order, the most probable first.

    count_likely: number of likely rows of the whole collection, and whether there may be more. bm25: id → score.
    """

    rows: Sequence[Row]
    cosine_K: Floats
    proba_K: Floats
    count_likely: Callable[[], tuple[int, bool]]
    bm25: dict[str, float] = field(default_factory=dict)
    words: tuple[Word, ...] = ()


class Finder:
    """One query put to an index. The store is asked for the nearest rows only where more are needed than it gave."""

    def __init__(
        self, index: Index, reference: Reference, query: Query, parts_PD: Floats, options: SearchOptions
    ) -> None:
        self.index, self.reference, self.query, self.parts_PD = index, reference, query, parts_PD
        self.where, self.by, self.alpha = options.where, options.by, options.alpha
        self.best = best_among(len(index))
        self.sample_ND = parts_PD[:0]
        if len(query.parts) > 1:
            self.sample_ND = index.sample(SAMPLE)
        self.query_D = query_vector(query, parts_PD, self.sample_ND)
        self._near: Sequence[Match] = ()
        self._asked = 0

    def find(self, n: int) -> Found:
        """At least n rows, where there are so many."""
        fusion = self._chosen_fusion or self._fusion_of_nearest(n)
        if fusion.method != "vector":
            words = self.index.query_words(self.query.words)
            matches = self.index.match_text(words, CANDIDATES, self.where)
            if matches or fusion.method == "text":
                return self._find_by_text(n, words, matches, fusion)
        return self._find_by_vector(self._nearest(max(n, BEST)))

    def explain_nothing(self) -> str:
        """Hint where no row meets the condition; "" where one does, or there is none to give."""
        if not self.where or self.index.nearest(self.query_D, 1, self.where):
            return ""
        return suggest_values(self.where, [match.row for match in self.index.nearest(self.query_D, CANDIDATES)])

    @functools.cached_property
    def _chosen_fusion(self) -> Fusion | None:
        """Weights that are known before the store is asked; None where the nearest rows decide."""
        return choose_fusion(self.index, self.query, self.by, self.alpha)

    def _fusion_of_nearest(self, n: int) -> Fusion:
        """Weights where nothing was chosen: texts count where any of the nearest rows came with one."""
        rows = [match.row for match in self._nearest(max(n, BEST))[:BEST]]
        if any(map(has_caption, rows)):
            return Fusion()
        return Fusion("vector")

    def _nearest(self, n: int) -> Sequence[Match]:
        """The n rows nearest to the query of those that the condition admits."""
        if n > self._asked:
            self._near, self._asked = self.index.nearest(self.query_D, n, self.where), n
        return self._near[:n]

    def _find_by_vector(self, near: Sequence[Match]) -> Found:
        cosine_K = np.array([match.score for match in near], np.float32)
        line = self.relevance.line

        def count_likely() -> tuple[int, bool]:
            if not near or near[-1].score < line:  # the likely ones are all here: no need to ask the store
                return sum(match.score >= line for match in near), False
            return self.index.count_near(self.query_D, line, self.where)

        return Found([match.row for match in near], cosine_K, self._proba(self.relevance, cosine_K), count_likely)

    def _find_by_text(self, n: int, words: tuple[Word, ...], matches: Sequence[Match], fusion: Fusion) -> Found:
        """Rows of texts that hold words of the query and, unless texts alone count, the nearest rows.

        matches: the best CANDIDATES. Where more rows are needed, four times as many of each side are compared, and so
        on; those found so come after all before, so that a later page neither repeats nor leaves out what an earlier
        one showed.
        """
        compared = CANDIDATES
        stage = found = self._fuse(compared, words, matches, fusion)
        while len(found.rows) < n and not self._is_all(compared, matches, fusion):
            compared *= 4
            matches = self.index.match_text(words, compared, self.where)
            stage = self._fuse(compared, words, matches, fusion)
            found = _append_unseen(found, stage)
        return found

    def _is_all(self, compared: int, matches: Sequence[Match], fusion: Fusion) -> bool:
        """Whether no row is left beside those that were compared."""
        return len(matches) < compared and (fusion.method != "both" or len(self._nearest(compared)) < compared)

    def _fuse(self, n: int, words: tuple[Word, ...], matches: Sequence[Match], fusion: Fusion) -> Found:
        """The best n rows of each side in one order."""
        near: Sequence[Match] = ()
        if fusion.method == "both":
            near = self._nearest(n)
        rows = list({match.row.id: match.row for match in (*near, *matches)}.values())
        cosine_K = np.array([row.vector @ self.query_D for row in rows], np.float32)
        texts_KF = gather_evidence([row.id for row in rows], matches, len(words))
        logit_K = fusion.logits(self.relevance.logits(cosine_K), texts_KF)
        order = sorted(range(len(rows)), key=lambda at: (-logit_K[at], -cosine_K[at], rows[at].id))
        proba_K = np.asarray(sigmoid(logit_K), np.float32)
        proba = {row.id: p for row, p in zip(rows, proba_K, strict=True)}
        last = [side[-1].row.id for side in (near, matches) if len(side) >= n]
        more = any(proba[id] >= LIKELY for id in last)  # who comes after the last of a side is less likely
        number = int((proba_K >= LIKELY).sum())
        bm25 = {match.row.id: match.score for match in matches}
        return Found([rows[at] for at in order], cosine_K[order], proba_K[order], lambda: (number, more), bm25, words)

    @functools.cached_property
    def relevance(self) -> Relevance:
        """Curve by which cosines with the query are judged."""
        if self.query.is_one_image:
            return judge_image(self.reference, self.parts_PD[0])
        if self.where:  # a condition narrows the answers, not what it takes to be one
            return self._judge([match.row for match in self.index.nearest(self.query_D, self.best)])
        return self._judge([match.row for match in self._nearest(self.best)])

    def _judge(self, near: Sequence[Row]) -> Relevance:
        """Curve of the query's cosines, by the nearest rows; of several parts, by the mean log-odds of the wanted ones.

        A part that is not wanted counts by log(1 - p) of its own probability: it never makes an image likelier.
        """
        near_KD = _stack_vectors(near, self.parts_PD)
        if len(self.query.parts) == 1:
            return self._judge_part(self.query.parts[0], self.parts_PD[0], near_KD)
        seen_ND = np.concatenate([near_KD, self.sample_ND])
        if not len(seen_ND):
            return Relevance(0.0, 1.0)
        return fit_relevance(self._mixed_logits(seen_ND), seen_ND @ self.query_D)

    def _mixed_logits(self, image_ND: Floats) -> np.ndarray:
        """Log-odds that images answer, (N, D) → (N,): the mean of those of the wanted parts, less the unwanted ones."""
        wanted = sum(part.weight for part in self.query.parts if part.weight > 0)
        logit_N = np.zeros(len(image_ND))
        for part, part_D in zip(self.query.parts, self.parts_PD, strict=True):
            own_N = self._part_logits(part, part_D, image_ND)
            if part.weight < 0:
                own_N = np.logaddexp(0, own_N)
            logit_N += part.weight / wanted * own_N
        return logit_N

    def _part_logits(self, part: QueryPart, part_D: Floats, image_ND: Floats) -> np.ndarray:
        """Log-odds of one part."""
        if part.kind == "class":
            log_odds_N: np.ndarray = part.value.log_odds(image_ND)
            return log_odds_N
        return self._judge_part(part, part_D).logits(image_ND @ part_D)

    def _judge_part(self, part: QueryPart, part_D: Floats, near_KD: Floats | None = None) -> Relevance:
        """Curve of one part; near_KD: the images nearest to it, asked of the store where they are not given."""
        if part.kind != "text":
            return judge_image(self.reference, part_D)
        if near_KD is None:
            matches = self.index.nearest(part_D, self.best)
            near_KD = _stack_vectors([match.row for match in matches], self.parts_PD)
        return judge_text(self.reference, part_D, count_words(part.value), near_KD)

    def _proba(self, relevance: Relevance, cosine_K: Floats) -> Floats:
        """Probabilities that rows of these cosines answer; the image that was asked with is certain."""
        proba_K = relevance.proba(cosine_K)
        if self.query.is_one_image:
            proba_K[is_identical(cosine_K)] = 1.0
        return proba_K


class WhitenedFinder(Finder):
    """The same by cosines of whitened vectors, of queries of images alone."""

    def find(self, n: int) -> Found:
        """Rows by their cosines with the query, both whitened.

        The index holds plain vectors. W(q - m) · W(x - m) is, but for what no x changes, WW(q - m) · x: the index finds
        the largest of these, and only the division by the length of W(x - m) is left to do.
        """
        from wordsight.search.whitening import learn_whitening

        whitening = learn_whitening(self.index)
        towards_D = whitening.matrix_DD @ (whitening.matrix_DD @ (self.query_D - whitening.mean_D))
        if not np.linalg.norm(towards_D) > 0:  # the query lies in the mean: whitening keeps its own direction
            towards_D = self.query_D.astype(np.float64)
        unit_D = np.asarray(towards_D / np.linalg.norm(towards_D), np.float32)
        rows = [match.row for match in self.index.nearest(unit_D, max(n, _WHITENED), self.where)]
        if not rows:
            return Found([], self.query_D[:0], self.query_D[:0], lambda: (0, False))
        plain_KD = np.stack([row.vector for row in rows])
        cosine_K = whitening.apply(plain_KD) @ whitening.apply(self.query_D[None])[0]
        relevance = fit_relevance(self._judge(rows[: self.best]).logits(plain_KD @ self.query_D), cosine_K)
        order = np.argsort(-cosine_K, kind="stable")
        proba_K = self._proba(relevance, cosine_K[order])
        number = int((proba_K >= LIKELY).sum())
        more = number == len(rows) >= max(n, _WHITENED)
        return Found([rows[at] for at in order], cosine_K[order], proba_K, lambda: (number, more))


def choose_fusion(index: Index, query: Query, by: By, alpha: float | None = None) -> Fusion | None:
    """Weights of both sides as the caller asks or `wordsight tune` chose; None where neither says anything."""
    if by in ("vector", "text"):
        return Fusion(by)
    if not query.words.strip() or alpha == 1:
        return Fusion("vector")
    if alpha is not None:
        return Fusion("text" if alpha == 0 else "both", alpha)
    note = index.note("fusion")
    tuned = None
    if note:
        tuned = Fusion.from_note(note)
    if by == "both" and (tuned is None or tuned.method != "both"):
        return Fusion()
    return tuned


def _append_unseen(found: Found, more: Found) -> Found:
    """Rows found, and behind them those of a larger answer that are not among them."""
    seen = {row.id for row in found.rows}
    new = [at for at, row in enumerate(more.rows) if row.id not in seen]
    return Found(
        [*found.rows, *(more.rows[at] for at in new)],
        np.concatenate([found.cosine_K, more.cosine_K[new]]),
        np.concatenate([found.proba_K, more.proba_K[new]]),
        more.count_likely,
        {**more.bm25, **found.bm25},
        found.words,
    )


def gather_evidence(ids: Sequence[str], matches: Sequence[Match], words: int) -> np.ndarray:
    """Evidence of texts for candidates, (K, 4) as `text_evidence`; matches: those that hold any of the words."""
    found = {match.row.id: (match.coverage or 0.0, match.score) for match in matches}
    coverage_K, bm25_K = np.array([found.get(id, (0.0, 0.0)) for id in ids]).reshape(-1, 2).T
    return text_evidence(coverage_K, bm25_K, words)


def has_caption(row: Row) -> bool:
    """Whether a row came with more text than the name of its file: a table's, a document's, a caption."""
    return row.page is not None or bool(row.meta) or not set(terms(row.text)) <= set(terms(row.path))


def _stack_vectors(rows: Sequence[Row], like_ND: Floats) -> Floats:
    """Vectors of the rows (K, D), also of no rows."""
    if not rows:
        return like_ND[:0]
    return np.stack([row.vector for row in rows])
