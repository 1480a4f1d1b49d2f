"""From what a user names to images: files, folders, patterns, a list on standard input."""

import os

import pytest

from wordsight.errors import InputError
from wordsight.images.files import find_images


@pytest.fixture
def folder(tmp_path, monkeypatch):
    for name in ["b.jpg", "a.PNG", "notes.txt", "sub/c.webp", "sub/deeper/d.tif", ".hidden/e.jpg", ".f.jpg", "odd.bin"]:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    monkeypatch.chdir(tmp_path)
    return tmp_path


def names(paths):
    return [str(path).replace(os.sep, "/") for path in paths]


def test_a_folder_is_searched_by_name_and_known_endings(folder):
    assert names(find_images(["."])) == ["a.PNG", "b.jpg", "sub/c.webp", "sub/deeper/d.tif"]


def test_a_named_file_is_taken_whatever_its_ending(folder):
    assert names(find_images(["odd.bin", "notes.txt"])) == ["odd.bin", "notes.txt"]


def test_patterns_are_expanded_also_through_subfolders(folder):
    assert names(find_images(["*.jpg"])) == ["b.jpg"]
    assert names(find_images(["**/*.tif"])) == ["sub/deeper/d.tif"]
    assert names(find_images(["s*"])) == ["sub/c.webp", "sub/deeper/d.tif"]


def test_a_file_whose_name_looks_like_a_pattern_is_that_file(folder):
    (folder / "[1].jpg").touch()
    assert names(find_images(["[1].jpg"])) == ["[1].jpg"]


def test_each_image_comes_once_in_the_order_given(folder):
    assert names(find_images(["sub", "b.jpg", ".", folder / "b.jpg"])) == [
        "sub/c.webp", "sub/deeper/d.tif", "b.jpg", "a.PNG"]  # fmt: skip


def test_a_dash_reads_a_list_whose_files_need_not_exist(folder):
    listing = ["b.jpg\n", "\n", "gone.jpg\r\n", "sub\n", " spaced.jpg\n"]
    assert names(find_images(["-"], listing)) == [
        "b.jpg", "gone.jpg", "sub/c.webp", "sub/deeper/d.tif", " spaced.jpg"]  # fmt: skip


def test_a_link_back_to_its_own_folder_does_not_loop(folder):
    (folder / "sub" / "back").symlink_to(folder, target_is_directory=True)
    assert names(find_images(["sub"])) == ["sub/c.webp", "sub/deeper/d.tif"]


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("nowhere", "'nowhere' does not exist; expected an image, a folder, a pattern"),
        ("*.bmp", r"'\*.bmp' matches nothing"),
        (".hidden/none", "does not exist"),
    ],
)
def test_what_is_not_there_is_named(folder, source, message):
    with pytest.raises(InputError, match=message):
        find_images([source])


def test_folders_without_images_are_an_error(tmp_path):
    with pytest.raises(InputError, match="No image was found"):
        find_images([tmp_path])


def test_links_to_files_are_followed_and_a_link_to_itself_does_no_harm(folder):
    (folder / "sub" / "linked.png").symlink_to(folder / "b.jpg")
    (folder / "sub" / "self.png").symlink_to(folder / "sub" / "self.png")
    assert names(find_images(["sub"])) == ["sub/c.webp", "sub/linked.png", "sub/self.png", "sub/deeper/d.tif"]


def test_a_folder_that_cannot_be_listed_is_named(folder, monkeypatch):
    scandir = os.scandir

    def refuse(path):
        if os.path.basename(path) == "deeper":
            raise PermissionError(13, "Permission denied", path)
        return scandir(path)

    monkeypatch.setattr(os, "scandir", refuse)
    with pytest.raises(InputError, match=r"folder './sub/deeper' cannot be listed \(Permission denied\); check its"):
        find_images(["."])


def test_camera_raw_and_heic_are_images(folder):
    for name in ("x.NEF", "y.heic"):
        (folder / name).touch()
    assert names(find_images(["."]))[:4] == ["a.PNG", "b.jpg", "x.NEF", "y.heic"]
