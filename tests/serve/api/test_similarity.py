"""`POST /v1/similarity`: cosines of images and texts, what they mean, and how much the wording matters."""

import base64

import numpy as np
import pytest

import wordsight
from wordsight.evaluate.models import open_embedder
from wordsight.evaluate.prompts.sensitivity import measure_sensitivity
from wordsight.evaluate.prompts.wordings import vary_names
from wordsight.samples import sample_images
from wordsight.zeroshot.templates import TEMPLATE_SETS

PATHS = sample_images()[:3]
URIS = [f"data:image/jpeg;base64,{base64.b64encode(path.read_bytes()).decode()}" for path in PATHS]
TEXTS = ["a cat", "a rocket", "a cup of coffee"]


def compare(client, **body):
    answer = client.post("/v1/similarity", json={"images": URIS, "texts": TEXTS} | body)
    assert answer.status_code == 200, answer.text
    return answer.json()


def test_cosines_are_those_of_the_model(client):
    model = wordsight.load("mini")
    answer = compare(client)
    expected = model.embed_images(PATHS) @ model.embed_texts(TEXTS).T
    assert np.array(answer["cosine"]) == pytest.approx(expected, abs=3e-3)
    assert np.array(answer["probability"]).sum(axis=1) == pytest.approx(1, abs=1e-4)
    assert np.argmax(answer["probability"], axis=1).tolist() == np.argmax(answer["cosine"], axis=1).tolist()
    assert answer["truncated"] == [0, 0, 0]
    assert answer["errors"] == []


def test_each_text_is_judged_alone_as_multi_classification_judges(client):
    model = wordsight.load("mini")
    expected = wordsight.Classifier(model, TEXTS, templates="{}", cache=False)
    answer = compare(client)
    assert np.array(answer["alone"]).shape == (3, 3)
    assert 0 <= np.min(answer["alone"]) <= np.max(answer["alone"]) <= 1
    (own,) = compare(client, texts=["a cat"], images=URIS[:1])["alone"]
    assert own[0] == pytest.approx(answer["alone"][0][0], abs=0.01)  # whatever else is asked
    assert expected.predict_proba_multi(PATHS[:1]).shape == (1, 3)


def test_an_image_that_cannot_be_read_has_empty_rows(client):
    answer = compare(client, images=[URIS[0], "aGVsbG8=", URIS[1]])
    assert [row is None for row in answer["cosine"]] == [False, True, False]
    assert [row is None for row in answer["alone"]] == [False, True, False]
    (error,) = answer["errors"]
    assert error["index"] == 1
    assert "cannot be read as an image" in error["error"]
    assert compare(client, images=["aGVsbG8="])["cosine"] == [None]


@pytest.mark.parametrize("names", [["cat", "rocket"], ["cat"]])
def test_wordings_are_scored_as_evaluation_scores_them(client, names):
    answer = compare(client, texts=names, wordings=True, images=URIS[:1])
    (found,) = answer["wordings"]
    varied = vary_names(names, TEMPLATE_SETS["imagenet-7"])
    expected = measure_sensitivity(open_embedder("mini"), PATHS[0], names, varied)
    assert found["spread"] == pytest.approx(expected.spread, abs=0.01)
    assert found["usual"] == names[expected.usual]
    assert [one["texts"] for one in found["wordings"]] == [list(one.texts) for one in expected.wordings]
    for one, wording in zip(found["wordings"], expected.wordings, strict=True):
        assert one["proba"] == pytest.approx(wording.proba, abs=0.03)


@pytest.mark.parametrize(
    ("body", "status", "message"),
    [
        ({"texts": []}, 400, "at least 1 item"),
        ({"texts": [3]}, 400, "texts.0 is '3', expected a text"),
        ({"images": URIS[:1] * 500, "texts": ["x"] * 201}, 413, "100,500 pairs"),
        ({"texts": ["cat", "Cat"], "wordings": True}, 400, "more than once"),
        ({"texts": ["x"] * 101, "wordings": True}, 413, "101 texts with wordings, this server takes 100"),
        ({"templates": "/etc/passwd", "wordings": True}, 400, "neither a template"),
    ],
)
def test_what_cannot_be_compared_is_said(client, body, status, message):
    answer = client.post("/v1/similarity", json={"images": URIS, "texts": TEXTS} | body)
    assert answer.status_code == status, answer.text
    assert message in answer.json()["error"]["message"]
