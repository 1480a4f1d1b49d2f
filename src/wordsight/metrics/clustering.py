"""Agreement of clusters with classes."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from wordsight.errors import InputError

_STARTS = 20  # runs of k-means, of which the best is kept
_STEPS = 100


def match_clusters(cluster_N: ArrayLike, label_N: ArrayLike) -> NDArray[np.bool_]:
    """Whether each image's cluster is the one that is matched with its class, (N,); its mean is the accuracy.

    Clusters are matched with classes one to one, so that most images agree (Kuhn 1955, the Hungarian method).
    """
    from scipy.optimize import linear_sum_assignment

    table_CK, cluster_N, label_N = _tabulate(cluster_N, label_N)
    rows, columns = linear_sum_assignment(-table_CK)
    class_C = np.full(len(table_CK), -1)
    class_C[rows] = columns
    return np.asarray(class_C[cluster_N] == label_N)


def adjusted_rand_index(cluster_N: ArrayLike, label_N: ArrayLike) -> float:
    """Share of pairs that clusters and classes agree on, adjusted for chance: 1 if equal, 0 on average if random.

    Source: Hubert and Arabie 1985, "Comparing partitions", eq. 5.
    """
    table_CK, cluster_N, _ = _tabulate(cluster_N, label_N)
    together = _count_pairs(table_CK).sum()
    of_clusters, of_classes = (_count_pairs(table_CK.sum(axis=axis)).sum() for axis in (1, 0))
    expected = of_clusters * of_classes / max(_count_pairs(np.array(len(cluster_N))), 1)
    highest = (of_clusters + of_classes) / 2
    if highest == expected:  # all in one cluster and one class, or each in its own
        return 1.0
    return float((together - expected) / (highest - expected))


def _count_pairs(sizes: NDArray[np.int64]) -> NDArray[np.float64]:
    return np.asarray(sizes * (sizes - 1) / 2)


def _tabulate(
    cluster_N: ArrayLike, label_N: ArrayLike
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """Number of images of each cluster and class, (C, K), and both numbered from 0."""
    names_C, number_N = np.unique(np.asarray(cluster_N), return_inverse=True)
    names_K, class_N = np.unique(np.asarray(label_N), return_inverse=True)
    if len(number_N) != len(class_N) or not len(class_N):
        raise InputError(
            f"There are {len(number_N)} images in clusters and {len(class_N)} with classes; expected the same images."
        )
    table_CK = np.zeros((len(names_C), len(names_K)), np.int64)
    np.add.at(table_CK, (number_N, class_N), 1)
    return table_CK, number_N, class_N


def cluster_by_kmeans(vector_ND: NDArray[np.float64], k: int, *, seed: int = 0) -> NDArray[np.int64]:
    """Cluster (N,) of each vector: the best of 20 runs of k-means.

    Source: Lloyd 1982; starts as Arthur and Vassilvitskii 2007, "k-means++".
    """
    rng = np.random.default_rng(seed)
    runs = [_run_kmeans(vector_ND, k, rng) for _ in range(_STARTS)]
    return min(runs, key=lambda run: run[1])[0]


def cluster_by_linkage(vector_ND: NDArray[np.float64], k: int) -> NDArray[np.int64]:
    """Cluster (N,) of each vector, by joining the two groups with the greatest mean cosine until k are left."""
    from scipy.cluster.hierarchy import fcluster, linkage

    return np.asarray(fcluster(linkage(vector_ND, "average", "cosine"), k, "maxclust"), np.int64)


def _run_kmeans(vector_ND: NDArray[np.float64], k: int, rng: np.random.Generator) -> tuple[NDArray[np.int64], float]:
    """Clusters and the sum of squared distances to their means."""
    centre_KD = vector_ND[[int(rng.integers(len(vector_ND)))]]
    while len(centre_KD) < k:
        nearest_N = _distances(vector_ND, centre_KD).min(axis=1)
        total = nearest_N.sum()
        if total == 0:
            nearest_N, total = np.ones(len(vector_ND)), float(len(vector_ND))  # fewer different vectors than clusters
        chosen = int(rng.choice(len(vector_ND), p=nearest_N / total))
        centre_KD = np.concatenate([centre_KD, vector_ND[[chosen]]])
    cluster_N = np.full(len(vector_ND), -1)
    for _ in range(_STEPS):
        distance_NK = _distances(vector_ND, centre_KD)
        moved_N = distance_NK.argmin(axis=1)
        if (moved_N == cluster_N).all():
            break
        cluster_N = moved_N
        for c in np.unique(cluster_N):
            centre_KD[c] = vector_ND[cluster_N == c].mean(axis=0)
    return cluster_N, float(distance_NK.min(axis=1).sum())


def _distances(vector_ND: NDArray[np.float64], centre_KD: NDArray[np.float64]) -> NDArray[np.float64]:
    """Squared distances (N, K)."""
    return np.asarray(((vector_ND[:, None] - centre_KD[None]) ** 2).sum(axis=2))
