"""The probability that a picture answers a query: its formula by hand, and what it says of real pictures."""

import dataclasses

import numpy as np
import pytest
from colour_model import DIM, ColourModel, picture
from hypothesis import given, settings
from hypothesis import strategies as st
from memory_index import MemoryIndex, about

import wordsight
from wordsight.class_embeddings import normalise_rows
from wordsight.index import Row
from wordsight.samples import sample_pictures
from wordsight.search.cutoff import LARGEST, TOP, Curve, Cutoff, bank_of, bank_vectors
from wordsight.search.query import run

PLAIN = Cutoff(mean=0.2, spread=0.05, best=4.0, standing=1.0, size=100, curve=Curve(1.0, 2.0, -1.0, 0.5, -0.1))


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("WORDSIGHT_CACHE", str(tmp_path / "cache"))


def test_the_probability_by_hand():
    """A cosine of 0.3 is 2 spreads above the mean: 1 + 2·2 - 1·4 + 0.5·1 - 0.1·ln 100."""
    logit = 1 + 2 * 2 - 4 + 0.5 - 0.1 * np.log(100)
    assert PLAIN.proba(np.array([0.3])) == pytest.approx([1 / (1 + np.exp(-logit))], abs=1e-6)


def test_a_picture_is_an_answer_to_itself():
    """However many others are nearly the same, which otherwise speaks against each of them."""
    assert PLAIN.proba(np.array([0.9999999, 0.9])).tolist() == [1.0, pytest.approx(1.0, abs=1e-4)]
    doubting = dataclasses.replace(PLAIN, best=40.0)
    assert doubting.proba(np.array([1.0, 0.9])).tolist() == [1.0, pytest.approx(0.0, abs=1e-2)]


@settings(deadline=None)
@given(st.lists(st.floats(-1, 1), min_size=2))
def test_within_a_query_it_rises_with_the_cosine(cosines):
    """So that a cut takes the first hits and no others, and hits keep their order."""
    rising = np.sort(np.array(cosines, np.float32))
    assert (np.diff(PLAIN.proba(rising)) >= 0).all()
    assert ((PLAIN.proba(rising) >= 0) & (PLAIN.proba(rising) <= 1)).all()


def test_size_counts_no_further_than_was_fitted():
    largest, larger = (dataclasses.replace(PLAIN, size=size).proba([0.3])[0] for size in (LARGEST, 100 * LARGEST))
    assert larger == largest < PLAIN.proba([0.3])[0]


def test_the_scale_of_a_models_cosines_does_not_count():
    """A part that all vectors share lifts all cosines and makes them lie close together; the probabilities stay."""
    rng = np.random.default_rng(0)
    vectors = normalise_rows(rng.standard_normal((500, 32)))
    query = normalise_rows(vectors[:1] + 0.1 * rng.standard_normal((1, 32)))[0]
    said = []
    for shared in (0.0, 2.0):
        sample = normalise_rows(np.hstack([vectors, np.full((500, 1), shared)]))
        asked = normalise_rows(np.hstack([query, shared])[None])[0]
        cosines = np.sort(sample @ asked)[::-1]
        said.append(Cutoff.of(asked, sample[np.argsort(-(sample @ asked))[:TOP]], sample, 500).proba(cosines))
    assert said[0] == pytest.approx(said[1], abs=1e-3)
    assert 0.02 < said[0][1] < said[0][0]


def test_the_bank_is_embedded_once(tmp_path):
    model = ColourModel()
    first, asked = bank_vectors(model), len(model.texts_seen)
    assert (bank_vectors(model) == first).all()
    assert len(model.texts_seen) == asked == len(first)


def test_the_bank_is_compared_with_itself_once_for_a_model():
    model = ColourModel()
    assert bank_of(model) is bank_of(model) is not bank_of(ColourModel())
    assert (bank_of(model).vectors_BD == bank_vectors(model)).all()


def colours(names):
    index, model = MemoryIndex(about(DIM, "colour", "colour")), ColourModel()
    for i, name in enumerate(names):
        vector = model.embed_images([picture(name, (8, 8 + i))])[0]
        index.add([Row(f"{name}-{i}", "", f"{name}-{i}", f"{name}-{i}", vector)])
    return index, model


def test_a_dozen_pictures_are_enough():
    index, model = colours(["red"] * 2 + ["blue"] * 3 + ["black"] * 7)
    assert {hit.id for hit in run(index, model, "blue")} == {"blue-2", "blue-3", "blue-4"}
    assert "red-0" in {hit.id for hit in run(index, model, picture("red"))}


@pytest.mark.parametrize("count", [1, 2, 3])
def test_so_few_pictures_that_there_is_nothing_to_compare_with(count):
    index, model = colours(["red", "green", "blue"][:count])
    for query in ("red", picture("red")):
        hits = run(index, model, query, cut=False)
        assert hits[0].id == "red-0"
        assert all(0 <= hit.proba <= 1 for hit in hits)


def test_an_empty_collection_has_no_match():
    index, model = colours([])
    assert run(index, model, "red") == run(index, model, picture("red")) == []


@pytest.fixture(scope="module")
def album():
    """The bundled pictures, embedded by the bundled model."""
    model = wordsight.load("mini")
    index = MemoryIndex(about(model.spec.embed_dim, "mini", model.fingerprint))
    for path, vector in zip(sample_pictures(), model.embed_images(sample_pictures()), strict=True):
        index.add([Row(path.name, "", str(path), path.name, vector)])
    return index, model


@pytest.mark.parametrize(
    ("words", "right"),
    [
        ("a cat", "cat.jpg"),
        ("a bicycle", "bicycle.png"),
        ("strawberry", "strawberry.png"),
        ("a cup of coffee", "coffee.jpg"),
    ],
)
def test_real_pictures_answer_what_they_show(album, words, right):
    index, model = album
    assert run(index, model, words)[0].id == right


@pytest.mark.parametrize("words", ["a dentist", "a pizza", "a giraffe", "a dog"])
def test_what_no_picture_shows_has_no_match(album, words):
    index, model = album
    assert run(index, model, words) == []
    assert len(run(index, model, words, cut=False)) == 10
