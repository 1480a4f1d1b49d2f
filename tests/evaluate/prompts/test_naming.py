"""Names that a model mixes up, and other wordings of them."""

import numpy as np
import pytest
from prompt_model import labelled_words

from wordsight.errors import InputError
from wordsight.evaluate.prompts.naming import add_kind, apply_renames, find_confused_names, fold_name
from wordsight.zeroshot.class_embeddings import normalise_rows


def find(classnames, captions, texts):
    data, features = labelled_words(classnames, captions)
    model_KD = np.stack([labelled_words([text], {text: [text]})[1].image_MD[0] for text in texts])
    return find_confused_names(classnames, normalise_rows(model_KD), features.image_MD, data.labels)


def test_a_class_whose_images_go_to_another_is_found_with_its_share():
    captions = {"crane": ["tower machine"] * 6 + ["crane"] * 2, "digger": ["digger machine"] * 8, "owl": ["owl"] * 8}
    (found,) = find(("crane", "digger", "owl"), captions, ("crane bird", "digger machine", "owl"))
    assert (found.name, found.taken_by) == ("crane", "digger")
    assert found.taken.value == pytest.approx(6 / 8)
    assert found.taken.n == 8
    assert not found.same


def test_names_that_are_one_name_are_found_even_where_nothing_is_confused():
    names = ("mouse", "owl", "Mouse")
    found = find(names, {"mouse": ["mouse"], "owl": ["owl"], "Mouse": ["computer"]}, ("mouse", "owl", "computer"))
    assert [(each.name, each.taken_by, each.same) for each in found] == [
        ("mouse", "Mouse", True),
        ("Mouse", "mouse", True),
    ]


def test_nearness_is_high_for_texts_that_are_alike_and_undecided_for_two_classes():
    names = ("hen", "fowl", "owl", "car")
    captions = {"hen": ["hen bird egg"], "fowl": ["hen bird egg"], "owl": ["owl"], "car": ["car"]}
    (found,) = find(names, captions, ("hen bird", "hen bird egg", "owl", "car"))
    assert found.name == "hen"
    assert found.nearness > 0.8
    (pair,) = find(("hen", "owl"), {"hen": ["owl"], "owl": ["owl"]}, ("hen", "owl"))
    assert pair.nearness == 0.5


def test_images_without_a_label_are_left_out():
    data, features = labelled_words(("hen", "owl"), {"hen": ["owl"] * 2, "owl": ["owl"] * 2})
    labels = data.labels.copy()
    labels[0] = -1
    class_KD = features.image_MD[[0, 2]]
    found = find_confused_names(("hen", "owl"), class_KD, features.image_MD, labels)
    assert all(each.taken.n <= 2 for each in found)


def test_names_fold_without_case_underscores_and_number():
    assert fold_name("Sea_Lions") == fold_name("sea lion")
    assert fold_name("cranes") == fold_name("Crane")


def test_renames_stand_for_names_and_equal_names_take_theirs_in_order():
    names = ("crane", "owl", "crane")
    words = apply_renames(names, ["crane=crane bird", "crane = construction crane"])
    assert words == ("crane bird", "owl", "construction crane")


@pytest.mark.parametrize(
    ("rename", "message"),
    [
        ("crane", "The rename 'crane' is not complete; expected 'name=other wording'"),
        ("crane=", "is not complete"),
        ("crabe=x", r"The dataset has no class 'crabe' to rename\. Did you mean: crane\?"),
    ],
)
def test_renames_that_cannot_be_done_are_refused(rename, message):
    with pytest.raises(InputError, match=message):
        apply_renames(("crane", "owl"), [rename])


def test_a_class_that_is_renamed_more_often_than_it_stands_there_is_refused():
    with pytest.raises(InputError, match=r"'crane' is renamed more often than the dataset has it \(1\)"):
        apply_renames(("crane", "owl"), ["crane=a", "crane=b"])


def test_a_category_stands_before_the_final_full_stop():
    assert add_kind(("a photo of a {}.", "{}"), " pet ") == ("a photo of a {}, a type of pet.", "{}, a type of pet")
    with pytest.raises(InputError, match="The kind is empty"):
        add_kind(("{}",), " ")
