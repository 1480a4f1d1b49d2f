"""Shares and gains of hits, McNemar's test and the number of images it needs: against scipy, and by simulation."""

import numpy as np
import pytest
from scipy import stats

from wordsight.errors import InputError
from wordsight.metrics import Estimate, adjust_holm, estimate_gain, estimate_share, images_to_separate, mcnemar


def two_classifiers(gained, lost, n):
    """Hits before and after of n images, of which some are gained and some lost."""
    before = np.concatenate([np.zeros(gained), np.ones(lost), np.ones(n - gained - lost)])
    after = np.concatenate([np.ones(gained), np.zeros(lost), np.ones(n - gained - lost)])
    return before, after


@pytest.mark.parametrize(("hits", "n"), [(0, 5), (9, 9), (7, 10), (193, 200)])
def test_the_interval_of_a_share_is_wilsons(hits, n):
    theirs = stats.binomtest(hits, n).proportion_ci(method="wilson")
    seen = estimate_share(np.arange(n) < hits)
    assert (seen.value, seen.n) == (hits / n, n)
    assert (seen.low, seen.high) == pytest.approx((theirs.low, theirs.high), abs=1e-9)


@pytest.mark.parametrize(("gained", "lost"), [(0, 0), (4, 0), (3, 3), (20, 9), (9, 20), (700, 800)])
def test_mcnemars_test_is_the_binomial_test_of_scipy(gained, lost):
    seen = mcnemar(*two_classifiers(gained, lost, 2000))
    discordant = gained + lost
    exact = stats.binomtest(gained, discordant).pvalue if discordant else 1.0
    assert (seen.gained, seen.lost) == (gained, lost)
    assert seen.exact == pytest.approx(exact, rel=1e-9)
    # mid-p counts what was seen by half, on both sides
    mid = 1.0 if gained == lost else exact - stats.binom.pmf(gained, discordant, 0.5)
    assert seen.mid == pytest.approx(mid, rel=1e-9)


def test_a_gain_by_hand():
    seen = estimate_gain(*two_classifiers(20, 10, 200))
    half = stats.t.ppf(0.975, 199) * np.sqrt(31 - 10**2 / 200) / 200  # 20 + 10 discordant images, and one of doubt
    assert (seen.value, seen.n) == (0.05, 200)
    assert (seen.low, seen.high) == pytest.approx((0.05 - half, 0.05 + half))
    same = estimate_gain(np.ones(50), np.ones(50))
    assert (same.value, same.low, same.high) == pytest.approx((0, -same.high, 0.04), abs=0.001)  # not [0, 0]


def test_the_interval_of_a_gain_agrees_with_mcnemars_mid_p_test():
    cases = [(gained, lost) for gained in range(30) for lost in range(30)]
    seen = [(estimate_gain(*pair), mcnemar(*pair)) for pair in (two_classifiers(*case, 300) for case in cases)]
    agree = [((gain.low > 0 or gain.high < 0) == (test.mid < 0.05)) for gain, test in seen]
    assert np.mean(agree) > 0.97


@pytest.mark.parametrize(("n", "gained", "lost"), [(140, 0.1, 0.05), (400, 0.05, 0.05), (60, 0.2, 0.1)])
def test_the_interval_of_a_gain_holds_the_truth_95_times_of_100(n, gained, lost):
    """Exact: the sum over all that can be drawn, by its probability."""
    held = total = 0.0
    discordant = stats.binom(n, gained + lost)
    for both in range(int(discordant.ppf(1e-5)), int(discordant.ppf(1 - 1e-5)) + 1):
        for won in range(both + 1):
            probability = discordant.pmf(both) * stats.binom.pmf(won, both, gained / (gained + lost))
            if probability < 1e-5:
                continue
            seen = estimate_gain(*two_classifiers(won, both - won, n))
            total += probability
            held += probability * (seen.low <= gained - lost <= seen.high)
    assert total > 0.99
    assert 0.945 <= held / total <= 0.96


@pytest.mark.parametrize(("gained", "lost"), [(0.05, 0.02), (0.2, 0.1), (0.06, 0.01)])
def test_so_many_images_separate_two_models_four_times_of_five(gained, lost):
    n = images_to_separate(gained - lost, gained + lost)
    rng = np.random.default_rng(0)
    drawn = rng.multinomial(n, [gained, lost, 1 - gained - lost], 1500)
    found = [mcnemar(*two_classifiers(won, gone, n)).mid < 0.05 for won, gone, _ in drawn]
    assert np.mean(found) == pytest.approx(0.8, abs=0.04)
    assert images_to_separate(lost - gained, gained + lost) == n
    assert images_to_separate(gained - lost, gained + lost, power=0.95) > 1.5 * n


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: estimate_share([]), "nothing to measure"),
        (lambda: estimate_share([0.5]), "neither 0 nor 1; expected hits"),
        (lambda: mcnemar([1, 0], [1]), "There are 2 and 1 values; expected two of each image"),
        (lambda: images_to_separate(0, 0.1), "The gain is 0 and the discordance 0.1; expected a gain above 0"),
        (lambda: images_to_separate(0.2, 0.1), "The gain is 0.2 and the discordance 0.1"),
    ],
)
def test_hits_that_cannot_be_measured_are_refused(call, message):
    with pytest.raises(InputError, match=message):
        call()


def test_no_interval_leaves_0_to_1():
    assert estimate_share(np.ones(9)) == Estimate(1.0, pytest.approx(0.7009, abs=1e-4), 1.0, 9)
    assert estimate_gain([0, 0], [1, 1]).high == 1.0


def test_holms_correction_by_hand():
    assert adjust_holm([0.01, 0.04, 0.03]).tolist() == pytest.approx([0.03, 0.06, 0.06])
    assert adjust_holm([0.9, 0.8]).tolist() == [1.0, 1.0]
    assert adjust_holm([]).tolist() == []
