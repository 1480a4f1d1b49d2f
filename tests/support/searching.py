"""Searches with options as keywords, as `Gallery.search` takes them."""

from wordsight.search.options import SearchOptions
from wordsight.search.query import search, search_many


def run(index, model, query, k=10, **options):
    """Hits of one query."""
    return search(index, model, query, SearchOptions(k=k, **options))


def run_many(index, model, queries, k=10, **options):
    """Hits of each of many queries."""
    return search_many(index, model, queries, SearchOptions(k=k, **options))
