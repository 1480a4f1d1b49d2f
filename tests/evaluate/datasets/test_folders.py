"""Sets in folders of classes: classes, keys, splits, and the folders that are not quite that."""

import os
from pathlib import Path

import pytest
from labelled_sets import write_images

from wordsight.errors import InputError
from wordsight.evaluate.datasets.opening import open_set
from wordsight.evaluate.datasets.request import DatasetWarning

CLASSES = ("big_cat/1.png", "big_cat/deep/2.png", "dog/1.png")


def test_the_first_folder_on_the_way_is_the_class_and_the_path_below_the_key(tmp_path):
    data = open_set(write_images(tmp_path / "pets", CLASSES))
    assert (data.name, data.split, data.classnames) == ("pets", "test", ("big cat", "dog"))
    assert data.keys == CLASSES
    assert data.labels.tolist() == [0, 0, 1]
    assert data.images[1] == str(tmp_path / "pets" / "big_cat" / "deep" / "2.png")


@pytest.mark.parametrize(("split", "taken"), [(None, "val"), ("validation", "val"), ("val", "val"), ("train", "train")])
def test_folders_of_splits_share_their_classes(tmp_path, split, taken):
    folder = write_images(tmp_path / "pets", ("train/cat/1.png", "train/ant/1.png", "val/cat/2.png", "val/dog/1.png"))
    with pytest.warns(DatasetWarning, match=r"1 of the 3 classes of .* have no image \('(ant|dog)'\); they stay"):
        data = open_set(folder, split=split)
    assert (data.name, data.split, data.classnames) == ("pets", taken, ("ant", "cat", "dog"))
    assert "cat/" in "".join(data.keys)


def test_one_split_opened_by_itself_has_the_same_name_and_keys(tmp_path):
    folder = write_images(tmp_path / "pets", ("test/cat/1.png", "test/dog/1.png"))
    whole, part = open_set(folder), open_set(folder / "test")
    assert (whole.name, whole.split, whole.keys) == (part.name, part.split, part.keys)
    assert whole.content_hash == part.content_hash


def test_classes_called_like_splits_are_classes_beside_others(tmp_path):
    assert open_set(write_images(tmp_path, ("train/1.png", "bus/1.png"))).classnames == ("bus", "train")


def test_an_unknown_split_is_answered_with_those_there_are(tmp_path):
    folder = write_images(tmp_path / "pets", ("train/cat/1.png", "train/dog/1.png", "test/cat/2.png", "test/dog/1.png"))
    with pytest.raises(InputError, match=r"has no split 'tset'; it has test, train\. Did you mean: test\?"):
        open_set(folder, split="tset")
    with pytest.raises(InputError, match=r"no split 'val'; it has no splits\. Leave out --split"):
        open_set(write_images(tmp_path / "plain", CLASSES), split="val")
    with pytest.raises(InputError, match=r"has no split 'train'; it has test"):
        open_set(folder / "test", split="train")


@pytest.mark.parametrize(("one", "other"), [("T_shirt", "t_shirt"), ("T_shirt", "T shirt"), ("hat", "Hat")])
def test_classes_that_read_the_same_are_refused(tmp_path, one, other):
    folder = write_images(tmp_path, (f"{one}/1.png", f"{other}/1.png", "x/1.png"))
    with pytest.raises(InputError, match="differ only in case, '_' or spaces, so that no model can tell them apart"):
        open_set(folder)


def test_one_class_is_refused_with_where_the_classes_may_be(tmp_path):
    with pytest.raises(InputError, match=r"holds only the class 'cat'; expected a folder for each class"):
        open_set(write_images(tmp_path / "one", ("cat/1.png",)))
    folder = write_images(tmp_path / "outer", ("inner/cat/1.png", "inner/dog/1.png"))
    with pytest.raises(InputError, match=r"only the class 'inner'; .* \(as there are in '.*outer.inner'\)"):
        open_set(folder)


def test_images_and_folders_outside_the_classes_are_reported(tmp_path):
    folder = write_images(tmp_path / "pets", (*CLASSES, "stray.png", "__MACOSX/1.png"))
    (folder / "empty").mkdir()
    (folder / ".hidden").mkdir()
    with pytest.warns(DatasetWarning) as said:
        data = open_set(folder)
    assert len(data.keys) == 3
    texts = sorted(str(warning.message) for warning in said)
    assert "have no class ('stray.png' is the first)" in texts[0]
    assert "hold no image ('__MACOSX' and 'empty')" in texts[1]


def test_nothing_there_is_said_at_once(tmp_path):
    with pytest.raises(InputError, match=r"'nowhere' does not exist; expected .*a folder with a folder for each class"):
        open_set("nowhere")
    with pytest.raises(InputError, match=r"is an empty folder; expected .*a folder with a folder for each class"):
        open_set(tmp_path)
    (tmp_path / "notes.txt").write_text("x")
    for source in (tmp_path, tmp_path / "notes.txt"):
        with pytest.raises(InputError, match=r"is not a labelled dataset in a form that is known; expected .*a table"):
            open_set(source)
    with pytest.raises(InputError, match=r"--class-column is 'x', but .* is a folder, which has no columns"):
        open_set(write_images(tmp_path / "pets", CLASSES), class_column="x")


def test_a_limit_takes_of_every_class_its_share(tmp_path):
    folder = write_images(tmp_path, [f"{name}/{n}.png" for name in "abc" for n in range(10)])
    data = open_set(folder, limit=6, name="letters")
    assert data.labels.tolist() == [0, 0, 1, 1, 2, 2]
    assert data.name == "letters"
    assert len(open_set(folder, limit=99).images) == 30
    with pytest.raises(InputError, match="The limit is 0, expected 1 or more"):
        open_set(folder, limit=0)


def test_templates_beside_the_classes_come_along(tmp_path):
    folder = write_images(tmp_path / "pets", CLASSES)
    (folder / "zeroshot_classification_templates.txt").write_text("a photo of a {c}.\n\nart of a {}\n")
    assert open_set(folder).templates == ("a photo of a {}.", "art of a {}")
    split = write_images(folder / "val", CLASSES)
    assert open_set(split).templates == ("a photo of a {}.", "art of a {}")
    (folder / "zeroshot_classification_templates.txt").write_text("a photo of a {c}.\na photo\n")
    with pytest.raises(InputError, match=r"Line 2 of .* is the template 'a photo', which lacks '\{\}' or '\{c\}'"):
        open_set(folder)


def test_folders_called_by_numbers_are_named_by_a_list(tmp_path):
    folder = write_images(tmp_path, ("7/1.png", "12/1.png"))
    with pytest.warns(DatasetWarning, match=r"numbers that no model knows \('12' and '7'\); rename them, .*'12 cat'"):
        assert open_set(folder).classnames == ("12", "7")
    (folder / "classnames.txt").write_text("7 dog\n12 big cat\n")
    data = open_set(folder)
    assert dict(zip(data.keys, (data.classnames[label] for label in data.labels), strict=True)) == {
        "7/1.png": "dog", "12/1.png": "big cat",
    }  # fmt: skip
    (folder / "classnames.txt").write_text("\n".join(f"kind{n}" for n in range(13)))
    assert open_set(folder).classnames == ("kind12", "kind7")
    (folder / "classnames.txt").write_text("dog\ncat\n")
    with pytest.raises(InputError, match=r"label 12 in the folders beside .* has no name"):
        open_set(folder)


def test_a_list_that_names_other_folders_is_refused(tmp_path):
    folder = write_images(tmp_path, CLASSES)
    (folder / "classnames.txt").write_text("dog\nbig cat\n")
    assert open_set(folder).classnames == ("big cat", "dog")
    (folder / "classnames.txt").write_text("cat\ndog\n")
    with pytest.raises(InputError, match=r"does not name the folder 'big_cat'; write lines .* or remove the list"):
        open_set(folder)


def test_imagenette_has_its_names_and_digits_are_names(tmp_path):
    folder = write_images(tmp_path / "imagenette2", ("val/n01440764/1.png", "val/n02102040/1.png"))
    assert open_set(folder).classnames == ("English springer", "tench")
    digits = write_images(tmp_path / "digits", [f"{digit}/1.png" for digit in range(10)])
    assert open_set(digits).classnames == tuple("0123456789")


def test_the_photos_of_clothes_open_by_split():
    folder = Path(os.environ.get("WORDSIGHT_DATA", "../shared/data")) / "clothing"
    if not folder.is_dir():
        pytest.skip("needs the photos of clothes: set WORDSIGHT_DATA")
    held_out, train = open_set(folder), open_set(folder, split="train")
    assert (held_out.split, len(held_out.images), len(train.images)) == ("validation", 341, 3068)
    assert held_out.classnames == train.classnames
    assert "longsleeve" in held_out.classnames


def test_two_folders_of_one_name_in_the_list_are_refused(tmp_path):
    folder = write_images(tmp_path, ("0/1.png", "1/1.png", "2/1.png"))
    (folder / "classnames.txt").write_text("crane\ncrane\ndog\n")
    with pytest.raises(InputError, match=r"'0' and '1' of .* are both called 'crane' .* such as 'crane \(bird\)'"):
        open_set(folder)


def test_a_list_of_numbers_other_than_their_places_is_refused(tmp_path):
    folder = write_images(tmp_path, ("1/1.png", "2/1.png"))
    (folder / "classnames.txt").write_text("1\n2\n3\n")
    with pytest.raises(InputError, match=r"holds '1' at place 0, counted from 0, .* 'number 1'"):
        open_set(folder)


def test_a_folder_called_by_a_digit_that_is_no_decimal(tmp_path):
    folder = write_images(tmp_path, ("²/1.png", "³/1.png"))
    (folder / "classnames.txt").write_text("dog\ncat\n")
    with pytest.raises(InputError, match="does not name the folder"):
        open_set(folder)
