"""Classification by a linear head instead of words."""

import numpy as np
import pytest
from colour_model import DIM, ColourModel, image

from wordsight.errors import InputError
from wordsight.zeroshot.head_classifier import HeadClassifier
from wordsight.zeroshot.linear_head import LinearHead


def colour_head(**changes):
    """A head that tells warm images from cold ones by how red and how blue they are."""
    coefficient = np.zeros((2, DIM))
    coefficient[0, 0] = coefficient[1, 2] = 20
    parts = {"kind": "probe", "classnames": ("warm", "cold"), "coefficient_KD": coefficient, "intercept_K": [0, 1]}
    return LinearHead(**{**parts, "fingerprint": "colour", "facts": {"model": "colours"}, **changes})


def test_images_are_sorted_into_the_classes_of_the_head():
    classifier = HeadClassifier(ColourModel(), colour_head())
    assert classifier.predict([image("red"), image("blue")]) == ["warm", "cold"]
    ((label, probability), (other, rest)) = classifier.top_k([image("red")], 2)[0]
    assert (label, other) == ("warm", "cold")
    assert probability > 0.99
    assert probability + rest == pytest.approx(1)
    assert classifier.predict_proba([image("red")]).shape == (1, 2)
    assert repr(classifier).startswith("<HeadClassifier 2 classes (warm, cold), ")


def test_what_no_class_shows_is_one_of_them_all_the_same():
    answer = HeadClassifier(ColourModel(), colour_head())
    row = answer.predict_proba([image("black")])[0]
    assert answer.answer(row).none_proba is None
    assert answer.answer(row).chosen[0][0] == "cold"  # the intercept decides


def test_a_head_is_read_from_its_file(tmp_path):
    colour_head().save(tmp_path / "head.safetensors")
    assert HeadClassifier(ColourModel(), tmp_path / "head.safetensors").labels == ("warm", "cold")


def test_another_models_head_is_refused():
    with pytest.raises(InputError, match=r"fitted on embeddings of mini \(f+\), not of colour \(colour\)"):
        HeadClassifier(ColourModel(), colour_head(fingerprint="f" * 64, facts={"model": "mini"}))
    with pytest.raises(InputError, match="The model is 3, expected a Model"):
        HeadClassifier(3, colour_head())
