"""How good a model is: zero-shot accuracy and recall, of a network in training and of an opened folder alike."""

import itertools
import os
import warnings
from pathlib import Path

import numpy as np
import pytest
import torch
from random_models import random_checkpoint
from taught_model import taught_checkpoint
from training import COLOURS, small_run, small_spec, write_squares

import wordsight
from wordsight.doctor.whatif import CAPTIONS
from wordsight.encoder.reference import ReferenceEncoder
from wordsight.errors import InputError
from wordsight.images.decode import read_image
from wordsight.images.preprocess import preprocess
from wordsight.metrics import bootstrap_hits
from wordsight.model import Model
from wordsight.nn.clip import CLIP, load_tensors
from wordsight.samples import sample_images
from wordsight.text.tokenizer import Tokenizer
from wordsight.train import held_out
from wordsight.train.config import ObjectiveConfig, ZeroShotConfig
from wordsight.train.held_out import Pixels, find_labelled
from wordsight.train.in_training import InTraining
from wordsight.train.measure import ZeroShot, recall_at_k, retrieval
from wordsight.train.monitor.reports import TrainWarning
from wordsight.train.networks import build_network
from wordsight.zeroshot.classifier import Classifier

SPEC = small_spec()
TOKENIZER = Tokenizer(SPEC.tokenizer, {})


def opened(checkpoint):
    return Model(checkpoint, ReferenceEncoder(checkpoint))


def network_of(checkpoint):
    network = CLIP(checkpoint.spec)
    load_tensors(network, checkpoint.tensors)
    return network.train()


@pytest.fixture
def squares(tmp_path):
    """Squares in a folder for each colour, and a table of them."""
    table = write_squares(tmp_path / "all", count=24)
    rows = ["file,colour"]
    for n, name in zip(range(24), itertools.cycle(COLOURS)):
        folder = tmp_path / "held_out" / f"{name}_thing" / "deep"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"{n}.png").write_bytes((tmp_path / "all" / f"{n:03}.png").read_bytes())
        rows.append(f"{n:03}.png,{name}")
    (table.parent / "colours.csv").write_text("\n".join(rows))
    return tmp_path


def zero_shot(squares, **changes):
    return ZeroShotConfig(images=str(squares / "held_out"), **changes)


def test_a_folder_of_folders_names_its_classes(squares):
    found = find_labelled(zero_shot(squares, classes={"red_thing": "scarlet"}))
    assert found.names == (
        "black thing", "blue thing", "green thing", "orange thing", "purple thing", "scarlet", "white thing",
        "yellow thing",
    )  # fmt: skip
    assert [found.names[label] for label in found.labels[:3]] == ["black thing"] * 3
    assert "black_thing" in str(found.images[0])


def test_a_table_names_its_classes_by_a_column(squares):
    table = str(squares / "all" / "colours.csv")
    with pytest.raises(InputError, match=r"No column .* like a class .*its columns are file, colour\. Name one"):
        find_labelled(ZeroShotConfig(images=table))
    with pytest.raises(InputError, match=r"has no column 'color'; .*Did you mean: colour\?"):
        find_labelled(ZeroShotConfig(images=table, class_column="color"))
    (squares / "labels.csv").write_text("label,n\nred,1\nblue,2\n")
    with pytest.raises(InputError, match=r"No column of the table .* Name one with zero_shot\.image_column"):
        find_labelled(ZeroShotConfig(images=str(squares / "labels.csv")))
    found = find_labelled(ZeroShotConfig(images=table, class_column="colour"))
    assert len(found.images) == 24
    assert found.names == tuple(sorted(COLOURS))
    assert preprocess_of(found.images[0]).mean() < 60  # black comes first


def preprocess_of(path):
    return next(Pixels([path], SPEC.preprocess).batches(1))[1]


def test_classes_that_get_the_same_name_become_one(squares):
    found = find_labelled(zero_shot(squares, classes={"red_thing": "warm", "orange_thing": "warm"}))
    assert len(found.names) == 7
    assert found.labels.count(found.names.index("warm")) == 6


def test_a_limit_takes_of_every_class_its_share(squares):
    found = find_labelled(zero_shot(squares, limit=8))
    assert sorted(found.labels) == list(range(8))
    assert len(find_labelled(zero_shot(squares, limit=99)).images) == 24


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"images": "nowhere"}, "'nowhere' are not there; expected a folder or a table"),
        ({"classes": {"red_ting": "red"}}, r"zero_shot\.classes names 'red_ting', but .*Did you mean: red_thing"),
        ({"limit": 0}, "limit is 0, expected 1 or more"),
        ({"templates": ("a photo",)}, "lacks '{}'"),
    ],
)
def test_held_out_images_that_cannot_be_used_are_refused_at_once(squares, changes, message):
    with pytest.raises(InputError, match=message):
        ZeroShot(ZeroShotConfig(**({"images": str(squares / "held_out")} | changes)), SPEC, TOKENIZER)


def test_one_class_is_nothing_to_choose_from(squares):
    with pytest.raises(InputError, match="hold only the class 'deep'; expected a folder for each class"):
        find_labelled(ZeroShotConfig(images=str(squares / "held_out" / "red_thing")))


def test_pixels_are_those_that_the_model_sees_and_are_read_once(squares, monkeypatch):
    paths = find_labelled(zero_shot(squares)).images
    pixels = Pixels(paths, SPEC.preprocess, memory=10 * 16 * 16 * 3)
    first = list(pixels.batches(7))
    assert [len(places) for places, _ in first] == [7, 7, 7, 3]
    assert np.array_equal(first[0][1][2], preprocess(read_image(paths[2], at_least=None), SPEC.preprocess))
    read = []
    kept = held_out.read_pixels
    monkeypatch.setattr(held_out, "read_pixels", lambda item, spec: read.append(item) or kept(item, spec))
    again = list(pixels.batches(7))
    assert all(np.array_equal(one, other) for (_, one), (_, other) in zip(first, again, strict=True))
    assert len(read) == 14  # ten of 24 fit into the memory that was allowed


def test_images_that_cannot_be_read_are_left_out_and_said_once(squares):
    bad = squares / "held_out" / "red_thing" / "broken.png"
    bad.write_bytes(b"no image")
    task = ZeroShot(zero_shot(squares), SPEC, TOKENIZER)
    network = network_of(random_checkpoint(SPEC))
    with pytest.warns(TrainWarning, match=r"1 of 25 held-out images cannot be read and are left out; .*broken\.png"):
        assert task.measure(network).n == 24
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert task.measure(network).n == 24
    for path in (squares / "held_out").rglob("*.png"):
        path.write_bytes(b"no image")
    task = ZeroShot(zero_shot(squares), SPEC, TOKENIZER)
    for _ in range(2):
        with pytest.raises(InputError, match=r"25 of 25 .*so nothing can be measured"):
            task.measure(network)


@pytest.mark.parametrize("templates", [("a photo of a {}.",), ("{}", "a {} square"), ("cifar10",)])
def test_a_network_in_training_is_as_good_as_the_classifier_on_its_folder(squares, templates):
    checkpoint = random_checkpoint(SPEC, seed=3)
    model = opened(checkpoint)
    task = ZeroShot(zero_shot(squares, templates=templates), SPEC, TOKENIZER)
    seen = task.measure(network_of(checkpoint))
    assert seen == task.measure(model)
    names = task.labelled.names
    sorter = Classifier(model, names, templates=task.templates, cache=False)
    right = np.array(sorter.predict(task.labelled.images)) == [names[label] for label in task.labelled.labels]
    assert seen == bootstrap_hits(right)


def test_a_model_that_knows_better_scores_better():
    checkpoint = taught_checkpoint()
    model = opened(checkpoint)
    images = {path.name: path for path in sample_images()}
    images = [images[name] for name in CAPTIONS]
    captions = list(enumerate(CAPTIONS.values()))
    found = retrieval(model, images, captions, ks=(1, 5))
    assert found["text→image R@1"].value == found["image→text R@1"].value == 1.0
    network = network_of(checkpoint)
    same = retrieval(network, images, captions, ks=(1, 5), spec=model.spec, tokenizer=model.tokenizer)
    assert same == found
    random = opened(random_checkpoint(model.spec))
    assert retrieval(random, images, captions)["text→image R@1"].value < 1
    with pytest.raises(InputError, match="needs its spec and its tokenizer"):
        retrieval(network, images, captions)


def test_the_bundled_model_knows_clothes():
    images = Path(os.environ.get("WORDSIGHT_DATA", "../shared/data")) / "clothing" / "validation"
    if not images.is_dir():
        pytest.skip("needs the photos of clothes: set WORDSIGHT_DATA")
    model = wordsight.load("mini")
    seen = ZeroShot.of_model(ZeroShotConfig(images=str(images), limit=40), model).measure(model)
    assert seen.n == 40
    assert seen.low > 0.5


def test_measuring_does_not_change_the_run(squares):
    network = network_of(random_checkpoint(SPEC))
    network.visual.eval()  # as a locked tower is
    modes = {name: module.training for name, module in network.named_modules()}
    torch.manual_seed(5)
    chance = torch.get_rng_state()
    task = ZeroShot(zero_shot(squares), SPEC, TOKENIZER)
    task.measure(network, autocast=lambda: torch.autocast("cpu", torch.bfloat16))
    assert {name: module.training for name, module in network.named_modules()} == modes
    assert torch.equal(torch.get_rng_state(), chance)
    assert torch.is_grad_enabled()
    loss = network.encode_text(torch.from_numpy(TOKENIZER(["a"]).ids.astype(np.int64))).sum()
    loss.backward()  # nothing that was made while measuring stands in the way


def test_wrappers_are_looked_through(squares):
    network = network_of(random_checkpoint(SPEC))

    class Wrapper(torch.nn.Module):  # as DDP is
        def __init__(self):
            super().__init__()
            self.module = network

    task = ZeroShot(zero_shot(squares), SPEC, TOKENIZER)
    assert task.measure(Wrapper()) == task.measure(network)


@pytest.mark.parametrize("name", ["bag_of_words", "caption"])
def test_networks_that_predict_words_are_measured_by_the_words_they_expect(squares, name):
    config = small_run("pairs.tsv", objective=ObjectiveConfig(name=name))
    network = build_network(config, TOKENIZER)
    task = ZeroShot(zero_shot(squares, templates=("a {}", "the {}"), limit=8), SPEC, TOKENIZER)
    seen = task.measure(network)
    assert seen.n == 8
    with InTraining(network, SPEC, TOKENIZER) as model:
        _, pixels = next(task.pixels.batches(8))
        scores = model.score(pixels, ["a black thing", "the black thing", "a blue thing", "the blue thing"])
    means = scores.reshape(8, 2, 2).mean(axis=2)
    assert np.isfinite(means).all()
    assert not np.allclose(means[:, 0], means[:, 1])


def test_a_network_without_texts_says_so(squares):
    network = build_network(small_run("pairs.tsv", objective=ObjectiveConfig(name="nt_xent")), TOKENIZER)
    with pytest.raises(InputError, match=r"TwoViews has no text tower, .*watch\.zero_shot=none"):
        ZeroShot(zero_shot(squares), SPEC, TOKENIZER).measure(network)


def test_recall_is_the_share_of_queries_with_a_positive_among_the_first():
    gallery_ND = np.eye(4)
    queries_QD = np.array([[1.0, 0.5, 0.2, 0], [1.0, 0.5, 0.2, 0], [1.0, 0.5, 0.2, 0]])
    found = recall_at_k(queries_QD, gallery_ND, [[0], [2, 1], [3]], ks=(1, 2, 4))
    assert {k: (one.value, one.n) for k, one in found.items()} == {1: (1 / 3, 3), 2: (2 / 3, 3), 4: (1.0, 3)}


def test_recall_in_parts_is_recall(monkeypatch):
    rng = np.random.default_rng(0)
    queries_QD, gallery_ND = rng.normal(size=(50, 8)), rng.normal(size=(30, 8))
    positives = [[int(n)] for n in rng.integers(0, 30, 50)]
    whole = recall_at_k(queries_QD, gallery_ND, positives)
    monkeypatch.setattr("wordsight.train.measure._SCORES", 100)
    assert recall_at_k(queries_QD, gallery_ND, positives) == whole


def test_a_model_whose_vectors_are_all_the_same_finds_nothing():
    same_ND = np.ones((6, 3))
    assert recall_at_k(same_ND, same_ND, [[n] for n in range(6)], ks=(1,))[1].value == 0


def test_queries_without_positives_are_refused():
    with pytest.raises(InputError, match="2 queries have 1 sets of positives"):
        recall_at_k(np.eye(2), np.eye(2), [[0]])
    with pytest.raises(InputError, match="each needs at least one"):
        recall_at_k(np.eye(2), np.eye(2), [[0], []])
