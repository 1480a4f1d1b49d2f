"""Whitening takes off what a collection's images share; learnt without labels, kept as long as the index is open."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wordsight.errors import InputError
from wordsight.search import whitening
from wordsight.search.whitening import Whitening, learn_whitening, ledoit_wolf


def unit(vectors):
    return (vectors / np.linalg.norm(vectors, axis=-1, keepdims=True)).astype(np.float32)


def sheets(rng, drawings=60, offices=3, dim=64):
    """Vectors of each drawing on two offices' sheets: what is drawn weighs as much as what the sheet looks like."""
    drawn, office = rng.normal(size=(drawings, dim)), rng.normal(size=(offices, dim))
    which = np.repeat(np.arange(drawings), 2)
    frame = np.array([(i + side) % offices for i in range(drawings) for side in (0, 1)])
    return unit(drawn[which] + office[frame] + 0.1 * rng.normal(size=(2 * drawings, dim))), which


def found_first(vectors, which):
    cosines = vectors @ vectors.T
    np.fill_diagonal(cosines, -9)
    return (which[cosines.argmax(axis=1)] == which).mean()


def test_the_same_drawing_is_found_on_another_offices_sheet():
    vectors, which = sheets(np.random.default_rng(0))
    plain = found_first(vectors, which)
    whitened = found_first(Whitening.fit(vectors).apply(vectors), which)
    assert plain < 0.1
    assert whitened > 0.95


def test_full_whitening_without_shrinkage_makes_the_covariance_the_identity():
    rng = np.random.default_rng(1)
    vectors = unit(rng.normal(size=(2000, 24)) * np.geomspace(1, 0.05, 24) + 0.5)
    learnt = Whitening.fit(vectors, power=1, shrinkage=0)
    projected = (vectors.astype(np.float64) - learnt.mean_D) @ learnt.matrix_DD
    np.testing.assert_allclose(np.cov(projected.T, bias=True), np.eye(24), atol=1e-9)
    np.testing.assert_allclose(projected.mean(axis=0), 0, atol=1e-9)


def test_shrinkage_is_what_an_independent_formula_says():
    rng = np.random.default_rng(2)
    x = rng.normal(size=(50, 8)) * np.arange(1, 9)
    x -= x.mean(axis=0)
    s = x.T @ x / 50
    m = np.trace(s) / 8
    b2 = sum(((np.outer(row, row) - s) ** 2).sum() for row in x) / 50**2
    assert ledoit_wolf(x, s) == pytest.approx(b2 / ((s - m * np.eye(8)) ** 2).sum())


def test_few_vectors_are_shrunk_more_than_many():
    rng = np.random.default_rng(3)
    vectors = unit(rng.normal(size=(4000, 64)) * np.geomspace(1, 0.1, 64))
    shares = [Whitening.fit(vectors[:n]).shrinkage for n in (20, 200, 4000)]
    assert shares == sorted(shares, reverse=True)
    assert 0 < shares[-1] < shares[0] <= 1


@given(n=st.integers(1, 40), dim=st.integers(1, 24), seed=st.integers(0, 999), power=st.sampled_from([0, 0.5, 0.75, 1]))
@settings(max_examples=60, deadline=None)
def test_unit_vectors_come_out_whatever_goes_in(n, dim, seed, power):
    rng = np.random.default_rng(seed)
    vectors = unit(rng.normal(size=(n, dim)))
    whitened = Whitening.fit(vectors, power=power).apply(np.concatenate([vectors, unit(rng.normal(size=(5, dim)))]))
    assert whitened.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(whitened, axis=1), 1, rtol=1e-5)


@given(seed=st.integers(0, 999), shift=st.floats(-3, 3), scale=st.floats(0.1, 10))
@settings(max_examples=30, deadline=None)
def test_a_shift_and_a_scale_of_all_vectors_change_nothing(seed, shift, scale):
    x = np.random.default_rng(seed).normal(size=(50, 6))
    np.testing.assert_allclose(
        Whitening.fit(x).apply(x), Whitening.fit(scale * x + shift).apply(scale * x + shift), atol=1e-4
    )


@pytest.mark.parametrize("vectors", [np.zeros((0, 4)), np.eye(4)[:1], np.tile(np.eye(4)[1], (9, 1))])
def test_vectors_that_do_not_differ_teach_nothing(vectors):
    learnt = Whitening.fit(vectors)
    other = unit(np.random.default_rng(0).normal(size=(3, 4)))
    np.testing.assert_allclose(learnt.apply(other), other, atol=1e-6)


def test_a_vector_in_the_mean_keeps_its_direction():
    vectors = np.array([[1, 0.5], [1, -0.5], [0.8, 0], [1.2, 0]])
    np.testing.assert_allclose(Whitening.fit(vectors).apply(np.array([[1.0, 0.0]])), [[1, 0]], atol=1e-6)


@pytest.mark.parametrize(
    ("vectors", "message"),
    [
        (np.ones(3), r"shape \(3,\) and type float64, expected finite numbers \(N, D\)"),
        (np.array([[1.0, np.nan]]), "expected finite numbers"),
        (np.array([["a", "b"]]), "expected finite numbers"),
    ],
)
def test_what_is_no_table_of_vectors_is_refused(vectors, message):
    with pytest.raises(InputError, match=message):
        Whitening.fit(vectors)


def test_other_dimensions_and_powers_are_refused():
    vectors = unit(np.random.default_rng(0).normal(size=(20, 4)))
    with pytest.raises(InputError, match="Vectors of 5 dimensions cannot be whitened by 4"):
        Whitening.fit(vectors).apply(np.ones((1, 5)))
    with pytest.raises(InputError, match="power is 2, expected a number from 0 to 1"):
        Whitening.fit(vectors, power=2)
    with pytest.raises(InputError, match=r"shrinkage is -0\.1, expected a number from 0 to 1"):
        Whitening.fit(vectors, shrinkage=-0.1)


class Rows:
    """As much of an index as whitening asks for."""

    def __init__(self, vectors):
        self.vectors, self.asked = vectors, 0

    def __len__(self):
        return len(self.vectors)

    def sample(self, n):
        self.asked += 1
        return self.vectors[:n]


def test_an_index_is_learnt_once_and_again_when_it_has_grown():
    vectors = unit(np.random.default_rng(0).normal(size=(300, 8)))
    index = Rows(vectors[:200])
    first = learn_whitening(index)
    assert learn_whitening(index) is first
    index.vectors = vectors[:203]
    assert learn_whitening(index) is first
    index.vectors = vectors
    assert learn_whitening(index) is not first
    assert index.asked == 2


def test_what_was_learnt_goes_with_the_index():
    index = Rows(np.eye(4, dtype=np.float32))
    learn_whitening(index)
    before = len(whitening._learnt)
    del index
    assert len(whitening._learnt) == before - 1
