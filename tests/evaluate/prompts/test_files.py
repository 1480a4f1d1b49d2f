"""Prompt files in the forms of CuPL and DCLIP."""

import json

import pytest

from wordsight.errors import InputError
from wordsight.evaluate.prompts.files import UnusedPromptsWarning, describe, read_cupl, read_dclip

NAMES = ("hen", "mute swan")


def write(folder, content):
    path = folder / "birds.json"
    path.write_text(content if isinstance(content, str) else json.dumps(content), encoding="utf-8")
    return path


def test_cupls_file_holds_prompts_whose_embeddings_are_averaged(tmp_path):
    prompts = read_cupl(write(tmp_path, {"mute_swan": ["a white bird"], "Hen": ["a brown\nbird", "a bird"]}), NAMES)
    assert prompts.prompts == (("a brown bird", "a bird"), ("a white bird",))
    assert (prompts.name, prompts.pooling) == ("birds", "embeddings")


def test_dclips_file_holds_descriptors_whose_similarities_are_averaged(tmp_path):
    prompts = read_dclip(write(tmp_path, {"hen": ["red comb"], "mute swan": ["a long neck"]}), NAMES)
    assert prompts.prompts == (("hen, which has red comb",), ("mute swan, which is a long neck",))
    assert prompts.pooling == "similarities"


@pytest.mark.parametrize(
    ("descriptor", "prompt"),
    [
        ("red comb", "hen, which has red comb"),
        ("a brown bird", "hen, which is a brown bird"),
        ("antlers", "hen, which has antlers"),
        ("can fly", "hen, which can fly"),
        ("used for eggs", "hen, which is used for eggs"),
        ("", "hen"),
    ],
)
def test_descriptors_are_joined_by_a_fitting_verb(descriptor, prompt):
    assert describe("hen", descriptor) == prompt


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{", r"cannot be read \(.*\); expected JSON such as"),
        ('{"hen": ["a"], "hen": ["b"]}', "the class 'hen' stands in it twice"),
        ("[" * 5000, "cannot be read .*nested too deep"),
        ([["hen"]], r"holds \[\['hen'\]\], expected class name → list of texts"),
        ({}, "has no class"),
        ({"hen": []}, r"has \[\] for the class 'hen', expected a list with one text or more"),
        ({"hen": "a bird"}, "has 'a bird' for the class 'hen'"),
        ({"hen": [" "]}, "for the class 'hen'"),
        ({"hen": ["a"], "HEN": ["b"]}, "has both 'hen' and 'HEN', which are one class"),
        (
            {"hen": ["a"], "mute swans": ["b"]},
            r"lacks 1 of .* 2 classes: 'mute swan'\. Did you mean: mute swan",
        ),
    ],
)
def test_files_of_another_form_are_refused(tmp_path, content, message):
    with pytest.raises(InputError, match=message):
        read_cupl(write(tmp_path, content), NAMES)


def test_a_file_that_is_not_there_or_not_text_is_refused(tmp_path):
    with pytest.raises(InputError, match="cannot be read"):
        read_dclip(tmp_path / "none.json", NAMES)
    (tmp_path / "image.json").write_bytes(b"\xff\xd8\xff")
    with pytest.raises(InputError, match="cannot be read"):
        read_dclip(tmp_path / "image.json", NAMES)


def test_classes_that_the_set_does_not_have_are_said_once(tmp_path):
    path = write(tmp_path, {"hen": ["a"], "mute swan": ["b"], "owl": ["c"]})
    with pytest.warns(UnusedPromptsWarning, match="prompts of 1 classes that the dataset does not have .*'owl'"):
        read_cupl(path, NAMES)
