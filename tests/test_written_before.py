"""An index, a checkpoint and a run's folder written by version 0.1.0 still open, and give what they gave then.

How they were made: `data/written_before/README.md`. Each is copied first, since opening may write into it.
"""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from training import Notes, quickly

import wordsight
from wordsight.train.config import TrainConfig, settings
from wordsight.train.loop import train

KEPT = Path(__file__).parent / "data" / "written_before"
SEARCHES = json.loads((KEPT / "searches.json").read_text("utf-8"))


@pytest.fixture(scope="module")
def gallery(tmp_path_factory):
    """The index of twelve products, whose table and pictures are gone."""
    copy = shutil.copytree(KEPT / "index", tmp_path_factory.mktemp("kept") / "index")
    with wordsight.Gallery.open(copy, precision="f32") as opened:
        yield opened


@pytest.mark.parametrize("golden", SEARCHES, ids=lambda one: " ".join([one["query"], one.get("by", "auto")]))
def test_an_index_gives_the_same_results(gallery, golden):
    options = {key: value for key, value in golden.items() if key in ("by", "where")}
    hits = gallery.search(golden["query"], k=5, **options)
    assert [hit.id.removeprefix("/tmp/") for hit in hits] == [one["id"] for one in golden["hits"]]
    assert [dict(hit.meta) for hit in hits] == [one["meta"] for one in golden["hits"]]
    assert hits.likely == golden["likely"]
    for name, of in (("score", "score"), ("probability", "proba"), ("bm25", "bm25")):
        seen = [getattr(hit, of) for hit in hits]
        # 2e-5 apart with the Pillow (13) that they were made with; 12 scales otherwise
        assert seen == pytest.approx([one[name] for one in golden["hits"]], abs=1e-3), name


def test_an_index_has_the_same_columns_and_sources(gallery):
    assert len(gallery) == 12
    kinds = {"title": "text", "price": "number", "stock": "integer", "fragile": "boolean"}
    assert kinds.items() <= gallery.index.columns().items()
    assert list(gallery.sources) == ["/tmp/shop/products.csv"]


def test_a_checkpoint_gives_the_same_embeddings(tmp_path):
    golden = json.loads((KEPT / "embeddings.json").read_text("utf-8"))
    model = wordsight.load(shutil.copytree(KEPT / "checkpoint", tmp_path / "checkpoint"), precision="f32")
    assert model.fingerprint == golden["fingerprint"]
    texts = model.embed_texts(golden["texts"])
    images = model.embed_images([KEPT / name for name in golden["images"]])
    np.testing.assert_allclose(texts, golden["text_embeddings"], atol=1e-5)
    np.testing.assert_allclose(images, golden["image_embeddings"], atol=1e-5)


@pytest.mark.parametrize("begun", [False, True], ids=["from its configuration", "resumed"])
def test_a_run_gives_the_same_losses(tmp_path, monkeypatch, begun):
    for name in ("checkpoint", "pairs", "run"):
        shutil.copytree(KEPT / name, tmp_path / name)
    monkeypatch.chdir(tmp_path)  # the paths in the configuration are relative
    config = settings.from_json(TrainConfig, Path("run/config.json").read_text("utf-8"))
    losses, notes = json.loads((KEPT / "losses.json").read_text("utf-8")), Notes()
    with quickly():
        train(config, "run" if begun else "another", resume=begun, watchers=[notes])
    assert notes.losses == pytest.approx(losses[2:] if begun else losses, rel=1e-3)
    assert [record["step"] for record in _steps("run" if begun else "another")] == [1, 2, 3, 4, 5]


def _steps(folder):
    records = [json.loads(line) for line in Path(folder, "log.jsonl").read_text("utf-8").splitlines()]
    return [record for record in records if record["kind"] == "step"]
