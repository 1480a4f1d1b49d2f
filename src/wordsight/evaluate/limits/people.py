"""Portraits of a few people: are those of one person grouped together?

A question about a model, asked of portraits whose people agreed to it; never a way to find out who somebody is.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wordsight.errors import InputError
from wordsight.evaluate.datasets.folders import load_folder
from wordsight.evaluate.datasets.labelled_set import LabelledSet
from wordsight.evaluate.datasets.request import Request
from wordsight.evaluate.embedder import ImageEmbedder
from wordsight.evaluate.features import embed_set
from wordsight.metrics import Estimate, adjusted_rand_index, estimate_share, match_clusters
from wordsight.metrics.clustering import cluster_by_kmeans, cluster_by_linkage

NOTE = (
    "CLIP is not made for recognising people, and this figure is no reason to use it so. Portraits are personal data, "
    "and features by which people are told apart are biometric data, which many countries protect by law: measure "
    "only portraits whose people agreed to it, keep no features of others, and identify nobody. With a few people and "
    "portraits the figure says little about other people; clothes, background and light of one session are often what "
    "is grouped. Errors are not spread evenly over people."
)
_PERMUTATIONS = 1000


@dataclass(frozen=True)
class PeopleResult:
    """How far portraits are grouped by person, with as many clusters as there are people.

    kmeans, linkage: share of portraits in the cluster that is matched with their person; intervals are
    Wilson's, by portraits. chance: mean of that share for labels in random order, and `chance_high` its 95th
    percentile. nearest: share of portraits whose nearest other portrait is of the same person.
    """

    model: str
    people: tuple[str, ...]
    n: int
    kmeans: Estimate
    linkage: Estimate
    adjusted_rand: float
    chance: float
    chance_high: float
    nearest: Estimate
    nearest_chance: float
    mixed: tuple[tuple[Any, str], ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """Fields as JSON holds them; no names of people or files."""
        return {
            "model": self.model,
            "people": len(self.people),
            "portraits": self.n,
            "kmeans_accuracy": self.kmeans.to_dict(),
            "linkage_accuracy": self.linkage.to_dict(),
            "adjusted_rand_index": self.adjusted_rand,
            "chance": self.chance,
            "chance_95th_percentile": self.chance_high,
            "nearest_is_same_person": self.nearest.to_dict(),
            "nearest_chance": self.nearest_chance,
            "note": NOTE,
        }


def measure_people(
    model: ImageEmbedder,
    folder: Path,
    *,
    seed: int = 0,
    cache: bool = False,
    progress: Callable[[int], object] | None = None,
) -> PeopleResult:
    """Group the portraits of a folder, which has a folder for each person, and compare groups with people.

    cache: off, unlike elsewhere: features of faces are not kept. Raises: InputError for fewer than two people, and for
    a person with one portrait.
    """
    data = load_folder(Request(source=str(folder)))
    features = embed_set(model, data, cache=cache, progress=progress)
    data = features.of(data)
    label_N = _check_people(data)
    vector_ND = np.asarray(features.image_MD, np.float64)
    k = len(np.unique(label_N))
    cluster_N = cluster_by_kmeans(vector_ND, k, seed=seed)
    kmeans_N, linkage_N = (match_clusters(c, label_N) for c in (cluster_N, cluster_by_linkage(vector_ND, k)))
    chance_P = _permute(cluster_N, label_N, seed)
    cosine_NN = vector_ND @ vector_ND.T
    np.fill_diagonal(cosine_NN, -np.inf)
    same_N = label_N[cosine_NN.argmax(axis=1)] == label_N
    sizes_N = np.bincount(label_N)[label_N]
    return PeopleResult(
        model=model.name,
        people=tuple(data.classnames[label] for label in np.unique(label_N)),
        n=len(label_N),
        kmeans=estimate_share(kmeans_N),
        linkage=estimate_share(linkage_N),
        adjusted_rand=adjusted_rand_index(cluster_N, label_N),
        chance=float(chance_P.mean()),
        chance_high=float(np.percentile(chance_P, 95)),
        nearest=estimate_share(same_N),
        nearest_chance=float(((sizes_N - 1) / (len(label_N) - 1)).mean()),
        mixed=tuple((data.images[int(i)], "grouped with others") for i in np.flatnonzero(~kmeans_N)),
    )


def _permute(cluster_N: NDArray[np.int64], label_N: NDArray[np.int64], seed: int) -> NDArray[np.float64]:
    """Accuracies (P,) of the same clusters against labels in random order."""
    rng = np.random.default_rng(seed)
    return np.array([match_clusters(cluster_N, rng.permutation(label_N)).mean() for _ in range(_PERMUTATIONS)])


def _check_people(data: LabelledSet) -> NDArray[np.int64]:
    label_N = np.unique(data.labels, return_inverse=True)[1]
    sizes = np.bincount(label_N)
    if len(sizes) < 2 or sizes.min() < 2:
        raise InputError(
            f"{data.name!r} has {len(sizes)} people with {', '.join(map(str, sizes))} portraits that can be read; "
            "expected two people or more, with two portraits or more each, in a folder for each person."
        )
    return np.asarray(label_N, np.int64)
