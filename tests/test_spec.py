"""A ModelSpec holds every fact of a model, survives JSON, and refuses what it does not know."""

import dataclasses
import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from wordsight.checkpoint import Checkpoint
from wordsight.errors import CheckpointError, MissingExtraError, did_you_mean
from wordsight.spec import (
    EfficientNetTower,
    ModelSpec,
    PlainResNetTower,
    Preprocess,
    ResNetTower,
    TextTower,
    TokenizerSpec,
    VitTower,
)

VIT = VitTower(
    image_size=224,
    patch_size=32,
    width=768,
    layers=12,
    heads=12,
    mlp_width=3072,
    activation="quick_gelu",
    pooling="cls",
)
RESNET = ResNetTower(image_size=224, width=64, layers=(3, 4, 6, 3), heads=32)
PLAIN_RESNET = PlainResNetTower(image_size=224, layers=(2, 2, 2, 2), block="basic")
EFFICIENTNET = EfficientNetTower(
    image_size=260, stem_width=32, stages=((1, 3, 1, 16, 1), (6, 3, 2, 24, 3)), features=1280, tap_means=(0, 3),
    tap_spreads=(0,), head_width=512, head_layers=1, classes=1000,
)  # fmt: skip


def spec(**changes):
    """ViT-B/32 as OpenAI released it, with changes."""
    text = TextTower(
        context_length=77, vocab_size=49408, width=512, layers=12, heads=8, mlp_width=2048, activation="quick_gelu",
        causal=True, pooling="argmax",
    )  # fmt: skip
    tokenizer = TokenizerSpec(
        kind="clip_bpe", context_length=77, vocab_size=49408, bos_id=49406, eos_id=49407, pad_id=0, clean="clip"
    )
    base = ModelSpec(
        name="ViT-B-32/openai", family="clip", embed_dim=512, image=VIT, text=text,
        preprocess=Preprocess(image_size=224), tokenizer=tokenizer, logit_scale=4.6052,
    )  # fmt: skip
    return dataclasses.replace(base, **changes)


@pytest.mark.parametrize("image", [VIT, RESNET, PLAIN_RESNET, EFFICIENTNET])
def test_json_gives_an_equal_spec_back(image):
    original = spec(image=image, provenance={"image.activation": "config.json: hidden_act"}, logit_bias=-10.0)
    again = ModelSpec.from_json(original.to_json())
    assert again == original
    assert type(again.image) is type(image)


@given(st.floats(allow_nan=False, allow_infinity=False, width=32))
def test_json_keeps_every_bit_of_the_scale(logit_scale):
    again = ModelSpec.from_json(spec(logit_scale=logit_scale).to_json())
    assert np.float32(again.logit_scale).tobytes() == np.float32(logit_scale).tobytes()


def test_scale_is_the_exponential_of_logit_scale():
    assert spec(logit_scale=np.log(100.0)).scale == pytest.approx(100.0)


def edited(path, value):
    plain = json.loads(spec().to_json())
    *parents, last = path
    place = plain
    for parent in parents:
        place = place[parent]
    if value is None:
        del place[last]
    else:
        place[last] = value
    return json.dumps(plain)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "not valid JSON"),
        ("[]", r"spec is \[\], expected an object"),
        (edited(["embed_dimm"], 3), "unknown key 'embed_dimm'. Did you mean: embed_dim"),
        (edited(["embed_dim"], None), "spec lacks the key 'embed_dim'"),
        (edited(["embed_dim"], "512"), "spec.embed_dim is '512', expected int"),
        (edited(["image", "arch"], "convnext"), "spec.image.arch is 'convnext', expected one of vit"),
        (edited(["image", "activation"], "relu"), "spec.image.activation is 'relu', expected one of 'quick_gelu'"),
        (
            edited(["image"], vars(PLAIN_RESNET) | {"block": "wide"}),
            "spec.image.block is 'wide', expected one of 'basic'",
        ),
        (edited(["preprocess", "mean"], [0.5, 0.5]), "spec.preprocess.mean has 2 values, expected 3"),
        (edited(["text", "causal"], 1), "spec.text.causal is 1, expected bool"),
    ],
)
def test_a_spec_that_is_not_one_is_refused_with_the_place(text, message):
    with pytest.raises(CheckpointError, match=message):
        ModelSpec.from_json(text)


TENSORS = {"visual.proj": np.ones((4, 2), np.float32), "logit_scale": np.float32(4.6052)}


def test_fingerprint_depends_on_what_determines_the_answers_only():
    original = Checkpoint(spec(), TENSORS).fingerprint
    assert len(original) == 32
    assert Checkpoint(spec(name="other", licence="MIT"), dict(reversed(TENSORS.items()))).fingerprint == original
    gelu = dataclasses.replace(VIT, activation="gelu")
    assert Checkpoint(spec(image=gelu), TENSORS).fingerprint != original
    assert Checkpoint(spec(), TENSORS | {"visual.proj": np.ones((2, 4), np.float32)}).fingerprint != original
    assert Checkpoint(spec(), TENSORS | {"visual.proj": np.ones((4, 2), np.float16)}).fingerprint != original
    assert Checkpoint(spec(), TENSORS, {"tokenizer.json": b"{}"}).fingerprint != original


def test_a_missing_extra_says_how_to_get_it():
    with pytest.raises(MissingExtraError, match=r"int8 needs the package 'nncf'.*pip install 'wordsight\[quantize\]'"):
        raise MissingExtraError("int8", "nncf", "quantize")


def test_did_you_mean_offers_close_names_only():
    assert did_you_mean("vit-b-23", ["ViT-B-32", "RN50"]) == " Did you mean: ViT-B-32?"
    assert did_you_mean("xyz", ["ViT-B-32", "RN50"]) == ""
