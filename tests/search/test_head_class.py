"""Queries with a class of a linear head: its own probabilities, on an index that tests can follow."""

import numpy as np
import pytest
from memory_index import MemoryIndex, index_info
from searching import run

from wordsight.errors import InputError
from wordsight.index import Row
from wordsight.search import head_finder
from wordsight.search.head_class import HeadClass
from wordsight.search.query_parts import Query, QueryPart
from wordsight.zeroshot.class_embeddings import normalise_rows
from wordsight.zeroshot.linear_head import LinearHead

RANDOM = np.random.default_rng(3)
NAMES = ("coat", "dress", "shoe", "hat")
HEAD = LinearHead("probe", NAMES, 9 * RANDOM.standard_normal((4, 256)), RANDOM.standard_normal(4), "colour")
VECTORS = normalise_rows(RANDOM.standard_normal((60, 256)))


@pytest.fixture
def model(tmp_path, monkeypatch):
    from colour_model import ColourModel

    monkeypatch.setenv("WORDSIGHT_CACHE", str(tmp_path / "cache"))
    return ColourModel()


@pytest.fixture
def index():
    made = MemoryIndex(index_info(256, "colour", "colour"))
    made.add([Row(f"{i}", "/photos", f"/photos/{i}.png", f"{i}", vector) for i, vector in enumerate(VECTORS)])
    return made


def test_log_odds_are_those_of_the_softmax():
    logits = VECTORS.astype(float) @ HEAD.coefficient_KD.astype(float).T + HEAD.intercept_K
    others = [np.log(sum(np.exp(row[[0, 2, 3]]))) for row in logits]
    np.testing.assert_allclose(HeadClass(HEAD, "dress").log_odds(VECTORS), logits[:, 1] - others, rtol=1e-4, atol=1e-4)


def test_rows_are_in_the_order_of_the_heads_probability(index, model):
    hits = run(index, model, HeadClass(HEAD, "shoe"), 8)
    proba = HEAD.proba_of_embeddings(VECTORS)[:, 2]
    best = np.argsort(-proba)[:8]
    assert [int(hit.id) for hit in hits] == best.tolist()
    np.testing.assert_allclose([hit.proba for hit in hits], proba[best], rtol=1e-4)
    assert (hits.likely, hits.at_least) == (int((proba >= 0.5).sum()), False)


def test_of_a_large_index_the_candidates_are_those_in_the_direction_of_the_class(index, model, monkeypatch):
    monkeypatch.setattr(head_finder, "CANDIDATES", 10)
    one = HeadClass(HEAD, "hat")
    hits = run(index, model, one, 5)
    near = np.argsort(-(VECTORS @ one.direction_D))[:10]
    proba = HEAD.proba_of_embeddings(VECTORS[near])[:, 3]
    assert [int(hit.id) for hit in hits] == near[np.argsort(-proba)][:5].tolist()


def test_parts_add_their_log_odds_by_weight(index, model):
    hits = run(index, model, [(HeadClass(HEAD, "shoe"), 3.0), (HeadClass(HEAD, "hat"), 1.0)], 3)
    logit = 0.75 * HeadClass(HEAD, "shoe").log_odds(VECTORS) + 0.25 * HeadClass(HEAD, "hat").log_odds(VECTORS)
    assert [int(hit.id) for hit in hits] == np.argsort(-logit)[:3].tolist()


def test_an_unwanted_class_never_makes_an_image_likelier(index, model):
    without = {hit.id: hit.proba for hit in run(index, model, HeadClass(HEAD, "shoe"), 60)}
    for hit in run(index, model, [HeadClass(HEAD, "shoe"), (HeadClass(HEAD, "hat"), -0.5)], 60):
        assert hit.proba <= without[hit.id] + 1e-6


def test_a_condition_that_no_row_meets_gives_no_hits(index, model):
    assert run(index, model, HeadClass(HEAD, "shoe"), 3, where="width > 9") == []


def test_queries_are_shown_and_checked(index, model):
    assert repr(QueryPart("class", HeadClass(HEAD, "hat"), 2)) == "<QueryPart class 'hat', weight 2>"
    assert not Query.of(HeadClass(HEAD, "hat")).is_one_image
    with pytest.raises(InputError, match=r"class of the query is 'hat', expected a HeadClass\(head, classname\)"):
        Query((QueryPart("class", "hat"),))
    with pytest.raises(InputError, match=r"class is 'hut', expected one of coat, dress, shoe, hat.* Did you mean: hat"):
        HeadClass(HEAD, "hut")
    with pytest.raises(InputError, match=r"head is 'probe.safetensors' \(str\), expected a LinearHead"):
        HeadClass("probe.safetensors", "hat")
    with pytest.raises(InputError, match="whiten=True does not go with a class of a linear head"):
        run(index, model, HeadClass(HEAD, "hat"), whiten=True)


def test_a_head_of_another_model_is_refused(index, model):
    other = LinearHead("probe", NAMES, HEAD.coefficient_KD, HEAD.intercept_K, "another", {"model": "ViT-B-32"})
    with pytest.raises(InputError, match=r"of ViT-B-32 \(another\), not of the index's model colour \(colour\)"):
        run(index, model, HeadClass(other, "hat"))
