"""Class names in the plural: their singular, and that images are found by either."""

import numpy as np
import pytest
from colour_model import ColourModel, image

from wordsight import Classifier
from wordsight.zeroshot.plurals import find_singular


@pytest.mark.parametrize(
    ("name", "expected"),
    [("roses", "rose"), ("red roses", "red rose"), ("cups of tea", "cup of tea"), ("strawberries", "strawberry"),
     ("movies", "movie"), ("tomatoes", "tomato"), ("shoes", "shoe"), ("benches", "bench"),
     ("children", "child"), ("wolves", "wolf"), ("t-shirts", "t-shirt"), ("ties", "tie")],
)  # fmt: skip
def test_the_noun_is_put_in_the_singular(name, expected):
    assert find_singular(name) == expected


@pytest.mark.parametrize(
    "name",
    ["rose", "bus", "glass", "jeans", "shorts", "sunglasses", "tennis", "Paris", "cactus", "gas", "a cup of nuts", "",
     "Strauss", "of", "s", "漢字"],
)  # fmt: skip
def test_what_is_no_plural_stays(name):
    assert find_singular(name) is None


def test_a_bare_plural_is_embedded_in_both_numbers(tmp_path, monkeypatch):
    monkeypatch.setenv("WORDSIGHT_CACHE", str(tmp_path))
    model = ColourModel()  # which knows "red" and not "reds"
    assert Classifier(model, ["reds", "blue"]).predict([image("red")]) == ["reds"]
    assert "a photo of a red." in model.texts_seen
    model.texts_seen.clear()
    explicit = Classifier(model, {"reds": ["reds", "reds "], "blue": ["blue"]}, cache=False)
    assert "a photo of a red." not in model.texts_seen
    assert np.isfinite(explicit.class_embeddings).all()
