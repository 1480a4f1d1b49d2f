"""From what a user asks (words, pictures, several of both with weights) to the pictures that answer."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias, get_args

import numpy as np

from wordsight.errors import InputError, StoreError, did_you_mean
from wordsight.index import Index, Row
from wordsight.index.rows import Floats
from wordsight.ingest.paths import to_path
from wordsight.model import Model
from wordsight.search.cutoff import CUT, SAMPLE, TOP, Cutoff, bank_of
from wordsight.search.fusion import Fusion, ranked
from wordsight.search.hits import Hit
from wordsight.search.parts import Part, Query, query_vector, without_title_blocks

__all__ = ["By", "Part", "Query", "check_model", "run"]

By: TypeAlias = Literal["auto", "vector", "text", "both"]

# rows taken from each side before they are put in one order
CANDIDATES = 200
# rows compared whitened: the best of them by a product that lacks only the rows' own whitened lengths
_WHITENED = 500
# words that tell nothing of a picture, which a text that answers need not hold
_EMPTY_WORDS = frozenset(
    ("a", "an", "and", "are", "at", "by", "for", "from", "in", "is", "it", "its", "of", "on", "or", "the", "this", "to",
     "with")
)  # fmt: skip


def run(
    index: Index,
    model: Model,
    query: Any,
    k: int = 10,
    *,
    where: str | None = None,
    by: By = "auto",
    cut: bool = True,
    whiten: bool = False,
) -> list[Hit]:
    """Return up to k pictures of the index that answer a query (see `Query.of`), best first; [] is "no match".

    where: an SQL condition (see `Index`).
    by: "vector" (what pictures look like), "text" (BM25 over their texts), "both", or "auto": what `wordsight tune`
        chose; else both where pictures came with texts of their own (tables, documents, captions), and what they look
        like where a file's name is all there is.
    cut: leave out hits whose probability is under `cutoff.CUT`, but for those whose text holds every word of a query
        of words alone.
    whiten: compare pictures after taking off what all of the collection share (see `search.whitening`).

    Raises: InputError for a query, k, condition or `by` that cannot be worked with; ImageError for a picture that
    cannot be read; StoreError for an index of another model.
    """
    query = Query.of(query)
    _check_call(index, model, query, k, by, whiten)
    if any(said.get("mask_title_block") for said in (index.note("sources") or {}).values()):
        query = without_title_blocks(query)
    found = _find_whitened(index, model, query, k, where) if whiten else _find(index, model, query, k, where, by)
    if not found.rows:
        return []
    cosine_K = found.vectors_KD @ found.query_D
    proba_K = found.cutoff.proba(cosine_K)
    hits = (
        Hit(row.id, to_path(row.path), float(cosine), float(p), row, found.bm25.get(row.id))
        for row, cosine, p in zip(found.rows, cosine_K, proba_K, strict=True)
    )
    words = query.words if query.only_wanted_texts else ""  # of other queries words are a part only
    return [hit for hit in hits if not cut or hit.proba >= CUT or (hit.bm25 and holds(hit.row.text, words))][:k]


def holds(text: str, words: str) -> bool:
    """Return whether a text holds every word that says something, one or several of a thing alike."""
    wanted = _stems(words) - _EMPTY_WORDS
    return bool(wanted) and wanted <= _stems(text)


@dataclass(frozen=True, eq=False)
class _Found:
    """Rows in order, best first, with what judges them."""

    rows: Sequence[Row]
    query_D: Floats
    vectors_KD: Floats
    cutoff: Cutoff
    bm25: dict[str, float] = field(default_factory=dict)


def _find(index: Index, model: Model, query: Query, k: int, where: str | None, by: By) -> _Found:
    """Take rows of each side that counts and put them in one order."""
    sample_ND = index.sample(SAMPLE)
    query_D = query_vector(model, query, sample_ND)
    near = index.nearest(query_D, max(k, TOP), where)
    fusion = _fusion(index, query, by, [match.row for match in near[:TOP]])
    n = max(k, CANDIDATES)
    said = [] if fusion.way == "vector" else index.match_text(query.words, n, where)
    if said and fusion.way != "text":
        near = index.nearest(query_D, n, where)
    # a condition narrows the answers, not what it takes to be one
    best = index.nearest(query_D, TOP) if where else near[:TOP]
    near_KD = _stacked([match.row for match in best], sample_ND)
    cutoff = Cutoff.of(query_D, near_KD, sample_ND, len(index), bank_of(model) if query.only_texts else None)
    if fusion.way == "text":
        near = []
    rows = {match.row.id: match.row for match in (*near, *said)}
    bm25 = {match.row.id: match.score for match in said}
    cosines = {id: float(row.vector @ query_D) for id, row in rows.items()}
    floor = float((sample_ND @ query_D).mean()) if len(sample_ND) else None
    order = [rows[id] for id in ranked(fusion(cosines, bm25, floor))]
    return _Found(order, query_D, _stacked(order, sample_ND), cutoff, bm25)


def _find_whitened(index: Index, model: Model, query: Query, k: int, where: str | None) -> _Found:
    """Return rows by their cosines with the query, both whitened.

    The index holds plain vectors. W(q - m) · W(x - m) is, but for what no x changes, WW(q - m) · x: the index finds the
    largest of these, and only the division by the length of W(x - m) is left to do.
    """
    from wordsight.search.whitening import whitening_of

    whitening = whitening_of(index)
    sample_ND = index.sample(SAMPLE)
    query_D = query_vector(model, query, sample_ND)
    towards_D = whitening.matrix_DD @ (whitening.matrix_DD @ (query_D - whitening.mean_D))
    if not np.linalg.norm(towards_D) > 0:  # the query lies in the mean: whitening keeps its own direction
        towards_D = query_D.astype(np.float64)
    unit_D = np.asarray(towards_D / np.linalg.norm(towards_D), np.float32)
    rows = [match.row for match in index.nearest(unit_D, max(k, _WHITENED), where)]
    best = [match.row for match in index.nearest(unit_D, TOP)] if where else rows
    sample_ND, query_D = whitening.apply(sample_ND), whitening.apply(query_D[None])[0]
    vectors_KD = whitening.apply(_stacked(rows, sample_ND)) if rows else sample_ND[:0]
    order = np.argsort(-(vectors_KD @ query_D), kind="stable")
    best_KD = whitening.apply(_stacked(best, sample_ND)) if best else sample_ND[:0]
    cutoff = Cutoff.of(query_D, best_KD, sample_ND, len(index))
    return _Found([rows[i] for i in order], query_D, vectors_KD[order], cutoff)


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
        return tuned if tuned and tuned.way in ("rank", "score") else Fusion()
    return tuned or (Fusion() if any(map(speaks, near)) else Fusion("vector"))


def speaks(row: Row) -> bool:
    """Return whether a row came with more text than the name of its file: a table's, a document's, a caption."""
    return row.page is not None or bool(row.meta) or not _stems(row.text) <= _stems(row.path)


def _check_call(index: Index, model: Model, query: Query, k: int, by: str, whiten: bool) -> None:
    """Raise for a call that cannot be answered."""
    if k < 1:
        raise InputError(f"k is {k}, expected 1 or more: how many answers to give.")
    if by not in get_args(By):
        raise InputError(f"by is {by!r}, expected one of: {', '.join(get_args(By))}.{did_you_mean(by, get_args(By))}")
    if by in ("text", "both") and not query.words.strip():
        raise InputError(
            f"by={by!r} searches texts, but the query has no words that are wanted; add some, or leave it out."
        )
    if whiten and any(part.kind == "text" for part in query.parts):
        raise InputError("whiten compares pictures with pictures, but the query holds text; leave one of the two out.")
    check_model(index, model)


def check_model(index: Index, model: Model) -> None:
    """Raise StoreError where an index was made with another model, naming both."""
    if model.fingerprint != index.about.fingerprint or model.spec.embed_dim != index.about.dim:
        raise StoreError(
            f"The index was made with {index.about.model} ({index.about.fingerprint[:12]}, {index.about.dim} "
            f"dimensions), the query is for {model.spec.name} ({model.fingerprint[:12]}, {model.spec.embed_dim}); "
            "their vectors cannot be compared. Load the index's model, or index again with the other."
        )


def _stems(text: str) -> set[str]:
    """Return the words of a text, lower-case, without the s of several."""
    return {_singular(word) for word in re.findall(r"[^\W_]+", text.casefold())}


def _singular(word: str) -> str:
    return word[:-1] if len(word) > 3 and word.endswith("s") and not word.endswith("ss") else word
