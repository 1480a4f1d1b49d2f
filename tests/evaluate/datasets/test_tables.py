"""Sets in tables: which column is which, labels as names, numbers and several at once, rows that are left out."""

import json
import os
from pathlib import Path

import pytest
from labelled_sets import png, write_images

from wordsight.errors import InputError
from wordsight.evaluate.datasets.opening import list_sets, open_set
from wordsight.evaluate.datasets.request import DatasetWarning


def write_table(folder, *rows, name="pets.csv"):
    """Write a table and an image for each name that ends in .png."""
    write_images(folder, sorted({cell for row in rows for cell in row.split(",") if cell.endswith(".png")}))
    (folder / name).write_text("\n".join(rows) + "\n")
    return folder / name


def test_other_columns_become_facts_of_the_images(tmp_path):
    table = write_table(tmp_path, "file,label,region,year", "a.png,big_cat,north,2011", "b.png,dog,,2012")
    data = open_set(table)
    assert (data.name, data.classnames, data.labels.tolist()) == ("pets", ("big cat", "dog"), [0, 1])
    assert data.keys == ("a.png", "b.png")
    assert data.images[0] == str(tmp_path / "a.png")
    assert dict(data.columns) == {"region": ("north", None), "year": ("2011", "2012")}


def test_a_column_of_splits_tells_them_apart(tmp_path):
    table = write_table(tmp_path, "file,class,split", "a.png,cat,train", "b.png,dog,train", "c.png,cat,test")
    assert (train := open_set(table, split="train")).keys == ("a.png", "b.png")
    with pytest.warns(DatasetWarning, match="1 of the 2 classes"):
        test = open_set(table)
    assert (test.split, test.classnames, test.columns) == ("test", train.classnames, {})
    with pytest.raises(InputError, match=r"no split 'dev'; it has train, test"):
        open_set(table, split="dev")
    with pytest.raises(InputError, match="no split 'dev'; it has no splits"):
        open_set(write_table(tmp_path, "file,class", "a.png,cat", "b.png,dog", name="plain.csv"), split="dev")


def test_one_separator_does_not_make_labels_of_several_classes_in_silence(tmp_path):
    table = write_table(tmp_path, "file,class", "a.png,cat", "b.png,ant|")
    with pytest.warns(DatasetWarning, match=r"several an image, because of 'ant\|' in row 2, but no image has two"):
        assert open_set(table).is_multilabel


def test_images_in_parquet_and_lists_of_classes(tmp_path):
    pyarrow = pytest.importorskip("pyarrow")
    import pyarrow.parquet

    cells = [{"bytes": png(0), "path": "a.png"}, {"bytes": png(1), "path": "b.png"}, {"bytes": png(2), "path": None}]
    columns = {"image": cells, "labels": [["cat", "dog"], [], ["ant"]], "n": [1, 2, None]}
    pyarrow.parquet.write_table(pyarrow.table(columns), tmp_path / "pets.parquet")
    data = open_set(tmp_path / "pets.parquet")
    assert data.classnames == ("ant", "cat", "dog")
    assert data.labels.tolist() == [[False, True, True], [False, False, False], [True, False, False]]
    assert (data.keys, data.images[2]) == (("a.png", "b.png", "row=3"), png(2))
    assert data.columns["n"] == ("1", "2", None)


def test_several_classes_in_a_cell(tmp_path):
    data = open_set(write_table(tmp_path, "file,label", "a.png,cat|big_dog", "b.png,cat"))
    assert data.is_multilabel
    assert data.classnames == ("big dog", "cat")
    assert data.labels.tolist() == [[True, True], [False, True]]


def test_numbers_are_looked_up_in_the_list_beside(tmp_path):
    table = write_table(tmp_path, "file,label", "a.png,1", "b.png,0", "c.png,1")
    with pytest.raises(InputError, match=r"numbers without names \(1 in row 1\); name the column .*classnames\.txt"):
        open_set(table)
    (tmp_path / "classnames.txt").write_text("dog\ncat\n")
    data = open_set(table)
    assert (data.classnames, data.labels.tolist()) == (("dog", "cat"), [1, 0, 1])
    (tmp_path / "classnames.txt").write_text("dog\n")
    with pytest.raises(InputError, match=r"label 1 in row 1 of .* has no name: .* has 1 names, for the labels 0 to 0"):
        open_set(table)
    (tmp_path / "classnames.txt").write_text("dog\n\ncat\n")
    with pytest.raises(InputError, match=r"Line 2 of the class list .* is empty"):
        open_set(table)
    (tmp_path / "classnames.txt").write_text("")
    with pytest.raises(InputError, match=r"The class list .* is empty; expected the name of a class in each line"):
        open_set(table)


def test_names_are_looked_up_in_the_list_beside(tmp_path):
    table = write_table(tmp_path, "file,label", "a.png,big_cat", "b.png,dog")
    (tmp_path / "classnames.txt").write_text("dog\nBig cat\n")
    assert open_set(table).labels.tolist() == [1, 0]
    (tmp_path / "classnames.txt").write_text("dogs\nbig cat\n")
    with pytest.raises(InputError, match=r"class 'dog' in row 2 of .* is missing from classnames\.txt.*mean: dogs"):
        open_set(table)


def test_a_column_of_names_goes_before_one_of_numbers(tmp_path):
    table = write_table(tmp_path, "file,label,category", "a.png,3,cat", "b.png,5,dog")
    assert open_set(table).classnames == ("cat", "dog")


def test_numbers_and_names_mixed_are_refused(tmp_path):
    table = write_table(tmp_path, "file,label", "a.png,cat", "b.png,dog", "c.png,3")
    with pytest.raises(InputError, match=r"numbers and names mixed: '3' in row 3, 'cat' in row 1; write names only"):
        open_set(table)


def test_classes_spelled_differently_and_one_class_only_are_refused(tmp_path):
    with pytest.raises(InputError, match=r"The classes 'Cat' and 'cat' of the table .* differ only in case"):
        open_set(write_table(tmp_path, "file,label", "a.png,Cat", "b.png,cat", "c.png,dog"))
    with pytest.raises(InputError, match=r"holds only the class 'cat'; expected an image and its class in each row"):
        open_set(write_table(tmp_path, "file,label", "a.png,cat", "b.png,cat"))


def test_labels_that_are_called_the_same_are_said(tmp_path):
    table = write_table(tmp_path, "file,label", "a.png,0", "b.png,1", "c.png,2")
    (tmp_path / "classnames.txt").write_text("crane\nbird\nCrane\n")
    with pytest.warns(DatasetWarning, match="calls labels 0 and 2 all 'crane' .1 names are there more than once"):
        assert open_set(table).classnames == ("crane", "bird", "Crane")


def test_rows_that_cannot_be_used_are_counted(tmp_path):
    rows = [
        {"file": "a.png", "label": "cat"},
        {"file": "b.png", "label": "dog"},
        {"file": "", "label": "dog"},
        {"file": "c.png"},
        {"file": "https://a.example/c.png", "label": "cat"},
        {"file": "a.png", "label": "dog"},
    ]
    write_images(tmp_path, ["a.png", "b.png", "c.png"])
    (tmp_path / "pets.jsonl").write_text("\n".join(map(json.dumps, rows)) + "\n{broken\n")
    with pytest.warns(DatasetWarning, match=r"4 rows of .* are left out: ") as said:
        data = open_set(tmp_path / "pets.jsonl")
    assert "names no class" in str(said[0].message)
    assert data.keys == ("a.png", "b.png", "a.png#2")
    (tmp_path / "none.csv").write_text("file,label\na.png,\n")
    with pytest.warns(DatasetWarning), pytest.raises(InputError, match="holds no row with an image and its class"):
        open_set(tmp_path / "none.csv")


def test_columns_that_are_not_there_are_answered_with_those_that_are(tmp_path):
    table = write_table(tmp_path, "file,colour", "a.png,red", "b.png,blue")
    with pytest.raises(InputError, match=r"is called like a class .*are file, colour\. Name one with --class-column"):
        open_set(table)
    with pytest.raises(InputError, match=r"has no column 'color'; its columns are file, colour\. Did you mean: colour"):
        open_set(table, class_column="color")
    assert open_set(table, class_column="colour", image_column="file").classnames == ("blue", "red")


def test_a_table_of_labels_in_the_folder(tmp_path):
    write_images(tmp_path / "fruit", ("images/a.png", "images/b.png"))
    (tmp_path / "fruit" / "labels.tsv").write_text("a.png\tapple\nb.png\tpear\n")
    data = open_set(tmp_path / "fruit")
    assert (data.name, data.classnames, data.keys) == ("fruit", ("apple", "pear"), ("images/a.png", "images/b.png"))


@pytest.mark.parametrize("header", ["", "set\tfile\tlabel\n"])
def test_a_table_of_several_sets_beside_their_folders(tmp_path, header):
    write_images(tmp_path, ("pets/1.png", "pets/2.png", "fruit/1.png", "fruit/2.png"))
    rows = "pets\t1.png\tcat\npets\t2.png\tdog\nfruit\t1.png\tapple\nfruit\t2.png\tpear\n"
    (tmp_path / "labels.tsv").write_text(header + rows)
    data = open_set(tmp_path / "fruit")
    assert (data.name, data.classnames, data.keys) == ("fruit", ("apple", "pear"), ("1.png", "2.png"))
    assert data.images[1] == str(tmp_path / "fruit" / "2.png")
    assert not data.columns
    for source in (tmp_path, tmp_path / "labels.tsv"):
        with pytest.raises(InputError, match=r"holds 2 sets: pets, fruit\. Name the folder of one"):
            open_set(source)
        assert list_sets(str(source)) == [str(tmp_path / "pets"), str(tmp_path / "fruit")]
    assert list_sets(str(tmp_path / "pets")) == [str(tmp_path / "pets")]
    with pytest.raises(InputError, match=r"--image-column is 'x', but .*, which has no columns"):
        open_set(tmp_path / "pets", image_column="x")


def test_the_small_sets_open():
    folder = Path(os.environ.get("WORDSIGHT_DATA", "../shared/data")) / "transfer"
    if not folder.is_dir():
        pytest.skip("needs the small labelled sets: set WORDSIGHT_DATA")
    data = open_set(folder / "flowers5")
    assert (data.name, len(data.images), len(data.classnames)) == ("flowers5", 60, 5)
    with pytest.raises(InputError, match="only the class 'cracked asphalt road'"):
        open_set(folder / "cracks")
