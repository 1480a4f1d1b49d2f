"""Agreement of clusters with classes."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from wordsight.errors import InputError


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
