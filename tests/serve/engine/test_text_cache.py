"""The cache of text embeddings: what was used last stays, within its bytes."""

import numpy as np

from wordsight.serve.engine.text_cache import EmbeddedText, TextCache


def embedded(dim=64):
    return EmbeddedText(np.zeros(dim, np.float32), 5, 0)


def test_what_was_unused_for_longest_goes_first():
    cache = TextCache(20_000)
    for i in range(30):
        cache.put(f"text {i:02}", embedded())
    first = cache.get("text 00")
    for i in range(30, 60):
        cache.get("text 00")
        cache.put(f"text {i}", embedded())
    assert first is not None
    assert cache.get("text 00") is first
    assert cache.get("text 01") is None
    assert cache.get("text 59") is not None
    assert cache.bytes <= 20_000


def test_a_text_that_would_take_a_large_part_is_not_kept():
    cache = TextCache(20_000)
    cache.put("a" * 2000, embedded())
    assert len(cache) == 0


def test_a_text_put_twice_counts_once():
    cache = TextCache(20_000)
    cache.put("a", embedded())
    once = cache.bytes
    cache.put("a", embedded())
    assert (len(cache), cache.bytes) == (1, once)
    cache.clear()
    assert (len(cache), cache.bytes) == (0, 0)
