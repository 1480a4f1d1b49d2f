"""Datasets of the `datasets` library become items: saved on disk, or a folder of images; no hub is asked."""

import io
import pickle
import sys

import pytest
from items import items_of
from PIL import Image

from wordsight.errors import ImageError, InputError, MissingExtraError
from wordsight.images.decode import read_image
from wordsight.images.skipped import Skipped
from wordsight.ingest import IngestOptions, hf
from wordsight.ingest.scan import scan, source_root

datasets = pytest.importorskip("datasets")

COLOURS = ["red", "lime", "blue"]


@pytest.fixture(autouse=True)
def offline(monkeypatch, tmp_path):
    monkeypatch.setattr("datasets.config.HF_HUB_OFFLINE", True)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    monkeypatch.setattr("datasets.config.HF_DATASETS_CACHE", tmp_path / "cache")
    datasets.disable_progress_bars()


def png(colour: str) -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", (4, 4), colour).save(buffer, "PNG")
    return buffer.getvalue()


def coats(**more):
    """A dataset of three images held as bytes, with a caption, a price and a class each."""
    columns = {
        "photo": [{"bytes": png(colour), "path": f"{colour}_coat.png"} for colour in COLOURS],
        "caption": [f"a {colour} coat" for colour in COLOURS],
        "price": [1.5, 2.0, None],
        "kind": [0, 1, 1],
        "width": [4, 4, 4],
    }
    features = {
        "photo": datasets.Image(),
        "caption": datasets.Value("string"),
        "price": datasets.Value("float32"),
        "kind": datasets.ClassLabel(names=["long", "short"]),
        "width": datasets.Value("int32"),
    }
    return datasets.Dataset.from_dict(columns | more, features=datasets.Features(features))


@pytest.fixture
def saved(tmp_path):
    coats().save_to_disk(tmp_path / "coats")
    return tmp_path / "coats"


def test_a_data_set_saved_on_disk(saved):
    red, lime, blue = items_of(f"hf:{saved}")
    assert [item.id for item in (red, lime)] == [f"hf:{saved}#row=0", f"hf:{saved}#row=1"]
    assert (red.source, red.path) == (f"hf:{saved}", f"hf:{saved}")
    assert red.text == "a red coat\nlong\nred coat"
    assert dict(red.meta) == {"caption": "a red coat", "price": 1.5, "kind": "long", "table_width": 4}
    assert dict(blue.meta) == {"caption": "a blue coat", "kind": "short", "table_width": 4}
    assert read_image(lime.read().image()).getpixel((0, 0)) == (0, 255, 0)


def test_a_part_of_a_data_set_is_read_in_its_order(tmp_path):
    coats().select([2, 0]).save_to_disk(tmp_path / "part")
    assert [item.meta["caption"] for item in items_of(f"hf:{tmp_path / 'part'}")] == ["a blue coat", "a red coat"]
    shuffled = coats().select([2, 0])  # as the library keeps it: a mapping of rows over the whole
    reader = hf.DatasetReader(shuffled, "hf:x", "hf:x", IngestOptions())
    blue, red = reader.items()
    assert (blue.meta["caption"], red.meta["caption"]) == ("a blue coat", "a red coat")
    assert read_image(red.read().image()).getpixel((0, 0)) == (255, 0, 0)


def test_its_images_can_be_read_in_another_process(saved):
    red = items_of(f"hf:{saved}")[0]
    assert pickle.loads(pickle.dumps(red.read))().content_hash == red.read().content_hash


def test_its_state_changes_with_its_content(saved, tmp_path):
    first, again = ({item.mtime_ns for item in items_of(f"hf:{saved}")} for _ in range(2))
    coats(caption=["x", "y", "z"]).save_to_disk(tmp_path / "other")
    other = {item.mtime_ns for item in items_of(f"hf:{tmp_path / 'other'}")}
    assert first == again != other
    assert all(0 < state < 2**63 for state in first | other)


def test_splits(tmp_path):
    datasets.DatasetDict(train=coats(), test=coats()).save_to_disk(tmp_path / "split")
    source = f"hf:{tmp_path / 'split'}"
    assert [unit.path for unit in scan(source)] == [f"{source}:train", f"{source}:test"]
    assert {unit.source for unit in scan(source)} == {source}
    only = items_of(f"{source}:test")
    assert [item.id for item in only] == [f"{source}:test#row={row}" for row in range(3)]
    assert {item.source for item in only} == {f"{source}:test"}
    with pytest.raises(InputError, match=r"has no split 'tset'; it has train, test. Did you mean: test"):
        scan(f"{source}:tset")


def test_a_single_set_has_no_splits(saved):
    with pytest.raises(InputError, match=r"has no split 'train'; it is one set without splits"):
        scan(f"hf:{saved}:train")


def test_a_folder_of_images_with_metadata(tmp_path):
    folder = tmp_path / "folder"
    folder.mkdir()
    for colour in COLOURS:
        (folder / f"{colour}.png").write_bytes(png(colour))
    (folder / "metadata.csv").write_text("file_name,title\n" + "".join(f"{c}.png,a {c} one\n" for c in COLOURS))
    items = {item.meta["title"]: item for item in items_of(f"hf:{folder}:train")}
    red = items["a red one"]
    assert red.path == str(folder / "red.png")  # the image is a file, and can be shown as one
    assert red.size == len(png("red"))
    assert red.text == "a red one\nred"
    assert read_image(red.read().image()).getpixel((0, 0)) == (255, 0, 0)


def test_rows_without_a_image_are_skipped(tmp_path):
    coats(photo=[{"bytes": png("red"), "path": None}, None, {"bytes": b"", "path": None}]).save_to_disk(
        tmp_path / "holes"
    )
    source = f"hf:{tmp_path / 'holes'}"
    first, skip, empty = items_of(source)
    assert first.text == "a red coat\nlong"
    assert skip == Skipped(f"{source} row 1", "holds no image")
    with pytest.raises(ImageError, match=r"^the file is empty$"):
        empty.read()


def test_a_file_of_a_data_set_that_is_gone_is_skipped(tmp_path):
    folder = tmp_path / "folder"
    folder.mkdir()
    (folder / "red.png").write_bytes(png("red"))
    (folder / "blue.png").write_bytes(png("blue"))
    (unit,) = scan(f"hf:{folder}")
    (folder / "red.png").unlink()
    blue, skip = unit.items()
    assert blue.path == str(folder / "blue.png")
    assert skip == Skipped(f"hf:{folder}:train row 1", f"no such file: {folder}/red.png")


def test_columns(saved, tmp_path):
    assert items_of(f"hf:{saved}", text_columns=("kind",))[0].text == "long\nred coat"
    for options in ({"text_columns": ("captoin",)}, {"image_column": "captoin"}):
        with pytest.raises(
            InputError, match=r"has no column 'captoin'; its columns are photo, .* Did you mean: caption"
        ):
            scan(f"hf:{saved}", IngestOptions(**options))
    datasets.Dataset.from_dict({"words": ["a"]}).save_to_disk(tmp_path / "words")
    with pytest.raises(InputError, match=r"has no column of images; its columns are words. Name one"):
        scan(f"hf:{tmp_path / 'words'}")


def test_names(saved, monkeypatch):
    monkeypatch.chdir(saved.parent)
    assert source_root("hf:coats") == f"hf:{saved}"
    assert source_root("hf:org/cats:train") == "hf:org/cats:train"
    assert hf.parse("hf:org/cats") == ("org/cats", None)
    with pytest.raises(InputError, match=r"'hf:' names no dataset; expected hf:NAME, hf:FOLDER or hf:NAME:SPLIT"):
        source_root("hf:")


def test_a_set_that_cannot_be_loaded_is_told_in_one_line(tmp_path):
    with pytest.raises(InputError, match=r"^The dataset 'nobody/nothing' cannot be loaded \(.*\)\.$"):
        scan("hf:nobody/nothing")


def test_a_load_is_not_counted_on_the_web_unless_the_user_wants_that(saved, monkeypatch):
    counted = []

    def load(name):
        counted.append(datasets.config.HF_UPDATE_DOWNLOAD_COUNTS)
        return coats()

    monkeypatch.setattr(datasets, "load_dataset", load)
    monkeypatch.setattr("datasets.config.HF_UPDATE_DOWNLOAD_COUNTS", True)
    monkeypatch.setenv("HF_UPDATE_DOWNLOAD_COUNTS", "1")
    scan("hf:org/coats")
    monkeypatch.delenv("HF_UPDATE_DOWNLOAD_COUNTS")
    scan("hf:org/coats")
    assert counted == [True, False]


def test_without_the_library(saved, monkeypatch):
    monkeypatch.setitem(sys.modules, "datasets", None)
    with pytest.raises(MissingExtraError, match=r"needs the package 'datasets'.* Install it with: pip"):
        scan(f"hf:{saved}")
