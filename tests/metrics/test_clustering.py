"""Clusters against classes, beside scikit-learn and by hand."""

import numpy as np
import pytest
from sklearn.metrics import adjusted_rand_score

from wordsight.errors import InputError
from wordsight.metrics import adjusted_rand_index, match_clusters


@pytest.mark.parametrize("seed", range(20))
def test_the_adjusted_rand_index_is_that_of_scikit_learn(seed):
    rng = np.random.default_rng(seed)
    cluster_N, label_N = rng.integers(1 + seed % 5, size=30), rng.integers(1 + seed % 4, size=30)
    expected = adjusted_rand_score(label_N, cluster_N)
    assert adjusted_rand_index(cluster_N, label_N) == pytest.approx(expected, abs=1e-12)


def test_clusters_are_matched_one_to_one_so_that_most_agree():
    # cluster 7 holds two of b and one of a; cluster 5 one of b and two of c: a is left without
    clusters, labels = [7, 7, 7, 5, 5, 5], ["b", "b", "a", "b", "c", "c"]
    assert match_clusters(clusters, labels).tolist() == [True, True, False, False, True, True]


def test_a_greedy_match_is_not_always_the_best():
    clusters = [0] * 5 + [1] * 4
    labels = ["a", "a", "a", "b", "b", "a", "a", "a", "a"]  # 0: 3 a, 2 b; 1: 4 a
    assert match_clusters(clusters, labels).sum() == 6
    clusters, labels = [0] * 7 + [1] * 3, ["a"] * 4 + ["b"] * 3 + ["a"] * 3
    assert match_clusters(clusters, labels).sum() == 6  # 0 is b though a is more of it


def test_images_of_different_numbers_are_refused():
    with pytest.raises(InputError, match="3 images in clusters and 2 with classes"):
        match_clusters([0, 1, 1], [0, 1])
