"""Sets of the `datasets` library, saved to disk or in a folder of Parquet; no hub is asked."""

import numpy as np
import pytest
from labelled_sets import png, write_images

from wordsight.errors import InputError
from wordsight.evaluate.datasets.lazy_images import LazyImages
from wordsight.evaluate.datasets.opening import open_set
from wordsight.evaluate.datasets.request import DatasetWarning

datasets = pytest.importorskip("datasets")


@pytest.fixture(autouse=True)
def offline(monkeypatch, tmp_path):
    monkeypatch.setattr("datasets.config.HF_HUB_OFFLINE", True)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    monkeypatch.setattr("datasets.config.HF_DATASETS_CACHE", tmp_path / "cache")
    datasets.disable_progress_bars()


def pets(image=None, **columns):
    """Three images of a big cat, a dog and a big cat."""
    features = {
        "image": datasets.Image(),
        "label": datasets.ClassLabel(names=["dog", "big_cat"]),
        "region": datasets.ClassLabel(names=["north", "south"]),
        "title": datasets.Value("string"),
    }
    cells = {
        "image": image or [{"bytes": png(n), "path": f"{n}.png"} for n in range(3)],
        "label": [1, 0, 1],
        "region": [0, 1, 1],
        "title": ["a", None, "c"],
    }
    for name, (feature, values) in columns.items():
        features.pop(name, None)
        cells.pop(name, None)
        if feature is not None:
            features[name], cells[name] = feature, values
    return datasets.Dataset.from_dict(cells, features=datasets.Features(features))


def test_labels_names_and_columns_are_those_of_the_features(tmp_path):
    pets().save_to_disk(tmp_path / "pets")
    for source in (tmp_path / "pets", f"hf:{tmp_path / 'pets'}"):
        data = open_set(source)
        assert (data.name, data.split, data.classnames) == ("pets", "test", ("dog", "big cat"))
        assert data.labels.tolist() == [1, 0, 1]
        assert data.keys == ("0.png", "1.png", "2.png")
        assert dict(data.columns) == {"region": ("north", "south", "south"), "title": ("a", None, "c")}
        assert isinstance(data.images, LazyImages)
        assert list(data.images) == [png(0), png(1), png(2)]
    assert list(data.take([2]).images) == [png(2)]


def test_images_may_be_bytes_or_files(tmp_path):
    folder = write_images(tmp_path / "files", ["train/cat/0.png", "train/big_dog/1.png"])
    data = open_set(f"hf:{folder}")
    assert (data.split, data.classnames, data.labels.tolist()) == ("train", ("big dog", "cat"), [0, 1])
    assert data.images[0] == str(folder / "train" / "big_dog" / "1.png")
    unnamed = pets(image=[{"bytes": png(n), "path": None} for n in range(3)])
    unnamed.save_to_disk(tmp_path / "bytes")
    assert open_set(tmp_path / "bytes").keys == ("row=0", "row=1", "row=2")
    raw = pets(photo=(datasets.Value("binary"), [png(n) for n in range(3)])).remove_columns("image")
    raw.save_to_disk(tmp_path / "raw")
    with pytest.raises(InputError, match=r"no column of images; its columns are .*--image-column"):
        open_set(tmp_path / "raw")
    assert open_set(tmp_path / "raw", image_column="photo").images[1] == png(1)


def test_splits_and_configurations(tmp_path):
    folder = tmp_path / "repo"
    folder.mkdir()
    for config in ("large", "small"):
        for split in ("train", "validation"):
            pets().to_parquet(folder / f"{config}-{split}.parquet")
    files = "{{split: train, path: {0}-train.parquet}}, {{split: validation, path: {0}-validation.parquet}}"
    configs = [f"- {{config_name: {config}, data_files: [{files.format(config)}]}}\n" for config in ("large", "small")]
    (folder / "README.md").write_text("---\nconfigs:\n" + "".join(configs) + "---\n")
    with pytest.raises(InputError, match=r"several configurations; name one, as in 'hf:.*/CONFIG' .*'large', 'small'"):
        open_set(f"hf:{folder}")
    data = open_set(f"hf:{folder}/small")
    assert (data.name, data.split) == ("repo-small", "validation")
    assert open_set(f"hf:{folder}/small:train").split == "train"
    assert open_set(f"hf:{folder}/small", split="val").split == "validation"
    with pytest.raises(InputError, match="has no split 'dev2'; it has train, validation"):
        open_set(f"hf:{folder}/small:dev2")
    with pytest.raises(InputError, match="names the split 'train', but --split is 'validation'; drop one"):
        open_set(f"hf:{folder}/small:train", split="validation")
    pets().save_to_disk(tmp_path / "plain")
    with pytest.raises(InputError, match="has no split 'train'; it has no splits"):
        open_set(tmp_path / "plain", split="train")


def test_several_classes_of_an_image(tmp_path):
    several = datasets.Sequence(datasets.ClassLabel(names=["ant", "bee"]))
    pets(label=(None, None), region=(None, None), tags=(several, [[0, 1], [], [1]])).save_to_disk(tmp_path / "tags")
    data = open_set(tmp_path / "tags")
    assert data.classnames == ("ant", "bee")
    assert data.labels.tolist() == [[True, True], [False, False], [False, True]]


def test_classes_may_be_texts(tmp_path):
    text = datasets.Value("string")
    pets(label=(text, ["b_c", "a", "b_c"]), region=(None, None)).save_to_disk(tmp_path / "texts")
    assert open_set(tmp_path / "texts").classnames == ("a", "b c")
    number = datasets.Value("int64")
    pets(label=(number, [1, 0, 1]), region=(None, None)).save_to_disk(tmp_path / "numbers")
    with pytest.raises(InputError, match=r"numbers without names \(1 in row 0\)"):
        open_set(tmp_path / "numbers")


def test_columns_of_classes_that_cannot_be_told_apart_must_be_named(tmp_path):
    fine = datasets.ClassLabel(names=["pug", "tabby"])
    pets(label=(None, None), fine_label=(fine, [0, 1, 1])).save_to_disk(tmp_path / "two")
    with pytest.raises(InputError, match=r"several columns of classes, region, fine_label; .*--class-column"):
        open_set(tmp_path / "two")
    assert open_set(tmp_path / "two", class_column="fine_label").classnames == ("pug", "tabby")
    with pytest.raises(InputError, match=r"no column 'fine'; its columns are .*Did you mean: fine_label\?"):
        open_set(tmp_path / "two", class_column="fine")
    pets(label=(None, None), region=(None, None)).save_to_disk(tmp_path / "none")
    with pytest.raises(InputError, match=r"has no column of classes; its columns are image, title\."):
        open_set(tmp_path / "none")


def test_rows_without_label_or_image_are_left_out_and_said(tmp_path):
    names = datasets.ClassLabel(names=["dog", "cat"])
    pets(label=(names, [1, -1, 0])).save_to_disk(tmp_path / "some")
    with pytest.warns(DatasetWarning, match="1 of the 3 rows of .* have no image or no label; they are left out"):
        data = open_set(tmp_path / "some")
    assert (data.keys, data.labels.tolist(), data.images[1]) == (("0.png", "2.png"), [1, 0], png(2))
    assert data.columns["title"] == ("a", "c")
    pets(label=(names, [-1, -1, -1])).save_to_disk(tmp_path / "secret")
    with pytest.raises(InputError, match=r"No row of .* has an image and a label in the column 'label'; splits whose"):
        open_set(tmp_path / "secret")


def test_the_features_of_a_saved_set_are_those_of_its_files(tmp_path):
    """What a set gives is what the embedder reads: the same pixels, whatever form they came in."""
    from wordsight.images.decode import read_image

    pets().save_to_disk(tmp_path / "pets")
    write_images(tmp_path, ["0.png"])
    assert np.array_equal(read_image(open_set(tmp_path / "pets").images[0]), read_image(tmp_path / "0.png"))
