"""Several models on the same images: against single intervals and simulation."""

import numpy as np
import pytest
from scipy import stats

from wordsight.errors import InputError
from wordsight.metrics import (
    Estimate,
    bootstrap_clusters,
    bootstrap_mean,
    estimate_gain,
    estimate_lags,
    measure_across_sets,
    measure_on_set,
    measure_on_sets,
    rank_intervals,
    sets_to_separate,
    tie_with_best,
)


def sets_of_hits(rng, sets, gain_M, *, differing=0.05, n=120):
    """Hits (N, M) of models on sets: models err on the same images half the time, and differ more on some sets."""
    for _ in range(sets):
        share_M = 0.6 + gain_M + 0.1 * rng.normal() + differing * rng.normal(size=len(gain_M))
        common = rng.random((n, 1)) < 0.5
        chance_NM = np.where(common, rng.random((n, 1)), rng.random((n, len(gain_M))))
        yield chance_NM < np.clip(share_M, 0, 1)


def test_two_models_on_a_set_have_the_interval_of_a_gain():
    (hits,) = sets_of_hits(np.random.default_rng(0), 1, np.array([0, 0.05]))
    means, alone = measure_on_set(hits), estimate_gain(hits[:, 0], hits[:, 1])
    seen = means.estimate_gain(0, 1)
    assert (seen.value, seen.low, seen.high, seen.n) == pytest.approx(
        (alone.value, alone.low, alone.high, 120), abs=0.002
    )
    back = means.estimate_gain(1, 0)
    assert (back.low, back.high) == pytest.approx((-seen.high, -seen.low))


def test_values_and_clusters_have_the_intervals_of_the_bootstrap():
    rng = np.random.default_rng(0)
    cluster = np.repeat(np.arange(100), rng.integers(1, 5, size=100))
    values = rng.normal(size=(100, 2))[cluster] + rng.normal(size=(len(cluster), 2))
    plain, clustered = measure_on_set(values).estimate(1), measure_on_set(values, cluster.tolist()).estimate(1)
    assert (clustered.n, plain.n) == (100, len(cluster))
    for seen, alone in (
        (plain, bootstrap_mean(values[:, 1], draws=5000)),
        (clustered, bootstrap_clusters(values[:, 1], cluster.tolist(), draws=5000)),
    ):
        assert (seen.value, seen.low, seen.high) == pytest.approx((alone.value, alone.low, alone.high), abs=0.01)


def test_sets_count_alike_and_other_sets_would_differ_more():
    rng = np.random.default_rng(0)
    sets = [measure_on_set(hits) for hits in sets_of_hits(rng, 12, np.array([0, 0.05]), differing=0.1)]
    here, anywhere = measure_on_sets(sets).estimate_gain(0, 1), measure_across_sets(sets).estimate_gain(0, 1)
    mean = np.mean([each.estimate_gain(0, 1).value for each in sets])
    assert here.value == anywhere.value == pytest.approx(mean)
    assert (here.n, anywhere.n) == (12 * 120, 12)
    assert anywhere.high - anywhere.low > 1.5 * (here.high - here.low)


def test_sets_that_agree_by_chance_do_not_hide_the_noise_of_their_images():
    same = measure_on_set(np.array([[1, 0], [0, 1], [1, 1], [0, 0]] * 10))
    here, anywhere = (measure([same] * 5).estimate_gain(0, 1) for measure in (measure_on_sets, measure_across_sets))
    assert (anywhere.low, anywhere.high) == pytest.approx((here.low, here.high), rel=0.02)


@pytest.mark.parametrize("runs", [300, pytest.param(2000, marks=pytest.mark.slow)])
@pytest.mark.parametrize("sets", [5, 20])
def test_a_gain_over_sets_is_held_95_times_of_100(sets, runs):
    held = 0
    for run in range(runs):
        drawn = sets_of_hits(np.random.default_rng([3, run]), sets, np.array([0, 0.05]))
        seen = measure_across_sets([measure_on_set(hits) for hits in drawn]).estimate_gain(0, 1)
        held += seen.low <= 0.05 <= seen.high
    allowed = 0.025 if runs < 1000 else 0.01
    assert 0.95 - allowed <= held / runs <= 0.975 + allowed  # more than 95 % where images are most of the noise


@pytest.mark.parametrize("runs", [200, pytest.param(2000, marks=pytest.mark.slow)])
def test_a_table_of_equal_models_is_whole_95_times_of_100(runs):
    """Of 10 models that are alike, the one that chance puts first must not seem to be ahead of any other."""
    whole = {"behind": 0, "ranks": 0}
    for run in range(runs):
        rng = np.random.default_rng([11, run])
        common = rng.random((500, 1)) < 0.5  # images about which all are right alike
        hits = np.where(common, rng.random((500, 1)), rng.random((500, 10))) < 0.6
        means = measure_on_set(hits)
        whole["behind"] += all(each.low <= 0 for each in estimate_lags(means, draws=500))
        whole["ranks"] += bool((rank_intervals(means, draws=500) == [1, 10]).all())
    allowed = 0.045 if runs < 1000 else 0.015
    assert min(whole.values()) / runs >= 0.95 - allowed


def test_what_models_lack_agrees_with_their_ranks():
    (hits,) = sets_of_hits(np.random.default_rng(0), 1, np.linspace(0, 0.3, 8), n=300)
    means = measure_on_set(hits)
    lags, ranks = estimate_lags(means), rank_intervals(means)
    best = int(means.mean_M.argmax())
    assert lags[best] == Estimate(0.0, 0.0, 0.0, 300)
    assert [each.value for each in lags] == pytest.approx((hits.mean(axis=0).max() - hits.mean(axis=0)).tolist())
    assert all(first > 1 for each, (first, _) in zip(lags, ranks, strict=True) if each.low > 0)
    alone = means.estimate_gain(0, best)
    assert lags[0].low < alone.low < alone.high < lags[0].high
    pair = measure_on_set(hits[:, [0, best]])
    assert estimate_lags(pair)[0] == pair.estimate_gain(0, 1)  # of two models there is one difference to allow for


def test_independent_models_have_tukeys_intervals():
    values = np.random.default_rng(0).normal(size=(2000, 5))
    means = measure_on_set(values)
    critical = stats.studentized_range.ppf(0.95, 5, means.freedom) / np.sqrt(2)
    best = int(means.mean_M.argmax())
    for model, lag in enumerate(estimate_lags(means)):
        if model != best:
            assert (lag.high - lag.low) / 2 == pytest.approx(critical * means.error_MM[best, model], rel=0.02)


def test_the_p_value_of_clusters_is_students():
    rng = np.random.default_rng(0)
    before, after = rng.normal(size=30), rng.normal(size=30) + 0.5
    cluster = np.repeat(np.arange(30), 4)
    seen = measure_on_set(np.stack([before, after], axis=1)[cluster], cluster.tolist())
    assert seen.p_value(0, 1) == pytest.approx(stats.ttest_rel(after, before).pvalue)
    assert measure_on_set(np.stack([before, before], axis=1)).p_value(0, 1) == 1.0


def test_clusters_that_all_agree_leave_the_doubt_of_clusters():
    hits, cluster = np.ones((500, 2), bool), np.repeat(np.arange(20), 25).tolist()
    few, grouped = measure_on_set(hits[:20]).estimate(0), measure_on_set(hits, cluster).estimate(0)
    assert (grouped.low, grouped.high) == (few.low, few.high)
    assert grouped.low < 0.93


def test_sets_of_whose_images_nothing_is_known_are_not_sure_to_agree():
    figures = [[0.5, 0.51], [0.7, 0.71]]
    seen = measure_across_sets([], figures).estimate_gain(0, 1)
    assert (seen.value, seen.low, seen.high) == (pytest.approx(0.01), -np.inf, np.inf)
    varied = measure_across_sets([], [*figures, [0.6, 0.63]]).estimate_gain(0, 1)
    low, high = stats.t.interval(0.95, 2, np.mean([0.01, 0.01, 0.03]), stats.sem([0.01, 0.01, 0.03]))
    assert (varied.low, varied.high) == pytest.approx((low, high))
    assert rank_intervals(measure_across_sets([], [[0.5, 0.51, 0.5], [0.7, 0.71, 0.7]])).tolist() == [[1, 3]] * 3


def test_sets_that_separate_two_models_are_those_at_which_a_gain_is_found():
    """Of 12 sets with a standard error of a point, a gain of 1 needs (1.96 + 0.84)² times as many."""
    half = stats.t.ppf(0.975, 11) * 0.01
    assert sets_to_separate(Estimate(0.01, 0.01 - half, 0.01 + half, 12)) == 95
    with pytest.raises(InputError, match="The gain is 0; no number of sets"):
        sets_to_separate(Estimate(0.0, -0.1, 0.1, 12))


@pytest.mark.parametrize("runs", [100, pytest.param(1000, marks=pytest.mark.slow)])
@pytest.mark.parametrize("gain_M", [[0, 0, 0, 0], [0, -0.01, -0.02, -0.03], [0, -0.001, -0.1, -0.2]])
def test_ranks_and_the_best_model_are_held_95_times_of_100(gain_M, runs):
    gain_M = np.array(gain_M)
    first_M = 1 + (gain_M[None] > gain_M[:, None]).sum(axis=1)
    last_M = len(gain_M) - (gain_M[None] < gain_M[:, None]).sum(axis=1)
    ranks, best = [], []
    for run in range(runs):
        drawn = sets_of_hits(np.random.default_rng([5, run]), 15, gain_M)
        means = measure_across_sets([measure_on_set(hits) for hits in drawn])
        seen = rank_intervals(means, draws=1000)
        ranks.append((seen[:, 0] <= first_M) & (last_M <= seen[:, 1]))
        best.append(tie_with_best(seen)[0])
    allowed = 0.05 if runs < 1000 else 0.015
    assert np.mean(ranks, axis=0).min() >= 0.95 - allowed
    assert np.mean(best) >= 0.95 - allowed


def test_models_far_apart_have_one_rank_each_and_no_tie():
    rng = np.random.default_rng(0)
    gain_M = np.array([-0.2, 0.2, 0.0])
    means = measure_across_sets([measure_on_set(hits) for hits in sets_of_hits(rng, 30, gain_M)])
    assert rank_intervals(means).tolist() == [[3, 3], [1, 1], [2, 2]]
    assert tie_with_best(rank_intervals(means)).tolist() == [False, True, False]


def test_models_that_answer_alike_are_tied():
    hits = np.random.default_rng(0).random(80) < 0.5
    means = measure_on_set(np.stack([hits, hits, np.zeros(80, bool)], axis=1))
    assert tie_with_best(rank_intervals(means)).tolist() == [True, True, False]
    assert rank_intervals(means).tolist() == [[1, 2], [1, 2], [3, 3]]
    assert rank_intervals(measure_on_set(hits[:, None])).tolist() == [[1, 1]]


def test_the_seed_decides_what_is_drawn():
    (hits,) = sets_of_hits(np.random.default_rng(0), 1, np.zeros(8))
    means = measure_on_set(hits)
    assert estimate_lags(means, seed=3) == estimate_lags(means, seed=3) != estimate_lags(means, seed=4)


ONE_SET = measure_on_set([[1, 0], [1, 1]])
THREE_MODELS = measure_on_set([[1, 0, 1], [1, 1, 0]])


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: measure_on_set([[1, 0]]), "There is 1 image or cluster of them; .* from two on"),
        (lambda: measure_on_set([[1, 0], [1, 1]], "aa"), "There is 1 image or cluster"),
        (
            lambda: measure_on_set([1, 0]),
            r"The values have the shape \(2,\); expected a row an image, a column",
        ),
        (lambda: measure_on_set(np.zeros((0, 2))), "nothing to measure"),
        (lambda: measure_on_set([[1, np.nan], [0, 1]]), "1 of the 4 values are not finite"),
        (lambda: measure_across_sets([ONE_SET, THREE_MODELS]), r"The sets are of \[2, 3\] models; expected the same"),
        (lambda: measure_on_sets([ONE_SET, THREE_MODELS]), r"The sets are of \[2, 3\] models"),
        (lambda: measure_on_sets([]), "nothing to measure: no set is left"),
        (lambda: measure_across_sets([measure_on_set([[1, 0], [1, 1]])]), "There is 1 set; .* from two on"),
    ],
)
def test_what_cannot_be_compared_is_refused(call, message):
    with pytest.raises(InputError, match=message):
        call()
