"""CLIP_benchmark's webdataset layout, and shards that are not quite in it."""

import io
import tarfile
import warnings

import numpy as np
import pytest
from labelled_sets import png

from wordsight.errors import InputError
from wordsight.evaluate.datasets.lazy_images import LazyImages
from wordsight.evaluate.datasets.opening import open_set
from wordsight.evaluate.datasets.request import DatasetWarning


def npy(values):
    buffer = io.BytesIO()
    np.save(buffer, np.array(values))
    return buffer.getvalue()


def write_shard(path, **members):
    """Write members {"s0.png": bytes}, named by keyword as s0_png."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(path, "w") as archive:
        for name, content in members.items():
            member = tarfile.TarInfo(name.replace("_", "."))
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))


def write_layout(folder, classnames="dog\nbig_cat\nant\n", split="test"):
    """Write two shards of four images, labels 0, 1, 2, 0."""
    write_shard(folder / split / "0.tar", s0_png=png(0), s0_cls=b"0", s1_png=png(1), s1_cls=b"1\n")
    write_shard(folder / split / "1.tar", s2_png=png(2), s2_cls=b"2", s3_cls=b"0", s3_jpg=png(4), s3_png=png(3))
    (folder / split / "nshards.txt").write_text("2")
    (folder / "classnames.txt").write_text(classnames)
    (folder / "zeroshot_classification_templates.txt").write_text("a photo of a {c}.\na {c}.\n")
    return folder


def test_labels_names_and_templates_are_those_of_the_files(tmp_path):
    data = open_set(write_layout(tmp_path / "wds_pets"))
    assert (data.name, data.split) == ("wds_pets", "test")
    assert data.classnames == ("dog", "big_cat", "ant")  # as they are: figures of other tools stand on these words
    assert data.templates == ("a photo of a {}.", "a {}.")
    assert data.labels.tolist() == [0, 1, 2, 0]
    assert data.keys == ("s0", "s1", "s2", "s3")
    assert list(data.images) == [png(n) for n in range(4)]


def test_images_are_those_that_webdataset_reads(tmp_path):
    webdataset = pytest.importorskip("webdataset")
    folder = write_layout(tmp_path / "pets")
    shards = str(folder / "test" / "{0..1}.tar")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        theirs = list(webdataset.WebDataset(shards, shardshuffle=False).to_tuple("webp;png;jpg;jpeg", "cls"))
    data = open_set(folder)
    assert [(image, int(label)) for image, label in theirs] == list(zip(data.images, data.labels, strict=True))


def test_images_stay_unread_until_they_are_asked_for(tmp_path):
    data = open_set(write_layout(tmp_path / "pets"))
    part = data.take([3, 1])
    assert isinstance(part.images, LazyImages)
    assert isinstance(data.images[1:3], LazyImages)
    assert list(data.images[1:3]) == [png(1), png(2)]
    (tmp_path / "pets" / "test" / "1.tar").unlink()
    assert part.images[1] == png(1)
    with pytest.raises(FileNotFoundError):
        part.images[0]


def test_one_split_and_one_shard_open_by_themselves(tmp_path):
    folder = write_layout(tmp_path / "pets")
    whole = open_set(folder)
    part = open_set(folder / "test")
    assert (part.name, part.content_hash, part.templates) == (whole.name, whole.content_hash, whole.templates)
    for name in ("classnames.txt", "zeroshot_classification_templates.txt"):
        (folder / name).rename(folder / "test" / name)
    with pytest.warns(DatasetWarning, match="1 of the 3 classes"):
        shard = open_set(folder / "test" / "0.tar")
    assert shard.keys == ("s0", "s1")
    with pytest.raises(InputError, match="no split 'train'; it has no splits"):
        open_set(folder / "test" / "0.tar", split="train")
    with pytest.raises(InputError, match=r"has no split 'train'; it has test\."):
        open_set(folder, split="train")


def test_marks_of_a_multi_label_set(tmp_path):
    folder = write_layout(tmp_path / "voc")
    (folder / "dataset_type.txt").write_text("multilabel\n")
    write_shard(
        folder / "test" / "0.tar", s0_png=png(0), s0_npy=npy([0, 1, 1]), s1_png=png(1), s1_npy=npy([-1.0, 1, 0])
    )
    write_shard(folder / "test" / "1.tar", s0_png=png(2), s0_npy=npy([True, False, False]))
    data = open_set(folder)
    assert data.labels.tolist() == [[False, True, True], [False, True, False], [True, False, False]]
    assert data.keys == ("s0", "s1", "s0#2")
    write_shard(folder / "test" / "1.tar", s2_png=png(2), s2_npy=npy([1, 0]))
    with pytest.raises(InputError, match=r"s2\.npy of .* marks 2 classes, but the class list has 3 names"):
        open_set(folder)
    write_shard(folder / "test" / "1.tar", s2_png=png(2), s2_npy=npy([{}]), s3_png=png(2), s3_npy=b"x")
    with pytest.warns(DatasetWarning) as said:
        assert len(open_set(folder).keys) == 2
    assert "2 × a .npy does not hold one number for each class" in str(said[0].message)


def test_samples_that_cannot_be_used_are_counted(tmp_path):
    folder = write_layout(tmp_path / "pets")
    write_shard(
        folder / "test" / "1.tar", a_png=png(1), a_cls=b"2", b_png=png(2), b_cls=b"cat", c_png=png(3), d_cls=b"1"
    )
    with pytest.warns(DatasetWarning) as said:
        data = open_set(folder)
    assert data.keys == ("s0", "s1", "a")
    text = str(said[0].message)
    assert "1 × a .cls does not hold the number of a class" in text
    assert "1 × a sample holds no .cls" in text
    assert "1 × a sample holds no image" in text


def test_a_damaged_shard_is_read_up_to_the_damage(tmp_path):
    folder = write_layout(tmp_path / "pets")
    path = folder / "test" / "1.tar"
    path.write_bytes(path.read_bytes()[:1600])
    with pytest.warns(DatasetWarning, match=r"1 × the shard 1\.tar is damaged, .*what comes before it"):
        assert open_set(folder).keys[:2] == ("s0", "s1")


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("classnames.txt", "dog\ncat\n", r"label 2 in s2\.cls of .* has no name: .* 2 names, for the labels 0 to 1"),
        ("classnames.txt", "dog\n", "holds only the class 'dog'; expected the name of a class in each line"),
        ("classnames.txt", None, r"numbers without names: .*classnames\.txt' is not there"),
        ("dataset_type.txt", "retrieval", r"images with captions, not classes\. Measure it with `wordsight eval retr"),
        ("dataset_type.txt", "regression", "says 'regression', expected classification, multilabel or retrieval"),
        ("dataset_type.txt", "multilabel", r"hold no image with a label beside it"),
        ("test/nshards.txt", "3", r"says 3 shards, but '2\.tar' is not there \(1 are missing\)"),
        ("test/nshards.txt", "two", "says 'two', expected the number of shards; write 2, say"),
    ],
)
def test_layouts_that_contradict_themselves_are_refused(tmp_path, name, text, message):
    folder = write_layout(tmp_path / "pets")
    if text is None:
        (folder / name).unlink()
    else:
        (folder / name).write_text(text)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DatasetWarning)
        with pytest.raises(InputError, match=message):
            open_set(folder)


def test_shards_beyond_those_counted_are_left_out_and_said(tmp_path):
    folder = write_layout(tmp_path / "pets", classnames="dog\ncat\n")
    (folder / "test" / "nshards.txt").write_text("1")
    with pytest.warns(DatasetWarning, match="says 1 shards, but .* holds 2; the others are left out"):
        assert len(open_set(folder).keys) == 2


def test_labels_under_another_name_are_hinted_at(tmp_path):
    folder = write_layout(tmp_path / "voc")
    for shard in ("0.tar", "1.tar"):
        write_shard(folder / "test" / shard, s0_png=png(0), s0_npy=npy([0, 1, 1]))
    with (
        pytest.warns(DatasetWarning),
        pytest.raises(InputError, match=r"or in \.npy where dataset_type\.txt says multi"),
    ):
        open_set(folder)
