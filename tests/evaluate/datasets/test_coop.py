"""CoOp's files of splits."""

import json

import pytest
from labelled_sets import write_images

from wordsight.errors import InputError
from wordsight.evaluate.datasets.opening import open_set

ENTRIES = {
    "train": [["a/1.png", 1, "big_cat"], ["b/1.png", 0, "dog"]],
    "val": [["a/2.png", 1, "big_cat"], ["b/2.png", 0, "dog"]],
    "test": [["b/3.png", 0, "dog"], ["a/3.png", 1, "big_cat"]],
}


def write_splits(folder, content=ENTRIES, below="images"):
    write_images(folder / below, [f"{name}/{n}.png" for name in "ab" for n in (1, 2, 3)])
    path = folder / "split_zhou_Pets.json"
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    return path


@pytest.mark.parametrize("below", ["", "images", "pets/jpg"])
def test_labels_and_names_are_those_of_the_file(tmp_path, below):
    path = write_splits(tmp_path, below=below)
    for source in (path, tmp_path):
        data = open_set(source)
        assert (data.name, data.split, data.classnames) == ("Pets", "test", ("dog", "big cat"))
        assert data.keys == ("b/3.png", "a/3.png")
        assert data.labels.tolist() == [0, 1]
        assert data.images[0] == str(tmp_path.joinpath(*below.split("/"), "b", "3.png"))
    assert open_set(path, split="validation").keys == ("a/2.png", "b/2.png")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{", r"cannot be read \(.*\); expected \{\"train\""),
        ("[]", r"does not hold lists by split; expected \{\"train\""),
        ('{"test": []}', "lists no image"),
        ({"test": [["a/1.png", "0", "cat"]]}, r"has the entry \['a/1\.png', '0', 'cat'\], expected \[path, label"),
        ({"test": [["a/1.png", 0, "cat"], ["b/1.png", 0, "dog"]]}, "calls label 0 both 'cat' and 'dog'"),
        ({"test": [["a/1.png", 0, "cat"], ["b/1.png", 1, "Cat"]]}, "calls the labels 0 and 1 both 'Cat'"),
        ({"test": [["a/1.png", 0, "cat"], ["b/1.png", 2, "dog"]]}, "labels up to 2, but none with label 1"),
        ({"test": [["a/1.png", 0, "cat"]]}, "holds only the class 'cat'"),
        ({"test": [["x/1.png", 0, "cat"], ["y/1.png", 1, "dog"]]}, r"such as 'x/1\.png', are not in .* put the folder"),
    ],
)
def test_files_of_another_form_are_refused(tmp_path, content, message):
    with pytest.raises(InputError, match=message):
        open_set(write_splits(tmp_path, content))


def test_several_files_and_unknown_splits_are_answered_with_those_there_are(tmp_path):
    path = write_splits(tmp_path)
    with pytest.raises(InputError, match="no split 'dev2'; it has train, val, test"):
        open_set(path, split="dev2")
    (tmp_path / "split_zhou_Other.json").write_text("{}")
    with pytest.raises(InputError, match=r"holds 2 files of splits; name one: .*Other\.json, .*Pets\.json"):
        open_set(tmp_path)
