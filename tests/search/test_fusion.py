"""How looks and texts count together: what holds for any evidence, and what α does."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wordsight.errors import InputError
from wordsight.search.fusion import Fusion
from wordsight.search.relevance import HYBRID_WEIGHTS, text_evidence
from wordsight.zeroshot.logistic import sigmoid

looks = st.lists(st.floats(-7, 5), min_size=2, max_size=8).map(np.array)


def test_the_log_odds_by_hand():
    """Of two words the first text holds one, with half of the best score; the second holds both."""
    texts = text_evidence(np.array([0.5, 1.0]), np.array([2.0, 4.0]), 2)
    assert texts.tolist() == [[0.5, 0, 0.5, pytest.approx(np.log(2))], [1, 1, 1, pytest.approx(np.log(2))]]
    bias, visual, coverage, full, share, length = HYBRID_WEIGHTS
    expected = bias + visual * 1.5 + coverage + full + share + length * np.log(2)
    assert Fusion().logits(np.array([0.0, 1.5]), texts)[1] == pytest.approx(expected)


def test_a_text_that_holds_every_word_is_likely_whatever_the_image_shows():
    """Brands, names and part numbers are what an image does not show."""
    texts = text_evidence(np.array([1.0, 0.0]), np.array([3.0, 0.0]), 1)
    proba = sigmoid(Fusion().logits(np.array([-30.0, -30.0]), texts))
    assert proba[0] > 0.5 > 0.01 > proba[1]


@settings(deadline=None)
@given(looks, st.floats(0.05, 1))
def test_where_no_text_holds_a_word_looks_keep_their_order(visual, alpha):
    texts = text_evidence(np.zeros(len(visual)), np.zeros(len(visual)), 3)
    logits = Fusion("both", alpha).logits(visual, texts)
    assert (np.diff(logits[np.argsort(visual)]) >= 0).all()


def test_alpha_weighs_the_sides():
    """The first image looks right, the second has the words."""
    visual, texts = np.array([4.0, -1.0]), text_evidence(np.array([0.0, 1.0]), np.array([0.0, 5.0]), 1)
    gap = [np.subtract(*Fusion("both", alpha).logits(visual, texts)) for alpha in (0.1, 0.3, 0.5, 0.7, 0.95)]
    assert gap == sorted(gap)
    assert gap[0] < 0 < gap[-1]
    assert Fusion("text").logits(visual, texts)[1] > Fusion("text").logits(visual, texts)[0]
    assert Fusion("vector").logits(visual, texts).tolist() == [4.0, -1.0]


@settings(deadline=None)
@given(st.floats(0.01, 100))
def test_the_unit_of_bm25_does_not_count(unit):
    coverage, bm25 = np.array([0.5, 1.0, 0.0]), np.array([1.0, 3.0, 0.0])
    assert text_evidence(coverage, unit * bm25, 2) == pytest.approx(text_evidence(coverage, bm25, 2))


def test_a_fusion_is_kept_as_a_note_and_older_ones_are_read():
    fusion = Fusion("both", 0.35)
    assert Fusion.from_note(fusion.to_dict()) == fusion
    assert Fusion.from_note({"way": "score", "alpha": 0.2}) == Fusion("both", 0.2)
    assert Fusion.from_note({"way": "rank", "alpha": 0.5}) == Fusion()


@pytest.mark.parametrize(
    ("method", "alpha", "message"),
    [
        ("vectors", 0.5, "Unknown fusion method 'vectors', expected one of: .* Did you mean: vector"),
        ("both", 1.5, "alpha is 1.5, expected 0"),
    ],
)
def test_an_unknown_fusion_is_refused(method, alpha, message):
    with pytest.raises(InputError, match=message):
        Fusion(method, alpha)
