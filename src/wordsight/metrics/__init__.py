"""Measures, their 95 % intervals, and tests of differences; shares are 0 to 1.

`estimates` holds the intervals; `rankings`, `classification`, `clustering` and `calibration` the measures.
"""

from wordsight.metrics.calibration import Reliability, measure_reliability
from wordsight.metrics.classification import (
    average_precision_of_classes,
    confusion_matrix,
    mean_average_precision,
    mean_per_class_recall,
    rank_labels,
    top_k_accuracy,
)
from wordsight.metrics.clustering import adjusted_rand_index, match_clusters
from wordsight.metrics.estimates import (
    DRAWS,
    Estimate,
    bootstrap_clusters,
    bootstrap_difference,
    bootstrap_hits,
    bootstrap_mean,
    bootstrap_ratio,
    bootstrap_statistic,
    bootstrap_strata,
    widest_margin,
)
from wordsight.metrics.rankings import (
    average_precision,
    hit_rate_at_k,
    mark_relevant,
    ndcg_at_k,
    precision_at_k,
    recall_at_k,
)

__all__ = [
    "DRAWS",
    "Estimate",
    "Reliability",
    "adjusted_rand_index",
    "average_precision",
    "average_precision_of_classes",
    "bootstrap_clusters",
    "bootstrap_difference",
    "bootstrap_hits",
    "bootstrap_mean",
    "bootstrap_ratio",
    "bootstrap_statistic",
    "bootstrap_strata",
    "confusion_matrix",
    "hit_rate_at_k",
    "mark_relevant",
    "match_clusters",
    "mean_average_precision",
    "mean_per_class_recall",
    "measure_reliability",
    "ndcg_at_k",
    "precision_at_k",
    "rank_labels",
    "recall_at_k",
    "top_k_accuracy",
    "widest_margin",
]
