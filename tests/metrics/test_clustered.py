"""Values from 0 to 1 by clusters: the bootstrap where they vary, Wilson's interval where nothing would be resampled."""

import pytest

from wordsight.errors import InputError
from wordsight.metrics import (
    bootstrap_clusters,
    estimate_clustered,
    estimate_clustered_gain,
    estimate_gain,
    estimate_share,
)


def test_hits_that_are_clusters_of_their_own_have_wilsons_interval():
    hits = [1, 1, 1, 0]
    assert estimate_clustered(hits, range(4)) == estimate_share(hits)
    assert estimate_clustered_gain(hits, [1, 0, 0, 1], "abcd") == estimate_gain(hits, [1, 0, 0, 1])


def test_values_that_are_all_alike_are_as_many_hits_as_clusters():
    """Five captions each of two images say as much as two hits."""
    found, two = estimate_clustered([1.0] * 10, [0, 1] * 5), estimate_share([1, 1])
    assert (found.value, found.low, found.high, found.n) == (1.0, two.low, 1.0, 10)
    half, coins = estimate_clustered([0.5] * 4, range(4)), estimate_share([1, 1, 0, 0])
    assert (half.low, half.high) == (coins.low, coins.high)
    one = estimate_clustered([0.5], "a")
    assert one.low < 0.1
    assert one.high > 0.9


def test_differences_that_are_all_alike_have_the_doubt_of_one_image():
    found = estimate_clustered_gain([0.3] * 40, [0.3] * 40, range(40))
    hits = estimate_gain([1] * 40, [1] * 40)
    assert (found.value, found.low, found.high) == pytest.approx((0, hits.low, hits.high))


def test_other_values_are_resampled_by_clusters():
    values, clusters = [0.0, 0.5, 1.0, 1.0, 0.2, 0.9], "aabbcc"
    assert estimate_clustered(values, clusters, seed=3) == bootstrap_clusters(values, clusters, seed=3)
    gain = estimate_clustered_gain([0.1] * 6, values, clusters, seed=3)
    assert gain == bootstrap_clusters([value - 0.1 for value in values], clusters, seed=3)


def test_values_that_are_no_shares_are_refused():
    with pytest.raises(InputError, match=r"The values go from 0\.5 to 1\.5, expected 0 to 1"):
        estimate_clustered([0.5, 1.5], "ab")
