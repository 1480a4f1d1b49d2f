"""Senses of names, from a WordNet of three synsets in the form of its files."""

import pytest

from wordsight.evaluate.prompts.senses import find_wordnet, list_senses

LICENCE = "  1 This software and database is being provided to you\n"
SYNSETS = (
    "06 n 01 crane 4 001 @ 00000001 n 0000 | lifts and moves heavy objects; has a boom\n",
    "05 n 01 crane 5 001 @ 00000001 n 0000 | large long-necked wading bird of marshes\n",
    "05 n 02 sea_lion 0 Otaria 1 001 @ 00000001 n 0000 | a large eared seal\n",
)


@pytest.fixture
def wordnet(tmp_path, monkeypatch):
    data, offsets = LICENCE, []
    for synset in SYNSETS:
        offsets.append(len(data))
        data += f"{len(data):08d} {synset}"
    crane, bird, seal = (f"{offset:08d}" for offset in offsets)
    index = f"{LICENCE}crane n 2 1 @ 2 1 {crane} {bird}  \nsea_lion n 1 1 @ 1 0 {seal}  \n"
    (tmp_path / "data.noun").write_text(data)
    (tmp_path / "index.noun").write_text(index)
    monkeypatch.setenv("WNSEARCHDIR", str(tmp_path))
    return tmp_path


def test_a_name_with_two_senses_has_both_the_commonest_first(wordnet):
    assert find_wordnet() == wordnet
    assert [sense.gloss for sense in list_senses("Crane", wordnet)] == [
        "lifts and moves heavy objects", "large long-necked wading bird of marshes",
    ]  # fmt: skip


def test_names_of_several_words_and_in_the_plural_are_found(wordnet):
    (sense,) = list_senses("sea lions", wordnet)
    assert sense.words == ("sea lion", "Otaria")
    assert sense.to_dict()["gloss"] == "a large eared seal"


def test_a_name_that_is_not_there_has_no_sense_and_neither_has_one_without_wordnet(wordnet):
    assert list_senses("cran", wordnet) == ()
    assert list_senses("crane bird", wordnet) == ()
    assert list_senses("crane", None) == ()
