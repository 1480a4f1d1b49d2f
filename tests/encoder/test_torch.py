"""The torch backend: what it is given, what it chooses, what it refuses."""

import subprocess
import sys

import numpy as np
import pytest
import random_models
import torch

from wordsight.encoder import reference
from wordsight.encoder.torch import TorchEncoder
from wordsight.errors import InputError


@pytest.fixture(scope="module")
def checkpoint():
    return random_models.random_checkpoint(random_models.CLIP)


def test_bf16_drifts_little(checkpoint):
    pixels_BHWC, tokens_BT = random_models.random_inputs(checkpoint.spec)
    encoder = TorchEncoder(checkpoint, precision="bf16", device="cpu")
    for got, exact in [
        (encoder.encode_images(pixels_BHWC), reference.encode_images(checkpoint, pixels_BHWC)),
        (encoder.encode_texts(tokens_BT), reference.encode_texts(checkpoint, tokens_BT)),
    ]:
        assert got.dtype == np.float32
        cosines = (random_models.unit(got) * random_models.unit(exact)).sum(axis=1)
        assert 0.999 < cosines.min() < 1 - 1e-7


def test_auto_is_exact_on_the_processor(checkpoint):
    assert TorchEncoder(checkpoint, device="cpu").precision == "f32"


def test_inputs_may_be_read_only_and_strided(checkpoint):
    pixels_BHWC, tokens_BT = random_models.random_inputs(checkpoint.spec, n=4)
    pixels_BHWC.flags.writeable = tokens_BT.flags.writeable = False
    encoder = TorchEncoder(checkpoint, device="cpu")
    np.testing.assert_allclose(
        encoder.encode_images(pixels_BHWC[::-2]), encoder.encode_images(pixels_BHWC)[::-2], rtol=0, atol=1e-5
    )
    np.testing.assert_allclose(
        encoder.encode_texts(tokens_BT[::-2]), encoder.encode_texts(tokens_BT)[::-2], rtol=0, atol=1e-5
    )


def test_an_empty_batch_gives_no_rows(checkpoint):
    encoder = TorchEncoder(checkpoint, device="cpu")
    assert encoder.encode_images(np.empty((0, 32, 32, 3), np.uint8)).shape == (0, 48)
    assert encoder.encode_texts(np.empty((0, 12), np.int32)).shape == (0, 48)


def test_each_tower_is_built_on_first_use(checkpoint):
    """A text query needs no image tower: here the checkpoint has none."""
    texts_only = {name: tensor for name, tensor in checkpoint.tensors.items() if not name.startswith("visual.")}
    _, tokens_BT = random_models.random_inputs(checkpoint.spec)
    encoder = TorchEncoder(type(checkpoint)(spec=checkpoint.spec, tensors=texts_only), device="cpu")
    assert encoder.encode_texts(tokens_BT).shape == (3, 48)


def test_an_unknown_precision_is_refused(checkpoint):
    with pytest.raises(InputError, match=r"no precision 'int8', expected one of auto, f32, bf16"):
        TorchEncoder(checkpoint, precision="int8")


@pytest.mark.parametrize("device", ["cuda", "mps"])
def test_a_device_that_is_not_there_is_refused(checkpoint, device):
    if getattr(torch, device).is_available():
        pytest.skip(f"this machine has {device}")
    with pytest.raises(InputError, match=f"no device '{device}'; it has .*cpu"):
        TorchEncoder(checkpoint, device=device)


def test_a_device_that_is_none_is_refused(checkpoint):
    with pytest.raises(InputError, match="'toaster' is not a torch device"):
        TorchEncoder(checkpoint, device="toaster")


def test_without_torch_the_error_says_what_to_install():
    code = """
import sys
sys.modules["torch"] = None
from wordsight.errors import MissingExtraError
try:
    import wordsight.encoder.torch
except MissingExtraError as error:
    print(error)
"""
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "pip install 'wordsight[torch]'" in run.stdout


@pytest.mark.gpu
@pytest.mark.parametrize("name", random_models.SPECS)
def test_a_gpu_agrees_with_the_reference(name):
    if not torch.cuda.is_available():
        pytest.skip("no CUDA GPU")
    checkpoint = random_models.random_checkpoint(random_models.SPECS[name])
    pixels_BHWC, tokens_BT = random_models.random_inputs(checkpoint.spec)
    expected = reference.encode_images(checkpoint, pixels_BHWC), reference.encode_texts(checkpoint, tokens_BT)
    exact = TorchEncoder(checkpoint, precision="f32", device="cuda")
    for got_BD, expected_BD in zip(
        (exact.encode_images(pixels_BHWC), exact.encode_texts(tokens_BT)), expected, strict=True
    ):
        np.testing.assert_allclose(random_models.unit(got_BD), random_models.unit(expected_BD), rtol=0, atol=1e-5)
    fast = TorchEncoder(checkpoint, device="cuda")
    assert fast.precision == "bf16"
    for got_BD, expected_BD in zip(
        (fast.encode_images(pixels_BHWC), fast.encode_texts(tokens_BT)), expected, strict=True
    ):
        assert (random_models.unit(got_BD) * random_models.unit(expected_BD)).sum(axis=1).min() > 0.999
