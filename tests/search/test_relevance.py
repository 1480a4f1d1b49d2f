"""The probability of a hit: what it is made of, that it depends on no collection, and that it holds for real images."""

import numpy as np
import pytest
from colour_model import DIM, ColourModel, image
from hypothesis import given, settings
from hypothesis import strategies as st
from memory_index import MemoryIndex, index_info
from searching import run, run_many

import wordsight
from wordsight.index import Row
from wordsight.samples import sample_images
from wordsight.search.reference import VIEWS, Reference, Scale, embed_bank, embed_reference_images, load_reference
from wordsight.search.relevance import Relevance, fit_relevance, is_identical, judge_image, judge_text


@pytest.fixture
def model(tmp_path, monkeypatch):
    monkeypatch.setenv("WORDSIGHT_CACHE", str(tmp_path / "cache"))
    return ColourModel()


def index_of(model, counts):
    """An index of so many images of each colour, which differ in size."""
    index = MemoryIndex(index_info(DIM, "colour", "colour"))
    for colour, count in counts.items():
        vectors = model.embed_images([image(colour, (8, 8 + i)) for i in range(count)])
        index.add(
            [Row(f"/{colour}/{i}.png", "s", f"/{colour}/{i}.png", f"{colour}{i}", v) for i, v in enumerate(vectors)]
        )
    return index


def test_a_scale_counts_in_standard_deviations_above_the_mean():
    scale = Scale.of(np.array([1.0, 3.0]))
    assert (scale.mean, scale.std) == (2.0, 1.0)
    assert scale(4.0) == 2.0
    assert Scale.of(np.ones(3)).std > 0


def test_the_reference_is_embedded_once_and_kept_on_disk(model, tmp_path):
    first = load_reference(model)
    assert load_reference(model) is first
    assert len(first.images_RD) == VIEWS * len(sample_images())
    again = Reference.of(embed_bank(ColourModel()), embed_reference_images(ColourModel()))
    assert (again.images_RD == first.images_RD).all()
    assert list((tmp_path / "cache" / "reference").glob("*.npy"))


@settings(deadline=None)
@given(st.floats(-9, 9), st.floats(0.01, 50))
def test_the_probability_rises_with_the_cosine_and_is_a_half_at_the_line(offset, slope):
    one = Relevance(offset, slope)
    proba = one.proba(np.linspace(-1, 1, 50, dtype=np.float32))
    assert (np.diff(proba) >= 0).all()
    assert one.proba(np.array([one.line]))[0] == pytest.approx(0.5, abs=1e-5)


def test_what_else_the_collection_holds_changes_no_probability(model):
    """Nor how much of it is of one kind: common things are not punished."""
    few, many = index_of(model, {"red": 5, "blue": 5}), index_of(model, {"red": 5, "blue": 500})
    common = index_of(model, {"red": 60, "blue": 5})
    expected = [hit.proba for hit in run(few, model, "red", 3)]
    assert [hit.proba for hit in run(many, model, "red", 3)] == pytest.approx(expected, abs=1e-5)
    assert max(hit.proba for hit in run(common, model, "red", 3)) >= max(expected) - 1e-5


def test_the_image_that_was_asked_with_is_certain(model):
    index = index_of(model, {"red": 30})
    hits = run(index, model, next(iter(index.rows.values())).vector, 3)
    assert hits[0].proba == 1.0


def test_a_line_through_log_odds_follows_another_cosine():
    cosine = np.linspace(0, 1, 20)
    found = fit_relevance(3 * cosine - 1, cosine / 2)
    assert (found.offset, found.slope) == (pytest.approx(-1), pytest.approx(6))
    assert fit_relevance(-cosine, cosine).slope > 0  # what hits are ordered by stays their order
    assert fit_relevance(np.ones(3), np.zeros(3)).slope > 0


def test_likely_ones_are_counted_beyond_the_page(model, monkeypatch):
    monkeypatch.setattr("wordsight.search.relevance.TEXT_WEIGHTS", (-4.5, 1.0, 0.0, 0.0, 0.0, 0.0, 0.0))
    hits = run(index_of(model, {"red": 30, "blue": 9}), model, "red", 4)
    assert (len(hits), hits.likely, hits.at_least) == (4, 30, False)
    assert len(run(index_of(model, {"red": 3, "blue": 9}), model, "red", 9, likely=True)) == 3


def test_many_queries_are_answered_as_one_by_one(model):
    index = index_of(model, {"red": 5, "green": 5})
    asked = ["red", image("green"), ["red", (image("green"), 2.0)]]
    together = run_many(index, model, asked, 4)
    for hits, query in zip(together, asked, strict=True):
        assert [(hit.id, hit.proba) for hit in hits] == [(hit.id, hit.proba) for hit in run(index, model, query, 4)]
    assert run_many(index, model, []) == []


def test_pages_follow_each_other(model):
    index = index_of(model, {"red": 9, "green": 9})
    whole = [hit.id for hit in run(index, model, "red", 12)]
    assert [hit.id for start in (0, 5, 10) for hit in run(index, model, "red", 5, offset=start)][:12] == whole


def test_copies_are_one_hit_where_they_are_folded(model):
    index = index_of(model, {"red": 1, "green": 3})
    one = index.rows["/red/0.png"]
    index.add([Row(f"/copy{i}.png", "s", f"/copy{i}.png", one.content_hash, one.vector) for i in range(1000)])
    first = run(index, model, "red", 4, fold=True)[0]
    assert len(first.copies) == 1000
    assert first.to_dict()["copies"][0].endswith(".png")
    assert len(run(index, model, "red", 4)) == 4


def test_hits_become_rows_of_a_table(model):
    pandas = pytest.importorskip("pandas")
    table = run(index_of(model, {"red": 3}), model, "red", 2).to_pandas()
    assert isinstance(table, pandas.DataFrame)
    assert len(table) == 2
    assert {"path", "probability", "likely"} <= set(table.columns)


def test_hits_are_pickled_without_the_index(model):
    import pickle

    hits = run(index_of(model, {"red": 3}), model, "red", 2)
    again = pickle.loads(pickle.dumps(hits))
    assert (type(again), [hit.id for hit in again], again.likely) == (type(hits), [hit.id for hit in hits], hits.likely)


@pytest.fixture(scope="module")
def mini():
    return wordsight.load("mini", precision="f32")


@pytest.mark.parametrize(
    ("words", "name"),
    [
        ("a cat", "cat.jpg"),
        ("a cup of coffee", "coffee.jpg"),
        ("a rocket launch", "rocket.jpg"),
        ("strawberry", "strawberry.png"),
    ],
)
def test_of_the_samples_what_they_show_is_more_likely_than_all_else(mini, words, name):
    """And has more than twice the probability that anything has of what no sample shows."""
    reference, paths = load_reference(mini), sample_images()
    vectors = mini.embed_images(paths)

    def judged(text):
        query = mini.embed_texts([text])[0]
        near = vectors[np.argsort(-(vectors @ query))[:1]]
        return judge_text(reference, query, 2, near).proba(vectors @ query)

    said = judged(words)
    assert paths[int(said.argmax())].name == name
    assert said.max() > 2 * max(judged(other).max() for other in ("a violin", "a bar chart", "an elephant"))


def test_an_image_is_of_a_kind_with_itself_and_not_with_others(mini):
    vectors = mini.embed_images(sample_images())
    found = judge_image(load_reference(mini), vectors[0])
    cosines = vectors @ vectors[0]
    said = np.where(is_identical(cosines), 1, found.proba(cosines))
    assert said[0] == 1.0
    assert said[1:].max() < 0.5
