"""Measures, their 95 % intervals, and tests of differences; shares are 0 to 1.

`estimates` and `hits` hold the intervals, `rankings`, `classification`, `clustering` and `calibration` the measures,
`comparison` what can be said of several models.
"""

from wordsight.metrics.calibration import Reliability, measure_reliability
from wordsight.metrics.classification import (
    average_precision_of_classes,
    confusion_matrix,
    mean_average_precision,
    mean_per_class_recall,
    rank_labels,
)
from wordsight.metrics.clustered import estimate_clustered, estimate_clustered_gain
from wordsight.metrics.clustering import adjusted_rand_index, match_clusters
from wordsight.metrics.comparison import (
    JointMeans,
    estimate_lags,
    measure_across_sets,
    measure_on_set,
    measure_on_sets,
    rank_intervals,
    sets_to_separate,
    tie_with_best,
)
from wordsight.metrics.crossed import CrossedDraws, estimate_crossed, estimate_runs, estimate_runs_gain
from wordsight.metrics.estimates import (
    DRAWS,
    Estimate,
    bootstrap_clusters,
    bootstrap_difference,
    bootstrap_mean,
    bootstrap_ratio,
    bootstrap_statistic,
    bootstrap_strata,
    widest_margin,
)
from wordsight.metrics.hits import PairedTest, adjust_holm, estimate_gain, estimate_share, images_to_separate, mcnemar
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
    "CrossedDraws",
    "Estimate",
    "JointMeans",
    "PairedTest",
    "Reliability",
    "adjust_holm",
    "adjusted_rand_index",
    "average_precision",
    "average_precision_of_classes",
    "bootstrap_clusters",
    "bootstrap_difference",
    "bootstrap_mean",
    "bootstrap_ratio",
    "bootstrap_statistic",
    "bootstrap_strata",
    "confusion_matrix",
    "estimate_clustered",
    "estimate_clustered_gain",
    "estimate_crossed",
    "estimate_gain",
    "estimate_lags",
    "estimate_runs",
    "estimate_runs_gain",
    "estimate_share",
    "hit_rate_at_k",
    "images_to_separate",
    "mark_relevant",
    "match_clusters",
    "mcnemar",
    "mean_average_precision",
    "mean_per_class_recall",
    "measure_across_sets",
    "measure_on_set",
    "measure_on_sets",
    "measure_reliability",
    "ndcg_at_k",
    "precision_at_k",
    "rank_intervals",
    "rank_labels",
    "recall_at_k",
    "sets_to_separate",
    "tie_with_best",
    "widest_margin",
]
