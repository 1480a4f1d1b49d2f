"""Templates: the built-in sets, what a user may give instead, and what each mistake says."""

import pytest

from wordsight.errors import InputError
from wordsight.zeroshot.templates import TEMPLATE_SETS, fill, resolve_templates


@pytest.mark.parametrize(
    ("name", "count"),  # counted in openai/CLIP's data/prompts.md and its ImageNet notebook
    [("plain", 1), ("photo", 1), ("imagenet-7", 7), ("imagenet-80", 80), ("cifar10", 18), ("caltech101", 34),
     ("country211", 5), ("kinetics700", 28), ("ucf101", 48), ("resisc45", 18), ("fer2013", 6)],
)  # fmt: skip
def test_the_sets_have_as_many_templates_as_published(name, count):
    assert len(set(TEMPLATE_SETS[name])) == count


def test_every_template_has_one_place_for_the_class_name():
    assert all(t.count("{}") == 1 for templates in TEMPLATE_SETS.values() for t in templates)


def test_the_seven_are_among_the_eighty():
    assert set(TEMPLATE_SETS["imagenet-7"]) < set(TEMPLATE_SETS["imagenet-80"])


def test_actions_are_spelt_as_published():
    assert TEMPLATE_SETS["kinetics700"][7] == "a video of {}."
    assert TEMPLATE_SETS["kinetics700"][-1] == "a demonstration of a person practicing {}."
    assert TEMPLATE_SETS["ucf101"][9] == "a video of a person using {}."


def test_filling_is_literal():
    assert fill(["a photo of a {}."], "orange") == ["a photo of a orange."]  # as in the literature, not "an"
    assert fill(["the {}", "{}"], "{0} set") == ["the {0} set", "{0} set"]


def test_a_name_a_template_a_list_and_a_file_are_understood(tmp_path):
    file = tmp_path / "mine.txt"
    file.write_text("# for drawings\na drawing of a {}.\n\n  a sketch of a {}.\n", encoding="utf-8")
    assert resolve_templates("photo") == ("a photo of a {}.",)
    assert resolve_templates("an x-ray of a {}") == ("an x-ray of a {}",)
    assert resolve_templates(["a {}", "the {}"]) == ("a {}", "the {}")
    assert resolve_templates(file) == resolve_templates(str(file)) == ("a drawing of a {}.", "a sketch of a {}.")


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ("imagnet-80", r"'imagnet-80' is not a template set.*Did you mean: imagenet-80"),
        ("a photo of a cat", r"'a photo of a cat', which lacks '\{\}'"),
        ("a photo of {name}", r"'a photo of \{name\}', which lacks '\{\}'"),
        (["a {}", "the"], r"'the', which lacks '\{\}'"),
        ([], "is empty; give at least one"),
    ],
)
def test_mistakes_say_what_to_do(wrong, message):
    with pytest.raises(InputError, match=message):
        resolve_templates(wrong)


def test_a_file_that_is_no_text_is_named(tmp_path):
    file = tmp_path / "t.txt"
    file.write_bytes(b"\xff\xfe\x00 {}")
    with pytest.raises(InputError, match=r"cannot be read.*UTF-8"):
        resolve_templates(str(file))
