"""Networks in training: dropout of patches, checkpointing, speed; the same numbers where they must be the same."""

import numpy as np
import pytest
import random_models
import torch
from torch import nn

from wordsight.nn.clip import CLIP, build_text_tower, load_tensors
from wordsight.nn.transformer import Transformer, set_checkpointing
from wordsight.nn.vit import set_patch_dropout, some_patches

VITS = [name for name, spec in random_models.SPECS.items() if spec.image.arch == "vit"]


def network(name, *, dtype=torch.float64):
    checkpoint = random_models.random_checkpoint(random_models.SPECS[name])
    model = CLIP(checkpoint.spec)
    load_tensors(model, checkpoint.tensors)
    return model.to(dtype).train()


def inputs(spec, n=4, dtype=torch.float64):
    pixels_BHWC, tokens_BT = random_models.random_inputs(spec, n=n)
    return torch.tensor(pixels_BHWC).permute(0, 3, 1, 2).to(dtype) / 255 - 0.5, torch.tensor(tokens_BT)


def gradients(model, pixels_BCHW, tokens_BT):
    model.zero_grad()
    image_BD, text_BD = model(pixels_BCHW, tokens_BT)
    (image_BD @ text_BD.T).diagonal().sum().backward()
    return {name: p.grad.clone() for name, p in model.named_parameters() if p.grad is not None}


# Activation checkpointing


@pytest.mark.parametrize("name", ["vit", "siglip", "modified resnet"])
def test_checkpointing_gives_equal_gradients(name):
    model = network(name, dtype=torch.float32)
    batch = inputs(model.spec, dtype=torch.float32)
    plain = gradients(model, *batch)
    set_checkpointing(model, True)
    again = gradients(model, *batch)
    assert plain.keys() == again.keys()
    for key in plain:
        assert torch.equal(plain[key], again[key]), key


def test_checkpointing_drops_the_same_patches_on_the_way_back():
    model = network("vit", dtype=torch.float32)
    set_patch_dropout(model, 0.5)
    batch = inputs(model.spec, dtype=torch.float32)
    found = []
    for on in (False, True):
        set_checkpointing(model, on)
        torch.manual_seed(1)
        found.append(gradients(model, *batch))
    assert all(torch.equal(found[0][key], found[1][key]) for key in found[0])


def test_checkpointing_keeps_less():
    model = Transformer(32, 6, 2, mlp_width=128, activation="gelu", norm_eps=1e-5).train()
    x_BTE = torch.randn(2, 5, 32)
    kept = []
    for on in (False, True):
        set_checkpointing(model, on)
        sizes = []
        with torch.autograd.graph.saved_tensors_hooks(lambda t, s=sizes: s.append(t.numel()) or t, lambda t: t):
            model(x_BTE)
        kept.append(sum(sizes))
    assert kept[1] < kept[0] / 5


def test_nothing_is_checkpointed_where_nothing_is_learnt():
    model = network("vit", dtype=torch.float32)
    set_checkpointing(model, True)
    calls = []
    model.transformer.resblocks[0].register_forward_hook(lambda *_: calls.append(1))
    batch = inputs(model.spec, dtype=torch.float32)
    with torch.no_grad():
        model(*batch)
    model.eval()
    model(*batch)[1].sum().backward()
    assert len(calls) == 2  # once each: not again on the way back


# Patch dropout


def test_some_patches_are_whole_patches_of_the_same_image_each_once():
    x_BNE = torch.arange(3 * 10, dtype=torch.float32).view(3, 10, 1).expand(-1, -1, 4)
    torch.manual_seed(0)
    kept_BKE = some_patches(x_BNE, 0.65)
    assert kept_BKE.shape == (3, 3, 4)  # int(10 · 0.35)
    assert torch.equal(kept_BKE, kept_BKE[:, :, :1].expand(-1, -1, 4))
    ids_BK = kept_BKE[:, :, 0].long()
    assert torch.equal(ids_BK // 10, torch.arange(3)[:, None].expand(-1, 3))
    assert all(len(set(row.tolist())) == 3 for row in ids_BK)
    assert len({tuple(sorted((row % 10).tolist())) for row in ids_BK}) > 1  # others in each image
    torch.manual_seed(0)
    assert torch.equal(some_patches(x_BNE, 0.65), kept_BKE)
    assert some_patches(x_BNE, 0.99).shape == (3, 1, 4)  # one at least


def test_every_patch_is_as_likely():
    x_BNE = torch.arange(8.0).view(1, 8, 1).expand(4000, -1, -1)
    torch.manual_seed(0)
    counts = torch.bincount(some_patches(x_BNE, 0.5).long().flatten(), minlength=8)
    assert counts.sum() == 4000 * 4
    np.testing.assert_allclose(counts.numpy(), 2000, atol=5 * (4000 * 0.25) ** 0.5)  # five standard deviations


@pytest.mark.parametrize("name", VITS)
def test_patch_dropout_is_what_a_smaller_set_of_patches_gives(name, monkeypatch):
    """The tower with the patches left out by hand: the class token stays, each patch keeps its position."""
    model = network(name)
    pixels_BCHW, _ = inputs(model.spec, n=2)
    visual = model.visual
    kept = [0, 5, 6, 11]
    monkeypatch.setattr("wordsight.nn.vit.some_patches", lambda x_BNE, dropped: x_BNE[:, kept])
    set_patch_dropout(model, 0.75)
    found_BD = visual(pixels_BCHW)
    set_patch_dropout(model, 0)
    patches = visual.conv1(pixels_BCHW).flatten(2).transpose(1, 2)
    shift = visual.tower.pooling == "cls"
    x_BTE = (patches + visual.positional_embedding[int(shift) :])[:, kept]
    if shift:
        first_BTE = (visual.class_embedding + visual.positional_embedding[0]).expand(2, 1, -1)
        x_BTE = torch.cat([first_BTE, x_BTE], dim=1)
    if visual.tower.pre_norm:
        x_BTE = visual.ln_pre(x_BTE)
    x_BTE = visual.ln_post(visual.transformer(x_BTE))
    expected_BD = x_BTE[:, 0] @ visual.proj if shift else visual.attn_pool(x_BTE)
    torch.testing.assert_close(found_BD, expected_BD, rtol=0, atol=1e-12)


def test_patch_dropout_is_off_when_the_network_is_used():
    model = network("vit")
    pixels_BCHW, _ = inputs(model.spec)
    whole_BD = model.encode_image(pixels_BCHW)
    set_patch_dropout(model, 0.5)
    assert not torch.allclose(model.encode_image(pixels_BCHW), whole_BD)
    state = torch.random.get_rng_state()
    torch.testing.assert_close(model.eval().encode_image(pixels_BCHW), whole_BD, rtol=0, atol=1e-12)
    assert torch.equal(torch.random.get_rng_state(), state)


# What is left out because nobody reads it


@pytest.mark.parametrize("causal", [True, False])
def test_the_last_block_at_one_position_is_the_whole_blocks(causal):
    torch.manual_seed(0)
    model = Transformer(32, 3, 2, mlp_width=64, activation="quick_gelu", norm_eps=1e-5).double()
    x_BTE, at_B = torch.randn(4, 7, 32, dtype=torch.float64), torch.tensor([0, 6, 3, 3])
    found, expected = {}, {}
    for at, results in ((at_B, found), (None, expected)):
        x = x_BTE.clone().requires_grad_()
        out_BTE = model(x, causal=causal, at_B=at)
        out_BE = out_BTE[:, 0] if at is not None else out_BTE[torch.arange(4), at_B]
        model.zero_grad()
        out_BE.square().sum().backward()
        results |= {"out": out_BE, "x": x.grad, **{name: p.grad.clone() for name, p in model.named_parameters()}}
    for name in expected:
        torch.testing.assert_close(found[name], expected[name], rtol=0, atol=1e-11, msg=lambda m, n=name: f"{n}: {m}")


@pytest.mark.parametrize("pooling", ["argmax", "eos"])
def test_texts_without_their_padding_have_the_same_features_and_gradients(pooling):
    spec = random_models.spec_of(random_models.vit(), random_models.text(pooling=pooling))
    checkpoint = random_models.random_checkpoint(spec)
    tower = build_text_tower(spec).double()
    names = {name for name, _ in tower.named_parameters()}
    load_tensors(tower, {n: t for n, t in checkpoint.tensors.items() if n in names})
    tower.double()
    _, tokens_BT = random_models.random_inputs(spec, n=4)
    tokens_BT = torch.tensor(tokens_BT)
    longest = int((tokens_BT == 49).int().argmax(dim=1).max()) + 1
    assert longest < tokens_BT.shape[1]
    results = []
    for tokens in (tokens_BT, tokens_BT[:, :longest]):
        tower.zero_grad()
        features_BD = tower(tokens)
        features_BD.square().sum().backward()
        results.append((features_BD, {name: p.grad for name, p in tower.named_parameters()}))
    torch.testing.assert_close(results[0][0], results[1][0], rtol=0, atol=1e-12)
    for name, gradient in results[0][1].items():
        torch.testing.assert_close(gradient, results[1][1][name], rtol=0, atol=1e-10)


@torch.inference_mode()
@pytest.mark.parametrize("name", ["vit", "modified resnet", "siglip"])
def test_the_first_token_of_a_tower_is_its_feature(name):
    model = network(name).eval()
    pixels_BCHW, _ = inputs(model.spec)
    tokens_BTD = model.visual.tokens(pixels_BCHW)
    torch.testing.assert_close(tokens_BTD[:, 0], model.encode_image(pixels_BCHW), rtol=0, atol=1e-12)
    assert tokens_BTD.shape == (4, {"vit": 17, "modified resnet": 5, "siglip": 1}[name], model.spec.embed_dim)


def test_training_compiles_as_one_graph():
    """With dropped patches: no graph breaks on the way there, and the gradients of the eager network."""
    model = network("vit", dtype=torch.float32)
    set_patch_dropout(model, 0.5)
    batch = inputs(model.spec, dtype=torch.float32)
    torch.manual_seed(0)
    eager = gradients(model, *batch)
    compiled = torch.compile(model, backend="eager", fullgraph=True)
    torch.manual_seed(0)
    model.zero_grad()
    image_BD, text_BD = compiled(*batch)
    (image_BD @ text_BD.T).diagonal().sum().backward()
    for key, parameter in model.named_parameters():
        if key in eager:
            torch.testing.assert_close(parameter.grad, eager[key])


def test_settings_reach_every_transformer():
    model = nn.ModuleDict({"a": network("vit"), "b": network("siglip")})
    set_checkpointing(model, True)
    assert [m.checkpointing for m in model.modules() if isinstance(m, Transformer)] == [True] * 4
