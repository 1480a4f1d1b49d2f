"""`wordsight quantize`: an int8 image tower beside the tensors, its cost and gain, and what can go wrong."""

import dataclasses
import json
import shutil
import sys

import numpy as np
import pytest
import random_models
import tiny
from click.testing import CliRunner
from PIL import Image

from wordsight import quantize as quantizing
from wordsight.cli import group
from wordsight.encoder.openvino.encoder import OpenVinoEncoder, processor_precisions
from wordsight.encoder.openvino.int8 import FACTS, GRAPH
from wordsight.errors import InputError, MissingExtraError
from wordsight.model import load
from wordsight.quantize import quantize
from wordsight.samples import sample_images

CLASSES = ["cat", "dog", "sunset"]


@pytest.fixture(scope="module")
def images(tmp_path_factory):
    """Forty images of coloured patches, and one file that is none."""
    folder, rng = tmp_path_factory.mktemp("images"), np.random.default_rng(0)
    for i in range(40):
        patches = Image.fromarray(rng.integers(0, 256, (4, 5, 3), dtype=np.uint8))
        patches.resize((50, 40), Image.Resampling.BICUBIC).save(folder / f"{i:02}.png")
    (folder / "broken.png").write_bytes(b"no image")
    return folder


@pytest.fixture(scope="module")
def original(tmp_path_factory):
    return tiny.tiny_hf_clip(tmp_path_factory.mktemp("model") / "tiny")


@pytest.fixture(scope="module")
def ran(original, images, tmp_path_factory):
    """The command's result and the folder that it made."""
    pytest.importorskip("nncf")
    folder = tmp_path_factory.mktemp("int8") / "copy"
    arguments = [
        str(original),
        "--calibrate",
        str(images),
        "-o",
        str(folder),
        "--samples",
        "25",
        "--classes",
        *CLASSES,
    ]
    return CliRunner().invoke(group, ["quantize", *arguments]), folder


@pytest.fixture(scope="module")
def folder(ran):
    return ran[1]


def test_the_report_states_cost_and_gain(ran):
    result, folder = ran
    assert result.exit_code == 1  # one image was skipped
    lines = result.stdout.splitlines()
    assert lines[0] == f"{folder}: int8 image tower, calibrated on 25 images"
    assert lines[1] == "accuracy loss, on 15 other images, against f32:"
    assert lines[2].startswith("  cosine     mean 0.9")
    assert lines[3].endswith("same best class, of 3: cat, dog, sunset")
    native = [each for each in ("f32", "bf16") if each in processor_precisions()]
    assert [line.split()[0] for line in lines[5:]] == [*native, "int8"]
    assert "1 of 41 images skipped" in result.stderr
    assert "broken.png" in result.stderr
    assert "Statistics" not in result.output  # NNCF's own progress


def test_the_facts_are_kept_beside_the_graph(folder):
    facts = json.loads((folder / FACTS).read_text())
    assert facts["fingerprint"] == load(folder).fingerprint
    assert (facts["calibrated"], facts["held_out"], facts["classes"]) == (25, 15, CLASSES)
    assert facts["cosine_min"] <= facts["cosine_mean"] <= 1.0001
    assert 0 <= facts["agreement"] <= 1
    assert all(speed > 0 for speed in facts["images_per_second"].values())


def test_the_copy_answers_in_every_precision(original, folder, images):
    paths = sorted(images.glob("[0-9]*.png"))
    exact = load(original, "openvino", "f32")
    np.testing.assert_array_equal(load(folder, "openvino", "f32").embed_images(paths), exact.embed_images(paths))
    int8 = load(folder, precision="int8")
    assert (int8.encoder.backend, int8.encoder.precision) == ("openvino", "int8")
    cosines = (int8.embed_images(paths) * exact.embed_images(paths)).sum(axis=1)
    assert 0.98 < cosines.min() < cosines.max()
    assert not np.array_equal(int8.embed_images(paths), exact.embed_images(paths))
    np.testing.assert_array_equal(int8.embed_texts(CLASSES), load(folder, "openvino").embed_texts(CLASSES))


def test_the_matrix_products_are_int8(folder):
    from wordsight.encoder.openvino.encoder import core

    ops = core().read_model(folder / GRAPH).get_ops()
    constants = [str(op.get_element_type()) for op in ops if op.get_type_name() == "Constant"]
    assert sum(op.get_type_name() == "FakeQuantize" for op in ops) >= 5  # of activations
    assert constants.count("<Type: 'int8_t'>") == 10  # patches; qkv, out, fc, proj; kv, q, out, fc, proj of the last


def test_a_folder_is_quantised_in_place_with_real_images(folder, tmp_path):
    own = tmp_path / "own"
    shutil.copytree(folder, own, ignore=shutil.ignore_patterns("*int8*"))
    with pytest.raises(InputError, match="has no int8 image tower"):
        load(own, precision="int8")
    paths = sample_images()
    done = quantize(own, paths, samples=5, classes=CLASSES)
    assert (done.folder, done.calibrated, done.held_out, done.skipped) == (own, 5, len(paths) - 5, ())
    int8, exact = (load(own, precision=precision).embed_images(paths) for precision in ("int8", "f32"))
    cosines = (int8 * exact).sum(axis=1)
    assert cosines.min() > 0.9  # five images give poor ranges
    assert cosines.min() <= done.cosine_min + 1e-5  # which is of the images not calibrated with


@pytest.mark.parametrize("name", ["modified resnet", "resnet of basic blocks"])
def test_a_resnet_is_quantised_too(name):
    pytest.importorskip("nncf")
    from wordsight.encoder.openvino.encoder import core
    from wordsight.encoder.openvino.int8 import quantize_image_tower

    checkpoint = random_models.random_checkpoint(random_models.SPECS[name])
    size = checkpoint.spec.image.image_size
    pixels_BHWC = np.random.default_rng(0).integers(0, 256, (12, size, size, 3), dtype=np.uint8)
    compiled = core().compile_model(quantize_image_tower(checkpoint, [pixels_BHWC[:8]]), "CPU")
    got = compiled([pixels_BHWC[8:]])[0]
    expected = OpenVinoEncoder(checkpoint, "f32").encode_images(pixels_BHWC[8:])
    assert (random_models.unit(got) * random_models.unit(expected)).sum(axis=1).min() > 0.95


# What can go wrong


def test_an_int8_tower_of_other_tensors_is_refused(folder, tmp_path):
    from safetensors.numpy import load_file, save_file

    stale = tmp_path / "stale"
    shutil.copytree(folder, stale)
    tensors = load_file(stale / "model.safetensors")
    tensors["ln_final.bias"] = tensors["ln_final.bias"] + np.float32(1)
    save_file(tensors, stale / "model.safetensors")
    with pytest.raises(InputError, match=r"was made of other tensors \(fingerprint [0-9a-f]{32}, the model's is"):
        load(stale, precision="int8")


def test_a_damaged_int8_tower_is_named(folder, tmp_path):
    broken = tmp_path / "broken"
    shutil.copytree(folder, broken)
    (broken / GRAPH).write_text("<net")
    with pytest.raises(InputError, match=r"image\.int8\.xml is damaged: its SHA-256 is not as int8\.json says"):
        load(broken, precision="int8")
    facts = json.loads((broken / FACTS).read_text())
    (broken / FACTS).write_text(json.dumps({key: facts[key] for key in facts if key != "sha256"}))  # an older version's
    model = load(broken, precision="int8")
    with pytest.raises(InputError, match=r"image\.int8\.xml cannot be read; make it again with wordsight quantize"):
        model.embed_images(np.zeros((1, 32, 32, 3), np.uint8))
    (broken / GRAPH).unlink()
    (broken / FACTS).write_text(json.dumps(facts))
    with pytest.raises(InputError, match=r"image\.int8\.xml is damaged"):
        load(broken, precision="int8")
    (broken / FACTS).write_text("{")
    with pytest.raises(InputError, match=r"int8\.json cannot be read"):
        load(broken, precision="int8")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"destination": "taken"}, r"taken exists already; give a folder that does not, or the model's own"),
        ({"destination": None}, r"is not a wordsight folder of yours; say where to put its copy: -o OUT"),
        ({"destination": "new", "samples": 0}, r"number of samples is 0, expected 1 or more"),
        ({"destination": "new", "count": 9}, r"9 images could be read; calibrating and measuring need 10 or more"),
    ],
)
def test_what_cannot_work_is_said_before_any_work(original, images, tmp_path, monkeypatch, arguments, message):
    pytest.importorskip("nncf")
    monkeypatch.chdir(tmp_path)
    (tmp_path / "taken").mkdir()
    paths = sorted(images.glob("[0-9]*.png"))[: arguments.pop("count", None)]
    with pytest.raises(InputError, match=message):
        quantize(original, paths, **arguments)
    assert [path.name for path in tmp_path.iterdir()] == ["taken"]


def test_without_nncf_the_extra_is_named(original, images, monkeypatch):
    monkeypatch.setitem(sys.modules, "nncf", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'wordsight\[quantize\]'"):
        quantize(original, sorted(images.iterdir()), "out")


def test_images_are_drawn_from_the_whole_folder():
    """Folders are often sorted by content: the first three hundred may all show one thing."""
    drawn = quantizing._chosen(list(range(1000)), 100)
    assert drawn == quantizing._chosen(list(range(1000)), 100)
    assert len(set(drawn)) == 100
    assert 300 < np.mean(drawn) < 700


def test_a_quantized_record_cannot_be_changed():
    assert dataclasses.fields(quantizing.Quantized)
    assert quantizing.Quantized.__dataclass_params__.frozen
