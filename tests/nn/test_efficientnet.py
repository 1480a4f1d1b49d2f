"""The bundled model's image tower: three backends that share no code give one answer."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch

from wordsight.checkpoint import Checkpoint
from wordsight.encoder import reference
from wordsight.encoder.openvino.encoder import OpenVinoEncoder
from wordsight.encoder.torch import TorchEncoder
from wordsight.errors import CheckpointError
from wordsight.nn.clip import CLIP, to_tensors
from wordsight.nn.efficientnet import pad_same
from wordsight.spec import EfficientNetTower, ModelSpec, Preprocess, TextTower, TokenizerSpec
from wordsight.weights.shapes import expected_shapes
from wordsight.weights.validate import check_names

TOWER = EfficientNetTower(
    image_size=45, stem_width=8, stages=((1, 3, 1, 8, 1), (6, 3, 2, 12, 2), (4, 5, 2, 16, 3), (6, 5, 1, 20, 1)),
    features=40, tap_means=(0, 2, 5, 6), tap_spreads=(0, 1), head_width=24, head_layers=2, classes=10,
)  # fmt: skip


@pytest.fixture(scope="module")
def checkpoint() -> Checkpoint:
    spec = ModelSpec(
        name="tiny", family="clip", embed_dim=16, image=TOWER,
        text=TextTower(context_length=8, vocab_size=30, width=16, layers=1, heads=2, mlp_width=32, activation="gelu",
                       causal=True, pooling="eos"),
        preprocess=Preprocess(image_size=45, resize="squash", mean=(127 / 255,) * 3, std=(128 / 255,) * 3),
        tokenizer=TokenizerSpec(kind="tokenizer_json", context_length=8, vocab_size=30, bos_id=None, eos_id=1, pad_id=0,
                                clean="lower"),
        logit_scale=3.0,
    )  # fmt: skip
    model = CLIP(spec)
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for tensor in (*model.parameters(), *model.buffers()):
            fan_in = tensor[0].numel() if tensor.ndim > 1 else 25
            tensor.copy_(torch.randn(tensor.shape, generator=generator) * 1.5 * fan_in**-0.5)
        model.visual.standardise.scale.add_(1.0)
    spec = dataclasses.replace(spec, logit_scale=float(model.logit_scale.detach()))
    return Checkpoint(spec, to_tensors(model.state_dict()))


def unit(x: np.ndarray) -> np.ndarray:
    return x / np.linalg.norm(x, axis=1, keepdims=True)


def test_openvino_torch_and_the_float64_reference_agree(checkpoint: Checkpoint) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (3, 45, 45, 3), dtype=np.uint8)
    expected = reference.encode_images(checkpoint, pixels)
    assert np.abs(unit(expected) @ unit(expected).T - np.eye(3)).max() > 1e-4  # the images are told apart
    for encoder in (OpenVinoEncoder(checkpoint, "f32"), TorchEncoder(checkpoint, "f32", "cpu")):
        found = encoder.encode_images(pixels)
        assert found.dtype == np.float32
        np.testing.assert_allclose(unit(found), unit(expected), atol=1e-5, err_msg=encoder.backend)


SAME = [(260, 3, 2, (0, 1)), (65, 5, 2, (2, 2)), (33, 3, 2, (1, 1)), (130, 3, 1, (1, 1)), (17, 5, 2, (2, 2)),
        (130, 5, 2, (1, 2))]  # fmt: skip


@pytest.mark.parametrize(("length", "kernel", "stride", "pads"), SAME)
def test_same_padding_follows_the_size_of_the_map(length: int, kernel: int, stride: int, pads: tuple[int, int]) -> None:
    """TensorFlow's rule worked out by hand: total = (⌈n/s⌉ - 1)·s + k - n, the odd pixel at the end."""
    padded = pad_same(torch.ones(1, 1, 1, length), kernel, stride)[0, 0, padded_row(kernel)]
    assert (int((padded == 0).nonzero()[0]) == 0, padded.numel()) == (pads[0] > 0, length + sum(pads))
    assert float(padded[: pads[0]].sum()) == 0
    assert float(padded.sum()) == length


def padded_row(kernel: int) -> int:
    """The row that holds the image when a single row is padded."""
    return (kernel - 1) // 2


def test_missing_and_extra_tensors_are_named(checkpoint: Checkpoint) -> None:
    shapes = {name: tensor.shape for name, tensor in checkpoint.tensors.items()}
    assert shapes == expected_shapes(checkpoint.spec)
    lacking = {name: tensor for name, tensor in checkpoint.tensors.items() if name != "visual.blocks.2.expand.bias"}
    with pytest.raises(CheckpointError, match=r"lacks 1 of \d+ tensors: visual\.blocks\.2\.expand\.bias"):
        check_names(checkpoint.spec, lacking, "here")
    with pytest.raises(CheckpointError, match=r"1 tensors that this architecture has no place for: visual\.surplus"):
        check_names(checkpoint.spec, {**checkpoint.tensors, "visual.surplus": np.zeros(1)}, "here")


def test_a_tap_beyond_the_trunk_is_refused(checkpoint: Checkpoint) -> None:
    spec = dataclasses.replace(checkpoint.spec, image=dataclasses.replace(TOWER, tap_means=(0, 99)))
    with pytest.raises(CheckpointError, match=r"taps the blocks \(0, 99, 0, 1\), but the trunk has 7: 0 to 6"):
        check_names(spec, checkpoint.tensors, "here")
