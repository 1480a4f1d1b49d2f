"""From a query (words, images, several of both with weights) to the images that answer it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from wordsight.arguments import check_items
from wordsight.index import Index
from wordsight.index.base import Floats, check_model
from wordsight.model import Model
from wordsight.path_text import to_path
from wordsight.search.finder import Finder, Found, WhitenedFinder
from wordsight.search.fold import fold_copies, fold_threshold
from wordsight.search.head_finder import HeadFinder
from wordsight.search.hits import Hit, Hits
from wordsight.search.options import SearchOptions
from wordsight.search.query_parts import Query, embed_parts, mask_title_blocks
from wordsight.search.reference import Reference, load_reference

_MOST_COPIES = 2000  # rows beyond those asked for, after which a page of few hits has to do
_SPARE = 20  # rows taken beyond those asked for, of which some are copies of others


def search(index: Index, model: Model, query: Any, options: SearchOptions | None = None) -> Hits:
    """Images of the index that most probably answer a query (see `Query.of`), the most probable first.

    Raises: InputError for a query or condition that is not valid, or options that do not suit the query; ImageError for
    an image that cannot be read; StoreError for an index of another model.
    """
    (hits,) = search_many(index, model, [Query.of(query)], options)
    return hits


def search_many(index: Index, model: Model, queries: Iterable[Any], options: SearchOptions | None = None) -> list[Hits]:
    """Hits of each of many queries, in order, all embedded in one batch: see `search`."""
    check_items("queries", queries, "a list of queries")
    options = options or SearchOptions()
    asked = [Query.of(query) for query in queries]
    for query in asked:
        options.check_query(query)
    check_model(index, model)
    for one in (one for query in asked for one in query.head_classes):
        one.head.check_model(index.info.fingerprint, f"the index's model {index.info.model}")
    if any(source.get("mask_title_block") for source in (index.note("sources") or {}).values()):
        asked = list(map(mask_title_blocks, asked))
    parts_PD = embed_parts(model, [part for query in asked for part in query.parts])
    reference = load_reference(model)
    answers, start = [], 0
    for query in asked:
        own_PD = parts_PD[start : start + len(query.parts)]
        start += len(query.parts)
        answers.append(answer_query(index, reference, query, own_PD, options))
    return answers


def answer_query(
    index: Index, reference: Reference, query: Query, parts_PD: Floats, options: SearchOptions | None = None
) -> Hits:
    """Hits of a query whose parts are embedded already, (P, D) unit rows: see `search`.

    reference: of the index's model (`load_reference`). Raises: InputError for a condition or query that is not valid.
    """
    options = options or SearchOptions()
    options.check_query(query)
    finder = open_finder(index, reference, query, parts_PD, options)
    found, groups = _fold(index, finder.find, options)
    hits = [_hit(found, group) for group in groups[options.offset : options.end]]
    hits.sort(key=lambda hit: -hit.proba)  # of several stages; sorting changes nothing else
    if options.likely:
        hits = [hit for hit in hits if hit.likely]
    likely, at_least = found.count_likely()
    hint = ""
    if not found.rows:
        hint = finder.explain_nothing()
    return Hits(hits, likely, at_least, hint, index=index)


def open_finder(index: Index, reference: Reference, query: Query, parts_PD: Floats, options: SearchOptions) -> Finder:
    """Finder of a query as its options ask; parts_PD: the unit vectors of its parts."""
    if query.head_classes:
        return HeadFinder(index, reference, query, parts_PD, options)
    if options.whiten:
        return WhitenedFinder(index, reference, query, parts_PD, options)
    return Finder(index, reference, query, parts_PD, options)


def _fold(index: Index, find: Callable[[int], Found], options: SearchOptions) -> tuple[Found, list[tuple[int, ...]]]:
    """Found rows, and the positions that each hit stands for: at least `options.end` hits where there are so many."""
    if not options.fold:
        found = find(options.end)
        return found, [(at,) for at in range(len(found.rows))]
    threshold = fold_threshold(index)
    n = options.end + _SPARE
    while True:
        found = find(n)
        groups = []
        if found.rows:
            groups = fold_copies(found.rows, np.stack([row.vector for row in found.rows]), threshold)
        if len(groups) >= options.end or len(found.rows) < n or n >= options.end + _MOST_COPIES:
            return found, groups
        n *= 2


def _hit(found: Found, group: Sequence[int]) -> Hit:
    """Hit of the first of a group of positions, the others its copies."""
    first, *others = (
        Hit(row.id, to_path(row.path), float(cosine), float(proba), row, found.bm25.get(row.id), found.words)
        for row, cosine, proba in ((found.rows[at], found.cosine_K[at], found.proba_K[at]) for at in group)
    )
    return replace(first, copies=tuple(others))
