"""Texts longer than the context, split and pooled."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from prompt_model import CONTEXT, WordModel, embed_words

from wordsight.errors import InputError
from wordsight.evaluate.prompts.long_texts import embed_long_texts, split_text


def few_words(text):
    return len(text.split()) <= CONTEXT


def test_a_text_is_split_at_ends_of_sentences_and_neighbours_that_fit_stay_together():
    text = "The hen is brown. It eats corn and grass. It cannot fly very far. Eggs are white."
    assert split_text(text, few_words) == [
        "The hen is brown.",
        "It eats corn and grass.",
        "It cannot fly very far. Eggs are white.",
    ]


def test_a_long_sentence_is_split_at_its_clauses_and_a_long_clause_at_words():
    text = "a brown bird with a comb, two legs and wings, " + " ".join(map(str, range(10)))
    assert split_text(text, few_words) == [
        "a brown bird with a comb,",
        "two legs and wings, 0 1 2 3",
        "4 5 6 7 8 9",
    ] or all(map(few_words, split_text(text, few_words)))


def test_a_text_that_fits_is_left_whole_and_a_word_that_does_not_is_a_part():
    assert split_text("one  two", few_words) == ["one two"]
    assert split_text("x" * 50, lambda text: len(text) < 10) == ["x" * 50]


@given(st.lists(st.sampled_from(["hen", "egg.", "comb,", "a", "wings;", "yes!"]), min_size=1, max_size=60))
def test_parts_fit_and_together_are_the_text(words):
    parts = split_text(" ".join(words), few_words)
    assert all(map(few_words, parts))
    assert " ".join(parts).split() == words


def test_the_embedding_is_the_normalised_mean_of_the_parts():
    model = WordModel()
    text = "The hen is brown. It eats corn and grass. It cannot fly."
    short = "a hen"
    seen_ND = embed_long_texts(model, [text, short])
    parts = split_text(text, few_words)
    mean = np.mean([embed_words(part) for part in parts], axis=0)
    assert len(parts) == 2
    np.testing.assert_allclose(seen_ND[0], mean / np.linalg.norm(mean), atol=1e-6)
    np.testing.assert_allclose(seen_ND[1], embed_words(short), atol=1e-6)


def test_what_stands_behind_the_context_counts():
    model = WordModel()
    text = "one two three four five six seven eight. Zebra here."
    zebra = embed_words("zebra")
    assert embed_long_texts(model, [text])[0] @ zebra > model.embed_texts([text])[0] @ zebra + 0.2


def test_a_model_that_does_not_tell_its_context_is_refused():
    class Server:
        name = "http://server/v1"

    with pytest.raises(InputError, match="'http://server/v1' does not tell how many tokens it reads"):
        embed_long_texts(Server(), ["a"])
