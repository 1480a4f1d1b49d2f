"""Figures and names in words."""

import pytest

from wordsight.evaluate.report.words import describe_gain, format_gain, list_names, list_some, percent
from wordsight.metrics import Estimate


def test_shares_have_a_space_before_the_sign():
    assert (percent(0.7123), percent(1.0, 0)) == ("71.2 %", "100 %")


@pytest.mark.parametrize(
    ("gain", "words"),
    [
        (Estimate(0.018, 0.006, 0.031, 9), "A is better than B by 1.8 points (0.6 to 3.1) at k = 5"),
        (Estimate(-0.018, -0.031, -0.006, 9), "A is worse than B by 1.8 points (0.6 to 3.1) at k = 5"),
        (
            Estimate(0.018, -0.01, 0.031, 9),
            "A and B cannot be told apart at k = 5: A is 1.8 points ahead (−1.0 to 3.1)",
        ),
        (
            Estimate(-0.018, -0.031, 0.01, 9),
            "A and B cannot be told apart at k = 5: A is 1.8 points behind (−1.0 to 3.1)",
        ),
        (Estimate(0.0, -0.01, 0.01, 9), "A and B cannot be told apart at k = 5: A is 0.0 points apart (−1.0 to 1.0)"),
    ],
)
def test_a_gain_in_words(gain, words):
    assert describe_gain(gain, "A", "B", "at k = 5") == words


def test_a_gain_as_a_cell():
    assert format_gain(Estimate(0.012, -0.003, 0.027, 9)) == "+1.2 [−0.3, +2.7]"
    assert format_gain(Estimate(-0.0001, -0.0102, 0.0, 9)) == "+0.0 [−1.0, +0.0]"
    assert format_gain(None) == "–"


def test_names_in_a_row():
    assert [list_names("abc"[:n]) for n in range(4)] == ["", "a", "a and b", "a, b and c"]


@pytest.mark.parametrize(
    ("names", "total", "words"),
    [
        ("abc", None, "a, b and c"),
        ("abcd", None, "a, b and 2 others"),
        ("ab", 3, "a, b and 1 other"),
        ("", 3, "3 others"),
    ],
)
def test_many_names_are_shortened(names, total, words):
    assert list_some(names, 3, total=total) == words
