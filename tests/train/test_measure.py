"""Zero-shot accuracy of a network in training, which is as good as the opened model, and is left as it was."""

import numpy as np
import pytest
import torch
from labelled_squares import SPEC, TOKENIZER, build_clip, open_model, squares, zero_shot  # noqa: F401
from random_models import random_checkpoint
from training import small_run

from wordsight.errors import InputError
from wordsight.metrics import estimate_share
from wordsight.train.config import ObjectiveConfig
from wordsight.train.in_training import InTraining
from wordsight.train.measure import ZeroShotInTraining
from wordsight.train.networks import build_network
from wordsight.zeroshot.classifier import Classifier


@pytest.mark.parametrize("templates", [("a photo of a {}.",), ("{}", "a {} square"), ("cifar10",)])
def test_a_network_in_training_is_as_good_as_the_classifier_on_its_folder(squares, templates):
    checkpoint = random_checkpoint(SPEC, seed=3)
    model = open_model(checkpoint)
    task = ZeroShotInTraining(zero_shot(squares, templates=templates), SPEC, TOKENIZER)
    seen = task.measure(build_clip(checkpoint))
    assert seen == task.measure(model)
    names = task.data.classnames
    sorter = Classifier(model, names, templates=task.templates, cache=False)
    right = np.array(sorter.predict(task.data.images)) == [names[label] for label in task.data.labels]
    assert seen == estimate_share(right)


def test_measuring_does_not_change_the_run(squares):
    network = build_clip(random_checkpoint(SPEC))
    network.visual.eval()  # as a locked tower is
    modes = {name: module.training for name, module in network.named_modules()}
    torch.manual_seed(5)
    chance = torch.get_rng_state()
    task = ZeroShotInTraining(zero_shot(squares), SPEC, TOKENIZER)
    task.measure(network, autocast=lambda: torch.autocast("cpu", torch.bfloat16))
    assert {name: module.training for name, module in network.named_modules()} == modes
    assert torch.equal(torch.get_rng_state(), chance)
    assert torch.is_grad_enabled()
    loss = network.encode_text(torch.from_numpy(TOKENIZER(["a"]).ids.astype(np.int64))).sum()
    loss.backward()  # nothing that was made while measuring stands in the way


def test_wrappers_are_looked_through(squares):
    network = build_clip(random_checkpoint(SPEC))

    class Wrapper(torch.nn.Module):  # as DDP is
        def __init__(self):
            super().__init__()
            self.module = network

    task = ZeroShotInTraining(zero_shot(squares), SPEC, TOKENIZER)
    assert task.measure(Wrapper()) == task.measure(network)


@pytest.mark.parametrize("name", ["bag_of_words", "caption"])
def test_networks_that_predict_words_are_measured_by_the_words_they_expect(squares, name):
    config = small_run("pairs.tsv", objective=ObjectiveConfig(name=name))
    network = build_network(config, TOKENIZER)
    task = ZeroShotInTraining(zero_shot(squares, templates=("a {}", "the {}"), limit=8), SPEC, TOKENIZER)
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
        ZeroShotInTraining(zero_shot(squares), SPEC, TOKENIZER).measure(network)
