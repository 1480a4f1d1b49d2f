"""The NumPy reference against transformers in float64, plain torch written here, Pillow, and hand-worked values."""

import math

import numpy as np
import pytest
import random_models
import torch
from PIL import Image
from torch import nn
from torch.nn import functional as F

from wordsight.checkpoint import Checkpoint
from wordsight.encoder import reference
from wordsight.spec import Preprocess, TokenizerSpec


@pytest.mark.parametrize("name", ["vit", "vit with exact GELU and the eos rule", "siglip"])
def test_equals_transformers_in_float64(name):
    spec = random_models.SPECS[name]
    checkpoint = random_models.random_checkpoint(spec)
    pixels_BHWC, tokens_BT = random_models.random_inputs(spec)
    model = random_models.in_transformers(checkpoint).double()
    image_BD, text_BD = random_models.transformers_features(model, spec, pixels_BHWC, tokens_BT)
    np.testing.assert_allclose(reference.encode_images(checkpoint, pixels_BHWC), image_BD, rtol=0, atol=1e-12)
    np.testing.assert_allclose(reference.encode_texts(checkpoint, tokens_BT), text_BD, rtol=0, atol=1e-12)


def plain_resnet(t, x, layers, heads):
    """ModifiedResNet as the paper says it, on OpenAI's tensors: a function of torch's own operations only."""

    def norm(x, name):
        return F.batch_norm(x, *(t[f"{name}.{k}"] for k in ("running_mean", "running_var", "weight", "bias")))

    for i, stride in ((1, 2), (2, 1), (3, 1)):  # "ResNet-D" stem: three 3×3 convolutions, then an average pool
        x = norm(F.conv2d(x, t[f"conv{i}.weight"], stride=stride, padding=1), f"bn{i}").relu()
    x = nn.AvgPool2d(2)(x)
    for stage, blocks in enumerate(layers):
        for i in range(blocks):
            name = f"layer{stage + 1}.{i}"
            pool = nn.AvgPool2d(2) if stage and not i else nn.Identity()  # blur before every stride
            y = norm(F.conv2d(x, t[f"{name}.conv1.weight"]), f"{name}.bn1").relu()
            y = pool(norm(F.conv2d(y, t[f"{name}.conv2.weight"], padding=1), f"{name}.bn2").relu())
            y = norm(F.conv2d(y, t[f"{name}.conv3.weight"]), f"{name}.bn3")
            if not i:
                x = norm(F.conv2d(pool(x), t[f"{name}.downsample.0.weight"]), f"{name}.downsample.1")
            x = (x + y).relu()
    # attention pool: the map's mean asks, mean and map answer
    x = x.flatten(2).permute(2, 0, 1)
    x = torch.cat([x.mean(0, keepdim=True), x]) + t["attnpool.positional_embedding"][:, None]
    width, weights = x.shape[-1], {k: t[f"attnpool.{k}_proj.weight"] for k in "qkvc"}
    bias = torch.cat([t[f"attnpool.{k}_proj.bias"] for k in "qkv"])
    pooled, _ = F.multi_head_attention_forward(
        x[:1], x, x, width, heads, None, bias, None, None, False, 0.0, weights["c"], t["attnpool.c_proj.bias"],
        use_separate_proj_weight=True, training=False,
        q_proj_weight=weights["q"], k_proj_weight=weights["k"], v_proj_weight=weights["v"],
    )  # fmt: skip
    return pooled[0]


def test_modified_resnet_equals_a_plain_torch_one():
    spec = random_models.SPECS["modified resnet"]
    checkpoint = random_models.random_checkpoint(spec)
    x_BCHW = np.random.default_rng(0).normal(size=(2, 3, 64, 64))
    visual = {
        name.removeprefix("visual."): torch.tensor(tensor, dtype=torch.float64)
        for name, tensor in checkpoint.tensors.items()
        if name.startswith("visual.")
    }
    expected = plain_resnet(visual, torch.tensor(x_BCHW), spec.image.layers, spec.image.heads)
    got = reference.modified_resnet(spec.image, checkpoint.tensors, x_BCHW)
    np.testing.assert_allclose(got, expected.numpy(), rtol=0, atol=1e-12)


def test_pixels_are_scaled_by_the_specs_mean_and_std():
    spec = random_models.CLIP
    checkpoint = random_models.random_checkpoint(spec)
    pixels_BHWC, _ = random_models.random_inputs(spec, n=1)
    by_hand = np.empty((1, 3, 32, 32))
    for c, (mean, std) in enumerate(zip(spec.preprocess.mean, spec.preprocess.std, strict=True)):
        by_hand[:, c] = (pixels_BHWC[..., c] / 255 - mean) / std
    expected = reference.vit(spec.image, checkpoint.tensors, by_hand)
    np.testing.assert_allclose(reference.encode_images(checkpoint, pixels_BHWC), expected, rtol=1e-12)


@pytest.mark.parametrize(
    ("activation", "at_one"),
    [
        ("quick_gelu", 1 / (1 + math.exp(-1.702))),
        ("gelu", 0.8413447460685429),  # the normal distribution function at 1
        ("gelu_tanh", 0.5 * (1 + math.tanh(0.7978845608028654 * 1.044715))),
    ],
)
def test_activations(activation, at_one):
    theirs = {
        "quick_gelu": lambda x: x * torch.sigmoid(1.702 * x),
        "gelu": F.gelu,
        "gelu_tanh": lambda x: F.gelu(x, approximate="tanh"),
    }
    x = np.linspace(-8, 8, 101)
    ours = reference.ACTIVATIONS[activation]
    assert ours(np.array([1.0]))[0] == pytest.approx(at_one, abs=1e-15)
    np.testing.assert_allclose(ours(x), theirs[activation](torch.tensor(x)).numpy(), rtol=0, atol=1e-14)


def test_another_activation_gives_other_features():
    """With the wrong activation nothing fails and everything drifts: why it is part of the spec."""
    right = random_models.random_checkpoint(random_models.CLIP)
    wrong_spec = random_models.spec_of(random_models.vit(activation="gelu"), right.spec.text)
    wrong = Checkpoint(spec=wrong_spec, tensors=right.tensors)
    pixels_BHWC, _ = random_models.random_inputs(right.spec)
    features = [random_models.unit(reference.encode_images(which, pixels_BHWC)) for which in (right, wrong)]
    cosines = (features[0] * features[1]).sum(axis=1)
    assert ((cosines > 0.99) & (cosines < 0.99999)).all()


@pytest.mark.parametrize(
    ("pooling", "expected"),
    [("argmax", [3, 2]), ("eos", [1, 2]), ("last", [4, 4])],
)
def test_the_position_that_stands_for_a_text(pooling, expected):
    spec = random_models.spec_of(random_models.vit(), random_models.text(pooling=pooling), eos_id=7)
    tokens_BT = np.array([[5, 7, 7, 9, 0], [5, 6, 7, 7, 7]])
    assert reference.text_positions(spec, tokens_BT).tolist() == expected


def test_attention_equals_a_loop():
    rng = np.random.default_rng(1)
    q, k, v = (rng.normal(size=(1, 4, 6)) for _ in range(3))
    got = reference.attend(q, k, v, heads=2, causal=True)
    for head in (slice(0, 3), slice(3, 6)):
        for t in range(4):
            scores = [math.exp(q[0, t, head] @ k[0, s, head] / math.sqrt(3)) for s in range(t + 1)]
            expected = sum(score * v[0, s, head] for s, score in enumerate(scores)) / sum(scores)
            np.testing.assert_allclose(got[0, t, head], expected, rtol=1e-12)


def test_convolution_equals_a_loop():
    rng = np.random.default_rng(2)
    x, weight = rng.normal(size=(1, 2, 5, 6)), rng.normal(size=(3, 2, 3, 3))
    got = reference.convolve(x, weight, stride=2, padding=1)
    padded = np.pad(x, ((0, 0), (0, 0), (1, 1), (1, 1)))
    assert got.shape == (1, 3, 3, 3)
    for o, i, j in np.ndindex(3, 3, 3):
        expected = (padded[0, :, 2 * i : 2 * i + 3, 2 * j : 2 * j + 3] * weight[o]).sum()
        assert got[0, o, i, j] == pytest.approx(expected, rel=1e-12)


FILTERS = {"bicubic": Image.Resampling.BICUBIC, "bilinear": Image.Resampling.BILINEAR}


@pytest.mark.parametrize("interpolation", FILTERS)
def test_resize_equals_pillow_bit_for_bit(interpolation):
    rng = np.random.default_rng(3)
    for _ in range(60):
        height, width, to_height, to_width = rng.integers(1, [200, 200, 80, 80])
        image = rng.integers(0, 256, (height, width, 3), dtype=np.uint8)
        expected = np.asarray(Image.fromarray(image).resize((int(to_width), int(to_height)), FILTERS[interpolation]))
        got = reference.resize(image, int(to_height), int(to_width), interpolation)
        np.testing.assert_array_equal(got, expected, err_msg=f"{height}×{width} to {to_height}×{to_width}")


@pytest.mark.parametrize("shape", [(100, 61), (61, 100), (37, 240), (33, 33), (20, 31), (1, 1), (1, 70)])
def test_preprocess_takes_the_centre_with_torchvisions_rounding(shape):
    size, (height, width) = 32, shape
    image = np.random.default_rng(4).integers(0, 256, (*shape, 3), dtype=np.uint8)
    # torchvision: the longer side is cut to whole pixels, the crop's corner rounded, halves to even.
    new_width, new_height = (
        (size, int(size * height / width)) if width <= height else (int(size * width / height), size)
    )
    resized = np.asarray(Image.fromarray(image).resize((new_width, new_height), Image.Resampling.BICUBIC))
    top, left = round((new_height - size) / 2), round((new_width - size) / 2)
    expected = resized[top : top + size, left : left + size]
    got = reference.preprocess(image, Preprocess(image_size=size))
    assert got.shape == (size, size, 3)
    np.testing.assert_array_equal(got, expected)


def test_squash_ignores_the_aspect_ratio():
    image = np.random.default_rng(5).integers(0, 256, (50, 90, 3), dtype=np.uint8)
    spec = Preprocess(image_size=32, resize="squash", interpolation="bilinear")
    expected = np.asarray(Image.fromarray(image).resize((32, 32), Image.Resampling.BILINEAR))
    np.testing.assert_array_equal(reference.preprocess(image, spec), expected)


CLIP_TOKENS = TokenizerSpec(
    kind="clip_bpe", context_length=77, vocab_size=49408, bos_id=49406, eos_id=49407, pad_id=0, clean="clip"
)


@pytest.mark.parametrize(
    ("text", "ids"),
    [
        ("a photo of a cat", [320, 1125, 539, 320, 2368]),  # ids as OpenAI's own tokenizer gives them
        ("hello world!", [3306, 1002, 256]),
        ("", []),
    ],
)
def test_known_token_ids(text, ids):
    (row,) = reference.ReferenceTokenizer(CLIP_TOKENS)([text])
    expected = [49406, *ids, 49407]
    assert row.tolist() == expected + [0] * (77 - len(expected))


def test_tokens_equal_the_fast_tokenizers():
    """Two independent byte-pair encoders: this one in Python, the package's in the `tokenizers` library."""
    from wordsight.text.tokenizer import Tokenizer

    texts = [
        "Don't you'll WE'VE it's 'quoted'  tabs\tand\nnewlines",
        "café Ünïcödé naïve Straße Œuvre e\u0301",
        "🐈‍⬛ 👩🏽‍🚀 and ☕!!! ...",
        "&lt;b&gt;bold&amp;amp;&lt;/b&gt; &#39;s",
        "猫の写真 고양이 صورة قطة кошка γάτα",
        "2024-05-17 3.14159 ½ Ⅳ ²",
        "supercalifragilisticexpialidocious aaaaaaaaaaaa",
        "a very long text " * 40,
        "snake_case camelCase http://example.org/?q=1&r=2 #tag @name",
    ]
    fast = Tokenizer(CLIP_TOKENS, {})(texts).ids
    np.testing.assert_array_equal(reference.ReferenceTokenizer(CLIP_TOKENS)(texts), fast)


def test_a_long_text_keeps_its_end_token():
    (row,) = reference.ReferenceTokenizer(CLIP_TOKENS)(["cat " * 100])
    assert row.tolist() == [49406, *[2368] * 75, 49407]
