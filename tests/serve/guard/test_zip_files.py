"""Archives that attack whoever unpacks them; and what is taken from honest ones."""

import io
import stat
import struct
import zipfile

import pytest

from wordsight.errors import InputError
from wordsight.samples import sample_images
from wordsight.serve.errors import TooLargeError
from wordsight.serve.guard.uploads import UploadKind, unpack_zip
from wordsight.serve.settings import Limits

IMAGE = sample_images()[0].read_bytes()


@pytest.fixture
def unpack(tmp_path):
    """Function that writes an archive of {name or ZipInfo: bytes} and unpacks it."""

    def unpack(members, limits=None, change=lambda content: content):
        buffer = io.BytesIO()
        with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
            for name, content in members.items():
                archive.writestr(name, content)
        archive_file = tmp_path / "sent.zip"
        archive_file.write_bytes(change(buffer.getvalue()))
        return unpack_zip(archive_file, tmp_path / "out", limits or Limits())

    return unpack


def written(tmp_path):
    return [path for path in tmp_path.rglob("*") if path.is_file() and path.name != "sent.zip"]


def test_images_are_taken_under_names_of_ours_and_others_listed(unpack, tmp_path):
    found = unpack(
        {
            "trip/rome.jpg": IMAGE,
            "photo with a wrong name.txt": IMAGE,
            "notes.txt": b"hello",
            "drawing.svg": b"<svg onload=alert(1)>",
            "broken.jpg": b"\xff\xd8\xff\xe0 not really",
            "trip/.DS_Store": b"x",
            "__MACOSX/trip/._rome.jpg": b"x",
        }
    )
    assert [(one.shown_name, one.kind) for one in found.files] == [
        ("trip/rome.jpg", UploadKind.IMAGE),
        ("photo with a wrong name.txt", UploadKind.IMAGE),
    ]
    assert all(one.path.parent == tmp_path / "out" and one.path.read_bytes() == IMAGE for one in found.files)
    assert [one.path.stem for one in found.files] == ["000000", "000001"]
    assert [one.name for one in found.left] == ["notes.txt", "drawing.svg", "broken.jpg"]
    assert sorted(written(tmp_path)) == sorted(one.path for one in found.files)  # nothing else stays


@pytest.mark.parametrize(
    "name", ["../evil.jpg", "a/../../evil.jpg", "/etc/evil.jpg", "C:\\evil.jpg", "C:evil.jpg", "..\\evil.jpg",
             "\\\\host\\share\\evil.jpg", "a/..", "//evil.jpg"]
)  # fmt: skip
def test_a_path_out_of_the_archive_is_refused_before_anything_is_written(unpack, tmp_path, name):
    with pytest.raises(InputError, match="leads out of it"):
        unpack({"good.jpg": IMAGE, name: IMAGE})
    assert not written(tmp_path)
    assert not list(tmp_path.parent.glob("evil*"))


@pytest.mark.parametrize("kind", [stat.S_IFLNK, stat.S_IFIFO, stat.S_IFCHR])
def test_a_link_is_refused(unpack, tmp_path, kind):
    link = zipfile.ZipInfo("link.jpg")
    link.external_attr = (kind | 0o777) << 16
    with pytest.raises(InputError, match="has a link or device"):
        unpack({link: "/etc/passwd"})
    assert not written(tmp_path)


def test_a_bomb_is_refused_by_its_ratio(unpack, tmp_path):
    with pytest.raises(TooLargeError, match="which no image does"):
        unpack({"bomb.jpg": bytes(8 << 20)})
    assert not written(tmp_path)


def test_a_bomb_that_states_a_small_size_is_stopped_while_it_unpacks(unpack, tmp_path):
    def understate(content):
        place = content.rindex(b"PK\x01\x02")
        return content[: place + 24] + struct.pack("<I", 1000) + content[place + 28 :]

    found = unpack({"bomb.jpg": bytes(8 << 20)}, change=understate)
    assert not found.files
    assert "is damaged" in found.left[0].reason
    assert not written(tmp_path)


def test_the_sum_of_all_members_is_limited(unpack):
    with pytest.raises(TooLargeError, match="unpacks to"):
        unpack({f"{i}.jpg": IMAGE for i in range(20)}, Limits(upload_bytes=len(IMAGE) * 10))


def test_the_number_of_members_is_limited(unpack):
    with pytest.raises(TooLargeError, match="has 11 files"):
        unpack({f"{i}.jpg": b"x" for i in range(11)}, Limits(files=10))
    with pytest.raises(TooLargeError, match="has 3,000 members"):
        unpack({f"{i}/": b"" for i in range(3000)})


def test_a_list_of_members_that_would_fill_the_memory_is_refused(unpack):
    with pytest.raises(TooLargeError, match="list of members has"):
        unpack({"a" * 60_000 + str(i): b"" for i in range(100)})


def test_one_file_over_the_limit_is_left(unpack):
    found = unpack({"big.jpg": IMAGE}, Limits(file_bytes=100))
    assert "more than the limit of 100" in found.left[0].reason


def test_an_archive_in_an_archive_is_not_opened(unpack):
    inner = io.BytesIO()
    with zipfile.ZipFile(inner, "w") as archive:
        archive.writestr("a.jpg", IMAGE)
    found = unpack({"inner.jpg": inner.getvalue()})
    assert not found.files
    assert found.left[0].reason == "is a ZIP archive; of an archive only the images are taken"


def test_an_encrypted_archive_is_refused(unpack):
    def encrypt(content):
        place = content.rindex(b"PK\x01\x02")
        return content[: place + 8] + b"\x01\x00" + content[place + 10 :]

    with pytest.raises(InputError, match="is encrypted"):
        unpack({"a.jpg": IMAGE}, change=encrypt)


def test_members_that_share_bytes_are_refused(unpack):
    def overlap(content):  # both members of the list point to the first
        place = content.rindex(b"PK\x01\x02")
        return content[: place + 42] + struct.pack("<I", 0) + content[place + 46 :]

    with pytest.raises(InputError, match="overlap"):
        unpack({"a.jpg": IMAGE, "b.jpg": IMAGE}, change=overlap)


def test_a_method_that_needs_memory_of_the_senders_choice_is_left(unpack):
    member = zipfile.ZipInfo("a.jpg")
    member.compress_type = zipfile.ZIP_LZMA
    assert "method 14" in unpack({member: IMAGE}).left[0].reason


def test_an_archive_without_members_has_no_images(unpack):
    assert unpack({}).files == ()


@pytest.mark.parametrize("content", [b"PK\x03\x04", b"", b"PK\x05\x06" + b"\xff" * 18, b"GIF89a"])
def test_what_is_not_an_archive_is_said(unpack, content):
    with pytest.raises(InputError, match="ZIP archive"):
        unpack({}, change=lambda _: content)


def test_every_truncation_is_an_error_of_ours(unpack):
    for missing in (1, 10, 22, 60, 90, len(IMAGE) // 2, len(IMAGE)):
        with pytest.raises(InputError):
            unpack({"a.jpg": IMAGE}, change=lambda content, missing=missing: content[:-missing])
