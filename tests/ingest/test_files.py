"""Folders and files become items: what is found, what is left out, and what is said of the rest."""

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from items import items_of
from PIL import Image

from wordsight.errors import ImageError, InputError
from wordsight.images.decode import read_image
from wordsight.images.files import find_images
from wordsight.images.skipped import Skipped
from wordsight.ingest import IngestOptions, Unit, Unlisted
from wordsight.ingest.files import read_file
from wordsight.ingest.scan import scan, source_root
from wordsight.path_text import name_words, to_path, to_text


def below(folder, units):
    return [os.path.relpath(to_path(unit.path), folder).replace(os.sep, "/") for unit in units]


@pytest.fixture
def photos(tmp_path):
    folder = tmp_path / "photos"
    for number, name in enumerate(
        ["b.jpg", "A/c.png", "A/red_coat.webp", "A/notes.txt", "thumbs/t.png", ".hidden/x.png", ".y.png"]
    ):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (8, 8), (20 * number, 0, 0)).save(path, "PNG")
    return folder


def test_a_folder_yields_its_images_by_name_files_before_subfolders(photos):
    units = list(scan([photos]))
    assert below(photos, units) == ["b.jpg", "A/c.png", "A/red_coat.webp", "thumbs/t.png"]
    status = (photos / "b.jpg").stat()
    assert (units[0].size, units[0].mtime_ns, units[0].unchanged_if_same_mtime) == (
        status.st_size,
        status.st_mtime_ns,
        True,
    )
    assert {unit.source for unit in units} == {str(photos)}


def test_an_item_can_be_read_and_equal_bytes_have_equal_digests(photos):
    (photos / "copy.jpg").write_bytes((photos / "b.jpg").read_bytes())
    first, copy, other = items_of(photos)[:3]
    assert first.id == first.path == str(photos / "b.jpg")
    assert first.read().content_hash == copy.read().content_hash != other.read().content_hash
    assert len(first.read().content_hash) == 32
    assert read_image(first.read().image()).size == (8, 8)
    assert other.text == "A c"


def test_a_file_that_is_named_is_taken_whatever_its_ending(photos):
    (item,) = items_of(photos / "A" / "notes.txt")
    assert read_image(item.read().image()).size == (8, 8)
    assert item.text == "notes"


SYSTEM = ["@eaDir/a.jpg/t.jpg", "#recycle/t.jpg", "$RECYCLE.BIN/t.jpg", "System Volume Information/t.jpg"]


def test_thumbnails_of_a_nas_and_recycle_bins_are_left_out_unless_named(tmp_path):
    for name in ["a.jpg", "trip/b.jpg", "node_modules/icons/t.jpg", *SYSTEM]:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    assert below(tmp_path, scan([tmp_path])) == ["a.jpg", "trip/b.jpg"]
    assert below(tmp_path, scan([tmp_path / "#recycle"])) == ["#recycle/t.jpg"]
    kept = scan([tmp_path], IngestOptions(exclude=("!node_modules/",)))
    assert below(tmp_path, kept) == ["a.jpg", "node_modules/icons/t.jpg", "trip/b.jpg"]
    assert below(tmp_path, scan([f"{tmp_path}/**/*.jpg"])) == ["a.jpg", "trip/b.jpg"]
    assert below(tmp_path, scan([f"{tmp_path}/@eaDir/**/*.jpg"])) == ["@eaDir/a.jpg/t.jpg"]
    assert find_images([tmp_path]) == [tmp_path / "a.jpg", tmp_path / "trip/b.jpg"]


def test_a_pattern_is_a_source_that_finds_what_matches_whenever_it_is_listed(photos, monkeypatch):
    assert below(photos, scan([photos / "A" / "*"])) == ["A/c.png", "A/red_coat.webp"]
    assert below(photos, scan([photos / "A" / "*.txt"])) == ["A/notes.txt"]  # named by its kind
    assert below(photos, scan([photos / "[At]*"])) == ["A/c.png", "A/red_coat.webp", "thumbs/t.png"]
    weird = photos / "[1] new"
    weird.mkdir()
    (weird / "d.jpg").touch()
    monkeypatch.chdir(weird)
    root = source_root("*.jpg")
    monkeypatch.chdir("/")
    (weird / "e.jpg").touch()
    units = list(scan([root]))
    assert below(weird, units) == ["d.jpg", "e.jpg"]
    assert {unit.source for unit in units} == {root}
    assert below(photos, scan([weird / "d.jpg"])) == ["[1] new/d.jpg"]  # a name that is there is no pattern


def test_exclude_takes_patterns_as_git_does(photos):
    assert below(photos, scan(photos, IngestOptions(exclude=("thumbs/", "*.webp")))) == ["b.jpg", "A/c.png"]
    assert below(photos, scan(photos, IngestOptions(exclude=("/A/*", "!/A/c.png", "b.*")))) == [
        "A/c.png",
        "thumbs/t.png",
    ]


@pytest.fixture(scope="module")
def tree(tmp_path_factory):
    """Folders of images that git can be asked about."""
    if shutil.which("git") is None:
        pytest.skip("git, which says what its patterns mean, is not installed")
    root = tmp_path_factory.mktemp("tree")
    for folder in ("", "a", "a/b", "b", "b/a", "b/a/a", "a b"):
        (root / folder).mkdir(exist_ok=True)
        for name in ("a.jpg", "b.jpg", "a.png", "#a.jpg", "a]b.jpg", "a-b.jpg"):
            (root / folder / name).touch()
    subprocess.run(["git", "init", "-q", root], check=True)
    return root


def kept_by_git(tree, patterns):
    (tree / "rules").write_text("\n".join(patterns))
    call = ["git", "-C", tree, "ls-files", "-z", "--others", "--exclude-from=rules"]
    listed = subprocess.run(call, capture_output=True, check=True).stdout.decode().split("\0")
    return {name for name in listed if name.endswith((".jpg", ".png"))}


@pytest.mark.parametrize(
    "patterns",
    [
        ("*.jpg",), ("a/",), ("/a",), ("a/*", "!a/b/"), ("**/b",), ("b/**", "!b/a.jpg"), ("a/**/a.*",), ("b/a/",),
        ("*", "!*.png"), ("*", "!*/", "!a.png"), ("?.jpg", "!a/a.jpg"), ("# none", "", r"\#a.jpg"), ("a/b/a.png",),
        ("a.png/",), ("a b/",), ("*.PNG",), ("[!a].jpg",), ("a[]]b.jpg", "a[a-]b.jpg"), ("[,-.]*", "a[+--]b*"),
        ("a", "!a/"), ("**",), ("/*", "!/b"), ("a/**",), ("**/a/**/a.png",), ("*a.jpg  ",), ("a***b.jpg",),
        ("[ab].png",), ("[b-a]*",), ("[!b-a]*g",), (r"a[\]x]b.jpg",),
    ],
)  # fmt: skip
def test_patterns_mean_what_they_mean_to_git(tree, patterns):
    assert set(below(tree, scan(tree, IngestOptions(exclude=patterns)))) == kept_by_git(tree, patterns)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.text("ab*?/![].jpg", min_size=1, max_size=7), min_size=1, max_size=3))
def test_any_pattern_means_what_it_means_to_git(tree, patterns):
    # "a**/x" is no more than "a*/x", but git, which compares the "a" apart, then sees "**/x"
    assume(not any(re.search(r"[^/!]\*\*", pattern) for pattern in patterns))
    try:
        kept = set(below(tree, scan(tree, IngestOptions(exclude=tuple(patterns)))))
    except InputError:
        return
    assert kept == kept_by_git(tree, patterns), patterns


@pytest.mark.parametrize("pattern", ["!", "/", "a[b", "[]", "[^]", "a\\"])
def test_what_is_no_pattern_is_told_at_once(photos, pattern):
    with pytest.raises(InputError, match=r"The pattern '.*' cannot be read; expected one as in a .gitignore file"):
        scan(photos, IngestOptions(exclude=("*.gif", pattern)))


def test_a_source_is_recorded_so_that_it_is_found_again_from_elsewhere(photos, monkeypatch, tmp_path):
    monkeypatch.chdir(photos)
    root = source_root("A")
    monkeypatch.chdir(tmp_path)
    assert below(photos, scan([root])) == ["A/c.png", "A/red_coat.webp"]
    assert len(list(scan([photos, str(photos), root]))) == 6  # the same source named twice counts once


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("nowhere", "'nowhere' does not exist; expected an image, a folder, a table"),
        ("https://example.org/a.jpg", "is a URL; download it first, or name a table of URLs and add --urls"),
    ],
)
def test_a_source_that_is_not_there_is_told_before_anything_is_listed(photos, source, message):
    with pytest.raises(InputError, match=message):
        scan([photos, source])
    with pytest.raises(InputError, match="No source was named"):
        scan([])


def test_a_folder_that_cannot_be_listed_is_skipped_and_the_rest_is_found(photos, monkeypatch):
    """Root may list every folder, so the refusal is made here."""
    scandir = os.scandir

    def refuse(path):
        if Path(path) == photos / "A":
            raise PermissionError(13, "Permission denied", os.fspath(path))
        return scandir(path)

    monkeypatch.setattr(os, "scandir", refuse)
    units = list(scan([photos]))
    assert units[1] == Unlisted(photos / "A", "cannot be listed (Permission denied)")
    assert below(photos, [units[0], units[2]]) == ["b.jpg", "thumbs/t.png"]


def test_a_source_that_cannot_be_listed_is_said_to_be_so(tmp_path, monkeypatch):
    def refuse(path):
        raise OSError(5, "Input/output error", path)

    monkeypatch.setattr(os, "scandir", refuse)
    assert list(scan([tmp_path])) == [Unlisted(tmp_path, "cannot be listed (Input/output error)")]


def test_links_to_files_are_followed_links_to_folders_and_loops_are_not(photos, tmp_path):
    (photos / "A" / "back").symlink_to(photos, target_is_directory=True)
    (photos / "linked.png").symlink_to(photos / "A" / "c.png")
    (photos / "lost.png").symlink_to(tmp_path / "nothing.png")
    (photos / "self.png").symlink_to(photos / "self.png")
    units = list(scan([photos]))
    assert below(photos, [u for u in units if isinstance(u, Unit)]) == [
        "b.jpg", "linked.png", "A/c.png", "A/red_coat.webp", "thumbs/t.png"]  # fmt: skip
    assert [u for u in units if isinstance(u, Skipped)] == [
        Skipped(photos / "lost.png", "is a link to a file that does not exist"),
        Unlisted(photos / "self.png", "Too many levels of symbolic links"),
    ]
    link = tmp_path / "link"
    link.symlink_to(photos / "A", target_is_directory=True)
    assert below(link, scan([link])) == ["c.png", "red_coat.webp"]  # a link that is named is followed


def test_names_with_line_breaks_and_bytes_that_are_no_utf8(tmp_path):
    odd = [os.fsencode("new\nline.png"), b"caf\xe9 \xff.png", "naïve 猫.png".encode()]
    for name in odd:
        Image.new("RGB", (4, 4)).save(tmp_path / os.fsdecode(name))
    items = items_of(tmp_path)
    assert sorted(os.fsencode(to_path(item.path).name) for item in items) == sorted(odd)
    for item in items:
        item.id.encode()  # what stores keep is valid Unicode
        item.text.encode()
        assert read_image(item.read().image()).size == (4, 4)


def test_what_is_no_file_does_not_stop_anything(tmp_path):
    os.mkfifo(tmp_path / "pipe.jpg")
    assert list(scan([tmp_path])) == [Skipped(tmp_path / "pipe.jpg", "is not a regular file")]
    (tmp_path / "soon_gone.jpg").write_bytes(b"x")
    (item,) = items_of(tmp_path / "soon_gone.jpg")
    (tmp_path / "soon_gone.jpg").unlink()
    with pytest.raises(ImageError, match=r"^no such file$"):
        item.read()


def test_large_files_are_hashed_without_holding_them(tmp_path, monkeypatch):
    path = tmp_path / "large.bmp"
    Image.effect_noise((900, 900), 50).convert("RGB").save(path)
    whole = read_file(str(path))
    monkeypatch.setattr("wordsight.ingest.files._HELD", 1000)
    assert read_file(str(path)).content_hash == whole.content_hash
    assert read_file(str(path)).image() == str(path)


def test_listing_a_large_folder_takes_few_names_at_a_time(tmp_path):
    """The stream starts before deeper folders are listed."""
    for number in range(3):
        (tmp_path / f"{number}").mkdir()
        (tmp_path / f"{number}" / "a.png").touch()
    units = scan([tmp_path])
    next(units)
    (tmp_path / "2" / "b.png").touch()
    assert below(tmp_path, units) == ["1/a.png", "2/a.png", "2/b.png"]


@given(st.binary(min_size=1, max_size=30).filter(lambda b: b"\0" not in b))
def test_any_file_name_survives_as_text(name):
    path = os.fsdecode(name)
    text = to_text(path)
    text.encode("utf-8")
    assert os.fsencode(to_path(text)) == os.fsencode(Path(path))


@given(st.text("a\uef80\uefff\udc80\udcfeé", max_size=8), st.text("a\uef80\uefff\udc80\udcfeé", max_size=8))
def test_different_names_stay_different(a, b):
    assert (to_text(a) == to_text(b)) == (os.fsencode(a) == os.fsencode(b))


def test_words_of_names():
    assert name_words("Rome 2019/redVespa_2.jpg") == "Rome 2019 red Vespa 2"
    assert name_words("naïve-猫.png") == "naïve 猫"
    assert name_words(os.fsdecode(b"caf\xe9-au-lait.jpg")) == "caf au lait"
