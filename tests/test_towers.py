"""The table of image towers: every dispatch on the architecture has an answer for every row."""

import importlib
import typing

import numpy as np
import pytest
import random_models
import torch

from wordsight.checkpoint import Checkpoint
from wordsight.encoder import reference
from wordsight.encoder.openvino.encoder import OpenVinoEncoder
from wordsight.errors import CheckpointError
from wordsight.nn.clip import CLIP, build_image_tower
from wordsight.spec import EfficientNetTower, ModelSpec
from wordsight.towers import ARCHITECTURES, architecture, find
from wordsight.train.optim import layer_rates
from wordsight.weights.layouts.assemble import LAYOUTS, to_parts
from wordsight.weights.shapes import expected_shapes

TOWERS = {
    "vit": random_models.vit(),
    "modified_resnet": random_models.RESNET,
    "resnet": random_models.BASIC,
    "efficientnet_lite": EfficientNetTower(
        image_size=33, stem_width=8, stages=((1, 3, 1, 8, 1), (4, 3, 2, 12, 2)), features=24, tap_means=(0,),
        tap_spreads=(1,), head_width=16, head_layers=1, classes=7,
    ),
}  # fmt: skip


def spec_with(arch: str) -> ModelSpec:
    return random_models.spec_of(TOWERS[arch], random_models.text())


def random_tensors(spec: ModelSpec) -> Checkpoint:
    rng = np.random.default_rng(0)
    tensors = {}
    for name, shape in expected_shapes(spec).items():
        tensors[name] = np.asarray(rng.normal(0, 0.1, shape), np.float32)
        if name.endswith("running_var"):
            tensors[name] = np.abs(tensors[name]) + np.float32(0.5)
    return Checkpoint(spec, tensors | {"logit_scale": np.array(spec.logit_scale, np.float32)})


def test_the_table_has_a_row_for_each_record_of_a_tower():
    records = typing.get_args(typing.get_type_hints(ModelSpec)["image"])
    assert {typing.get_args(typing.get_type_hints(record)["arch"])[0] for record in records} == ARCHITECTURES.keys()
    assert TOWERS.keys() == ARCHITECTURES.keys()


@pytest.mark.parametrize("arch", ARCHITECTURES)
def test_the_functions_of_a_row_are_there(arch):
    row = ARCHITECTURES[arch]
    for path in (row.shapes, row.network, row.graph, row.reference):
        module, _, name = path.partition(":")
        assert find(path) is getattr(importlib.import_module(module), name)


@pytest.mark.parametrize("arch", ARCHITECTURES)
def test_shapes_network_graph_and_reference_are_of_one_model(arch):
    spec = spec_with(arch)
    checkpoint = random_tensors(spec)
    parameters = {name: tuple(each.shape) for name, each in CLIP(spec).state_dict().items()}
    ours = {name: shape for name, shape in parameters.items() if not name.endswith("num_batches_tracked")}
    assert ours == expected_shapes(spec)
    assert isinstance(build_image_tower(spec), torch.nn.Module)
    size = spec.image.image_size
    pixels_BHWC = np.random.default_rng(1).integers(0, 256, (2, size, size, 3), np.uint8)
    exact_BD = reference.encode_images(checkpoint, pixels_BHWC)
    seen_BD = OpenVinoEncoder(checkpoint, "f32", cache=False).encode_images(pixels_BHWC)
    np.testing.assert_allclose(seen_BD, exact_BD, rtol=1e-3, atol=1e-4 * np.abs(exact_BD).max())


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("arch", ARCHITECTURES)
def test_a_layout_without_the_architecture_names_those_that_have_it(arch, layout):
    checkpoint = random_tensors(spec_with(arch))
    if layout in ARCHITECTURES[arch].layouts:
        return
    with pytest.raises(CheckpointError, match=f"has no {ARCHITECTURES[arch].name}; use --to .*wordsight"):
        to_parts(checkpoint, layout)


@pytest.mark.parametrize("arch", ARCHITECTURES)
def test_rates_rise_from_the_first_parts_to_the_last(arch):
    spec = spec_with(arch)
    names = [name for name in expected_shapes(spec) if name.startswith("visual.")]
    rates = layer_rates(names, 0.5)
    first = {name for name in names if name.split(".")[1] in ARCHITECTURES[arch].first}
    assert first
    assert {rates[name] for name in first} == {min(rates.values())}
    assert max(rates.values()) == 1


@pytest.mark.parametrize("arch", ARCHITECTURES)
def test_a_table_of_positions_is_a_tensor_of_the_model(arch):
    spec = spec_with(arch)
    positions = architecture(spec).positions
    assert not positions or positions in expected_shapes(spec)
