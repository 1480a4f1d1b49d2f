"""Features without words: pixels by hand, a Keras network against the same one in torch, damaged files, SimCLR."""

import json

import keras_files
import numpy as np
import pytest
import torch
from keras_files import write_keras_model
from PIL import Image
from torch.nn import functional as F
from training import small_run

import wordsight.evaluate.other_features as other_features
from wordsight.encoder.openvino.keras_graph import KerasEncoder
from wordsight.errors import CheckpointError, InputError
from wordsight.evaluate.embedder import ImageTextEmbedder
from wordsight.evaluate.models import open_embedder, open_image_text_embedder
from wordsight.images.skipped import Skipped
from wordsight.samples import sample_images
from wordsight.text.tokenizer import Tokenizer
from wordsight.train.config import ObjectiveConfig
from wordsight.train.networks import build_network
from wordsight.weights.tfjs import read_keras_model
from wordsight.weights.write import write_checkpoint


def embed(model, images):
    return [answer if isinstance(answer, Skipped) else answer[1] for answer in model.stream_images(images)]


def test_pixels_are_the_squashed_image_without_its_mean():
    image = np.zeros((4, 4, 3), np.uint8)
    image[:2] = 200
    (vector_D,) = embed(open_embedder("pixels:2"), [np.repeat(image, 8, axis=1)])
    assert vector_D == pytest.approx([12**-0.5] * 6 + [-(12**-0.5)] * 6)


def test_a_flat_image_and_an_unreadable_one_do_not_end_the_stream():
    flat, lost, plain = embed(
        open_embedder("pixels:4"), [np.full((9, 9, 3), 128, np.uint8), "lost.png", *sample_images()[:1]]
    )
    assert np.linalg.norm(flat) == pytest.approx(1)
    assert lost == Skipped("lost.png", "no such file")
    assert np.linalg.norm(plain) == pytest.approx(1)
    assert flat @ plain == pytest.approx(0, abs=1e-6)


@pytest.mark.parametrize("side", ["", "x", "1", "257", "-4", "²"])
def test_a_side_that_is_not_one_is_refused(side):
    with pytest.raises(InputError, match="expected 2 to 256, as in 'pixels:16'"):
        open_embedder(f"pixels:{side}")


def in_torch(tensors, pixels_BHWC):
    """The small network by torch's functions in float64, layer by layer as `small_layers` has them."""
    t = {name: torch.tensor(tensor, dtype=torch.float64) for name, tensor in tensors.items()}

    def convolve(x, name, **options):
        return F.conv2d(x, t[f"{name}/kernel"].permute(3, 2, 0, 1), t[f"{name}/bias"], **options)

    def normalise(x, name):
        parts = (t[f"{name}/{part}"] for part in ("moving_mean", "moving_variance", "gamma", "beta"))
        return F.batch_norm(x, *parts, eps=1e-3)

    bgr = torch.tensor(pixels_BHWC[..., ::-1].astype(np.float64)) - torch.tensor([103.939, 116.779, 123.68])
    x = F.relu(normalise(convolve(bgr.permute(0, 3, 1, 2), "conv1", stride=2, padding=3), "bn1"))
    x = F.max_pool2d(x, 3, 2, padding=1)
    y = convolve(F.relu(normalise(convolve(x, "res_a", stride=2), "bn_a")), "res_b", padding=1)
    x = F.relu(normalise(y, "bn_b") + convolve(x, "shortcut", stride=2))
    pooled = x.mean(dim=(2, 3))
    return pooled.numpy(), F.softmax(pooled @ t["fc/kernel"] + t["fc/bias"], dim=1).numpy()


def test_a_keras_network_computes_what_torch_computes(tmp_path):
    model = read_keras_model(write_keras_model(tmp_path))
    pixels_BHWC = np.random.default_rng(0).integers(0, 256, (3, 33, 33, 3), dtype=np.uint8)
    pooled_BD, proba_BK = in_torch(keras_files.small_tensors(), pixels_BHWC)
    for until, expected in (("avg_pool", pooled_BD), ("fc", proba_BK)):
        seen = KerasEncoder(model, until, image_size=33, precision="f32").encode_images(pixels_BHWC)
        assert seen == pytest.approx(expected, abs=1e-5)


def test_the_package_folder_opens_as_a_model(tmp_path, monkeypatch):
    monkeypatch.setattr(other_features, "_SIDE", 32)
    write_keras_model(tmp_path / "ResNet50")
    model = open_embedder(f"resnet50:{tmp_path}", precision="f32")
    assert not isinstance(model, ImageTextEmbedder)
    image = np.random.default_rng(1).integers(0, 256, (32, 32, 3), dtype=np.uint8)
    (vector_D,) = embed(model, [Image.fromarray(image)])
    expected_D = in_torch(keras_files.small_tensors(), image[None])[0][0]
    assert vector_D == pytest.approx(expected_D / np.linalg.norm(expected_D), abs=1e-5)
    write_keras_model(tmp_path / "ResNet50", tensors=keras_files.small_tensors(seed=1))
    assert open_embedder(f"resnet50:{tmp_path}", precision="f32").fingerprint != model.fingerprint


def spoil(folder, change):
    """Change the parsed model.json of a folder."""
    plain = json.loads((folder / "model.json").read_text(encoding="utf-8"))
    change(plain)
    (folder / "model.json").write_text(json.dumps(plain), encoding="utf-8")
    return folder


def quantise(plain):
    plain["weightsManifest"][0]["weights"][0]["quantization"] = {"dtype": "uint8"}


def name_elsewhere(plain):
    plain["weightsManifest"][0]["paths"][0] = "../secret.bin"


def lose_a_layer(plain):
    del plain["modelTopology"]["model_config"]["config"]["layers"][2]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (quantise, "'conv1/kernel' is .*expected plain float32"),
        (name_elsewhere, "names the shard '../secret.bin', expected a file beside it"),
        (lose_a_layer, "'bn1' reads 'conv1', which does not come before it"),
        (lambda plain: plain.pop("weightsManifest"), "is not a Keras model of TensorFlow.js"),
    ],
)
def test_a_description_that_is_not_one_is_refused(tmp_path, change, message):
    with pytest.raises(CheckpointError, match=message):
        read_keras_model(spoil(write_keras_model(tmp_path), change))


def test_damaged_shards_are_refused(tmp_path):
    folder = write_keras_model(tmp_path)
    last = max(folder.glob("*.bin"))
    whole = last.read_bytes()
    last.write_bytes(whole[:-4])
    with pytest.raises(CheckpointError, match=r"too few for 'bn_b/moving_variance'; the file is truncated or damaged"):
        read_keras_model(folder)
    last.write_bytes(whole + bytes(4))
    with pytest.raises(CheckpointError, match=r"the shards hold [\d,]+ bytes, expected"):
        read_keras_model(folder)
    last.unlink()
    with pytest.raises(CheckpointError, match="cannot be read"):
        read_keras_model(folder)
    with pytest.raises(CheckpointError, match=r"holds 0 files 'model.json', expected one"):
        read_keras_model(tmp_path / "elsewhere")
    tensors = keras_files.small_tensors()
    tensors["fc/bias"][0] = np.nan
    with pytest.raises(CheckpointError, match="'fc/bias' holds NaN or infinity"):
        read_keras_model(write_keras_model(tmp_path, tensors=tensors))


def test_layers_and_settings_that_are_not_known_are_refused(tmp_path):
    def open_with(layers, tensors=None):
        KerasEncoder(read_keras_model(write_keras_model(tmp_path, layers, tensors)), "avg_pool", image_size=33)

    layers = keras_files.small_layers()
    layers[4]["config"]["activation"] = "swish"
    with pytest.raises(CheckpointError, match=r"'relu1' .* has activation 'swish', which is not known"):
        open_with(layers)
    layers = keras_files.small_layers()
    layers[4]["class_name"] = "Dropout"
    with pytest.raises(CheckpointError, match="The layer 'relu1' is a Dropout; known are InputLayer, ZeroPadding2D"):
        open_with(layers)
    tensors = keras_files.small_tensors()
    del tensors["conv1/bias"]
    with pytest.raises(CheckpointError, match="has no weight 'conv1/bias'"):
        open_with(None, tensors)
    tensors["conv1/bias"] = np.zeros(7, np.float32)
    with pytest.raises(CheckpointError, match=r"'conv1/bias' has the shape \(7,\), expected \(4\)"):
        open_with(None, tensors)
    tensors = keras_files.small_tensors()
    tensors["res_b/kernel"] = np.zeros((3, 3, 5, 6), np.float32)
    with pytest.raises(CheckpointError, match="layers do not fit together"):
        open_with(None, tensors)
    with pytest.raises(CheckpointError, match="has no layer 'pooled'"):
        KerasEncoder(read_keras_model(write_keras_model(tmp_path)), "pooled", image_size=33)


def test_a_simclr_tower_is_a_model_of_images_only(tmp_path):
    config = small_run("pairs.tsv", objective=ObjectiveConfig(name="nt_xent"))
    checkpoint = build_network(config, Tokenizer(config.model.tokenizer, {})).checkpoint()
    write_checkpoint(checkpoint, tmp_path, "wordsight")
    model = open_embedder(str(tmp_path))
    assert not isinstance(model, ImageTextEmbedder)
    (vector_D,) = embed(model, sample_images()[:1])
    assert np.linalg.norm(vector_D) == pytest.approx(1, abs=1e-6)
    with pytest.raises(InputError, match="embeds images only, but words are asked for"):
        open_image_text_embedder(str(tmp_path))
    assert isinstance(open_embedder("mini"), ImageTextEmbedder)
