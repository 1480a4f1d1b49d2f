"""Updates of each weight by the optimizer: groups, rates, the average, precisions."""

import math

import pytest
import torch
from small_spec import RESNET, small_spec
from torch import nn

from wordsight.errors import InputError
from wordsight.nn.clip import CLIP
from wordsight.train.compute.precision import Precision
from wordsight.train.config import OptimConfig
from wordsight.train.ema import WeightAverage
from wordsight.train.optim import (
    build_optimizer,
    clip_gradients,
    has_decay,
    layer_rates,
    lr_at,
    parameter_groups,
    set_rate,
)


def test_the_rate_rises_in_a_line_then_falls_as_a_cosine():
    config = OptimConfig(lr=1.0, warmup=4)
    rates = [lr_at(step, config, 12) for step in range(12)]
    assert rates[:4] == [0.25, 0.5, 0.75, 1.0]
    # Eight steps are left: half a turn of the cosine, 1/8 of it each.
    assert rates[4:] == pytest.approx([0.5 * (1 + math.cos(math.pi * n / 8)) for n in range(8)])
    assert rates[4] == 1.0
    assert rates[8] == pytest.approx(0.5)
    assert lr_at(12, config, 12) == pytest.approx(0.0)


def test_a_run_shorter_than_its_warm_up_only_warms_up():
    assert [lr_at(step, OptimConfig(lr=1.0, warmup=2000), 2) for step in range(2)] == [0.5, 1.0]


def test_no_warm_up():
    assert lr_at(0, OptimConfig(lr=0.3, warmup=0), 10) == 0.3


def test_gains_biases_and_the_scale_do_not_decay():
    model = CLIP(small_spec())
    kept = {name for name, p in model.named_parameters() if not has_decay(name, p)}
    assert "logit_scale" in kept
    assert all(p.ndim < 2 for name, p in model.named_parameters() if name in kept)
    expected = ("ln_1.weight", "ln_1.bias", "ln_2.weight", "ln_2.bias", "in_proj_bias", "out_proj.bias", "c_fc.bias",
                "c_proj.bias", "ln_pre.weight", "ln_pre.bias", "ln_post.weight", "ln_post.bias", "ln_final.weight",
                "ln_final.bias", "logit_scale", "class_embedding")  # fmt: skip
    assert all(name.endswith(expected) for name in kept)
    decaying = {name for name, _ in model.named_parameters()} - kept
    assert {"token_embedding.weight", "positional_embedding", "visual.proj", "text_projection"} <= decaying


def test_groups_hold_every_parameter_that_learns_once():
    model = CLIP(small_spec())
    model.visual.requires_grad_(False)  # a locked tower
    groups = parameter_groups(model, OptimConfig(weight_decay=0.2))
    held = [p for group in groups for p in group["params"]]
    assert len(held) == len(set(held)) == sum(p.requires_grad for p in model.parameters())
    assert {group["weight_decay"] for group in groups} == {0.0, 0.2}
    assert {group["lr_scale"] for group in groups} == {1.0}


def test_nothing_that_learns_is_refused():
    model = CLIP(small_spec()).requires_grad_(False)
    with pytest.raises(InputError, match="No parameter of the network learns"):
        parameter_groups(model, OptimConfig())


def test_each_layer_learns_slower_than_the_one_above():
    model = CLIP(small_spec())
    rates = layer_rates([name for name, _ in model.named_parameters()], 0.5)
    # The image tower has three blocks: what follows them has 1, they 1/2, 1/4, 1/8, the patches 1/16.
    assert rates["visual.proj"] == rates["visual.ln_post.weight"] == 1
    assert [rates[f"visual.transformer.resblocks.{n}.mlp.c_fc.weight"] for n in range(3)] == [1 / 8, 1 / 4, 1 / 2]
    bottom = ("visual.conv1.weight", "visual.class_embedding", "visual.positional_embedding", "visual.ln_pre.weight")
    assert {rates[name] for name in bottom} == {1 / 16}
    # The text tower has two.
    assert rates["text_projection"] == rates["ln_final.weight"] == rates["logit_scale"] == 1
    assert [rates[f"transformer.resblocks.{n}.attn.in_proj_weight"] for n in range(2)] == [1 / 4, 1 / 2]
    assert rates["token_embedding.weight"] == rates["positional_embedding"] == 1 / 8


def test_layers_of_a_resnet_are_its_blocks():
    model = CLIP(small_spec(RESNET))
    rates = layer_rates([name for name, _ in model.named_parameters()], 0.5)
    assert rates["visual.attnpool.positional_embedding"] == rates["visual.attnpool.c_proj.weight"] == 1
    assert rates["visual.layer4.0.conv1.weight"] == 1 / 2
    assert rates["visual.layer2.0.conv1.weight"] == 1 / 16
    assert rates["visual.layer2.1.conv1.weight"] == 1 / 8
    assert rates["visual.bn1.weight"] == rates["visual.conv3.weight"] == 1 / 64


def test_locking_layers_does_not_move_the_others():
    model = CLIP(small_spec())
    model.visual.transformer.resblocks[:2].requires_grad_(False)
    groups = parameter_groups(model, OptimConfig(layer_decay=0.5))
    rate = {id(p): group["lr_scale"] for group in groups for p in group["params"]}
    assert rate[id(model.visual.conv1.weight)] == 1 / 16
    assert id(model.visual.transformer.resblocks[0].mlp.c_fc.weight) not in rate


def test_the_optimizer_takes_the_rate_of_each_group():
    model = CLIP(small_spec())
    optimizer = build_optimizer(model, OptimConfig(layer_decay=0.5))
    set_rate(optimizer, 0.1)
    assert {group["lr"] for group in optimizer.param_groups} == {0.1 * 0.5**n for n in range(5)}


def test_decay_is_decoupled_from_the_gradient():
    # With no gradient at all AdamW still shrinks a matrix by lr · decay, and leaves a vector alone.
    layer = nn.Linear(2, 2)
    nn.init.ones_(layer.weight)
    nn.init.ones_(layer.bias)
    optimizer = build_optimizer(layer, OptimConfig(lr=0.5, weight_decay=0.2))
    set_rate(optimizer, 0.5)
    for parameter in layer.parameters():
        parameter.grad = torch.zeros_like(parameter)
    optimizer.step()
    assert torch.allclose(layer.weight, torch.full((2, 2), 0.9))
    assert torch.equal(layer.bias, torch.ones(2))


def test_gradients_are_cut_to_a_norm():
    layer = nn.Linear(1, 2, bias=False)
    layer.weight.grad = torch.tensor([[3.0], [4.0]])
    assert clip_gradients(layer, None) == 5
    assert torch.equal(layer.weight.grad, torch.tensor([[3.0], [4.0]]))
    assert clip_gradients(layer, 1.0) == 5
    assert torch.allclose(layer.weight.grad, torch.tensor([[0.6], [0.8]]), atol=1e-5)


def test_the_average_by_hand():
    layer = nn.Linear(1, 1, bias=False)
    layer.weight.data.fill_(0.0)
    average = WeightAverage(layer, decay=0.15)
    layer.weight.data.fill_(1.0)
    average.update()  # the first decay is (1 + 0) / (10 + 0) = 0.1: 0.1 · 0 + 0.9 · 1
    layer.weight.data.fill_(2.0)
    average.update()  # then 0.15, less than (1 + 1) / (10 + 1): 0.15 · 0.9 + 0.85 · 2
    with average.swapped_in():
        assert layer.weight.item() == pytest.approx(0.15 * 0.9 + 0.85 * 2)
    assert layer.weight.item() == 2
    assert average.updates == 2


def test_the_average_of_half_precision_weights_is_kept_in_float32():
    # 1 + 2⁻¹² is nearer to 1 than to any other bfloat16 number, yet many such steps must add up.
    layer = nn.Linear(1, 1, bias=False).bfloat16()
    layer.weight.data.fill_(1.0)
    average = WeightAverage(layer, decay=1.0)
    average.reset(10**9)
    average.decay = 1 - 2**-12
    layer.weight.data.fill_(2.0)
    for _ in range(100):
        average.update()
    assert average._kept[0].item() == pytest.approx(2 - (1 - 2**-12) ** 100, abs=1e-5)


def test_reset_takes_the_weights_for_the_average():
    layer = nn.Linear(1, 1, bias=False)
    average = WeightAverage(layer, decay=0.5)
    layer.weight.data.fill_(3.0)
    average.reset(7)
    layer.weight.data.fill_(4.0)
    with average.swapped_in():
        assert layer.weight.item() == 3
    assert average.updates == 7


def test_precisions():
    cpu = torch.device("cpu")
    assert Precision("f32", cpu).scaler is None
    assert Precision("bf16", cpu).scaler is None
    assert Precision("fp16", cpu).scaler.is_enabled()
    ones = torch.ones(2, 2)
    with Precision("f32", cpu).autocast():
        assert (ones @ ones).dtype == torch.float32
    with Precision("bf16", cpu).autocast():
        assert (ones @ ones).dtype == torch.bfloat16


def test_an_unknown_precision_is_refused():
    with pytest.raises(InputError, match=r"compute.precision is 'int4', expected one of f32, bf16, fp16"):
        Precision("int4", torch.device("cpu"))


def test_a_precision_that_the_device_lacks_is_refused(monkeypatch):
    monkeypatch.setattr("wordsight.train.compute.precision._has", lambda device, dtype: False)
    with pytest.raises(InputError, match=r"'bf16', which the device 'cuda' does not support. Use fp16, or f32"):
        Precision("bf16", torch.device("cuda"))
    with pytest.raises(InputError, match=r"'fp16', which the device 'cpu' does not support. Use f32"):
        Precision("fp16", torch.device("cpu"))
