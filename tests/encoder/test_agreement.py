"""Every backend gives the reference's embeddings: within 1e-5 in float32, for every architecture and layout."""

import numpy as np
import pytest
import random_models
import tiny
import torch
import transformers

from wordsight.encoder import open_encoder, reference
from wordsight.errors import InputError
from wordsight.weights.read import read_checkpoint

# Backends that must agree with the NumPy reference; each is opened as a user opens it.
BACKENDS = ["torch", "openvino"]
TOLERANCE = 1e-5  # on embeddings of unit length

LAYOUTS = {
    "openai vit": tiny.tiny_openai_vit,
    "openai resnet": tiny.tiny_openai_resnet,
    "open_clip": tiny.tiny_open_clip,
    "open_clip with quick_gelu": lambda path: tiny.tiny_open_clip(path, quick_gelu=True),
    "transformers clip": tiny.tiny_hf_clip,
    "transformers clip with gelu and eos": lambda path: tiny.tiny_hf_clip(path, act="gelu", eos_token_id=49407),
    "transformers siglip": tiny.tiny_hf_siglip,
}


@pytest.fixture(scope="module", params=random_models.SPECS)
def random_checkpoint(request):
    return random_models.random_checkpoint(random_models.SPECS[request.param])


@pytest.fixture(scope="module", params=LAYOUTS)
def file_checkpoint(request, tmp_path_factory):
    return read_checkpoint(LAYOUTS[request.param](tmp_path_factory.mktemp("layout") / "model.pt"))


def assert_agreement(backend, checkpoint):
    pixels_BHWC, tokens_BT = random_models.random_inputs(checkpoint.spec)
    encoder = open_encoder(checkpoint, backend=backend, precision="f32")
    assert (encoder.backend, encoder.precision) == (backend, "f32")
    for got, expected in [
        (encoder.encode_images(pixels_BHWC), reference.encode_images(checkpoint, pixels_BHWC)),
        (encoder.encode_texts(tokens_BT), reference.encode_texts(checkpoint, tokens_BT)),
    ]:
        assert got.dtype == np.float32
        assert got.shape == (len(tokens_BT), checkpoint.spec.embed_dim)
        np.testing.assert_allclose(got, expected, rtol=1e-4, atol=1e-5)  # the lengths too
        np.testing.assert_allclose(random_models.unit(got), random_models.unit(expected), rtol=0, atol=TOLERANCE)


@pytest.mark.parametrize("backend", BACKENDS)
def test_backends_agree_for_every_architecture(backend, random_checkpoint):
    assert_agreement(backend, random_checkpoint)


@pytest.mark.parametrize("backend", BACKENDS)
def test_backends_agree_for_every_layout(backend, file_checkpoint):
    assert_agreement(backend, file_checkpoint)


@pytest.mark.parametrize("layout", [name for name in LAYOUTS if name.startswith("transformers")])
def test_the_reference_gives_what_transformers_gives_for_its_own_folder(layout, tmp_path):
    folder = LAYOUTS[layout](tmp_path / "model")
    checkpoint = read_checkpoint(folder)
    pixels_BHWC, tokens_BT = random_models.random_inputs(checkpoint.spec)
    model = transformers.AutoModel.from_pretrained(folder, dtype=torch.float64)
    image_BD, text_BD = random_models.transformers_features(model, checkpoint.spec, pixels_BHWC, tokens_BT)
    np.testing.assert_allclose(reference.encode_images(checkpoint, pixels_BHWC), image_BD, rtol=0, atol=1e-10)
    np.testing.assert_allclose(reference.encode_texts(checkpoint, tokens_BT), text_BD, rtol=0, atol=1e-10)


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_batch_gives_what_its_parts_give(backend):
    checkpoint = random_models.random_checkpoint(random_models.CLIP)
    pixels_BHWC, tokens_BT = random_models.random_inputs(checkpoint.spec, n=5)
    encoder = open_encoder(checkpoint, backend=backend, precision="f32")
    whole, parts = encoder.encode_images(pixels_BHWC), [encoder.encode_images(pixels_BHWC[i : i + 1]) for i in range(5)]
    np.testing.assert_allclose(whole, np.concatenate(parts), rtol=0, atol=TOLERANCE)
    whole, parts = encoder.encode_texts(tokens_BT), [encoder.encode_texts(tokens_BT[i : i + 1]) for i in range(5)]
    np.testing.assert_allclose(whole, np.concatenate(parts), rtol=0, atol=TOLERANCE)


def test_the_reference_is_a_backend_too():
    checkpoint = random_models.random_checkpoint(random_models.CLIP)
    pixels_BHWC, tokens_BT = random_models.random_inputs(checkpoint.spec)
    encoder = open_encoder(checkpoint, backend="reference")
    assert (encoder.backend, encoder.precision) == ("reference", "f64")
    with pytest.raises(InputError, match="precision is 'bf16'; the reference computes in float64 only"):
        open_encoder(checkpoint, backend="reference", precision="bf16")
    expected = reference.encode_images(checkpoint, pixels_BHWC).astype(np.float32)
    np.testing.assert_array_equal(encoder.encode_images(pixels_BHWC), expected)
    expected = reference.encode_texts(checkpoint, tokens_BT).astype(np.float32)
    np.testing.assert_array_equal(encoder.encode_texts(tokens_BT), expected)


def test_a_full_size_vit_b_32_agrees():
    """Depth and width at which rounding adds up: ViT-B/32's own shapes (Radford et al. 2021, table 20), one of each."""
    spec = random_models.spec_of(
        random_models.vit(image_size=224, patch_size=32, width=768, layers=12, heads=12, mlp_width=3072),
        random_models.text(context_length=77, vocab_size=49408, width=512, layers=12, heads=8, mlp_width=2048),
        embed_dim=512, eos_id=49407,
    )  # fmt: skip
    checkpoint = random_models.random_checkpoint(spec)
    pixels_BHWC, tokens_BT = random_models.random_inputs(spec, n=1)
    model = random_models.in_transformers(checkpoint)
    features = {"transformers": random_models.transformers_features(model, spec, pixels_BHWC, tokens_BT)}
    for backend in BACKENDS:
        encoder = open_encoder(checkpoint, backend=backend, precision="f32")
        features[backend] = (encoder.encode_images(pixels_BHWC), encoder.encode_texts(tokens_BT))
    expected = (reference.encode_images(checkpoint, pixels_BHWC), reference.encode_texts(checkpoint, tokens_BT))
    for name, both in features.items():
        for got, exact in zip(both, expected, strict=True):
            drift = np.abs(random_models.unit(got) - random_models.unit(exact)).max()
            assert drift < TOLERANCE, f"{name} is off by {drift}"
