"""The torch networks: OpenAI's names, shapes and initial values; ready for training, autocast and torch.compile."""

import math

import numpy as np
import pytest
import random_models
import tiny
import torch

from wordsight.encoder import reference
from wordsight.nn.clip import CLIP, build_image_tower, build_text_tower, load_tensors, to_tensors


def normalised(spec, pixels_BHWC):
    mean, std = (torch.tensor(v) for v in (spec.preprocess.mean, spec.preprocess.std))
    return ((torch.tensor(pixels_BHWC) / 255 - mean) / std).permute(0, 3, 1, 2)


@pytest.fixture(scope="module", params=random_models.SPECS)
def checkpoint(request):
    return random_models.random_checkpoint(random_models.SPECS[request.param])


@pytest.fixture(scope="module")
def model(checkpoint):
    model = CLIP(checkpoint.spec)
    load_tensors(model, checkpoint.tensors)
    return model.eval()


def openai_spec(kind):
    text = random_models.text(context_length=77, vocab_size=tiny.VOCAB, width=128, mlp_width=512)
    vit = random_models.vit(width=128, heads=2, mlp_width=512)
    return random_models.spec_of({"vit": vit, "resnet": random_models.RESNET}[kind], text)


@pytest.mark.parametrize(("kind", "openais"), [("vit", tiny.openai_vit), ("resnet", tiny.openai_resnet)])
def test_names_and_shapes_are_openais(kind, openais):
    ignored = ("input_resolution", "context_length", "vocab_size")
    theirs = {name: tensor.shape for name, tensor in openais().state_dict().items() if name not in ignored}
    ours = {name: tensor.shape for name, tensor in CLIP(openai_spec(kind)).state_dict().items()}
    assert ours == theirs


def test_loaded_tensors_come_back_unchanged(checkpoint, model):
    back = to_tensors(model.state_dict())
    assert back.keys() == checkpoint.tensors.keys()
    for name, tensor in back.items():
        np.testing.assert_array_equal(tensor, checkpoint.tensors[name], err_msg=name)


def test_loading_is_strict(checkpoint):
    with pytest.raises(RuntimeError, match=r"Missing key.*ln_final\.bias"):
        load_tensors(CLIP(checkpoint.spec), {n: t for n, t in checkpoint.tensors.items() if n != "ln_final.bias"})
    with pytest.raises(RuntimeError, match=r"Unexpected key.*stranger"):
        load_tensors(CLIP(checkpoint.spec), {**checkpoint.tensors, "stranger": np.zeros(1)})


def test_half_precision_tensors_load_as_float32(checkpoint):
    import ml_dtypes

    for dtype in (np.float16, ml_dtypes.bfloat16):
        model = CLIP(checkpoint.spec)
        load_tensors(model, {name: tensor.astype(dtype) for name, tensor in checkpoint.tensors.items()})
        assert {p.dtype for p in model.parameters()} == {torch.float32}
        stored = checkpoint.tensors["text_projection"].astype(dtype).astype(np.float32)
        np.testing.assert_array_equal(model.text_projection.detach().numpy(), stored)


def test_towers_can_be_built_apart(checkpoint, model):
    pixels_BHWC, tokens_BT = random_models.random_inputs(checkpoint.spec)
    image_tower, text_tower = build_image_tower(checkpoint.spec), build_text_tower(checkpoint.spec)
    load_tensors(image_tower, checkpoint.tensors, prefix="visual.")
    texts = {n: t for n, t in checkpoint.tensors.items() if not n.startswith(("visual.", "logit_"))}
    load_tensors(text_tower, texts)
    pixels_BCHW, tokens = normalised(checkpoint.spec, pixels_BHWC), torch.tensor(tokens_BT)
    assert torch.equal(image_tower.eval()(pixels_BCHW), model.encode_image(pixels_BCHW))
    assert torch.equal(text_tower(tokens), model.encode_text(tokens))


@torch.inference_mode()
def test_forward_gives_unit_embeddings(checkpoint, model):
    pixels_BHWC, tokens_BT = random_models.random_inputs(checkpoint.spec)
    image_BD, text_BD = model(normalised(checkpoint.spec, pixels_BHWC), torch.tensor(tokens_BT))
    for got, features in [
        (image_BD, reference.encode_images(checkpoint, pixels_BHWC)),
        (text_BD, reference.encode_texts(checkpoint, tokens_BT)),
    ]:
        np.testing.assert_allclose(got.numpy(), random_models.unit(features), rtol=0, atol=1e-5)


def test_every_parameter_learns(checkpoint):
    """The gradient of CLIP's loss reaches every parameter but keys' biases, which softmax cancels."""
    model = CLIP(checkpoint.spec)
    load_tensors(model, checkpoint.tensors)
    pixels_BHWC, tokens_BT = random_models.random_inputs(checkpoint.spec, n=4)
    image_BD, text_BD = model.train()(normalised(checkpoint.spec, pixels_BHWC), torch.tensor(tokens_BT))
    logits_BB = model.logit_scale.exp() * image_BD @ text_BD.T + getattr(model, "logit_bias", 0)
    loss = -torch.nn.functional.logsigmoid(logits_BB * (2 * torch.eye(4) - 1)).sum()
    loss.backward()
    for name, parameter in model.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.isfinite().all(), name
        if "k_proj.bias" not in name:
            assert parameter.grad.abs().max() > 0, name


@torch.inference_mode()
def test_a_causal_text_tower_does_not_read_on():
    checkpoint = random_models.random_checkpoint(random_models.CLIP)
    model = CLIP(checkpoint.spec)
    load_tensors(model, checkpoint.tensors)
    tokens = torch.tensor([[5, 6, 49, 0, 0, 0, 0, 0, 0, 0, 0, 0], [5, 6, 49, 7, 8, 9, 1, 2, 3, 4, 5, 6]])
    padded_D, followed_D = model.encode_text(tokens)
    torch.testing.assert_close(padded_D, followed_D)
    changed_D = model.encode_text(torch.tensor([[5, 7, 49, *[0] * 9]]))[0]
    assert not torch.allclose(padded_D, changed_D, atol=1e-3)


@torch.inference_mode()
@pytest.mark.parametrize("tokens", [[[5, 49, 6, 7, 49, 0, 0, 0, 0, 0, 0, 0], [49] * 12, [0] * 12]])
@pytest.mark.parametrize("pooling", ["argmax", "eos", "last"])
def test_the_pooled_position_equals_the_references(pooling, tokens):
    spec = random_models.spec_of(random_models.vit(), random_models.text(pooling=pooling))
    ours = build_text_tower(spec).text_positions(torch.tensor(tokens))
    assert ours.tolist() == reference.text_positions(spec, np.array(tokens)).tolist()


@torch.inference_mode()
def test_autocast_drifts_little(checkpoint, model):
    pixels_BHWC, tokens_BT = random_models.random_inputs(checkpoint.spec)
    inputs = normalised(checkpoint.spec, pixels_BHWC), torch.tensor(tokens_BT)
    exact = model(*inputs)
    with torch.autocast("cpu", torch.bfloat16):
        rounded = model(*inputs)
    for a_BD, b_BD in zip(exact, rounded, strict=True):
        assert b_BD.dtype == torch.float32
        cosines = (a_BD * b_BD).sum(dim=1)
        assert cosines.min() > 0.999
        assert cosines.min() < 1 - 1e-7, "nothing was rounded"


@pytest.mark.parametrize("name", ["vit", "siglip"])
def test_compiles_as_one_graph(name):
    """No graph breaks: the eager backend traces as any other, and needs no compiler."""
    spec = random_models.SPECS[name]
    model = CLIP(spec).eval()
    pixels_BHWC, tokens_BT = random_models.random_inputs(spec)
    inputs = normalised(spec, pixels_BHWC), torch.tensor(tokens_BT)
    compiled = torch.compile(model, backend="eager", fullgraph=True)
    with torch.no_grad():
        for got, expected in zip(compiled(*inputs), model(*inputs), strict=True):
            torch.testing.assert_close(got, expected)


def test_initial_values_are_openais():
    torch.manual_seed(0)
    width, layers = 128, 8
    model = CLIP(
        random_models.spec_of(
            random_models.vit(width=width, layers=2, heads=2, mlp_width=512),
            random_models.text(vocab_size=1000, width=width, layers=layers, mlp_width=512),
        )
    )
    residual = width**-0.5 * (2 * layers) ** -0.5
    expected = {
        "token_embedding.weight": 0.02,
        "positional_embedding": 0.01,
        "text_projection": width**-0.5,
        "visual.class_embedding": width**-0.5,
        "visual.positional_embedding": width**-0.5,
        "visual.proj": width**-0.5,
        "transformer.resblocks.3.attn.in_proj_weight": width**-0.5,
        "transformer.resblocks.3.attn.out_proj.weight": residual,
        "transformer.resblocks.3.mlp.c_fc.weight": (2 * width) ** -0.5,
        "transformer.resblocks.3.mlp.c_proj.weight": residual,
    }
    parameters = dict(model.named_parameters())
    for name, std in expected.items():
        sample = parameters[name].detach()
        assert sample.std().item() == pytest.approx(std, rel=4 / math.sqrt(2 * sample.numel())), name
    assert parameters["logit_scale"].item() == pytest.approx(math.log(1 / 0.07), abs=1e-4)
    assert not parameters["transformer.resblocks.3.attn.out_proj.bias"].any()


def test_a_new_resnet_block_is_the_identity_but_for_its_shortcut():
    model = build_image_tower(random_models.SPECS["modified resnet"])
    x_BCHW = torch.rand(2, 64, 8, 8)
    assert torch.equal(model.layer2[1](x_BCHW), x_BCHW)


def test_the_bias_of_siglip_starts_at_the_specs():
    model = CLIP(random_models.SIGLIP)
    assert model.logit_bias.item() == -3.0
    assert not hasattr(CLIP(random_models.CLIP), "logit_bias")
