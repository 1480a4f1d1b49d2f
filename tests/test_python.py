"""Python as people write it: names on Tab, short reprs, images in notebooks, pickling and copying."""

import concurrent.futures
import copy
import dataclasses
import importlib
import inspect
import io
import multiprocessing
import os
import pickle
import re
import subprocess
import sys

import numpy as np
import pytest
from indexing import colour_model, write_images
from PIL import Image
from project import ROOT

import wordsight
from wordsight import evaluate
from wordsight.duplicates.groups import Group
from wordsight.errors import CheckpointError, InputError, StoreError
from wordsight.index import Row
from wordsight.output.cards import CARDS, Card, render_cards
from wordsight.samples import sample_images
from wordsight.update.run import Summary
from wordsight.weights import write as weights

CLASSES = ["cat", "rocket", "strawberry"]


@pytest.fixture(scope="module")
def mini():
    return wordsight.load(precision="f32")


@pytest.fixture
def gallery(tmp_path):
    pytest.importorskip("lance", reason="an index needs: pip install 'wordsight[search]'")
    write_images(tmp_path / "in", range(30))
    with wordsight.Gallery.create(tmp_path / "index", model=colour_model()) as gallery:
        gallery.add(tmp_path / "in")
        yield gallery


def test_tab_shows_the_public_names_and_each_of_them_is_there():
    code = "import wordsight, sys; print(*dir(wordsight)); assert 'numpy' not in sys.modules"
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert {"load", "Model", "Classifier", "Gallery", "Hit", "Query", "InputError", "errors"} <= set(shown)
    assert sorted(shown) == sorted(wordsight.__all__)
    for name in shown:
        value = getattr(wordsight, name)
        assert inspect.ismodule(value) or isinstance(value, str) or value.__doc__, name
    with pytest.raises(AttributeError, match=r"no attribute 'Clasifier'.*Classifier"):
        _ = wordsight.Clasifier


def test_all_errors_of_users_are_public_names():
    errors = importlib.import_module("wordsight.errors")
    base = errors.WordsightError
    every = {name for name, value in vars(errors).items() if inspect.isclass(value) and issubclass(value, base)}
    assert every - {"TrainError", "UnsafePickleError"} <= set(wordsight.__all__)


def test_all_warnings_of_users_are_public_names_and_documented():
    files = sorted((ROOT / "src").rglob("*.py"))
    every = {name for file in files for name in re.findall(r"^class (\w+)\(WordsightWarning\)", file.read_text(), re.M)}
    page = (ROOT / "docs" / "reference" / "errors.md").read_text(encoding="utf-8")
    assert every == set(re.findall(r"(\w+Warning)$", page, re.M))
    assert every - {"EvaluationWarning", "TrainWarning"} <= {*wordsight.__all__, *evaluate.__all__}


def test_a_model_may_be_named(mini, tmp_path):
    by_name = wordsight.Classifier("mini", ("cat", "rocket"))
    assert by_name.model.fingerprint == mini.fingerprint
    weights.write_checkpoint(mini.checkpoint, tmp_path / "mine", "wordsight")
    assert wordsight.Classifier(tmp_path / "mine", ["cat"]).model.loaded_from == str(tmp_path / "mine")
    with pytest.raises(wordsight.UnknownModelError, match="neither a file, a folder nor a known name"):
        wordsight.Classifier("minni", ["cat"])


def test_classes_come_in_every_kind_of_collection(mini):
    pandas = pytest.importorskip("pandas")
    column = pandas.Series(["cat", "rocket", "cat", "strawberry"])
    for classes in (
        tuple(CLASSES),
        np.array(CLASSES),
        np.array(CLASSES, object),
        pandas.Series(CLASSES),
        pandas.Series(CLASSES, dtype="category"),
        column.unique(),
        (name for name in CLASSES),
        dict.fromkeys(CLASSES, 0).keys(),
        set(CLASSES),
    ):
        classifier = wordsight.Classifier(mini, classes)
        assert classifier.classnames == tuple(CLASSES)
        assert {type(name) for name in classifier.classnames} == {str}
    wordings = wordsight.Classifier(mini, {"pet": np.array(["cat", "dog"]), "food": pandas.Series(["strawberry"])})
    assert wordings.predict(sample_images()[3]) == ["pet"]
    with pytest.raises(InputError, match=r"more than once: 'cat'.*unique\(\)"):
        wordsight.Classifier(mini, column)
    with pytest.raises(InputError, match="given as int, expected a list of names"):
        wordsight.Classifier(mini, 3)
    with pytest.raises(InputError, match="class name nan"):
        wordsight.Classifier(mini, pandas.Series(["cat", None]))


def test_images_come_in_every_kind_of_collection(mini):
    pandas, torch = pytest.importorskip("pandas"), pytest.importorskip("torch")
    paths = sample_images()[2:5]
    sides = [Image.open(path).convert("RGB").resize((64, 64)) for path in paths]
    expected = mini.embed_images(sides)
    stack = torch.from_numpy(np.stack([np.asarray(side) for side in sides])).permute(0, 3, 1, 2)
    for images in (stack, stack / 255, list(stack), pandas.Series(sides), np.array([*sides, None], object)[:3]):
        assert np.array_equal(mini.embed_images(images), expected)
    by_path = mini.embed_images(paths)
    frame = pandas.DataFrame({"path": map(str, paths)})
    for images in (frame["path"], frame["path"].to_numpy(), [io.BytesIO(path.read_bytes()) for path in paths]):
        assert np.array_equal(mini.embed_images(images), by_path)
    assert np.array_equal(mini.embed_images(io.BytesIO(paths[0].read_bytes())), by_path[:1])
    with pytest.raises(InputError, match="df\\['path'\\]"):
        mini.embed_images(frame)


def test_files_that_their_owner_closes_meanwhile_are_read_in_time(mini):
    def files():
        for path in sample_images():
            with path.open("rb") as file:
                yield file

    answers = list(mini.stream_images(files(), batch_size=2))
    assert [file.name for file, _ in answers] == [str(path) for path in sample_images()]
    assert np.array_equal(np.stack([row for _, row in answers]), mini.embed_images(sample_images(), batch_size=2))


def test_a_closed_file_is_skipped_and_named(mini, tmp_path):
    with sample_images()[0].open("rb") as file:
        pass
    skips = []
    assert len(mini.embed_images([file, sample_images()[1]], on_skip=skips.append)) == 1
    assert skips[0].item is file
    assert "closed" in skips[0].reason
    (tmp_path / "empty.jpg").touch()
    with (
        (tmp_path / "empty.jpg").open("rb") as empty,
        pytest.raises(wordsight.ImageError, match=r"empty\.jpg: the file"),
    ):
        mini.embed_images([empty])


def test_texts_that_are_paths_of_images_are_warned_of_on_the_callers_line(mini, tmp_path, monkeypatch):
    Image.new("RGB", (4, 4)).save(tmp_path / "cat.jpg")
    monkeypatch.chdir(tmp_path)
    with pytest.warns(wordsight.PathAsTextWarning, match=r"model\.embed_images\('cat\.jpg'\)") as caught:
        mini.embed_texts(["cat.jpg"])
    assert caught[0].filename == __file__


def test_reprs_say_what_a_thing_is_in_a_line(mini, gallery):
    classifier = wordsight.Classifier(mini, CLASSES, none=True)
    row = Row("a.jpg", "", "/a.jpg", "1", np.ones(8, np.float32), width=3, height=2, meta={"price": 3})
    group = Group((row, dataclasses.replace(row, id="b.jpg", content_hash="2", thumbnail=b"x" * 9999)), (1.0, 0.9871))
    skips = [wordsight.Skipped(b"x" * 9999, "is damaged")]
    told = {
        "<Model mini, openvino f32>": mini,
        "<Classifier 3 classes (cat, rocket, strawberry, none of these), Model mini, openvino f32>": classifier,
        f"<Gallery {gallery.location}: 30 images, model random>": gallery,
        "<Summary 2 added, 1,200 unchanged, 1 skipped; 1.5 s>": Summary(2, unchanged=1200, seconds=1.5, skipped=skips),
        "<Summary nothing found; 0.0 s>": Summary(),
        "<Skipped 9999 bytes: is damaged>": skips[0],
        "<Row a.jpg 3×2 {'price': 3}>": row,
        "<Group 2 images, cosines from 0.987, keep a.jpg>": group,
        "<QueryPart image array (9, 9, 3) uint8, weight -0.5>": wordsight.QueryPart(
            "image", np.zeros((9, 9, 3), np.uint8), -0.5
        ),
        "<QueryPart text 'a cat'>": wordsight.QueryPart("text", "a cat"),
    }
    assert list(told) == [repr(value) for value in told.values()]
    assert re.fullmatch(r"<Checkpoint mini: \d+ tensors, 31\.\d MiB>", repr(mini.checkpoint))
    many = wordsight.Classifier(mini, [f"thing {n}" for n in range(500)], cache=False)
    assert len(repr(many)) < 150


def test_a_gallery_that_cannot_be_read_still_has_a_repr(gallery, monkeypatch):
    monkeypatch.setattr(type(gallery.index), "__len__", lambda self: 1 / 0)
    assert repr(gallery) == f"<Gallery {gallery.location}: cannot be read, model random>"
    assert "cannot be read" in gallery._repr_html_()


def test_a_notebook_shows_a_gallery_its_hits_and_copies_in_bounded_size(gallery):
    from wordsight.search.html import render_hits

    hits = gallery.search(Image.new("RGB", (9, 9), "red"), k=30)
    for shown in (gallery._repr_html_(), render_hits(hits, gallery.index), render_hits(hits)):
        assert shown.count("<img ") == CARDS
        assert f"… and {30 - CARDS} more" in shown
        assert len(shown) < 120_000
    assert hits[0].path.name in render_hits(hits, gallery.index)
    assert f"{hits[0].proba:.0%}" in render_hits(hits, gallery.index)
    group = Group((hits[0].row, hits[1].row), (1.0, 0.99))
    assert group._repr_html_().count("<img ") == 2


def test_what_a_notebook_shows_is_escaped_and_survives_missing_files(gallery, tmp_path):
    gallery.add([("<script>alert(1)</script>", Image.new("RGB", (9, 9), "red"), {"<b>": '"><script>' + "x" * 999})])
    (tmp_path / "in" / "000.png").unlink()
    from wordsight.search.html import render_hits

    shown = render_hits(gallery.search(Image.new("RGB", (9, 9), "red"), k=3), gallery.index)
    assert "<script" not in shown
    assert "&lt;script&gt;" in shown
    assert "no such file" in gallery._repr_html_()
    link = render_cards("", [Card(lambda: Image.new("RGB", (1, 1)), "a", link="javascript:alert(1)")])
    assert "javascript" not in link


def test_a_notebook_shows_answers_of_a_classifier(mini):
    classifier = wordsight.Classifier(mini, CLASSES)
    shown = wordsight.show_answers(classifier, sample_images() * 2, k=2)
    assert str(shown) == shown._repr_html_()
    assert str(shown).count("<img ") == CARDS
    assert "… and 12 more" in str(shown)
    assert "<b>cat</b>" in str(wordsight.show_answers(classifier, io.BytesIO(sample_images()[3].read_bytes())))
    assert len(repr(shown)) < 80


def test_models_and_classifiers_pickle_by_loading_again(mini):
    classifier = wordsight.Classifier(mini, CLASSES, none=True)
    content = pickle.dumps(classifier)
    assert len(content) < 2_000_000  # class embeddings and the bank: no towers
    again = pickle.loads(content)
    assert (again.model.encoder.backend, again.model.encoder.precision) == ("openvino", "f32")
    images = sample_images()[:3]
    assert np.array_equal(again.predict_proba(images), classifier.predict_proba(images))
    assert pickle.loads(content).model is again.model  # loaded once, however many tasks bring it


def test_classifiers_and_galleries_work_in_other_processes(mini, tmp_path, monkeypatch):
    pytest.importorskip("lance", reason="an index needs: pip install 'wordsight[search]'")
    monkeypatch.chdir(tmp_path)
    classifier = wordsight.Classifier(mini, CLASSES)
    with wordsight.Gallery.create("index", model=mini) as gallery:
        gallery.add(sample_images()[2:5])
        found = [hit.id for hit in gallery.search("a cat")]
        context = multiprocessing.get_context("spawn")
        with concurrent.futures.ProcessPoolExecutor(1, mp_context=context) as pool:
            pool.submit(os.chdir, "/").result()
            assert (
                list(pool.map(classifier.predict, [sample_images()[2:5]] * 2))
                == [classifier.predict(sample_images()[2:5])] * 2
            )
            hits = pool.submit(gallery.search, "a cat").result()
    assert [hit.id for hit in hits] == found


def test_a_model_is_refused_that_has_changed_since_it_was_pickled(mini, tmp_path):
    weights.write_checkpoint(mini.checkpoint, tmp_path / "model", "wordsight")
    content = pickle.dumps(wordsight.load(tmp_path / "model", backend="reference"))
    assert pickle.loads(content).encoder.backend == "reference"
    other = dataclasses.replace(mini.checkpoint, spec=dataclasses.replace(mini.spec, logit_scale=1.0))
    (tmp_path / "model").rename(tmp_path / "old")
    weights.write_checkpoint(other, tmp_path / "model", "wordsight")
    importlib.import_module("wordsight.model").load_once.cache_clear()
    with pytest.raises(CheckpointError, match=rf"{other.fingerprint} here.*{mini.fingerprint}"):
        pickle.loads(content)


def test_a_model_that_no_name_leads_to_is_not_pickled_but_copied():
    model = colour_model()
    with pytest.raises(InputError, match=r"not loaded by a name or path.*write_checkpoint"):
        pickle.dumps(model)
    assert copy.copy(model) is model
    assert copy.deepcopy([model])[0] is model


def test_a_gallery_of_an_index_object_says_that_it_cannot_be_pickled(gallery):
    with pytest.raises(InputError, match="made of an Index object; open it by its location"):
        pickle.dumps(wordsight.Gallery(gallery.index, gallery.model))


def test_a_copied_gallery_is_open_by_itself_from_any_folder_and_shares_the_model(gallery, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    opened = wordsight.Gallery.open("index", model=gallery.model)
    monkeypatch.chdir("/")
    for duplicate in (copy.copy(opened), copy.deepcopy(opened)):
        assert duplicate.model is gallery.model
        opened.close()
        assert len(duplicate.search(Image.new("RGB", (9, 9), "red"))) == 10
        duplicate.close()


def test_a_pickled_gallery_loads_its_model_once_and_is_not_another_models_index(tmp_path):
    pytest.importorskip("lance", reason="an index needs: pip install 'wordsight[search]'")
    with wordsight.Gallery.create(tmp_path / "index") as gallery:
        content = pickle.dumps(gallery)
        sent = [pickle.loads(content) for _ in range(2)]
        assert sent[0].model is sent[1].model is not gallery.model  # loaded once, when it is first needed
        assert sent[0].model.encoder.precision == gallery.model.encoder.precision
    (tmp_path / "index").rename(tmp_path / "old")
    wordsight.Gallery.create(tmp_path / "index", model=colour_model()).close()
    with pytest.raises(StoreError, match="made with"):
        pickle.loads(content)


def test_hits_and_summaries_pickle_whole(gallery):
    hits = gallery.search(Image.new("RGB", (9, 9), "red"), k=2)
    again = pickle.loads(pickle.dumps(list(hits)))
    assert [(hit.id, hit.proba) for hit in again] == [(hit.id, hit.proba) for hit in hits]
    assert np.array_equal(again[0].row.vector, hits[0].row.vector)
    summary = gallery.refresh()
    assert pickle.loads(pickle.dumps(summary)) == summary
