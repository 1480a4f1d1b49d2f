"""Limits on what a source may ask for: files that never end, tables without end, one test for each kind."""

import json
import os
import tarfile
import time
from io import BytesIO
from pathlib import Path

import pyarrow
import pytest
from items import items_of
from PIL import Image
from pyarrow import parquet

from wordsight.columns import MOST_COLUMNS, TOO_MANY_COLUMNS, merge_kinds
from wordsight.errors import ImageError, InputError
from wordsight.images.skipped import Skipped
from wordsight.ingest import Item, table_file, table_files
from wordsight.ingest.files import read_file
from wordsight.ingest.scan import scan


@pytest.fixture
def folder(tmp_path):
    """A folder with one image."""
    Image.new("RGB", (4, 4), "red").save(tmp_path / "a.png")
    return tmp_path


def test_pipes_and_devices_that_a_table_names_are_not_read(folder):
    os.mkfifo(folder / "pipe.png")
    (folder / "zero.png").symlink_to("/dev/zero")
    (folder / "t.csv").write_text("image\na.png\npipe.png\nzero.png\n")
    red, pipe, zero = items_of(folder / "t.csv")
    assert red.read().image()
    for item in (pipe, zero):
        with pytest.raises(ImageError, match=r"^is not a regular file$"):
            item.read()


def test_a_table_that_is_a_pipe_is_refused(tmp_path):
    os.mkfifo(tmp_path / "t.csv")
    with pytest.raises(InputError, match=r"cannot be read: it is not a regular file"):
        scan(tmp_path / "t.csv")


def test_a_file_of_a_terabyte_is_not_hashed(tmp_path):
    path = tmp_path / "a.jpg"
    with path.open("wb") as file:
        file.write(b"\xff\xd8\xff\xe0")
        file.truncate(1 << 40)
    began = time.monotonic()
    with pytest.raises(ImageError, match=r"^has 1,024 GiB, more than the limit of 16 GiB for a file$"):
        read_file(str(path))
    assert time.monotonic() - began < 1


@pytest.mark.parametrize("name", ["t.csv", "t.jsonl"])
def test_a_table_of_a_hundred_thousand_columns_is_refused_with_the_limit(folder, name):
    columns = [f"c{number}" for number in range(100_000)]
    if name == "t.csv":
        (folder / name).write_text(f"image,{','.join(columns)}\na.png{',1' * 100_000}\n")
    else:
        (folder / name).write_text(json.dumps({"image": "a.png", **dict.fromkeys(columns, 1)}))
    began = time.monotonic()
    with pytest.raises(InputError, match=r"it has 100,001 columns, more than the limit of 1,000; leave out"):
        scan(folder / name)
    assert time.monotonic() - began < 5


def test_columns_without_names_are_named_in_a_moment(folder):
    (folder / "t.csv").write_text(f"image{',' * 999}\na.png{',1' * 999}\n")
    (item,) = items_of(folder / "t.csv")
    assert len(item.meta) == MOST_COLUMNS - 1


def test_metadata_beyond_the_limit_are_left_out_and_said(tmp_path):
    content = BytesIO()
    Image.new("RGB", (4, 4), "red").save(content, "PNG")
    with tarfile.open(tmp_path / "t.tar", "w") as archive:
        for name, data in [
            ("a.png", content.getvalue()),
            ("a.json", json.dumps({f"k{number}": number for number in range(MOST_COLUMNS + 5)}).encode()),
        ]:
            member = tarfile.TarInfo(name)
            member.size = len(data)
            archive.addfile(member, BytesIO(data))
    skip, item = items_of(tmp_path / "t.tar")
    assert skip == Skipped(Path(tmp_path / "t.tar"), TOO_MANY_COLUMNS)
    assert len(item.meta) == MOST_COLUMNS


def test_metadata_that_are_nested_without_end_do_not_stop_an_archive(tmp_path):
    with tarfile.open(tmp_path / "t.tar", "w") as archive:
        for name, data in [("a.png", b"x"), ("a.json", b'{"x":' + b"[" * 200_000 + b"]" * 200_000 + b"}")]:
            member = tarfile.TarInfo(name)
            member.size = len(data)
            archive.addfile(member, BytesIO(data))
    (item,) = items_of(tmp_path / "t.tar")
    assert isinstance(item, Item)
    assert item.meta == {}


@pytest.mark.parametrize("name", ["t.csv", "t.jsonl"])
def test_a_line_without_end_is_refused(tmp_path, monkeypatch, name):
    monkeypatch.setattr(table_file, "_LINE", 1000)
    (tmp_path / name).write_text('{"image": "' + "x" * 5000)
    with pytest.raises(InputError, match=r"it is damaged \(a line is longer than 1,000 characters\)"):
        scan(tmp_path / name)


def test_kinds_of_an_index_and_of_new_rows_are_merged():
    assert merge_kinds({"a": "integer"}, [{"a": 1.5, "b": None}, {"c": True}]) == {"a": "number", "c": "boolean"}


def tar_header(name, kind, size=0):
    member = tarfile.TarInfo(name)
    member.type = kind
    member.size = size
    return member.tobuf(format=tarfile.GNU_FORMAT)


def test_archives_of_headers_without_end_or_of_negative_sizes_are_damaged(tmp_path):
    names = tar_header("././@LongLink", tarfile.GNUTYPE_LONGNAME) * 2000
    negative = bytearray(tar_header("a.png", tarfile.REGTYPE))
    negative[124:136] = b"\xff" * 11 + b"\0"
    negative[148:156] = b" " * 8
    negative[148:156] = b"%06o\0 " % sum(negative)
    for content in (names, bytes(negative)):
        (tmp_path / "t.tar").write_bytes(content + bytes(1024))
        (skip,) = items_of(tmp_path / "t.tar")
        assert skip.reason.startswith("is damaged, or not a tar archive (")


def test_a_parquet_file_of_two_columns_of_one_name_is_refused(folder):
    columns = [pyarrow.array(["a.png"]), pyarrow.array(["x"]), pyarrow.array(["y"])]
    parquet.write_table(pyarrow.Table.from_arrays(columns, names=["image", "x", "x"]), folder / "t.parquet")
    with pytest.raises(InputError, match="it has several columns named 'x'; give each a name of its own"):
        scan(folder / "t.parquet")


def test_long_texts_of_a_parquet_file_are_held_a_few_at_a_time(folder, monkeypatch):
    monkeypatch.setattr(table_files, "_HELD", 1 << 20)
    texts = pyarrow.array(["x" * 500_000] * 40).dictionary_encode()
    batch = pyarrow.record_batch({"image": ["a.png"] * 40, "text": texts})
    parts = list(table_files._slices(batch))
    assert max(part.num_rows for part in parts) <= 2
    assert sum(part.num_rows for part in parts) == 40
