"""Prompt sets: how their vectors become one classifier."""

import numpy as np
import pytest
from prompt_model import WordModel

from wordsight.errors import InputError
from wordsight.evaluate.prompts.prompt_set import PromptSet, check_single_label, count_truncated, embed_prompts

PROMPTS = (("a hen", "a bird with a comb"), ("a duck", "a swimming bird", "a hen"))


def test_embeddings_are_pooled_as_a_loop_in_double_precision_pools_them():
    model = WordModel()
    seen_KD = embed_prompts(model, PromptSet("birds", PROMPTS), cache=False).class_vectors()
    for vector, prompts in zip(seen_KD, PROMPTS, strict=True):
        mean = sum(model.embed_texts([prompt])[0].astype(np.float64) for prompt in prompts) / len(prompts)
        np.testing.assert_allclose(vector, mean / np.linalg.norm(mean), atol=1e-6)


def test_similarities_are_the_mean_of_an_images_cosines_with_the_prompts_of_each_class():
    model = WordModel()
    images_ND = model.embed_texts(["a hen in the yard", "swimming"])
    seen_KD = embed_prompts(model, PromptSet("birds", PROMPTS, "similarities"), cache=False).class_vectors()
    for image, scores in zip(images_ND.astype(np.float64), images_ND @ seen_KD.T, strict=True):
        expected = [np.mean([image @ model.embed_texts([prompt])[0] for prompt in prompts]) for prompts in PROMPTS]
        np.testing.assert_allclose(scores, expected, atol=1e-6)


def test_the_two_poolings_differ_where_prompts_of_a_class_disagree():
    model = WordModel()
    image_D = model.embed_texts(["hen"])[0]
    classes = (("hen", "pond sky boat"), ("hen hill",))
    best = {}
    for pooling in ("embeddings", "similarities"):
        class_KD = embed_prompts(model, PromptSet("x", classes, pooling), cache=False).class_vectors()
        best[pooling] = class_KD @ image_D
    assert best["similarities"][0] < best["embeddings"][0]
    np.testing.assert_allclose(best["similarities"][1], best["embeddings"][1], atol=1e-6)


def test_a_prompt_that_several_classes_share_is_embedded_once():
    model = WordModel()
    embed_prompts(model, PromptSet("birds", PROMPTS), cache=False)
    assert sorted(model.texts_seen) == ["a bird with a comb", "a duck", "a hen", "a swimming bird"]


def test_vectors_by_template_are_those_of_each_template():
    model = WordModel()
    prompts = PromptSet.of_templates("two", ("hen", "duck"), ("a {}", "the {} here"))
    seen_TKD = embed_prompts(model, prompts, cache=False).by_template()
    np.testing.assert_array_equal(seen_TKD[1], model.embed_texts(["the hen here", "the duck here"]))


def test_truncated_prompts_are_counted_where_the_model_tells():
    texts = ["one two three", " ".join(["word"] * 9)]
    assert count_truncated(WordModel(), texts) == 1
    assert count_truncated(object(), texts) is None


def test_a_multi_label_set_and_one_without_labels_are_refused():
    with pytest.raises(InputError, match="'x' is a multi-label dataset, but prompts are compared by the share"):
        check_single_label("x", np.zeros((2, 3), bool))
    with pytest.raises(InputError, match="No image of 'x' has a label"):
        check_single_label("x", np.array([-1, -1]))
