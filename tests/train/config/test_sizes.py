"""Sizes of models to train: the published numbers of parameters, and the way out to everybody's file layouts."""

import dataclasses
import json

import numpy as np
import pytest
import random_models
import torch
import transformers
from safetensors.numpy import load_file

from wordsight.checkpoint import Checkpoint
from wordsight.encoder import reference
from wordsight.errors import CheckpointError, InputError
from wordsight.nn.clip import CLIP
from wordsight.spec import PlainResNetTower
from wordsight.train.config.sizes import SIZES, for_sigmoid, size
from wordsight.weights.layouts.open_clip import make_config
from wordsight.weights.read import read_checkpoint
from wordsight.weights.shapes import expected_shapes
from wordsight.weights.validate import check_names
from wordsight.weights.write import write_checkpoint

# Millions of parameters in all, of the image tower and of the rest. Source: open_clip's docs/model_profile.csv.
PUBLISHED = {
    "RN50": (102.01, 38.32, 63.69),
    "RN101": (119.69, 56.26, 63.43),
    "ViT-B-32": (151.28, 87.85, 63.43),
    "ViT-B-16": (149.62, 86.19, 63.43),
    "ViT-L-14": (427.62, 303.97, 123.65),
    "ViT-L-14-336": (427.94, 304.29, 123.65),
    "ViT-S-32": (63.09, 22.64, 40.44),
    "ViT-S-16": (62.26, 21.81, 40.44),
}
# torchvision's resnet18 and resnet50 have 11,689,512 and 25,557,032 parameters, their classifiers 1000 · (width + 1).
PLAIN = {"RN18": 11_689_512 - 1000 * 513, "RN50": 25_557_032 - 1000 * 2049}


def counted(spec):
    with torch.device("meta"):
        model = CLIP(spec)
    image = sum(p.numel() for p in model.visual.parameters())
    return sum(p.numel() for p in model.parameters()), image


@pytest.mark.parametrize("name", PUBLISHED)
def test_the_published_sizes_have_the_published_numbers_of_parameters(name):
    whole, image = counted(size(name))
    assert tuple(round(n / 1e6, 2) for n in (whole, image, whole - image)) == PUBLISHED[name]


@pytest.mark.parametrize("name", PLAIN)
def test_plain_resnets_have_torchvisions_numbers_and_a_projection(name):
    assert counted(size(f"simclr-{name}"))[1] == PLAIN[name]
    spec = size(f"plain-{name}")
    assert counted(spec)[1] == PLAIN[name] + spec.image.features * spec.embed_dim


@pytest.mark.parametrize("name", SIZES)
def test_every_size_fits_what_a_checkpoint_must_have(name):
    spec = size(name)
    with torch.device("meta"):
        state = CLIP(spec).state_dict()
    shapes = {n: tuple(t.shape) for n, t in state.items() if not n.endswith("num_batches_tracked")}
    assert shapes == expected_shapes(spec)
    assert spec.scale == pytest.approx(1 / 0.07)
    assert spec.preprocess.image_size == spec.image.image_size


def test_names_are_taken_as_people_write_them():
    assert size("ViT-B/32") == size("vit-b-32") == size("ViT-B-32")
    assert size("ViT-L/14@336") == size("ViT-L-14-336")
    with pytest.raises(
        InputError, match=r"There is no size 'ViT-B/23', expected one of RN50, .*Did you mean: ViT-B-32"
    ):
        size("ViT-B/23")


def test_what_must_change_together_changes_together():
    spec = size("tiny", image_size=32, context_length=24, activation="gelu", embed_dim=64, name="mine")
    assert (spec.image.image_size, spec.preprocess.image_size) == (32, 32)
    assert (spec.text.context_length, spec.tokenizer.context_length) == (24, 24)
    assert (spec.text.activation, spec.image.activation) == ("gelu", "gelu")
    assert (spec.embed_dim, spec.name) == (64, "mine")
    assert size("tiny-rn", activation="gelu").text.activation == "gelu"
    with pytest.raises(InputError, match=r"A spec has no 'image_sise', expected one of activation, .*: image_size"):
        size("tiny", image_sise=32)


def test_sigmoid_starts_at_a_scale_of_10_and_a_bias_of_minus_10():
    spec = for_sigmoid(size("tiny"))
    assert (spec.scale, spec.logit_bias, spec.family) == (pytest.approx(10), -10, "siglip")
    assert for_sigmoid(spec) is spec


# The way out: a finished model of each family, small but of the same kind, with random weights.

SMALL = {
    "vit": size("tiny", image_size=32, embed_dim=32),
    "modified resnet": size("tiny-rn"),
    "plain resnet": size("tiny-plain-rn"),
    "vit with sigmoid": for_sigmoid(size("tiny", image_size=32)),
    "modified resnet with sigmoid": for_sigmoid(size("tiny-rn")),
    "plain resnet with sigmoid": for_sigmoid(size("tiny-plain-rn")),
}
TIMM_SIZE = PlainResNetTower(image_size=32, layers=(2, 2, 2, 2), block="basic")


def small_text(spec):
    return dataclasses.replace(spec, text=dataclasses.replace(spec.text, width=64, heads=1, layers=1, mlp_width=256))


def finished(spec):
    spec = dataclasses.replace(spec, logit_scale=float(np.float32(spec.logit_scale)))  # as its tensor holds it
    return random_models.random_checkpoint(small_text(spec))


def same_embeddings(one: Checkpoint, other: Checkpoint) -> None:
    pixels_BHWC, tokens_BT = random_models.random_inputs(one.spec, n=2)
    for encode, inputs in ((reference.encode_images, pixels_BHWC), (reference.encode_texts, tokens_BT)):
        # equal tensors that lie otherwise in memory may be multiplied by another kernel of the processor's BLAS
        np.testing.assert_allclose(encode(one, inputs), encode(other, inputs), rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize(
    ("family", "layouts"),
    [
        ("vit", ("wordsight", "hf", "open_clip", "openai")),
        ("modified resnet", ("wordsight", "open_clip", "openai")),
        ("plain resnet", ("wordsight",)),
        ("vit with sigmoid", ("wordsight", "open_clip")),
        ("modified resnet with sigmoid", ("wordsight", "open_clip")),
        ("plain resnet with sigmoid", ("wordsight",)),
    ],
)
def test_a_finished_model_goes_to_the_layouts_that_have_it(family, layouts, tmp_path):
    checkpoint = finished(SMALL[family])
    for layout in layouts:
        folder = tmp_path / layout
        write_checkpoint(checkpoint, folder, layout)
        same_embeddings(checkpoint, read_checkpoint(folder))


@pytest.mark.parametrize(
    ("family", "layout", "reason"),
    [
        ("modified resnet", "hf", "The hf layout has no ModifiedResNet; use --to openai, open_clip or wordsight"),
        ("plain resnet", "hf", "The hf layout has no plain ResNet; use --to open_clip or wordsight"),
        ("plain resnet", "openai", "The openai layout has no plain ResNet; use --to open_clip or wordsight"),
        ("plain resnet", "open_clip", r"from timm, which has none of width 24 with the layers \(1, 1, 1, 1\) of basic"),
        ("vit with sigmoid", "hf", "this model has SigLIP's bias on CLIP's towers. Use --to open_clip or wordsight"),
        ("vit with sigmoid", "openai", "OpenAI's layout has no SigLIP"),
    ],
)
def test_layouts_that_cannot_hold_a_model_say_so(family, layout, reason, tmp_path):
    with pytest.raises(CheckpointError, match=reason):
        write_checkpoint(finished(SMALL[family]), tmp_path / "x", layout)
    assert not (tmp_path / "x").exists()


def test_transformers_opens_a_finished_model_and_gives_its_embeddings(tmp_path):
    checkpoint = finished(SMALL["vit"])
    write_checkpoint(checkpoint, tmp_path / "hf", "hf")
    model = transformers.CLIPModel.from_pretrained(tmp_path / "hf", dtype=torch.float64)
    pixels_BHWC, tokens_BT = random_models.random_inputs(checkpoint.spec, n=2)
    image_BD, text_BD = random_models.transformers_features(model, checkpoint.spec, pixels_BHWC, tokens_BT)
    np.testing.assert_allclose(reference.encode_images(checkpoint, pixels_BHWC), image_BD, rtol=0, atol=1e-10)
    np.testing.assert_allclose(reference.encode_texts(checkpoint, tokens_BT), text_BD, rtol=0, atol=1e-10)


@pytest.mark.parametrize("sigmoid", [False, True])
def test_open_clip_has_timms_resnet18(sigmoid, tmp_path):
    """Names of open_clip's TimmModel: the trunk is timm's, the projection is a linear layer without bias after it."""
    spec = size("plain-RN18", image=TIMM_SIZE, image_size=32, embed_dim=16)
    checkpoint = finished(for_sigmoid(spec) if sigmoid else spec)
    write_checkpoint(checkpoint, tmp_path / "x", "open_clip")
    again = read_checkpoint(tmp_path / "x")
    same_embeddings(checkpoint, again)
    assert again.spec.image == TIMM_SIZE
    assert again.spec.provenance["image.layers"].endswith("timm_model_name = resnet18")
    state = load_file(tmp_path / "x" / "open_clip_model.safetensors")
    np.testing.assert_array_equal(state["visual.head.proj.weight"], checkpoint.tensors["visual.proj"].T)
    names = {"visual.trunk.conv1.weight", "visual.trunk.bn1.running_mean", "visual.trunk.layer2.0.downsample.1.bias",
             "visual.trunk.bn1.num_batches_tracked", "text_projection", "logit_scale"}  # fmt: skip
    assert names <= state.keys()
    assert make_config(checkpoint.spec)["model_cfg"].get("init_logit_bias") == (-10 if sigmoid else None)
    assert not {name for name in state if name.startswith("visual.layer")}


@pytest.mark.parametrize(("key", "value"), [("timm_pool", "rot_attn"), ("timm_proj", "mlp")])
def test_another_head_on_timms_resnet_is_refused(key, value, tmp_path):
    spec = size("plain-RN18", image=TIMM_SIZE, image_size=32, embed_dim=16)
    write_checkpoint(finished(spec), tmp_path / "x", "open_clip")
    file = tmp_path / "x" / "open_clip_config.json"
    config = json.loads(file.read_text())
    config["model_cfg"]["vision_cfg"][key] = value
    file.write_text(json.dumps(config))
    with pytest.raises(CheckpointError, match=rf"timm's 'resnet18' with .*'{value}'.*expected 'avg' and 'linear'"):
        read_checkpoint(tmp_path / "x")


def test_a_tower_without_projection_must_be_as_wide_as_the_embeddings():
    spec = size("tiny-plain-rn", image=PlainResNetTower(
        image_size=64, width=8, layers=(1, 1, 1, 1), block="basic", projection=False))  # fmt: skip
    with pytest.raises(CheckpointError, match="has 64 features and no projection, but embed_dim is 128"):
        check_names(spec, {}, "here")
