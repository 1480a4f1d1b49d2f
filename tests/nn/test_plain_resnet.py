"""Plain residual networks: the features of transformers' ResNet with the same weights, in torch and in NumPy."""

import dataclasses

import numpy as np
import pytest
import random_models
import torch
import transformers

from wordsight import load
from wordsight.checkpoint import Checkpoint
from wordsight.encoder import reference
from wordsight.nn.clip import CLIP, build_image_tower, load_tensors, to_tensors
from wordsight.spec import PlainResNetTower
from wordsight.weights.write import write_checkpoint

TOWERS = {
    "basic": PlainResNetTower(image_size=65, width=8, layers=(2, 1, 2, 1), block="basic"),
    "bottleneck": PlainResNetTower(image_size=64, width=4, layers=(1, 2, 1, 1), block="bottleneck"),
}


def checkpoint_of(block):
    return random_models.random_checkpoint(random_models.spec_of(TOWERS[block], random_models.text()))


def in_transformers(tower, tensors):
    """transformers' ResNet with a tower's weights, by a mapping written here and not read from the package."""
    widths = [tower.width * 2**stage * (4 if tower.block == "bottleneck" else 1) for stage in range(4)]
    config = transformers.ResNetConfig(
        embedding_size=tower.width, hidden_sizes=widths, depths=list(tower.layers), layer_type=tower.block
    )
    model = transformers.ResNetModel(config)
    state = {}

    def put(theirs, convolution, norm):
        state[f"{theirs}.convolution.weight"] = tensors[f"visual.{convolution}.weight"]
        for part in ("weight", "bias", "running_mean", "running_var"):
            state[f"{theirs}.normalization.{part}"] = tensors[f"visual.{norm}.{part}"]

    put("embedder.embedder", "conv1", "bn1")
    for stage, blocks in enumerate(tower.layers):
        for i in range(blocks):
            ours, theirs = f"layer{stage + 1}.{i}", f"encoder.stages.{stage}.layers.{i}"
            for n in range(3 if tower.block == "bottleneck" else 2):
                put(f"{theirs}.layer.{n}", f"{ours}.conv{n + 1}", f"{ours}.bn{n + 1}")
            if f"visual.{ours}.downsample.0.weight" in tensors:
                put(f"{theirs}.shortcut", f"{ours}.downsample.0", f"{ours}.downsample.1")
    missing, unexpected = model.load_state_dict({n: torch.tensor(t) for n, t in state.items()}, strict=False)
    assert not unexpected
    assert all(name.endswith("num_batches_tracked") for name in missing)
    return model.double().eval()


@torch.inference_mode()
@pytest.mark.parametrize("block", TOWERS)
def test_features_are_transformers(block):
    checkpoint, tower = checkpoint_of(block), TOWERS[block]
    x_BCHW = torch.tensor(np.random.default_rng(0).normal(size=(2, 3, tower.image_size, tower.image_size)))
    pooled_BE = in_transformers(tower, checkpoint.tensors)(x_BCHW).pooler_output[:, :, 0, 0]
    expected_BD = (pooled_BE @ torch.tensor(checkpoint.tensors["visual.proj"]).double()).numpy()
    network = build_image_tower(checkpoint.spec)
    load_tensors(network, checkpoint.tensors, prefix="visual.")
    network.double().eval()
    np.testing.assert_allclose(network(x_BCHW).numpy(), expected_BD, rtol=0, atol=1e-12)
    by_hand_BD = reference.plain_resnet(tower, checkpoint.tensors, x_BCHW.numpy())
    np.testing.assert_allclose(by_hand_BD, expected_BD, rtol=0, atol=1e-12)
    places_BTD = network.tokens(x_BCHW)
    assert places_BTD.shape[1] == (-(-tower.image_size // 32)) ** 2
    np.testing.assert_allclose(places_BTD.mean(dim=1).numpy(), expected_BD, rtol=0, atol=1e-12)


@pytest.mark.parametrize("block", TOWERS)
def test_training_moves_every_parameter_and_statistic(block):
    model = CLIP(checkpoint_of(block).spec).train()
    load_tensors(model, checkpoint_of(block).tensors)
    before = to_tensors(model.visual.state_dict())
    optimizer = torch.optim.SGD(model.visual.parameters(), lr=0.1)
    size = TOWERS[block].image_size
    model.visual(torch.randn(4, 3, size, size)).square().sum().backward()
    optimizer.step()
    after = to_tensors(model.visual.state_dict())
    still = [name for name in before if np.array_equal(before[name], after[name])]
    assert not still


@pytest.mark.parametrize("block", TOWERS)
def test_a_new_block_is_the_identity_but_for_its_shortcut(block):
    tower = build_image_tower(random_models.spec_of(TOWERS[block], random_models.text()))
    within = tower.layer1[1] if block == "basic" else tower.layer2[1]
    x_BCHW = torch.rand(2, 8 if block == "basic" else 32, 4, 4)
    assert torch.equal(within(x_BCHW), x_BCHW)


def test_a_folder_with_a_plain_resnet_opens(tmp_path):
    checkpoint = random_models.random_checkpoint(
        random_models.spec_of(
            dataclasses.replace(TOWERS["basic"], image_size=64),
            random_models.text(context_length=77, vocab_size=49408, pooling="eos"),
            eos_id=49407,
        )
    )
    write_checkpoint(checkpoint, tmp_path / "model", "wordsight")
    pixels_BHWC, _ = random_models.random_inputs(checkpoint.spec)
    expected_BD = reference.encode_images(Checkpoint(checkpoint.spec, checkpoint.tensors), pixels_BHWC)
    found_BD = load(tmp_path / "model", backend="openvino", precision="f32").embed_images(pixels_BHWC)
    np.testing.assert_allclose(found_BD, random_models.unit(expected_BD), rtol=0, atol=1e-5)
