"""Captioned sets of tables, folders and shards: one image, all its captions, whatever the source looks like."""

import json

import numpy as np
import pytest
from PIL import Image

from wordsight.errors import InputError
from wordsight.evaluate.retrieval.captioned import open_captions
from wordsight.pairs.shards import write_shards


@pytest.fixture
def images(tmp_path):
    for n, name in enumerate(("a", "b", "c")):
        Image.fromarray(np.full((8, 8, 3), 40 * n, np.uint8)).save(tmp_path / f"{name}.png")
    return tmp_path


def test_rows_of_one_image_are_its_captions(images):
    (images / "captions.tsv").write_text("image\tcaption\na.png\tone\nb.png\ttwo\na.png\tthree\na.png\tone\n")
    data = open_captions(str(images / "captions.tsv"))
    assert data.captions == (("one", "three"), ("two",))
    assert data.keys == ("a.png", "b.png")
    assert data.images == [str(images / "a.png"), str(images / "b.png")]
    assert data.name == images.name
    assert data.left_out == ()


def test_of_a_folder_that_holds_a_table_called_captions_the_table_is_read(images):
    (images / "captions.csv").write_text("image,caption\na.png,one\nb.png,two\n")
    assert open_captions(str(images)).captions == (("one",), ("two",))


def test_lists_of_captions_and_columns_that_are_named(images):
    rows = [{"file": "a.png", "said": ["one", "two"], "title": "x"}, {"file": "c.png", "said": ["three"], "title": "y"}]
    (images / "photos.jsonl").write_text("\n".join(map(json.dumps, rows)))
    data = open_captions(str(images / "photos.jsonl"), image_column="file", text_columns=("said",))
    assert data.captions == (("one", "two"), ("three",))
    assert data.name == "photos"
    with pytest.raises(InputError, match=r"--text_columns has 'sad', .* Did you mean: said"):
        open_captions(str(images / "photos.jsonl"), image_column="file", text_columns=("sad",))


def test_a_folder_with_texts_beside_its_images(images):
    (images / "a.txt").write_text("a dark square")
    (images / "b.txt").write_text("a grey square")
    data = open_captions(str(images), limit=2)
    assert data.captions == (("a dark square",), ("a grey square",))


def test_shards_hold_images_and_several_captions(images):
    write_shards([(images / "a.png", ["one", "two"]), (images / "b.png", "three")], images / "shards")
    data = open_captions(str(images / "shards" / "{00000..00000}.tar"))
    assert data.captions == (("one", "two"), ("three",))
    assert data.images[1] == (images / "b.png").read_bytes()
    assert len(set(data.keys)) == 2


def test_rows_without_a_caption_are_counted(images):
    (images / "photos.tsv").write_text("image\tcaption\na.png\tone\nb.png\t \n")
    assert open_captions(str(images / "photos.tsv")).left_out == (
        f"1 × its caption is empty: {images}/photos.tsv row 2",
    )
    (images / "photos.tsv").write_text("image\tcaption\nb.png\t \n")
    with pytest.raises(InputError, match=r"holds no image with a caption: 1 × its caption is empty"):
        open_captions(str(images / "photos.tsv"), text_columns=("caption",))


def test_other_captions_are_another_set(images):
    (images / "captions.tsv").write_text("image\tcaption\na.png\tone\n")
    before = open_captions(str(images / "captions.tsv"))
    (images / "captions.tsv").write_text("image\tcaption\na.png\tother\n")
    after = open_captions(str(images / "captions.tsv"))
    assert before.content_hash != after.content_hash
    assert before.without_captions.images_hash == after.without_captions.images_hash
