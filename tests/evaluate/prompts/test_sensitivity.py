"""Wordings of one image's text, and how far the answer depends on them."""

import numpy as np
import pytest
from prompt_model import WordModel, embed_words
from scipy.special import softmax

from wordsight.errors import InputError
from wordsight.evaluate.prompts.sensitivity import measure_sensitivity
from wordsight.evaluate.prompts.sensitivity_report import build_sensitivity_report, draw_wordings
from wordsight.evaluate.prompts.wordings import Wording, other_number, vary_names
from wordsight.images.skipped import Skipped


def test_names_are_worded_in_all_ways_that_people_type():
    texts = {wording.texts[0] for wording in vary_names(("owl",), ("art of the {}.",), [["night bird"]])}
    assert texts == {
        "owl", "an owl", "the owl", "owls", "Owl", "OWL", "owl.", "owl!", '"owl"', "night bird", "art of the owl.",
    }  # fmt: skip


def test_each_wording_comes_once_and_the_plain_names_first():
    wordings = vary_names(("hen", "owl"), ("{}", "a {}", "{}."), [["fowl", "hen"], []])
    assert wordings[0].texts == ("hen", "owl")
    assert len({wording.texts for wording in wordings}) == len(wordings)
    assert Wording("synonym", ("fowl", "owl")) in wordings


@pytest.mark.parametrize(
    ("name", "other"),
    [("bird", "birds"), ("birds", "bird"), ("box", "boxes"), ("berry", "berries"), ("cup of tea", "cups of tea"),
     ("mice", "mouse"), ("day", "days")],
)  # fmt: skip
def test_the_other_number_of_a_name(name, other):
    assert other_number(name) == other


def test_names_that_are_empty_or_twice_there_are_refused():
    with pytest.raises(InputError, match="given more than once"):
        vary_names(("hen", "Hen"))


def test_probabilities_are_over_the_classes_and_a_wording_that_flips_is_counted():
    model = WordModel()
    wordings = [Wording("given", texts) for texts in (("hen", "owl"), ("hen", "bird hen"), ("fish", "hen owl"))]
    seen = measure_sensitivity(model, "hen", ("hen", "owl"), wordings)
    cosine = embed_words("hen") @ np.stack([embed_words("hen"), embed_words("owl")]).T
    np.testing.assert_allclose(seen.wordings[0].proba, softmax(20 * cosine), atol=1e-5)
    assert seen.classes[seen.usual] == "hen"
    assert [wording.texts for wording in seen.flipped] == [("fish", "hen owl")]
    assert seen.to_dict()["flipped"] == 1
    report = build_sensitivity_report(seen)
    assert report.answer.startswith("2 of 3 wordings give 'hen', 1 'owl'; ")


def test_of_one_class_the_probability_is_that_of_the_text_being_true(tmp_path, monkeypatch):
    monkeypatch.setenv("WORDSIGHT_CACHE", str(tmp_path))
    wordings = [Wording("given", (text,)) for text in ("hen", "zebra crossing")]
    seen = measure_sensitivity(WordModel(), "a hen", ("hen",), wordings)
    assert seen.wordings[0].proba[0] > 0.8 > 0.2 > seen.wordings[1].proba[0]
    assert seen.spread == pytest.approx(seen.wordings[0].cosine[0] - seen.wordings[1].cosine[0])
    assert "Over 2 wordings of 'hen' the cosine runs from" in build_sensitivity_report(seen).answer
    assert "zebra crossing" in draw_wordings(seen).to_svg()


def test_an_image_that_cannot_be_read_and_no_wordings_are_refused():
    model = WordModel()
    with pytest.raises(InputError, match="No wording is given"):
        measure_sensitivity(model, "hen", ("hen",), [])
    model.stream_images = lambda images: iter([Skipped("x.png", "no such file")])
    with pytest.raises(InputError, match=r"The image 'x\.png' cannot be read: no such file"):
        measure_sensitivity(model, "x.png", ("hen",), vary_names(("hen",)))
