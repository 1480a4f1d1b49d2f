"""Random prompts as a control, and the comparison with them."""

import numpy as np
from prompt_model import WordModel, labelled_words

from wordsight.evaluate.prompts.control import compare_with_control
from wordsight.evaluate.prompts.prompt_set import PromptSet, embed_prompts
from wordsight.evaluate.prompts.templates_scored import find_hits
from wordsight.evaluate.prompts.waffle import TEMPLATE, build_control, random_templates
from wordsight.zeroshot.templates import resolve_templates


def test_random_templates_are_those_of_their_seed():
    assert random_templates(6, 1) == random_templates(6, 1)
    assert not set(random_templates(6, 1)) & set(random_templates(6, 2))
    assert random_templates(6, 1)[:3] == random_templates(3, 1)


def test_random_templates_are_templates_of_words_and_of_characters_in_turn():
    templates = resolve_templates(random_templates(8, 0))
    endings = [template.removeprefix(TEMPLATE).rstrip(".") for template in templates]
    assert all(ending.replace(" ", "").isalpha() for ending in endings[::2])
    assert any(character.isdigit() for ending in endings[1::2] for character in ending)


def test_a_control_has_as_many_prompts_for_each_class_and_the_same_pooling():
    prompts = PromptSet("birds", (("a", "b", "c"), ("d",)), "similarities")
    control = build_control(prompts, ("hen", "duck"), 3)
    assert [len(own) for own in control.prompts] == [3, 1]
    assert control.pooling == "similarities"
    assert control.prompts[0][0].replace("hen", "duck") == control.prompts[1][0]


def compare(prompts, seeds=4):
    names = ("hen", "duck", "owl")
    data, features = labelled_words(names, {name: [f"{name} {i}" for i in range(30)] for name in names})
    model = WordModel()

    def hits(class_KD):
        return find_hits(features.image_MD, data.labels, class_KD)

    hit_N = hits(embed_prompts(model, prompts, cache=False).class_vectors())
    return compare_with_control(model, prompts, names, hits, hit_N=hit_N, seeds=seeds)


def test_prompts_that_name_other_things_are_worse_than_random_ones():
    wrong = PromptSet("wrong", (("duck",), ("owl",), ("hen",)))
    result = compare(wrong)
    assert result.gain.high < 0
    assert result.answer.startswith("wrong is worse than as many random prompts by")
    assert result.to_dict()["seeds"] == 4


def test_random_prompts_cannot_be_told_from_random_ones():
    names = ("hen", "duck", "owl")
    noise = build_control(PromptSet("x", (("",) * 5,) * 3), names, 99)
    result = compare(noise)
    assert result.gain.low <= 0 <= result.gain.high
    assert "cannot be told apart" in result.answer


def test_the_gain_over_random_prompts_is_the_mean_over_seeds():
    result = compare(PromptSet.of_templates("plain", ("hen", "duck", "owl"), ("{}",)))
    np.testing.assert_allclose(result.gain.value, 1 - result.accuracy.value)
