"""A text in a script that the model has hardly learnt is pointed out."""

import warnings

import pytest

import wordsight
from wordsight.text.tokenizer import UnknownScriptWarning


@pytest.fixture(scope="module")
def mini():
    return wordsight.load("mini", backend="reference")


@pytest.mark.parametrize("text", ["собака на снегу", "红色连衣裙", "สุนัข", "犬", "كلب"])
def test_a_script_that_is_read_byte_by_byte_is_told(mini, text):
    assert not mini.tokenizer.knows_script(text)
    with pytest.warns(UnknownScriptWarning, match=f"{text}.* is in a script that the model 'mini' has hardly learnt"):
        mini.embed_texts([text, "a dog"])


@pytest.mark.parametrize("text", ["a dog", "crème brûlée", "ein Hund im Schnee", "5 × 7", "😀", "no. 犬", ""])
def test_latin_letters_and_signs_are_not(mini, text):
    assert mini.tokenizer.knows_script(text)
    with warnings.catch_warnings():
        warnings.simplefilter("error", UnknownScriptWarning)
        mini.embed_texts([text or "a"])
