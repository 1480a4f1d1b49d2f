"""`GET /v1/models`: what the server has, and what a client has to know of it."""

import asyncio

from serving import run_server

import wordsight
from wordsight.serve.inputs.models import list_models
from wordsight.serve.service import Service
from wordsight.serve.settings import Settings


def test_the_models_of_the_galleries_are_listed_with_their_facts(client):
    (card,) = client.get("/v1/models").json()["data"]
    model = wordsight.load("mini")
    assert card["id"] == "mini"
    assert card["object"] == "model"
    assert card["galleries"] == ["shop"]
    assert card["state"] == "ready"
    assert card["facts"]["fingerprint"] == model.fingerprint
    assert card["facts"]["embed_dim"] == model.spec.embed_dim == 384
    assert card["facts"]["precision"] == model.encoder.precision
    assert client.get("/v1/models/mini").json() == card


def test_an_unknown_model_is_not_found(client):
    answer = client.get("/v1/models/ViT-B-32/openai")
    assert answer.status_code == 404
    assert answer.json()["error"]["code"] == "model_not_found"
    assert "it has: mini" in answer.json()["error"]["message"]


def test_a_model_that_no_gallery_needs_is_listed_but_not_loaded(gallery_folder):
    with run_server(galleries={"shop": str(gallery_folder)}, model="ViT-B-32/openai") as client:
        first, second = client.get("/v1/models").json()["data"]
        assert (first["id"], first["state"]) == ("mini", "ready")
        assert (second["id"], second["state"], second["facts"]) == ("ViT-B-32/openai", "not loaded", None)
        assert client.post("/v1/embeddings", json={"input": "a"}).json()["model"] == "mini"


def test_a_gallery_that_cannot_be_opened_hides_no_other(gallery_folder, tmp_path):
    galleries = {"shop": str(gallery_folder), "gone": str(tmp_path / "gone")}
    models = asyncio.run(list_models(Service(Settings(page=False, galleries=galleries))))
    assert [model.galleries for model in models] == [["shop"]]


def test_a_model_in_a_folder_goes_by_the_folders_name(tmp_path):
    from wordsight.weights.write import write_checkpoint

    folder = tmp_path / "ours"
    write_checkpoint(wordsight.load("mini").checkpoint, folder, "wordsight")
    with run_server(model=str(folder)) as client:
        assert [card["id"] for card in client.get("/v1/models").json()["data"]] == ["ours"]
        for name in ("ours", str(folder)):
            assert client.post("/v1/embeddings", json={"input": "a", "model": name}).json()["model"] == "ours"
