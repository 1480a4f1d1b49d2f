"""In a collection of a few images, a probability still tells answers from the rest."""

import pytest

from wordsight import Gallery, load
from wordsight.samples import sample_images
from wordsight.search.relevance import best_among


@pytest.mark.parametrize(("images", "best"), [(0, 1), (1, 1), (12, 1), (30, 2), (60, 3), (100_000, 3)])
def test_in_a_small_collection_fewer_hits_tell_whether_a_query_fits(images, best):
    assert best_among(images) == best


@pytest.mark.parametrize(("words", "name"), [("coffee", "coffee.jpg"), ("cat", "cat.jpg"), ("bicycle", "bicycle.png")])
def test_one_answer_in_a_dozen_images_is_likely(words, name, tmp_path):
    with Gallery.create(tmp_path / "index", model=load("mini", precision="f32")) as gallery:
        gallery.add(sample_images())
        likely = gallery.search(words, likely=True)
    assert [hit.path.name for hit in likely] == [name]
