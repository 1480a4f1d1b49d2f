"""Two lists of scores become one order: worked by hand, and what holds for any scores."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wordsight.errors import InputError
from wordsight.search.fusion import Fusion, ranked, reciprocal_ranks, scaled, weighted_scores

LOOKS = {"a": 0.9, "b": 0.5, "c": 0.1}
WORDS = {"c": 8.0, "d": 4.0}
scores = st.dictionaries(st.sampled_from("abcdefgh"), st.floats(0.125, 100), min_size=1)


def test_reciprocal_ranks_by_hand():
    fused = reciprocal_ranks(LOOKS, WORDS)
    assert fused == pytest.approx({"a": 1 / 61, "b": 1 / 62, "c": 1 / 63 + 1 / 61, "d": 1 / 62})
    assert ranked(fused) == ["c", "a", "b", "d"]


def test_weighted_scores_by_hand():
    """Looks from 0.1 (says nothing) to 0.9 (the best), words from 0 to 8; a quarter of it is looks."""
    fused = weighted_scores(LOOKS, WORDS, alpha=0.25, floor=0.1)
    assert fused == pytest.approx({"a": 0.25, "b": 0.125, "c": 0.75, "d": 0.375})


def test_the_floor_is_what_the_collection_has_on_average():
    assert scaled({"a": 0.9, "b": 0.5}, 0.1) == pytest.approx({"a": 1, "b": 0.5})
    assert scaled({"a": 0.9, "b": 0.5}, 0.5) == pytest.approx({"a": 1, "b": 0})
    assert weighted_scores({"a": 0.9, "b": 0.5}, {}, 1.0) == pytest.approx({"a": 1, "b": 0})  # None: the least given
    assert scaled({"a": 0.2, "b": 0.2}, 0.2) == {"a": 1, "b": 1}


def test_equal_scores_are_in_the_order_of_ids():
    assert ranked({"c": 1.0, "a": 1.0, "b": 2.0}) == ["b", "a", "c"]


@settings(deadline=None)
@given(scores, scores)
def test_one_side_alone_keeps_its_order(looks, words):
    assert ranked(Fusion("vector")(looks, words)) == ranked(looks)
    assert ranked(Fusion("text")(looks, words)) == ranked(words)
    assert ranked(Fusion("rank")(looks, {})) == ranked(looks)
    assert ranked(Fusion("score", 0.3)(looks, {})) == ranked(looks)


@settings(deadline=None)
@given(scores, scores, st.sampled_from([Fusion("rank"), Fusion("score", 0.3), Fusion("score", 0.9)]))
def test_what_is_better_on_both_sides_is_better(looks, words, fusion):
    both = looks.keys() & words.keys()
    fused = fusion(looks, words, 0.0)
    assert fused.keys() == looks.keys() | words.keys()
    for one in both:
        for other in both:
            if looks[one] > looks[other] and words[one] > words[other]:
                assert fused[one] >= fused[other]


@settings(deadline=None)
@given(scores, scores, st.floats(0.01, 100))
def test_the_unit_of_bm25_does_not_count(looks, words, unit):
    rescaled = {id: unit * score for id, score in words.items()}
    assert Fusion()(looks, rescaled, 0.0) == pytest.approx(Fusion()(looks, words, 0.0))


def test_a_fusion_is_kept_as_a_note():
    fusion = Fusion("score", 0.35)
    assert Fusion.from_note(fusion.to_note()) == fusion


@pytest.mark.parametrize(
    ("way", "alpha", "message"),
    [("ranks", 0.5, "'ranks' is no way of fusing. Did you mean: rank"), ("score", 1.5, "alpha is 1.5, expected 0")],
)
def test_a_fusion_that_is_none_is_refused(way, alpha, message):
    with pytest.raises(InputError, match=message):
        Fusion(way, alpha)
