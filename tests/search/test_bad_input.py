"""Folders, tables and calls as nobody wants them: each gives one clear line, and nothing that was indexed is lost."""

import io
import json
import os
import struct
import zlib

import pytest
from indexing import colour_model, write_images
from PIL import Image
from small_pdf import page, small_pdf

from wordsight.errors import InputError
from wordsight.gallery import Gallery

pytest.importorskip("lance")


@pytest.fixture
def gallery(tmp_path):
    with Gallery.create(tmp_path / "index", model=colour_model()) as gallery:
        yield gallery


def test_a_folder_of_bad_files_gives_one_line_each_and_the_good_ones_are_in(gallery, tmp_path):
    folder = tmp_path / "in"
    image = write_images(folder, range(3))[0].read_bytes()
    document = small_pdf([page("one"), page("two")])
    bad = {
        "cut.png": (image[: len(image) // 2], "truncated"),
        "empty.jpg": (b"", "is empty"),
        "text.png": (b"hello, no image", "is not an image"),
        "locked.pdf": (small_pdf([page("secret")], encrypted=True), "needs a password"),
        "cut.pdf": (document[: len(document) // 2], "is not a PDF"),
        "blank.pdf": (b"", "is not a PDF"),
        "noise.tar": (b"noise" * 500, "not a tar archive"),
    }
    for name, (content, _) in bad.items():
        (folder / name).write_bytes(content)
    bomb = io.BytesIO()
    Image.new("L", (1, 1)).save(bomb, "PNG")
    header = b"IHDR" + struct.pack(">IIBBBBB", 60_000, 60_000, 8, 0, 0, 0, 0)
    head = bomb.getvalue()[:12] + header + struct.pack(">I", zlib.crc32(header))
    (folder / "bomb.png").write_bytes(head + bomb.getvalue()[len(head) :])
    (folder / "wrong ending.jpg").write_bytes(image)
    (folder / "good.pdf").write_bytes(document)
    Image.new("CMYK", (20, 20), (9, 90, 9, 0)).save(folder / "cmyk.jpg")
    Image.new("RGB", (1, 1)).save(folder / "pixel.png")
    Image.new("RGB", (100_000, 10)).save(folder / "strip.png")
    (folder / "loop").symlink_to(folder)
    (folder / "itself.png").symlink_to("itself.png")
    summary = gallery.add(folder)
    reasons = {os.path.basename(skip.item): skip.reason for skip in summary.skipped}
    expected = {name: reason for name, (_, reason) in bad.items()} | {"bomb.png": "limit", "itself.png": "symbolic"}
    assert reasons.keys() == expected.keys()
    for name, part in expected.items():
        assert part in reasons[name]
        assert "\n" not in reasons[name]
    assert len(gallery) == 3 + 4 + 2  # a file of the wrong ending, CMYK, 1×1, 100,000×10; two pages
    assert gallery.add(folder).unchanged == len(gallery)


def test_a_source_that_became_a_file_or_an_empty_folder_keeps_its_images_until_it_is_back(gallery, tmp_path):
    folder, away = tmp_path / "in", tmp_path / "away"
    write_images(folder, range(4))
    gallery.add(folder)
    folder.rename(away)
    folder.write_text("no folder")
    assert len(gallery.refresh().skipped) == 1
    folder.unlink()
    folder.mkdir()
    assert gallery.refresh().kept == (str(folder),)
    assert len(gallery) == 4
    folder.rmdir()
    away.rename(folder)
    assert gallery.refresh().unchanged == 4


def test_a_file_of_the_same_size_and_time_is_taken_as_unchanged_until_it_is_touched(gallery, tmp_path):
    path = tmp_path / "in" / "a.bmp"
    path.parent.mkdir()
    Image.new("RGB", (8, 8), "red").save(path)
    gallery.add(path.parent)
    before = path.stat()
    Image.new("RGB", (8, 8), "blue").save(path)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert gallery.refresh().unchanged == 1
    os.utime(path, (0, 0))  # a clock that went back tells it as well as one that went on
    assert gallery.refresh().changed == 1


def test_the_folders_own_file_may_be_damaged_in_any_way(gallery, tmp_path):
    write_images(tmp_path / "in", range(3))
    gallery.add(tmp_path / "in")
    gallery.close()
    for damage in (b"", b"garbage", b"[1, 2]", b'{"about": {"model": 5}, "format": "x"}'):
        (tmp_path / "index" / "wordsight-index.json").write_bytes(damage)
        with Gallery.open(tmp_path / "index", model=colour_model()) as again:
            assert len(again.search(tmp_path / "in" / "000.png")) == 3
    with Gallery.open(tmp_path / "index", model=colour_model()) as again:
        assert again.refresh().unchanged == 3


def test_columns_of_any_name_are_kept_beside_those_of_the_index(gallery, tmp_path):
    write_images(tmp_path, range(2))
    names = ["image", "my col", "it's", "select", "_id", "path", "_vector", "größe", "a.b", "page", "title", "title"]
    rows = [names, ["000.png", *"12345678901"], ["001.png", *"22345678901"]]
    (tmp_path / "shop.csv").write_text("\n".join(",".join(row) for row in rows), encoding="utf-8")
    gallery.add(tmp_path / "shop.csv")
    kept = {"table_id", "path", "table_path", "table_vector", "größe", "a_b", "table_page", "title", "title_"}
    assert kept <= gallery.index.columns().keys()
    image = tmp_path / "000.png"
    assert [hit.path for hit in gallery.search(image, where='"my col" = 1 and "select" = 3')] == [image]


def test_a_condition_that_is_more_than_a_condition_does_nothing(gallery, tmp_path):
    write_images(tmp_path / "in", range(2))
    gallery.add(tmp_path / "in")
    unbalanced = ["1=1; drop table items", "path = 'a", '"', "true) or ("]
    for condition in [*unbalanced, "select 1", "path like '%' limit 1", "_vector"]:
        with pytest.raises(InputError, match="cannot be read"):
            gallery.search(tmp_path / "in" / "000.png", where=condition)
    assert len(gallery) == 2


def test_rows_of_json_of_any_kind_are_read_or_named(gallery, tmp_path):
    write_images(tmp_path, range(2))
    rows = [json.dumps({"image": "000.png", "a": {"b": [1]}}), "no json", "[1]", "null", '{"image": 5}']
    (tmp_path / "t.jsonl").write_text("\n".join([*rows, '{"image": "001.png", "a": "text"}']))
    summary = gallery.add(tmp_path / "t.jsonl")
    assert summary.added + summary.reused == 2
    assert len(summary.skipped) == 4
