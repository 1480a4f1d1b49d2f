"""Tar archives of samples, as webdataset and img2dataset write them: images with captions and metadata."""

import gzip
import io
import json
import pickle
import tarfile

import pytest
from items import items_of
from PIL import Image

from wordsight.errors import InputError
from wordsight.images.decode import read_image
from wordsight.ingest import Unlisted, tars
from wordsight.ingest.scan import scan


def png(colour: str) -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", (4, 4), colour).save(buffer, "PNG")
    return buffer.getvalue()


def write_tar(path, members):
    """A tar of (name, bytes), in order."""
    with tarfile.open(path, "w") as archive:
        for name, content in members:
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return path


def as_json(**values) -> bytes:
    return json.dumps(values).encode()


@pytest.fixture
def shard(tmp_path):
    return write_tar(
        tmp_path / "00000.tar",
        [
            ("00000.jpg", png("red")),
            ("00000.txt", b"a red coat\n"),
            ("00000.json", as_json(caption="a red coat", similarity=1, width=512, url="https://example.org/1.jpg")),
            ("00001.json", as_json(caption="Grün", similarity=0.5, license=None, exif={"Make": "X"})),
            ("00001.png", png("lime")),
            ("00001.mask.png", png("blue")),
            ("00002.txt", b"no image"),
            ("sub/cat.v2.PNG", png("white")),
        ],
    )


def test_members_of_one_key_are_one_item(shard):
    red, green, mask, cat = items_of(shard)
    assert [item.id for item in (red, green, mask, cat)] == [
        f"{shard}#00000", f"{shard}#00001", f"{shard}#00001.mask.png", f"{shard}#sub/cat"]  # fmt: skip
    assert (red.path, red.size) == (str(shard), shard.stat().st_size)
    assert red.text == "a red coat\n00000"
    assert green.text == "Grün\n00001"
    assert cat.text == "sub cat"
    assert dict(red.meta) == {
        "caption": "a red coat", "similarity": 1.0, "table_width": 512, "url": "https://example.org/1.jpg",
    }  # fmt: skip
    assert dict(green.meta) == {"caption": "Grün", "similarity": 0.5, "exif": '{"Make": "X"}'}
    colours = [read_image(item.read().image()).getpixel((0, 0)) for item in (red, green, mask, cat)]
    assert colours == [(255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 255)]


def test_a_copy_of_a_image_has_its_digest(shard, tmp_path):
    (tmp_path / "red.png").write_bytes(png("red"))
    assert items_of(shard)[0].read().content_hash == items_of(tmp_path / "red.png")[0].read().content_hash


def test_its_images_can_be_read_in_another_process(shard):
    red = items_of(shard)[0]
    assert pickle.loads(pickle.dumps(red.read))().content_hash == red.read().content_hash


def test_which_metadata_is_searched_can_be_chosen(shard):
    assert items_of(shard, text_columns=("url",))[0].text == "a red coat\nhttps://example.org/1.jpg\n00000"


def test_archives_in_a_folder_are_opened(shard):
    (unit,) = scan([shard.parent])
    assert unit.unchanged_if_same_mtime
    assert len(list(unit.items())) == 4


def test_members_of_the_same_name_are_items_of_their_own(tmp_path):
    members = [("a.png", png("red")), ("b.png", png("lime")), ("a.png", png("blue")), ("a.png", png("white"))]
    shard = write_tar(tmp_path / "t.tar", [("b.txt", b""), *members, ("a#2.png", png("black"))])
    items = items_of(shard)
    assert [item.id.removeprefix(f"{shard}#") for item in items] == ["a", "b", "a#2", "a#3", "a#2#1"]
    assert read_image(items[2].read().image()).getpixel((0, 0)) == (0, 0, 255)


@pytest.mark.parametrize(
    ("name", "split"),
    [
        ("a.b/0001.seg.PNG", ("a.b/0001", ".seg.png")),
        ("0001.jpg", ("0001", ".jpg")),
        ("d/none", ("d/none", "")),
        ("./x.jpg", ("./x", ".jpg")),
        ("d/.hidden.jpg", ("d/", ".hidden.jpg")),
    ],
)
def test_keys_end_at_the_first_dot_of_the_name(name, split):
    assert tars.split_name(name) == split


def test_names_with_dots_are_paired_by_the_last_one_where_a_caption_is(tmp_path):
    """As dates and versions in names have them: 22.05.jpg belongs to 22.05.txt."""
    path = write_tar(
        tmp_path / "dots.tar",
        [
            ("22.05.jpg", png("red")),
            ("22.06.jpg", png("blue")),
            ("22.05.txt", b"a tabby"),
            ("22.06.json", as_json(caption="a launch")),
            ("22.07.jpg", png("lime")),
            ("plain.jpg", png("white")),
            ("plain.seg.png", png("black")),
            ("plain.txt", b"an espresso"),
        ],
    )
    found = {item.id.partition("#")[2]: item.text for item in items_of(path)}
    assert found == {
        "22": "22",
        "22.05": "a tabby\n22 05",
        "22.06": "a launch\n22 06",
        "plain": "an espresso\nplain",
        "plain.seg.png": "an espresso\nplain",
    }


@pytest.mark.slow  # importing webdataset takes ten seconds where torch is installed
def test_keys_are_those_of_webdataset():
    """Where webdataset is installed, its own rule gives the same."""
    webdataset = pytest.importorskip("webdataset.tariterators", exc_type=ImportError)
    for name in ["a.b/0001.seg.png", "0001.jpg", "sub/cat.v2.png"]:
        key, ending = webdataset.base_plus_ext(name)
        assert tars.split_name(name) == (key, f".{ending}")


def test_what_comes_before_a_cut_is_read(tmp_path):
    members = [(f"{number:03}.{kind}", content) for number in range(20) for kind, content in
               (("png", png("red") + bytes(3000)), ("txt", b"caption"))]  # fmt: skip
    whole = write_tar(tmp_path / "whole.tar", members).read_bytes()
    cut = tmp_path / "cut.tar"
    cut.write_bytes(whole[: len(whole) // 2])
    *items, end = items_of(cut)
    assert len(items) == 11  # each sample takes 10 blocks of 512 bytes, the file has 220, half of them are left
    assert all(read_image(item.read().image()).size == (4, 4) for item in items)
    assert isinstance(end, Unlisted)
    assert end.item == cut
    assert "what comes before it was read" in end.reason
    assert len(items_of(tmp_path / "whole.tar")) == 20


@pytest.mark.parametrize("length", [1, 300, 512, 700, 1024, 1700, 3900, 4608, 5000, 5120])
def test_a_cut_anywhere_is_told_in_one_line(tmp_path, length):
    whole = write_tar(tmp_path / "whole.tar", [("a.png", png("red") + bytes(3000)), ("b.png", png("red"))]).read_bytes()
    cut = tmp_path / "cut.tar"
    cut.write_bytes(whole[:length])
    *items, end = items_of(cut)
    assert len(items) == (length > 3584) + (length > 4681)  # where the bytes of a and b end
    assert isinstance(end, Unlisted)
    assert "\n" not in end.reason


def test_damage_in_the_middle_is_told(tmp_path):
    """`tarfile` would take it for the end."""
    path = write_tar(tmp_path / "x.tar", [("a.png", png("red")), ("b.png", png("red"))])
    content = bytearray(path.read_bytes())
    content[1024:1536] = b"x" * 512
    path.write_bytes(content)
    item, end = items_of(path)
    assert item.id == f"{path}#a"
    assert end.reason == (
        "is damaged, or not a tar archive (neither a member nor the archive's end mark is at byte 1,024); "
        "what comes before it was read"
    )


def test_what_is_no_plain_tar_is_told(tmp_path):
    (tmp_path / "zipped.tar").write_bytes(gzip.compress(bytes(2000)))
    (tmp_path / "text.tar").write_bytes(b"hello" * 300)
    (tmp_path / "empty.tar").write_bytes(b"")
    for name in ("zipped", "text", "empty"):
        (skip,) = items_of(tmp_path / f"{name}.tar")
        assert skip.reason.startswith("is damaged, or not a tar archive (")
        assert skip.reason.endswith("; unpack a compressed one")
    (tmp_path / "a.tar.gz").write_bytes(b"")
    with pytest.raises(InputError, match=r"a.tar.gz' is compressed, and single images cannot be read from it; unpack"):
        scan(tmp_path / "a.tar.gz")


def test_damaged_captions_and_metadata_do_not_cost_the_image(tmp_path):
    shard = write_tar(
        tmp_path / "x.tar",
        [("a.png", png("red")), ("a.json", b"{broken"), ("a.txt", b"caf\xe9"),
         ("b.png", png("red")), ("b.json", b"[1]")],
    )  # fmt: skip
    a, b = items_of(shard)
    assert (a.text, dict(a.meta)) == ("caf\ufffd\na", {})
    assert (b.text, dict(b.meta)) == ("b", {})


def test_links_folders_and_hidden_members_are_passed_over(tmp_path):
    path = tmp_path / "x.tar"
    with tarfile.open(path, "w") as archive:
        for name, kind in [("d.png", tarfile.DIRTYPE), ("l.png", tarfile.SYMTYPE), (".h.png", tarfile.REGTYPE)]:
            info = tarfile.TarInfo(name)
            info.type, info.linkname = kind, "/etc/passwd"
            archive.addfile(info)
    assert items_of(path) == []


def test_listing_keeps_no_members(tmp_path, monkeypatch):
    """`tarfile` would keep a kilobyte for each."""
    shard = write_tar(tmp_path / "x.tar", [(f"{number}.png", b"x") for number in range(50)])
    seen = []
    next_member = tarfile.TarFile.next

    def watched(self):
        seen.append(len(self.members))
        return next_member(self)

    monkeypatch.setattr(tarfile.TarFile, "next", watched)
    assert len(items_of(shard)) == 50
    assert max(seen) <= 1
