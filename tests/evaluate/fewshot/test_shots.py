"""Drawing of shots: nested, deterministic, and apart from the test part."""

import numpy as np
import pytest
from few_shots import draw_shots
from hypothesis import given, settings
from hypothesis import strategies as st

from wordsight.errors import InputError
from wordsight.evaluate.fewshot.shots import ALL, Pool, divide, parse_shots

LABELS = st.lists(st.integers(1, 9), min_size=2, max_size=6).map(
    lambda counts: np.random.default_rng(len(counts)).permutation(np.repeat(np.arange(len(counts)), counts))
)


@given(LABELS, st.integers(1, 6), st.integers(0, 5))
@settings(max_examples=60, deadline=None)
def test_fewer_shots_are_among_more_of_the_same_seed(labels, count, seed):
    pool = Pool(labels, labels.max() + 1)
    fewer, more = set(pool.sample(count, seed)), set(pool.sample(count + 1, seed))
    assert fewer <= more <= set(pool.sample(ALL, seed))


@given(LABELS, st.integers(1, 6), st.integers(0, 5))
@settings(max_examples=60, deadline=None)
def test_each_class_gives_as_many_as_asked_or_all_it_has(labels, count, seed):
    pool = Pool(labels, labels.max() + 1)
    drawn = np.bincount(labels[pool.sample(count, seed)], minlength=pool.class_count)
    assert (drawn == np.minimum(np.bincount(labels), count)).all()
    assert (pool.sample(count, seed) == pool.sample(count, seed)).all()


@given(LABELS)
@settings(max_examples=60, deadline=None)
def test_pool_and_test_part_are_halves_of_each_class(labels):
    sizes = np.bincount(labels)
    if sizes.max() == 1:
        with pytest.raises(InputError, match="one image only, so that none is left to test on"):
            divide(labels)
        return
    pool, test = divide(labels)
    assert sorted([*pool, *test]) == list(range(len(labels)))
    assert (np.bincount(labels[test], minlength=len(sizes)) == sizes // 2).all()


def test_seeds_draw_different_shots():
    pool = Pool(np.repeat([0, 1], 20), 2)
    assert set(pool.sample(5, 0)) != set(pool.sample(5, 1))


def test_a_class_more_does_not_change_what_the_others_give():
    few, many = Pool(np.repeat([0, 1], 9), 2), Pool(np.repeat([0, 1, 2], 9), 3)
    assert set(few.sample(3, 0)) == {row for row in many.sample(3, 0) if row < 18}


def test_a_quarter_of_each_class_of_four_is_held_out():
    fitted, held = draw_shots(classes=3, each=9).hold_out()
    assert list(np.bincount(np.repeat(np.arange(3), 9)[held])) == [2, 2, 2]
    assert sorted([*fitted, *held]) == list(range(27))
    assert draw_shots(each=3).hold_out() is None


@pytest.mark.parametrize(
    ("texts", "numbers"), [(["16", "all", "1", "4"], [1, 4, 16, "all"]), (["2", "2"], [2]), (["all"], ["all"])]
)
def test_numbers_of_shots_are_read_in_rising_order(texts, numbers):
    assert parse_shots(texts) == numbers


@pytest.mark.parametrize("texts", [["0"], ["many"], ["-3"], ["1.5"]])
def test_what_is_no_number_of_shots_is_refused(texts):
    with pytest.raises(InputError, match=r"is not a number from 1, nor 'all'"):
        parse_shots(texts)


def test_no_number_of_shots_is_refused():
    with pytest.raises(InputError, match="No number of shots is given"):
        parse_shots([])
