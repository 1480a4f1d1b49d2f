"""`POST /v1/classify`: classes by words, "none of these", several classes, the effect of templates."""

import base64
import json

import numpy as np
import pytest

import wordsight
from wordsight.samples import sample_images

PATHS = sample_images()
URIS = [f"data:image/jpeg;base64,{base64.b64encode(path.read_bytes()).decode()}" for path in PATHS]
CLASSES = ["cat", "rocket", "cup of coffee"]


def classify(client, **body):
    answer = client.post("/v1/classify", json={"images": URIS[:3], "classes": CLASSES} | body)
    assert answer.status_code == 200, answer.text
    return answer.json()


def probabilities(answer):
    """(N, K) in the order of the labels."""
    rows = [{entry["label"]: entry["probability"] for entry in one["top"]} for one in answer["answers"]]
    return np.array([[row[label] for label in answer["labels"]] for row in rows])


@pytest.fixture(scope="module")
def model():
    return wordsight.load("mini")


@pytest.mark.parametrize("none", [True, False])
@pytest.mark.parametrize("templates", ["photo", "imagenet-7", "{} here"])
def test_answers_are_those_of_the_classifier(client, model, none, templates):
    answer = classify(client, none=none, templates=templates)
    classifier = wordsight.Classifier(model, CLASSES, templates=templates, none=none, cache=False)
    assert answer["labels"] == list(classifier.labels)
    assert probabilities(answer) == pytest.approx(classifier.predict_proba(PATHS[:3]), abs=0.02)
    assert [one["label"] for one in answer["answers"]] == classifier.predict(PATHS[:3])
    assert ("none_probability" in answer["answers"][0]) is none


def test_an_image_may_show_several_classes_or_none(client, model):
    answer = classify(client, multi=True, images=URIS)
    classifier = wordsight.Classifier(model, CLASSES, cache=False)
    expected = [names or ("none of these",) for names in classifier.predict_multi(PATHS)]
    assert [tuple(one["labels"]) for one in answer["answers"]] == expected


def test_images_are_judged_together(client, model):
    answer = classify(client, together=True, images=URIS, none=False)
    classifier = wordsight.Classifier(model, CLASSES, cache=False)
    assert probabilities(answer) == pytest.approx(classifier.predict_proba_together(PATHS), abs=0.03)


def test_classes_have_several_wordings(client, model):
    classes = {"animal": ["cat", "dog"], "thing": ["rocket"]}
    answer = classify(client, classes=classes, none=False)
    classifier = wordsight.Classifier(model, classes, cache=False)
    assert probabilities(answer) == pytest.approx(classifier.predict_proba(PATHS[:3]), abs=0.02)


def test_an_image_that_cannot_be_read_is_an_error_in_its_place(client):
    answers = classify(client, images=[URIS[0], "aGVsbG8=", "no base64!", 7, {"id": "gone"}, URIS[1]])["answers"]
    assert [one["index"] for one in answers] == [0, 1, 2, 3, 4, 5]
    assert [sorted(one) == ["error", "index"] for one in answers] == [False, True, True, True, True, False]
    assert answers[1]["error"].startswith("cannot be read as an image: ")
    assert "not valid base64" in answers[2]["error"]
    assert "has no item 'gone'" in answers[4]["error"]
    assert all("error" in one for one in classify(client, images=["aGVsbG8="])["answers"])


def test_the_effect_of_each_template_is_told(client, model):
    answer = classify(client, templates=["a photo of a {}.", "a sketch of a {}."], effect=True, none=False)
    assert [one["template"] for one in answer["effect"]] == answer["templates"]
    for one in answer["effect"]:
        classifier = wordsight.Classifier(model, CLASSES, templates=one["template"], cache=False)
        found = probabilities(one | {"labels": CLASSES})
        assert found == pytest.approx(classifier.predict_proba(PATHS[:3]), abs=0.02)


def test_items_of_a_gallery_are_classified_by_their_ids(client, gallery_folder):
    with wordsight.Gallery.open(gallery_folder) as gallery:
        ids, vectors = next(gallery.index.batches(4))
        classifier = wordsight.Classifier(gallery.model, CLASSES, cache=False)
    answer = classify(client, images=[{"id": id} for id in ids], none=False)
    assert probabilities(answer) == pytest.approx(classifier.proba_of_embeddings(vectors), abs=0.01)


def test_templates_are_never_read_from_a_file_of_the_server(client, tmp_path):
    secret = tmp_path / "secret.txt"
    secret.write_text("password {}\n")
    for templates in (str(secret), [str(secret)], "/etc/passwd", "~/.ssh/id_rsa", "."):
        answer = client.post("/v1/classify", json={"images": URIS[:1], "classes": CLASSES, "templates": templates})
        assert answer.status_code == 400
        assert "password" not in answer.text
        assert "root:" not in answer.text


@pytest.mark.parametrize(
    ("body", "status", "param", "message"),
    [
        ({"images": []}, 400, "images", "at least 1 item"),
        ({"images": URIS[0]}, 400, "images", "valid list"),
        ({"images": ["x"] * 513}, 413, "images", "513 images"),
        ({"classes": []}, 400, "classes", "empty"),
        ({"classes": "cat"}, 400, "classes", "neither a list of names nor an object"),
        ({"classes": ["cat", "Cat"]}, 400, "classes", "given more than once: 'Cat', 'cat'"),
        ({"classes": ["cat", " "]}, 400, "classes", "' ' is empty"),
        ({"classes": ["cat", 3]}, 400, "classes.1", "is '3', expected a text"),
        ({"classes": ["cat", "\ud800"]}, 400, "classes.1", "not valid Unicode"),
        ({"classes": {"cat": "cats"}}, 400, "classes.cat", "not a list of wordings"),
        ({"classes": {"cat": []}}, 400, "classes.cat", "not a list of wordings"),
        ({"classes": ["x" * 1001]}, 413, "classes.0", "1,001 characters"),
        ({"classes": [str(i) for i in range(10_001)]}, 413, "classes", "10,001 classes, this server takes 10,000"),
        ({"classes": ["none of these"]}, 400, None, "drop one"),
        (
            {"classes": [str(i) for i in range(10_000)], "templates": "imagenet-80"},
            413,
            "classes",
            r"800,000 prompts \(10,000 wordings of 10,000 classes × 80 templates\).*fewer templates",
        ),
        ({"classes": ["x" * 900] * 1, "templates": ["{}" * 500] * 20}, 413, "classes", "characters together"),
        ({"templates": "imagenet7"}, 400, "templates", r"neither a template .* Did you mean: imagenet-7|imagenet-7"),
        ({"templates": []}, 400, "templates", "neither a set"),
        ({"templates": ["a {}", "b"]}, 400, "templates.1", "lacks '{}'"),
        ({"templates": ["{}"] * 201}, 413, "templates", "201 templates"),
        ({"multi": True, "together": True}, 400, "together", "exclude each other"),
        ({"top": 0}, 400, "top", "greater than or equal to 1"),
        (
            {"images": ["x"] * 512, "classes": [str(i) for i in range(200)], "top": 200},
            413,
            "top",
            "102,400 labels",
        ),
        ({"model": "other"}, 404, "model", "it has: mini"),
    ],
)
def test_what_cannot_be_classified_is_said(client, body, status, param, message):
    body = {"images": URIS[:1], "classes": CLASSES} | body
    answer = client.post("/v1/classify", content=json.dumps(body), headers={"Content-Type": "application/json"})
    error = answer.json()["error"]
    assert (answer.status_code, error["param"]) == (status, param), answer.text
    with pytest.raises(ValueError, match=message):
        raise ValueError(error["message"])
