"""Options of a search: bad ones are refused, and the store is asked for no more than they need."""

import numpy as np
import pytest
from colour_model import DIM, ColourModel, image
from memory_index import MemoryIndex, index_info
from searching import run

from wordsight.errors import InputError
from wordsight.index import Row
from wordsight.search.options import SearchOptions


class CountingIndex(MemoryIndex):
    """Counts what it is asked."""

    def __init__(self):
        super().__init__(index_info(DIM, "colour", "colour"))
        self.asked = []

    def nearest(self, query_D, k, where=None):
        self.asked.append(("nearest", k, where))
        return super().nearest(query_D, k, where)

    def match_text(self, words, k, where=None):
        self.asked.append(("text", k, where))
        return super().match_text(words, k, where)

    def count_near(self, query_D, cosine, where=None):
        self.asked.append(("count", where))
        return super().count_near(query_D, cosine, where)


@pytest.fixture
def model(tmp_path, monkeypatch):
    monkeypatch.setenv("WORDSIGHT_CACHE", str(tmp_path / "cache"))
    return ColourModel()


@pytest.fixture
def shop(model):
    """Sixty images of two colours, with titles."""
    index = CountingIndex()
    for i in range(60):
        colour = ("red", "blue")[i % 2]
        vector = model.embed_images([image(colour, (8, 8 + i))])[0]
        path = f"/shop/{i}.png"
        index.add([Row(path, "/shop", path, path, vector, text=f"{colour} coat", meta={"gender": "Women", "n": i})])
    return index


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"k": 1.5}, "k is 1.5, expected a whole number, 1 or more"),
        ({"k": "10"}, "k is '10', expected a whole number"),
        ({"offset": -1}, "offset is -1, expected a whole number, 0 or more"),
        ({"offset": 2.0}, "offset is 2.0, expected a whole number"),
        ({"where": 5}, "where is 5, expected an SQL condition"),
        ({"by": "texts"}, "by is 'texts', expected one of: auto, .* Did you mean: text"),
    ],
)
def test_options_that_are_not_valid_are_refused(options, message):
    with pytest.raises(InputError, match=message):
        SearchOptions(**options)


def test_whole_numbers_of_any_kind_are_taken():
    assert SearchOptions(k=np.int64(3), offset=np.int8(2)).end == 5


def asked_of_rows(index):
    """Questions that made the store look for rows."""
    return [question for question in index.asked if question[0] != "count"]


def test_weights_known_beforehand_ask_for_the_nearest_rows_once(shop, model):
    assert run(shop, model, "red coat", by="both")
    assert asked_of_rows(shop) == [("text", 200, None), ("nearest", 200, None)]


def test_texts_alone_ask_only_for_the_few_rows_that_judge_the_query(shop, model):
    assert run(shop, model, "red coat", by="text")
    assert asked_of_rows(shop) == [("text", 200, None), ("nearest", 3, None)]


def test_where_no_text_matches_the_rows_found_already_answer(shop, model):
    assert run(shop, model, "zebra")
    assert asked_of_rows(shop) == [("nearest", 10, None), ("text", 200, None)]


def test_a_condition_with_an_image_is_asked_once(shop, model):
    assert run(shop, model, image("red"), where="gender = 'Women'")
    assert asked_of_rows(shop) == [("nearest", 10, "gender = 'Women'")]


def test_a_condition_with_words_is_asked_once_beside_the_rows_that_judge_the_query(shop, model):
    assert run(shop, model, "red", where="gender = 'Women'", by="vector")
    assert asked_of_rows(shop) == [("nearest", 10, "gender = 'Women'"), ("nearest", 3, None)]


def test_a_condition_that_no_row_meets_suggests_values(shop, model):
    hits = run(shop, model, "red", where="gender = 'women'")
    assert hits == []
    assert hits.hint == "No row seen has gender = 'women'. Did you mean: Women?"
    assert run(shop, model, "red", where="gender = 'Women' and n > 99").hint == ""
    assert run(shop, model, "red", where="gender = 'xylophone'").hint == ""
    assert run(shop, model, "red").hint == ""


def test_a_value_that_a_row_far_from_the_query_has_is_not_called_missing(shop, model):
    for i in range(220):
        path = f"/shop/more-{i}.png"
        vector = model.embed_images([image("red", (8, 8))])[0]
        shop.add([Row(path, "/shop", path, path, vector, text="red coat", meta={"gender": "Women"})])
    vector = model.embed_images([image("blue", (8, 8))])[0]
    shop.add([Row("/shop/far.png", "/shop", "far.png", "far.png", vector, text="blue coat", meta={"gender": "women"})])
    hits = run(shop, model, "red", by="text", where="gender = 'women'")
    assert (hits, hits.hint) == ([], "")
