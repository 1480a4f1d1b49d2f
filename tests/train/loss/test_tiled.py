"""The tiled losses: equal to those that hold everything, whatever the tiles; and they never hold everything."""

import subprocess
import sys

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from loss_cases import farthest, random_features, random_ids, value_and_gradients
from torch.utils._python_dispatch import TorchDispatchMode

from wordsight.train.batch import Features
from wordsight.train.loss import tiles
from wordsight.train.loss.objectives import info_nce, nt_xent, sigmoid

CONTRASTIVE = (info_nce, sigmoid, nt_xent)


@pytest.mark.parametrize("objective", CONTRASTIVE, ids=lambda function: function.__name__)
@settings(deadline=None, max_examples=25)
@given(data=st.data())
def test_value_and_gradients_are_those_of_the_whole_matrix(objective, data):
    rows, width = data.draw(st.integers(1, 24), label="rows"), data.draw(st.integers(1, 12), label="width")
    tile, columns = data.draw(st.integers(1, 30), label="tile"), data.draw(st.integers(3, 30), label="columns")
    kinds = data.draw(st.none() | st.integers(1, 40), label="kinds of images and of texts")
    scale = data.draw(st.sampled_from([0.0, 1.0, 14.3, 69.0, 71.0, 100.0]), label="scale")
    features = random_features(rows, width, scale=scale, seed=rows)
    ids = None if kinds is None else random_ids(rows, kinds, seed=tile)
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(tiles.COLUMNS, "cpu", columns)
        ours = value_and_gradients(lambda leaves: objective(leaves, ids, tile=tile), features)
    theirs = value_and_gradients(lambda leaves: objective(leaves, ids), features)
    assert farthest(ours, theirs) < 1e-12


@pytest.mark.parametrize("scale", [14.3, 100.0])
@pytest.mark.parametrize("objective", CONTRASTIVE, ids=lambda function: function.__name__)
def test_float32_is_as_near_to_float64_as_the_whole_matrix_is(objective, scale):
    exact = random_features(300, 64, scale=scale)
    rounded = Features(*(x.detach().float() for x in exact))
    truth = value_and_gradients(objective, exact)
    whole, tiles = (
        farthest([x.double() for x in value_and_gradients(loss, rounded)], truth)
        for loss in (objective, lambda leaves: objective(leaves, tile=50))
    )
    assert tiles < max(2 * whole, 1e-6)


def test_cosines_all_over_the_range_at_the_largest_scale():
    """Opposite features at scale 100: e^(100 - -100) does not fit in float32, so no common offset would do."""
    direction_BD = torch.nn.functional.normalize(torch.randn(64, 8, generator=torch.Generator().manual_seed(0)), dim=-1)
    features = Features(direction_BD, -direction_BD, torch.tensor(100.0), torch.tensor(0.0))
    ours = value_and_gradients(lambda leaves: info_nce(leaves, tile=16), features)
    theirs = value_and_gradients(info_nce, Features(*(x.double() for x in features)))
    assert farthest([x.double() for x in ours], theirs) < 1e-5  # logits of 100 are good to 1e-5


class Largest(TorchDispatchMode):
    """Remembers the elements of the largest tensor that any operation returned."""

    def __init__(self):
        super().__init__()
        self.elements = 0

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        result = function(*args, **(kwargs or {}))
        for x in result if isinstance(result, tuple | list) else (result,):
            if isinstance(x, torch.Tensor):
                self.elements = max(self.elements, x.untyped_storage().nbytes() // x.element_size())
        return result


@pytest.mark.parametrize("twins", [False, True])
@pytest.mark.parametrize("objective", [info_nce, sigmoid], ids=lambda function: function.__name__)
def test_nothing_is_larger_than_the_features_or_a_tile(objective, twins, monkeypatch):
    monkeypatch.setitem(tiles.COLUMNS, "cpu", 64)
    features, ids = random_features(512, 16), random_ids(512, kinds=500) if twins else None
    with Largest() as seen:
        value_and_gradients(lambda leaves: objective(leaves, ids, tile=32), features)
    assert seen.elements == 512 * 16
    with Largest() as seen:
        value_and_gradients(lambda leaves: objective(leaves, ids), features)
    assert seen.elements == 512 * 512


class Products(TorchDispatchMode):
    """Counts the multiplications of matrix products."""

    def __init__(self):
        super().__init__()
        self.count = 0

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        name = function.__name__.partition(".")[0]
        if name in ("mm", "addmm_", "addmm"):
            a, b = args[-2:]
            self.count += a.shape[0] * a.shape[1] * b.shape[1]
        return function(*args, **(kwargs or {}))


@pytest.mark.parametrize(
    ("objective", "tile", "products"),
    [(info_nce, None, 3), (info_nce, 64, 3), (info_nce, 8, 4), (sigmoid, None, 3), (sigmoid, 64, 3), (sigmoid, 8, 3)],
)
def test_each_tile_of_logits_is_made_once_more_for_the_gradients_at_most(objective, tile, products):
    features = random_features(64, 16)
    with Products() as seen:
        value_and_gradients(lambda leaves: objective(leaves, tile=tile), features)
    kept = 1 / 8 if (objective, tile) == (info_nce, 8) else 0  # the last of eight tiles need not be made again
    assert seen.count == (products - kept) * 64 * 64 * 16


def test_gradients_are_computed_only_where_they_are_wanted():
    features = random_features(64, 16)
    for wanted in (torch.no_grad, torch.inference_mode):
        with wanted(), Products() as seen:
            assert not info_nce(features, tile=8).requires_grad
        assert seen.count == 64 * 64 * 16
    locked = features._replace(first=features.first.detach(), scale=features.scale.detach())
    info_nce(locked, tile=8).backward()
    assert features.second.grad is not None
    assert features.first.grad is None


def test_a_loss_times_a_number_has_gradients_times_that_number():
    """Gradients of a loss that a scaler for fp16 has multiplied."""
    features = random_features(9, 4)
    plain = value_and_gradients(lambda leaves: info_nce(leaves, tile=4), features)
    larger = value_and_gradients(lambda leaves: 1024 * info_nce(leaves, tile=4), features)
    assert farthest(larger, [1024 * x for x in plain]) < 1e-12


MANY = 32_768


@pytest.mark.slow
@pytest.mark.parametrize("name", ["info_nce", "sigmoid"])
def test_a_batch_of_32768_takes_little_memory(name):
    """The whole matrix would be 4 GiB, and its autograd several of them."""
    code = f"""
import torch
from loss_cases import high_water, random_features, random_ids, value_and_gradients
from wordsight.train.loss.objectives import {name} as objective
features, ids = random_features({MANY}, 64, dtype=torch.float32), random_ids({MANY}, kinds={10 * MANY})
objective(random_features(8, 64, dtype=torch.float32), tile=4).backward()
before = high_water()
value, *gradients = value_and_gradients(lambda leaves: objective(leaves, ids, tile=512), features)
assert all(torch.isfinite(x).all() for x in (value, *gradients))
print(value.item(), high_water() - before)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    value, mebibytes = map(float, done.stdout.split())
    assert value > 0
    assert mebibytes < 100
