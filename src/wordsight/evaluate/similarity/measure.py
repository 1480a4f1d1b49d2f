"""Search by example, measured: each image asks, and those of its class are the answers."""

from __future__ import annotations

import functools
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wordsight.errors import InputError
from wordsight.evaluate.datasets.labelled_set import LabelledSet
from wordsight.evaluate.embedder import ImageEmbedder
from wordsight.evaluate.features import Features, embed_set
from wordsight.evaluate.report.names import shorten_names
from wordsight.metrics import (
    Estimate,
    average_precision,
    bootstrap_statistic,
    bootstrap_strata,
    estimate_clustered,
    estimate_clustered_gain,
)

KS = (1, 10)
FIRST = 10  # results of each query that are kept to be shown
_SCORES = 1 << 24  # cosines that are held at once

Values = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Similarity:
    """Search by example with one model's vectors on the Q images of a set that have an answer.

    short: the model's name as it is shown. asked: (Q,) rows of the queries in `data`. values: measure ("mAP",
    "precision@1", …) → (Q,). first: (Q, 10) rows of the first results, -1 where there are fewer. features: of the whole
    set, with what was skipped. clusters: group of each query, by which queries are resampled; apart: the
    column of these groups.
    """

    data: LabelledSet
    model: str
    short: str
    fingerprint: str
    asked: NDArray[np.int64]
    values: Mapping[str, Values]
    first: NDArray[np.int64]
    chance: Mapping[str, float]
    features: Features
    clusters: tuple[Hashable, ...]
    apart: str | None = None
    seed: int = 0

    @functools.cached_property
    def classes(self) -> tuple[str, ...]:
        """Class of each query; of several, all of them: "cat, dog"."""
        return tuple(class_words(self.data, int(row)) for row in self.asked)

    @functools.cached_property
    def overall(self) -> dict[str, Estimate]:
        """Mean of each measure over queries."""
        return {
            name: estimate_clustered(values_Q, self.clusters, seed=self.seed) for name, values_Q in self.values.items()
        }

    @functools.cached_property
    def over_classes(self) -> dict[str, Estimate]:
        """Mean of each measure over classes, so that large ones do not decide."""
        class_Q = np.unique(np.array(self.classes), return_inverse=True)[1]

        def estimate(values_Q: Values) -> Estimate:
            if (values_Q == values_Q[0]).all():  # classes do not matter
                return estimate_clustered(values_Q, self.clusters)
            if self.apart is None:
                return bootstrap_strata(values_Q, self.classes, seed=self.seed)

            def average(rows: NDArray[np.intp]) -> float:
                sum_K, count_K = np.bincount(class_Q[rows], values_Q[rows]), np.bincount(class_Q[rows])
                return float((sum_K[count_K > 0] / count_K[count_K > 0]).mean())

            return bootstrap_statistic(average, len(values_Q), self.clusters, seed=self.seed)

        return {name: estimate(values_Q) for name, values_Q in self.values.items()}

    @functools.cached_property
    def by_class(self) -> dict[str, dict[str, Estimate]]:
        """Measures of the queries of each class, by its name."""
        names = np.array(self.classes)
        found = {}
        for name in sorted(set(self.classes)):
            rows = np.flatnonzero(names == name)
            clusters = [self.clusters[row] for row in rows]
            found[name] = {
                measure: estimate_clustered(values_Q[rows], clusters, seed=self.seed)
                for measure, values_Q in self.values.items()
            }
        return found

    def to_dict(self) -> dict[str, Any]:
        """Figures by name."""

        def plain(estimates: Mapping[str, Estimate]) -> dict[str, Any]:
            return {name: estimate.to_dict() for name, estimate in estimates.items()}

        return {
            "dataset": self.data.name,
            "dataset_hash": self.data.content_hash,
            "task": "similarity",
            "model": self.model,
            "fingerprint": self.fingerprint,
            "apart": self.apart,
            "queries": len(self.asked),
            "images": len(self.data.images),
            "overall": plain(self.overall),
            "over_classes": plain(self.over_classes),
            "by_class": {name: plain(estimates) for name, estimates in self.by_class.items()},
            "chance": dict(self.chance),
            "skipped_images": len(self.features.skipped),
            "seconds": {"images": self.features.seconds},
        }


def measure_similarity(
    models: Sequence[ImageEmbedder],
    data: LabelledSet,
    *,
    apart: str | None = None,
    ks: Sequence[int] = KS,
    seed: int = 0,
    cache: bool = True,
    progress: Callable[[int], object] | None = None,
) -> list[Similarity]:
    """Search by example by each model on the same images, those that all of them can read.

    apart: column of a group whose members are not each other's answers and are resampled together, such as the
    document of a page. progress: called with the number of images that a model has done since its last call.
    Raises: InputError for a column that is not there, and where no image has an answer.
    """
    if apart is not None and apart not in data.columns:
        known = ", ".join(data.columns) or "none"
        raise InputError(f"The dataset {data.name!r} has no column {apart!r}; its columns are {known}.")
    all_features = [embed_set(model, data, cache=cache, progress=progress) for model in models]
    common = sorted(set.intersection(*(set(map(int, features.places)) for features in all_features)))
    kept = data
    if len(common) < len(data.images):
        kept = data.take(common)
    groups: Sequence[Hashable] = range(len(kept.images))
    if apart is not None:
        groups = [cell if cell is not None else row for row, cell in enumerate(kept.columns[apart])]
    results = []
    shown = shorten_names([model.name for model in models])
    for model, name, features in zip(models, shown, all_features, strict=True):
        row_of = {int(place): row for row, place in enumerate(features.places)}
        vectors_ND = features.image_MD[[row_of[place] for place in common]]
        asked, values, first = rank_by_class(vectors_ND, kept.labels, groups, ks)
        if not len(asked):
            raise InputError(
                f"No image of {data.name!r} has another one of its class, so nothing can be found by example."
            )
        results.append(
            Similarity(
                kept, model.name, name, model.fingerprint, asked, values, first,
                chance=_chance(kept.labels, groups, asked, ks), features=features,
                clusters=tuple(groups[row] for row in asked), apart=apart, seed=seed,
            )
        )  # fmt: skip
    return results


def rank_by_class(
    vectors_ND: np.ndarray, labels: NDArray[Any], groups: Sequence[Hashable], ks: Sequence[int] = KS
) -> tuple[NDArray[np.int64], dict[str, Values], NDArray[np.int64]]:
    """Rows that have an answer (Q,), their measures (Q,) by name, and the rows of their first results (Q, 10).

    labels: (N,), -1 where there is none, or (N, K) of several classes, of which one in common makes an answer.
    groups: images of one group, such as the query itself, are not answers and are left out of the ranking.
    """
    group_N = np.unique(np.array([str(group) for group in groups]), return_inverse=True)[1]
    asked: list[NDArray[np.int64]] = []
    first: list[NDArray[np.int64]] = []
    values: dict[str, list[Values]] = {name: [] for name in ("mAP", *(f"precision@{k}" for k in ks))}
    step = max(1, _SCORES // max(1, len(vectors_ND)))
    for start in range(0, len(vectors_ND), step):
        rows = np.arange(start, min(start + step, len(vectors_ND)))
        same_BN = group_N[rows][:, None] == group_N
        right_BN = _share_class(labels[rows], labels) & ~same_BN
        has_answer_B = right_BN.any(axis=1)
        rows, same_BN, right_BN = rows[has_answer_B], same_BN[has_answer_B], right_BN[has_answer_B]
        if not len(rows):
            continue
        score_BN = vectors_ND[rows] @ vectors_ND.T
        score_BN[same_BN] = -np.inf
        order_BN = np.argsort(-score_BN, axis=1, kind="stable")
        marks_BN = np.take_along_axis(right_BN, order_BN, axis=1)
        asked.append(rows)
        ranked_B = np.count_nonzero(~same_BN, axis=1)
        first.append(_first_results(order_BN, ranked_B))
        values["mAP"].append(average_precision(marks_BN))
        for k in ks:
            values[f"precision@{k}"].append(marks_BN[:, :k].sum(axis=1) / np.minimum(k, ranked_B))
    if not asked:
        return np.zeros(0, np.int64), {}, np.zeros((0, FIRST), np.int64)
    measures = {name: np.concatenate(parts) for name, parts in values.items()}
    return np.concatenate(asked), measures, np.concatenate(first)


def compare_similarity(before: Similarity, after: Similarity, measure: str = "mAP") -> Estimate:
    """Mean difference of a measure, after less before, over the same queries, which are resampled together.

    Raises: InputError for results on different queries.
    """
    if before.data.content_hash != after.data.content_hash or not np.array_equal(before.asked, after.asked):
        raise InputError(f"The results of {before.model!r} and {after.model!r} are not on the same images.")
    values = before.values[measure], after.values[measure]
    return estimate_clustered_gain(*values, before.clusters, seed=before.seed)


def class_words(data: LabelledSet, row: int) -> str:
    """Name of an image's class, or of its classes."""
    if data.is_multilabel:
        return ", ".join(data.classnames[k] for k in np.flatnonzero(data.labels[row])) or "none"
    if data.labels[row] < 0:
        return "unknown"
    return str(data.classnames[data.labels[row]])


def _share_class(labels_B: NDArray[Any], labels_N: NDArray[Any]) -> NDArray[np.bool_]:
    """Whether two images have a class in common, (B, N)."""
    if labels_N.ndim == 2:
        return np.asarray(labels_B.astype(np.float32) @ labels_N.astype(np.float32).T > 0)
    return np.asarray((labels_B[:, None] == labels_N) & (labels_N >= 0))


def _first_results(order_BN: NDArray[np.int64], ranked_B: NDArray[np.int64]) -> NDArray[np.int64]:
    """First results (B, 10), -1 beyond those that were ranked."""
    first_BF = np.full((len(order_BN), FIRST), -1, np.int64)
    width = min(FIRST, order_BN.shape[1])
    first_BF[:, :width] = order_BN[:, :width]
    first_BF[np.arange(FIRST) >= ranked_B[:, None]] = -1
    return first_BF


def _chance(
    labels: NDArray[Any], groups: Sequence[Hashable], asked: NDArray[np.int64], ks: Sequence[int]
) -> dict[str, float]:
    """Mean of each measure of random rankings. Mean average precision of R answers among N in random order:
    (H_N + (N - H_N)·(R - 1)/(N - 1)) / N, with the harmonic number H_N; each precision is R/N.
    """
    group_N = np.unique(np.array([str(group) for group in groups]), return_inverse=True)[1]
    expected: list[float] = []
    shares: list[float] = []
    for row in asked:
        others_N = group_N != group_N[row]
        n = int(others_N.sum())
        answers = int((_share_class(labels[row : row + 1], labels)[0] & others_N).sum())
        harmonic = float((1 / np.arange(1, n + 1)).sum())
        expected.append((harmonic + (n - harmonic) * (answers - 1) / max(n - 1, 1)) / n)
        shares.append(answers / n)
    return {"mAP": float(np.mean(expected)), **{f"precision@{k}": float(np.mean(shares)) for k in ks}}
