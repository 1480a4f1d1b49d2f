"""`POST /v1/rank`: texts and images by a query, with a probability where cosines mean one."""

import base64

import numpy as np
import pytest

import wordsight
from wordsight.samples import sample_images

PATHS = sample_images()
URIS = [f"data:image/jpeg;base64,{base64.b64encode(path.read_bytes()).decode()}" for path in PATHS]


def rank(client, path="/v1/rank", **body):
    answer = client.post(path, json=body)
    assert answer.status_code == 200, answer.text
    return answer.json()["results"]


def test_images_are_ordered_by_a_text_with_the_probability_of_search(client):
    results = rank(client, query="a cat", documents=URIS)
    model = wordsight.load("mini")
    cosine = model.embed_images(PATHS) @ model.embed_texts("a cat")[0]
    assert sorted(result["index"] for result in results) == list(range(len(PATHS)))
    assert results[0]["index"] == int(cosine.argmax())
    assert [result["cosine"] for result in results] == pytest.approx(np.sort(cosine)[::-1], abs=5e-3)
    scores = [result["relevance_score"] for result in results]
    assert scores == sorted(scores, reverse=True)
    assert scores == [result["probability"] for result in results]
    assert scores[0] > 0.5 > scores[-1]


def test_images_are_ordered_by_an_image(client):
    results = rank(client, query={"image": URIS[2]}, documents=URIS)
    assert results[0]["index"] == 2
    assert results[0]["cosine"] == pytest.approx(1, abs=1e-3)
    assert results[0]["probability"] > 0.9


def test_texts_are_ordered_by_an_image_with_the_probability_of_each_alone(client):
    cat = next(i for i, path in enumerate(PATHS) if "cat" in path.name)
    results = rank(client, query=URIS[cat], documents=["a rocket", {"text": "a cat"}, "an invoice"])
    assert results[0]["index"] == 1
    assert results[0]["relevance_score"] == results[0]["probability"] > results[1]["probability"]


def test_texts_for_a_text_have_no_probability(client):
    results = rank(client, query="a kitten", documents=["an invoice", "a cat"])
    assert results[0]["index"] == 1
    assert "probability" not in results[0]
    assert results[0]["relevance_score"] == results[0]["cosine"]


def test_the_best_are_given_with_their_documents(client):
    results = rank(client, query="a kitten", documents=["an invoice", "a cat"], top_n=1, return_documents=True)
    assert [result["document"] for result in results] == [{"text": "a cat"}]
    (result,) = rank(client, query="a cat", documents=URIS[:1], return_documents=True)
    assert "document" not in result


def test_items_of_a_gallery_are_ranked_by_their_ids(client, gallery_folder):
    with wordsight.Gallery.open(gallery_folder) as gallery:
        ids, vectors = next(gallery.index.batches(5))
    documents = [{"id": id, "gallery": "shop"} for id in ids]
    results = rank(client, query=documents[3], documents=documents, return_documents=True)
    assert results[0]["document"] == documents[results[0]["index"]]
    assert results[0]["cosine"] == pytest.approx(1, abs=1e-5)
    assert [result["cosine"] for result in results] == pytest.approx(np.sort(vectors @ vectors[3])[::-1], abs=1e-5)


def test_clients_of_rerankers_are_answered_at_their_address(client):
    body = {"query": "a kitten", "documents": ["an invoice", "a cat"], "top_n": 1, "model": "mini"}
    assert rank(client, "/v1/rerank", **body) == rank(client, **body)


@pytest.mark.parametrize(
    ("body", "status", "param", "message"),
    [
        ({"documents": []}, 400, "documents", "empty list"),
        ({"documents": "a"}, 400, "documents", "valid list"),
        ({"documents": ["a", {"image": URIS[0]}]}, 400, "documents", "hold both texts and images"),
        ({"documents": [{"image": "aGVsbG8="}]}, 400, "documents.0", "cannot be read as an image"),
        ({"documents": [{"image": URIS[0]}, {"image": "?"}]}, 400, "documents.1", "not valid base64"),
        ({"documents": ["https://example.org/a.jpg"]}, 400, "documents.0", "--allow-urls"),
        ({"query": None}, 400, "query", "query is null"),
        ({"query": {"image": "?"}}, 400, "query", "not valid base64"),
        ({"query": [1, 2]}, 400, "query", "token ids"),
        ({"top_n": 0}, 400, "top_n", "greater than or equal to 1"),
    ],
)
def test_what_cannot_be_ranked_is_said(client, body, status, param, message):
    answer = client.post("/v1/rank", json={"query": "a", "documents": ["b"]} | body)
    assert answer.status_code == status, answer.text
    assert answer.json()["error"]["param"] == param
    assert message in answer.json()["error"]["message"]
