"""Low-rank adapters: W + BA by hand, the same model before and after they are folded in, for every kind of tower."""

import sys

import numpy as np
import pytest
import random_models
import torch
from random_models import random_checkpoint
from torch import nn

from wordsight.errors import InputError, MissingExtraError
from wordsight.nn.clip import CLIP, load_tensors
from wordsight.nn.transformer import Attention
from wordsight.train.finetune.lora import SCALE, SplitAttention, add_adapters, fold_adapters


class Tower(nn.Module):
    """Something with one linear layer."""

    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(3, 2)

    def forward(self, x):
        return self.layer(x)


def stir(module, seed=0):
    """Let every adapter change something: B begins at 0."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, parameter in module.named_parameters():
            if ".lora_B." in name:
                parameter.copy_(0.1 * torch.randn(parameter.shape, generator=generator))


def test_a_layer_by_hand():
    tower = Tower()
    weight, bias = tower.layer.weight.detach().clone(), tower.layer.bias.detach().clone()
    add_adapters(tower, 1)
    a_1I, b_O1 = torch.tensor([[1.0, 2.0, 3.0]]), torch.tensor([[10.0], [-1.0]])
    tower.layer.lora_A["default"].weight.data.copy_(a_1I)
    tower.layer.lora_B["default"].weight.data.copy_(b_O1)
    # α / r is SCALE, whatever the rank.
    expected = weight + SCALE * torch.tensor([[10.0, 20.0, 30.0], [-1.0, -2.0, -3.0]])
    plain = fold_adapters(tower.state_dict())
    assert list(plain) == ["layer.weight", "layer.bias"]
    assert torch.equal(plain["layer.weight"], expected)
    x = torch.randn(4, 3)
    assert torch.allclose(tower(x), x @ expected.T + bias, atol=1e-5)


@pytest.mark.parametrize("rank", [1, 4])
def test_the_scale_does_not_depend_on_the_rank(rank):
    tower = Tower()
    add_adapters(tower, rank)
    assert tower.layer.scaling == {"default": SCALE}
    assert tower.layer.lora_A["default"].weight.shape == (rank, 3)
    assert not tower.layer.lora_B["default"].weight.any()


def test_only_adapters_learn():
    tower = Tower()
    add_adapters(tower, 2)
    learning = [name for name, p in tower.named_parameters() if p.requires_grad]
    assert learning == ["layer.lora_A.default.weight", "layer.lora_B.default.weight"]


def test_the_seed_says_how_they_begin():
    torch.manual_seed(5)
    chance = torch.get_rng_state()
    towers = [Tower() for _ in range(3)]
    torch.set_rng_state(chance)
    for tower, seed in zip(towers, (1, 1, 2), strict=True):
        add_adapters(tower, 2, seed=seed)
    first, same, other = (tower.layer.lora_A["default"].weight for tower in towers)
    assert torch.equal(first, same)
    assert not torch.equal(first, other)
    assert torch.equal(torch.get_rng_state(), chance)  # chance of the run is where it was


def test_attention_in_three_parts_is_the_same_attention():
    torch.manual_seed(0)
    whole = Attention(8, 2)
    whole.in_proj_bias.data.normal_()
    parts = SplitAttention(whole)
    to_BTE, of_BSE = torch.randn(2, 5, 8), torch.randn(2, 3, 8)
    mask = torch.tensor([[[[True, False, True]]], [[[True, True, True]]]])
    for given in ({"causal": True}, {}):
        assert torch.allclose(whole(to_BTE, **given), parts(to_BTE, **given), atol=1e-6)
    assert torch.allclose(whole(to_BTE, of_BSE, mask=mask), parts(to_BTE, of_BSE, mask=mask), atol=1e-6)


SPECS = {
    "vision transformer": random_models.spec_of(random_models.vit(), random_models.text()),
    "SigLIP's": random_models.spec_of(random_models.vit(pooling="attention"), random_models.text(), family="siglip"),
    "OpenAI's ResNet": random_models.spec_of(random_models.RESNET, random_models.text()),
}


@pytest.mark.parametrize("name", SPECS)
def test_a_tower_with_its_adapters_folded_in_is_the_same_tower(name):
    checkpoint = random_checkpoint(SPECS[name])
    clip = CLIP(checkpoint.spec).eval()
    load_tensors(clip, checkpoint.tensors)
    names = set(clip.state_dict())
    size = checkpoint.spec.preprocess.image_size
    pixels_BCHW = torch.randn(2, 3, size, size)
    tokens_BT = torch.tensor([[3, 4, 49] + 9 * [0], [7, 49] + 10 * [0]])
    with torch.no_grad():
        before = clip(pixels_BCHW, tokens_BT)
        add_adapters(clip.visual, 4)
        add_adapters(clip.transformer, 4)
        begun = clip(pixels_BCHW, tokens_BT)
        stir(clip)
        changed = clip(pixels_BCHW, tokens_BT)
        plain = fold_adapters(clip.state_dict())
        merged = CLIP(checkpoint.spec).eval()
        merged.load_state_dict(plain)
        after = merged(pixels_BCHW, tokens_BT)
    assert set(plain) == names
    for side in (0, 1):
        assert torch.allclose(begun[side], before[side], atol=1e-5)  # B is 0
        assert (changed[side] - before[side]).abs().max() > 1e-3
        assert torch.allclose(after[side], changed[side], atol=1e-5)


def test_tensors_without_adapters_come_back_as_they_are():
    tensors = CLIP(SPECS["vision transformer"]).state_dict()
    assert fold_adapters(tensors).keys() == tensors.keys()
    assert all(fold_adapters(tensors)[name] is tensor for name, tensor in tensors.items())


def test_a_tower_of_convolutions_alone_is_refused():
    spec = random_models.spec_of(random_models.BASIC, random_models.text())
    with pytest.raises(InputError, match=r"The tower PlainResNet has no linear layer for LoRA to adapt; let all of it"):
        add_adapters(CLIP(spec).visual, 4)


def test_without_peft(monkeypatch):
    monkeypatch.setitem(sys.modules, "peft", None)
    with pytest.raises(MissingExtraError, match=r"LoRA .*peft.*wordsight\[train\]"):
        add_adapters(Tower(), 4)


def test_half_precision_weights_are_folded_in_float32():
    tower = Tower().bfloat16()
    add_adapters(tower, 2)
    stir(tower)
    assert fold_adapters(tower.state_dict())["layer.weight"].dtype == torch.float32
    assert np.isfinite(fold_adapters(tower.state_dict())["layer.weight"].numpy()).all()
