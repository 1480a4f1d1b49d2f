"""Between old and new weights (WiSE-FT), and how much of what was known is left."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from wordsight.errors import InputError
from wordsight.metrics import Estimate
from wordsight.train.finetune.forgetting import judge, remedy, warn_at_chance_level
from wordsight.train.finetune.wise_ft import AlphaResult, choose, interpolate
from wordsight.train.monitor.reports import TrainWarning


def share(value, n=100):
    return Estimate(value, value - 0.1, value + 0.1, n)


OLD = {"weight": np.array([0.0, 10.0], np.float32), "logit_scale": np.float32(4)}
NEW = {"weight": np.array([1.0, 20.0], np.float32), "logit_scale": np.float32(2)}


def test_a_quarter_of_the_way():
    between = interpolate(OLD, NEW, 0.25)
    assert np.array_equal(between["weight"], [0.25, 12.5])
    assert between["logit_scale"] == 3.5
    assert between["weight"].dtype == np.float32


def test_the_ends_are_exact():
    chance = np.random.default_rng(0)
    old, new = ({"w": chance.standard_normal(1000).astype(np.float32)} for _ in range(2))
    assert np.array_equal(interpolate(old, new, 0)["w"], old["w"])
    assert np.array_equal(interpolate(old, new, 1)["w"], new["w"])


def test_half_precision_weights_are_mixed_in_float32():
    old = {"w": np.array([1.0], np.float16)}
    new = {"w": np.array([1.0 + 2**-20], np.float32)}
    assert interpolate(old, new, 0.5)["w"] == np.float32(1 + 2**-21)


def test_a_bias_that_came_with_the_tuning_keeps_its_scale():
    # SigLIP's loss has a bias; the old scale belongs to a loss without one.
    between = interpolate(OLD, {**NEW, "logit_bias": np.float32(-10)}, 0.5)
    assert between["logit_bias"] == -10
    assert between["logit_scale"] == 2
    assert np.array_equal(between["weight"], [0.5, 15])


@pytest.mark.parametrize("other", [{"weight": np.zeros(3)}, {"other": np.zeros(2)}, {}])
def test_weights_of_another_model_are_refused(other):
    with pytest.raises(InputError, match=r"of different models: .*(weight|other).* differ in name or shape"):
        interpolate(OLD, {**other, "logit_scale": NEW["logit_scale"]}, 0.5)


def test_the_best_on_the_target_is_chosen_and_of_equals_the_nearest_to_the_old():
    tried = [AlphaResult(alpha, share(value)) for alpha, value in ((1.0, 0.6), (0.75, 0.7), (0.5, 0.7), (0.25, 0.5))]
    assert choose(tried).alpha == 0.5


def test_nothing_to_choose_from():
    with pytest.raises(InputError, match=r"There is no α to choose from; name some in tuning.alphas"):
        choose([])


def test_a_try_says_both_figures():
    assert str(AlphaResult(0.5, share(0.6))) == "0.5: target 60.0 % [50.0, 70.0]"
    assert str(AlphaResult(1, share(0.6), share(0.5))) == "1: target 60.0 % [50.0, 70.0], original 50.0 % [40.0, 60.0]"


def hits(*counts):
    """0/1 hits before and after of images: right both times, only before, only after, never."""
    before = np.repeat([1, 1, 0, 0], counts)
    after = np.repeat([1, 0, 1, 0], counts)
    return before, after


def test_what_is_left_by_hand():
    # 80 of 100 before, 76 after, of which 4 were wrong before: 95 % are left.
    verdict = judge(*hits(72, 8, 4, 16), least=0.9)
    assert verdict.before.value == pytest.approx(0.8)
    assert verdict.after.value == pytest.approx(0.76)
    assert verdict.kept == pytest.approx(0.95)
    assert verdict.good
    assert not judge(*hits(72, 8, 4, 16), least=0.96).good


def test_the_interval_is_that_of_drawing_images_anew():
    before, after = hits(72, 8, 4, 16)
    verdict = judge(before, after, 0.9)
    chance = np.random.default_rng(1)
    drawn = chance.integers(0, 100, (4000, 100))
    ratios = after[drawn].mean(axis=1) / before[drawn].mean(axis=1)
    assert (verdict.low, verdict.high) == pytest.approx(np.percentile(ratios, [2.5, 97.5]), abs=0.015)


def test_the_same_answers_leave_no_doubt():
    before, _ = hits(50, 10, 0, 40)
    verdict = judge(before, before, 1.0)
    assert (verdict.kept, verdict.low, verdict.high, verdict.good) == (1, 1, 1, True)


@given(
    st.lists(st.tuples(st.booleans(), st.booleans()), min_size=1, max_size=60).filter(lambda p: any(b for b, _ in p))
)
def test_a_share_lies_within_its_interval_or_nearly(pairs):
    before, after = np.array(pairs).T
    verdict = judge(before, after, 0.9)
    assert 0 <= verdict.low <= verdict.high
    assert verdict.kept == pytest.approx(after.sum() / before.sum())
    assert verdict.good == (verdict.kept >= 0.9)


def test_a_verdict_says_it_in_a_line():
    said = str(judge(*hits(40, 40, 0, 20), least=0.9))
    assert said.startswith("not good: 50.0 % [")
    assert "80.0 % [" in said
    assert "required: at least 90 % (tuning.keep)" in said
    assert "interval leaves open" not in said
    assert "which the interval leaves open" in str(judge(*hits(72, 8, 1, 19), least=0.9))


def test_nothing_known_cannot_be_forgotten():
    with pytest.raises(InputError, match=r"None of the 10 images of tuning.forgetting was classified correctly before"):
        judge(np.zeros(10), np.ones(10), 0.9)


def test_hits_of_other_images_are_refused():
    with pytest.raises(InputError, match=r"There are 3 hits before and 2 after; expected the same images"):
        judge(np.ones(3), np.ones(2), 0.9)


def test_a_start_no_better_than_chance_is_said():
    with pytest.warns(TrainWarning, match=r"12.0 % \[2.0, 22.0\] of the images of tuning.forgetting correctly; the"):
        warn_at_chance_level(share(0.12), classes=10)
    warn_at_chance_level(share(0.3), classes=10)


def test_what_to_try_names_a_share_that_keeps_enough():
    tried = [
        AlphaResult(1.0, share(0.9), share(0.3)),
        AlphaResult(0.5, share(0.8), share(0.7)),
        AlphaResult(0.2, share(0.5), share(0.8)),
    ]
    assert "resume with tuning.alphas=0.5" in remedy(tried, share(0.75), 0.9)
    assert "smaller tuning.alphas" in remedy(tried[:1], share(0.75), 0.9)
    assert "tuning.alphas=0.25,0.5,0.75 (WiSE-FT)" in remedy([], share(0.75), 0.9)
