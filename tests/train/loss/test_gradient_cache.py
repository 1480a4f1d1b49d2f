"""Gradient caching: a batch that goes through the network in parts has the gradient of one that goes through whole."""

import contextlib
import subprocess
import sys

import pytest
import torch
from caching_on_processes import SHARDINGS, TwoLayers, gradients, random_batch, shares
from processes_of_loss import on_processes
from torch import nn

from wordsight.errors import InputError
from wordsight.train.config import ObjectiveConfig
from wordsight.train.loss.gradient_cache import accumulate
from wordsight.train.loss.objectives import build_objective

INFO_NCE = build_objective(ObjectiveConfig(tile=4))
ROWS = 10


def farthest(ours, theirs):
    return max(float((ours[name] - theirs[name]).abs().max()) for name in theirs)


@pytest.mark.parametrize("chunk", [1, 3, 5, 9, 10, 100])
@pytest.mark.parametrize("name", ["info_nce", "sigmoid", "nt_xent", "bag_of_words"])
def test_chunks_change_nothing(name, chunk):
    objective, batch = build_objective(ObjectiveConfig(name=name, tile=4)), random_batch(ROWS)
    whole, parts = TwoLayers(), TwoLayers()
    theirs, ours = accumulate(whole, batch, objective), accumulate(parts, batch, objective, chunk=chunk)
    assert float(ours.loss) == pytest.approx(float(theirs.loss), rel=1e-12)
    assert farthest(gradients(parts), gradients(whole)) < 1e-13
    if objective.separable:
        assert ours.features is theirs.features is None
    else:
        assert all(torch.allclose(a, b, rtol=1e-12) for a, b in zip(ours.features, theirs.features, strict=True))
        assert not any(x.requires_grad for x in ours.features)


def test_a_chunk_has_rows():
    with pytest.raises(InputError, match=r"compute\.chunk is 0, expected 1 row or more; none means the whole batch"):
        accumulate(TwoLayers(), random_batch(ROWS), INFO_NCE, chunk=0)


def test_gradients_are_added_to_those_that_are_there():
    network = TwoLayers()
    accumulate(network, random_batch(ROWS), INFO_NCE, chunk=4)
    once = gradients(network)
    accumulate(network, random_batch(ROWS), INFO_NCE, chunk=4)
    assert farthest(gradients(network), {name: 2 * x for name, x in once.items()}) < 1e-13


def counted(network):
    """Count the rows of each forward pass, and whether activations are kept."""
    passes = []
    network.register_forward_hook(lambda module, inputs, _: passes.append((len(inputs[0]), torch.is_grad_enabled())))
    return passes


def test_what_it_costs():
    network = TwoLayers()
    passes = counted(network)
    accumulate(network, random_batch(ROWS), INFO_NCE, chunk=4)
    assert passes == [(3, False), (3, False), (4, True), (3, True), (3, True)]
    passes.clear()
    accumulate(network, random_batch(ROWS), build_objective(ObjectiveConfig(name="bag_of_words")), chunk=4)
    assert passes == [(3, True), (3, True), (4, True)]


def all_parts_remembered(network, batch, order):
    """The gradient by plain autograd, the network being called for rows 0 to 3, 3 to 6, 6 to 10, in some order."""
    bounds = (0, 3, 6, 10)
    made = {i: network(*network.inputs(batch.slice(bounds[i], bounds[i + 1]))) for i in order}
    first, second = (torch.cat([made[i][side] for i in range(3)]) for side in (0, 1))
    INFO_NCE(made[0]._replace(first=first, second=second), batch.ids).backward()


def test_chance_is_the_same_both_times():
    """Dropout: as if every part had gone through once; and the next batch meets other numbers."""
    batch, theirs, ours = random_batch(ROWS), TwoLayers(dropout=0.5), TwoLayers(dropout=0.5)
    torch.manual_seed(3)
    all_parts_remembered(theirs, batch, order=(0, 1, 2))
    after = torch.get_rng_state()
    torch.manual_seed(3)
    accumulate(ours, batch, INFO_NCE, chunk=4)
    assert torch.equal(torch.get_rng_state(), after)
    assert farthest(gradients(ours), gradients(theirs)) < 1e-13
    torch.manual_seed(4)
    accumulate(other := TwoLayers(dropout=0.5), batch, INFO_NCE, chunk=4)
    assert farthest(gradients(other), gradients(theirs)) > 1e-3


def test_batch_norm_sees_each_part_once():
    """Its statistics are of a part: the gradient is exact for that, and differs from the whole batch's."""
    batch, theirs, ours, whole = random_batch(ROWS), *(TwoLayers(batch_norm=True) for _ in range(3))
    for module in theirs.modules():
        if isinstance(module, nn.BatchNorm1d):  # torch does not let statistics move while activations are remembered
            module.running_mean, module.running_var = None, None
    all_parts_remembered(theirs, batch, order=(0, 1, 2))
    accumulate(ours, batch, INFO_NCE, chunk=4)
    assert farthest(gradients(ours), gradients(theirs)) < 1e-13
    accumulate(whole, batch, INFO_NCE)
    assert farthest(gradients(ours), gradients(whole)) > 1e-3
    with torch.no_grad():
        once = TwoLayers(batch_norm=True)
        for start, stop in ((6, 10), (0, 3), (3, 6)):
            once(*once.inputs(batch.slice(start, stop)))
    for buffer, expected in zip(ours.buffers(), once.buffers(), strict=True):
        assert torch.equal(buffer, expected)


@pytest.mark.parametrize("lock", ["image", "text", "logit_scale"])
def test_locked_parts_get_no_gradient(lock):
    whole, parts = TwoLayers(), TwoLayers()
    for network in (whole, parts):
        network.get_parameter(lock).requires_grad_(False) if lock == "logit_scale" else network.get_submodule(
            lock
        ).requires_grad_(False)
        accumulate(network, random_batch(ROWS), INFO_NCE, chunk=None if network is whole else 3)
    assert not any(name.startswith(lock) for name in gradients(parts))
    assert farthest(gradients(parts), gradients(whole)) < 1e-13


@pytest.mark.parametrize("name", ["info_nce", "bag_of_words"])
@pytest.mark.parametrize("chunk", [None, 4])
def test_a_scaler_multiplies_gradients_and_not_the_loss(name, chunk):
    objective, plain, scaled = build_objective(ObjectiveConfig(name=name)), TwoLayers(), TwoLayers()
    theirs = accumulate(plain, random_batch(ROWS), objective)
    scaler = torch.amp.GradScaler("cpu", init_scale=1024.0)
    ours = accumulate(scaled, random_batch(ROWS), objective, chunk=chunk, scaler=scaler)
    assert float(ours.loss) == pytest.approx(float(theirs.loss), rel=1e-12)
    assert farthest(gradients(scaled), {key: 1024 * x for key, x in gradients(plain).items()}) < 1e-9


def test_only_forward_passes_are_in_the_autocast_context():
    inside, seen = [], []

    @contextlib.contextmanager
    def autocast():
        inside.append(True)
        yield
        inside.pop()

    network = TwoLayers()
    network.register_forward_hook(lambda *_: seen.append(bool(inside)))

    class Watched(type(INFO_NCE)):
        def __call__(self, *args, **kwargs):
            seen.append(bool(inside))
            return super().__call__(*args, **kwargs)

    accumulate(network, random_batch(ROWS), Watched(INFO_NCE.config), chunk=5, autocast=autocast)
    assert seen == [True, True, False, True]


@pytest.fixture(scope="module")
def found(tmp_path_factory):
    return on_processes(2, shares, tmp_path_factory.mktemp("shares"))[2]


@pytest.mark.parametrize("sharding", SHARDINGS)
@pytest.mark.parametrize("chunk", [None, 2])
@pytest.mark.parametrize("name", ["info_nce", "bag_of_words"])
def test_two_processes_have_the_gradient_of_the_whole_batch(found, name, chunk, sharding):
    network = TwoLayers()
    theirs = accumulate(network, random_batch(12), build_objective(ObjectiveConfig(name=name, tile=4)))
    for ours in found:
        loss, gradient, _ = ours[name, chunk, sharding]
        assert float(loss) == pytest.approx(float(theirs.loss), rel=1e-12)
        assert farthest(gradient, gradients(network)) < 1e-13


@pytest.mark.parametrize("name", ["info_nce", "bag_of_words"])
def test_gradients_are_exchanged_once_a_batch(found, name):
    for ours in found:
        assert ours[name, 2, "ddp"][2] == ours[name, None, "ddp"][2] > 0


@pytest.mark.slow
def test_a_batch_of_32768_goes_through_a_small_network():
    """Whole it would take the activations of 32,768 images and a matrix of 4 GiB, several times."""
    code = """
import torch
from torch import nn
from caching_on_processes import random_batch
from loss_cases import high_water
from wordsight.train.batch import Features
from wordsight.train.loss.gradient_cache import accumulate
from wordsight.train.config import ObjectiveConfig
from wordsight.train.loss.objectives import build_objective

class Convolutions(nn.Module):
    def __init__(self):
        super().__init__()
        layers = [nn.Conv2d(3, 32, 3, padding=1), nn.GELU(), nn.Conv2d(32, 32, 3, padding=1), nn.GELU()]
        self.image = nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(32, 64))
        self.text = nn.EmbeddingBag(100, 64)
        self.logit_scale = nn.Parameter(torch.tensor(2.6592))
    def inputs(self, batch):
        return batch.pixels_BCHW.float() / 255, batch.tokens_BT
    def forward(self, first, second):
        sides = (nn.functional.normalize(x, dim=-1) for x in (self.image(first), self.text(second)))
        return Features(*sides, self.logit_scale.exp(), torch.zeros(()))

batch = random_batch(32_768, size=8)
before = high_water()
network = Convolutions()
outcome = accumulate(network, batch, build_objective(ObjectiveConfig(tile=512)), chunk=512)
assert all(torch.isfinite(x.grad).all() for x in network.parameters())
print(outcome.loss.item(), high_water() - before)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    loss, mebibytes = map(float, done.stdout.split())
    assert loss > 5
    assert mebibytes < 600
