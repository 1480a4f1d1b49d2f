"""One analysis of words: what a text is indexed by, and what of a query it holds."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wordsight.text.analysis import MOST_WORDS, coverage, matched_words, query_terms, terms
from wordsight.text.snippet import snippet


@pytest.mark.parametrize(
    ("query", "text"),
    [
        ("walked", "Walking boots"),
        ("battery", "Batteries for remote"),
        ("women's scarf", "Scarves for woman"),
        ("creme brulee", "Crème brûlée dish"),
        ("crème brûlée", "creme brulee"),
        ("grey jewellery", "Gray jewelry box"),
        ("tshirt", "Puma T-shirt"),
        ("t-shirt", "Puma Tshirts"),
        ("t shirt", "tshirt"),
        ("tshirt", "Puma T shirt"),
        ("hand bag", "Leather handbags"),
        ("handbag", "Hand-bag"),
        ("linux cnc", "LinuxCNC manual"),
        ("LinuxCNC", "linuxcnc manual"),
        ("how do I install LinuxCNC", "Installing LinuxCNC on Debian"),
        ("RE16", "Relay RE1602-A"),
        ("re1602", "RE-1602"),
        ("gtx1080", "GTX 1080"),
        ("50x70", "Poster, 50 x 70 cm"),
        ("50 x 70", "Poster 50x70"),
        ("1000 pieces", "1,000-piece puzzle"),
        ("连衣裙", "红色连衣裙 夏季"),
        ("裙", "红色连衣裙 夏季"),
        ("カメラ", "デジタルカメラ"),
        ("หนังสือ", "ร้านหนังสือเก่า"),
        ("हिन्दी", "हिन्दी किताब"),
        ("ﬁne ＴＶ", "fine tv"),
        ("a photo of a dog", "Dogs"),
        ("can of soup", "soup can"),
    ],
)
def test_a_text_holds_every_word_however_it_is_written(query, text):
    assert coverage(query, text) == 1
    assert matched_words(query, text)


@pytest.mark.parametrize(
    ("query", "text", "share"),
    [
        ("waterproof boots blue", "Walking boots waterproof", 2 / 3),
        ("red t-shirt", "Red shirts", 3 / 4),
        ("RE16", "RE 17, size 16", 0),
        ("RE16", "16 of RE", 0.0),
        ("dress", "Waterproof boots", 0),
        ("3.5 mm", "35 mm", 1 / 2),
        ("the who", "The Who live", 1),
        ("", "anything", 0),
        ("!!!", "anything", 0),
        ("юбка", "red dress", 0),
        ("six six one", "six", 1 / 2),
    ],
)
def test_coverage_counts_words_not_their_parts(query, text, share):
    assert coverage(query, text) == pytest.approx(share)


def test_stop_words_count_only_where_there_is_nothing_else():
    assert [word.text for word in query_terms("how do I install LinuxCNC")] == ["install", "LinuxCNC"]
    assert [word.text for word in query_terms("to be or not to be")] == ["not"]
    assert [word.text for word in query_terms("what is it")] == ["what", "is", "it"]


def test_of_a_page_of_words_the_first_are_asked_for():
    assert len(query_terms(" ".join(f"word{i}" for i in range(5000)))) == MOST_WORDS


def test_all_of_what_is_written_together_is_highlighted():
    text = "Puma T-shirts, RE1602-A, 红色连衣裙"
    found = matched_words("puma tshirt re16 连衣裙", text)
    assert [text[start:end] for start, end in found] == ["Puma", "T-shirts", "RE1602-A", "连衣裙"]


def test_a_snippet_is_the_window_around_the_densest_matches():
    text = f"install {'other words ' * 60}to install LinuxCNC, insert the disk{' more words' * 60}"
    found = snippet(text, "how do I install LinuxCNC", width=80)
    assert "[install] [LinuxCNC], insert the disk" in found.marked("[", "]")
    assert len(found.text) <= 80
    assert snippet(text, "nothing", 20).text.startswith("install other")


def test_terms_are_short_and_of_any_text():
    assert max(map(len, terms("x" * 500 + "-" + "9" * 500))) <= 40
    assert terms("\ud800") == terms("") == []


LETTERS = "aAbZ19 -'’.,&_éß½①ﬁＴ红色ガがー한ئشَнй٣हिन्दีสือ\u0301\u200d\U00020001\ud800*\n"


@given(st.text(max_size=40) | st.text(st.sampled_from(LETTERS), max_size=14))
def test_any_text_holds_itself_and_is_marked_within_itself(text):
    words = query_terms(text)
    assert coverage(text, text) == (1 if words else 0)
    spans = matched_words(text, text)
    assert bool(spans) == bool(words)
    assert all(0 <= start < end <= len(text) for start, end in spans)
    assert spans == sorted(spans)
    assert all(term and " " not in term and len(term) <= 40 for term in terms(text))
