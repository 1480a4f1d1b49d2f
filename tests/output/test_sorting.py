"""Putting images into class folders: safe names, nothing overwritten, a listing that records how to undo it."""

import csv
import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wordsight.errors import InputError
from wordsight.output.sorting import LISTING, Sorter, safe_name
from wordsight.output.sorting_undo import undo


def make(path, content):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content)
    return path


@pytest.mark.parametrize(
    ("name", "folder"),
    [("red coat", "red coat"), ("a/b\\c", "a_b_c"), ("..", "_"), (" x. ", "x"), ("NUL", "NUL_"),
     ("con.fig", "con.fig_"), ("what?", "what_"), ("Straße 漢", "Straße 漢"), ("a" * 200, "a" * 100), ("", "_")],
)  # fmt: skip
def test_class_names_become_safe_folder_names(name, folder):
    assert safe_name(name) == folder


@given(st.text(max_size=300))
def test_every_name_is_one_plain_path_component(name):
    safe = safe_name(name)
    assert 0 < len(safe) <= 101
    assert not set(safe) & set('/\\:*?"<>|\0')
    assert safe not in (".", "..")


def test_two_classes_never_share_a_folder(tmp_path):
    sorter = Sorter(tmp_path, {"a/b": "a/b", "a:b": "a:b", "A_B": "A_B", "c": "c"})
    assert len({name.casefold() for name in sorter.folder_of.values()}) == 4


def test_a_copy_never_overwrites(tmp_path):
    first, second = make(tmp_path / "1" / "x.jpg", "one"), make(tmp_path / "2" / "x.jpg", "two")
    sorter = Sorter(tmp_path / "out", {"cat": "cat"})
    assert sorter.place(first, "cat", 0.9) == tmp_path / "out" / "cat" / "x.jpg"
    assert sorter.place(second, "cat", 0.8) == tmp_path / "out" / "cat" / "x-2.jpg"
    assert sorter.place(second, "cat", 0.8) == tmp_path / "out" / "cat" / "x-2.jpg"  # the same content: already there
    assert [(tmp_path / "out" / "cat" / name).read_text() for name in ("x.jpg", "x-2.jpg")] == ["one", "two"]
    assert first.exists()


def test_a_move_can_be_undone_from_the_listing(tmp_path):
    images = [make(tmp_path / "in" / name, name) for name in ("a.jpg", "b.jpg")]
    sorter = Sorter(tmp_path / "out", {"cat": "cat", "dog": "dog"}, "move")
    sorter.place(images[0], "cat", 0.9)
    sorter.place(images[1], "dog", 0.7)
    assert not any(image.exists() for image in images)
    with open(tmp_path / "out" / LISTING, newline="") as file:
        rows = list(csv.DictReader(file))
    assert [(row["label"], row["probability"], row["how"]) for row in rows] == [
        ("cat", "0.9000", "move"), ("dog", "0.7000", "move")]  # fmt: skip
    for row in rows:
        os.rename(row["destination"], row["source"])
    assert [image.read_text() for image in images] == ["a.jpg", "b.jpg"]


def test_a_moved_image_gets_a_free_name_too(tmp_path):
    sorter = Sorter(tmp_path / "out", {"cat": "cat"}, "move")
    for n in (1, 2):
        sorter.place(make(tmp_path / str(n) / "x.jpg", "same"), "cat", 0.5)
    assert sorted(os.listdir(tmp_path / "out" / "cat")) == ["x-2.jpg", "x.jpg"]


def test_a_image_that_is_in_its_folder_stays(tmp_path):
    image = make(tmp_path / "out" / "cat" / "x.jpg", "x")
    assert Sorter(tmp_path / "out", {"cat": "cat"}, "move").place(image, "cat", 0.5) == image


def test_links_point_to_the_original(tmp_path, monkeypatch):
    make(tmp_path / "x.jpg", "x")
    monkeypatch.chdir(tmp_path)
    link = Sorter(tmp_path / "out", {"cat": "cat"}, "link").place(Path("x.jpg"), "cat", 1.0)
    assert link.is_symlink()
    assert link.read_text() == "x"


def test_the_listing_grows(tmp_path):
    for n in (1, 2):
        Sorter(tmp_path / "out", {"cat": "cat"}).place(make(tmp_path / f"{n}.jpg", str(n)), "cat", 0.5)
    assert len((tmp_path / "out" / LISTING).read_text().splitlines()) == 3


def test_sorting_into_what_is_being_sorted_is_refused(tmp_path):
    (tmp_path / "in" / "cat").mkdir(parents=True)
    for folder, given_folder in [("in", "in"), ("in/sorted", "in"), (".", "in/cat")]:
        names = {"in": "in", "cat": "cat"} if folder == "." else {"cat": "cat"}
        target = tmp_path / "in" if folder == "." else tmp_path / folder
        with pytest.raises(InputError, match="which is being sorted; choose a folder outside it"):
            Sorter(target, names).check([tmp_path / given_folder])
    Sorter(tmp_path / "out", {"cat": "cat"}).check([tmp_path / "in"])


def test_sorting_into_a_file_is_refused(tmp_path):
    with pytest.raises(InputError, match="is a file; --sort-into needs a folder"):
        Sorter(make(tmp_path / "f", ""), {"cat": "cat"}).check([])


def test_sorting_again_what_a_pattern_finds_among_the_results_is_refused(tmp_path):
    sorter = Sorter(tmp_path / "out", {"cat": "cat"}, "move")
    sorter.check([make(tmp_path / "x.jpg", "x")])
    there = sorter.place(tmp_path / "x.jpg", "cat", 1.0)
    with pytest.raises(InputError, match="lies in a folder that images are sorted into; give a pattern"):
        sorter.check([there])


def test_a_moved_image_that_cannot_be_listed_is_put_back(tmp_path, monkeypatch):
    def full(self, row):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Sorter, "_note", full)
    image = make(tmp_path / "x.jpg", "x")
    with pytest.raises(OSError, match="No space left"):
        Sorter(tmp_path / "out", {"cat": "cat"}, "move").place(image, "cat", 1.0)
    assert image.read_text() == "x"
    assert not list((tmp_path / "out" / "cat").iterdir())


def test_a_moved_link_still_leads_to_its_image(tmp_path):
    make(tmp_path / "in" / "x.jpg", "x")
    (tmp_path / "in" / "link.jpg").symlink_to("x.jpg")
    there = Sorter(tmp_path / "out", {"cat": "cat"}, "move").place(tmp_path / "in" / "link.jpg", "cat", 1.0)
    assert there.is_symlink()
    assert there.read_text() == "x"
    assert not (tmp_path / "in" / "link.jpg").is_symlink()
    assert sorted(os.listdir(tmp_path / "out" / "cat")) == ["link.jpg"]


# --- what belongs to an image, and the way back ----------------------------------------------------------------------


def snapshot(folder):
    """Every file and link under `folder`, with its content or where it leads."""
    return {
        str(path.relative_to(folder)): os.readlink(path) if path.is_symlink() else path.read_text()
        for path in folder.rglob("*")
        if path.is_symlink() or path.is_file()
    }


def test_a_link_moved_after_its_image_leads_to_the_new_place(tmp_path):
    image = make(tmp_path / "in" / "x.jpg", "x")
    (tmp_path / "in" / "best.jpg").symlink_to("x.jpg")
    sorter = Sorter(tmp_path / "out", {"cat": "cat"}, "move")
    sorter.place(image, "cat", 1.0)
    there = sorter.place(tmp_path / "in" / "best.jpg", "cat", 1.0)
    assert there.read_text() == "x"
    undo(tmp_path / "out")
    assert (tmp_path / "in" / "best.jpg").is_symlink()
    assert (tmp_path / "in" / "best.jpg").resolve() == image


def test_sidecars_stay_and_are_told_or_go_along_under_the_new_name(tmp_path):
    for name in ("x.jpg", "x.xmp", "x.jpg.json", "x.nef", "y.xmp", "x.txt"):
        make(tmp_path / "in" / name, name)
    make(tmp_path / "out" / "cat" / "x.jpg", "another")
    before = snapshot(tmp_path)
    sorter = Sorter(tmp_path / "out", {"cat": "cat"}, "move")
    sorter.place(tmp_path / "in" / "x.jpg", "cat", 1.0)
    assert [path.name for path in sorter.left_behind] == ["x.jpg.json", "x.nef", "x.xmp"]
    undo(tmp_path / "out")
    Sorter(tmp_path / "out", {"cat": "cat"}, "move", sidecars=True).place(tmp_path / "in" / "x.jpg", "cat", 1.0)
    assert sorted(os.listdir(tmp_path / "out" / "cat")) == ["x-2.jpg", "x-2.jpg.json", "x-2.nef", "x-2.xmp", "x.jpg"]
    assert sorted(os.listdir(tmp_path / "in")) == ["x.txt", "y.xmp"]
    undo(tmp_path / "out")
    assert snapshot(tmp_path) == before


def test_a_raw_that_is_sorted_itself_is_no_sidecar(tmp_path):
    images = [make(tmp_path / "in" / name, name) for name in ("x.jpg", "x.nef")]
    sorter = Sorter(tmp_path / "out", {"cat": "cat", "dog": "dog"}, "move", sidecars=True)
    sorter.check(images)
    sorter.place(images[0], "cat", 1.0)
    assert images[1].exists()


@pytest.mark.parametrize("how", ["copy", "link", "move"])
def test_undo_leaves_all_as_it_was(tmp_path, how):
    for name in ("a.jpg", "b.jpg"):
        make(tmp_path / "in" / name, name)
    before = snapshot(tmp_path)
    for _ in range(2):  # sorting again finds the copies there
        sorter = Sorter(tmp_path / "out", {"cat": "cat", "dog": "dog"}, how)
        for path in sorted((tmp_path / "in").iterdir()):
            sorter.place(path, "cat" if path.name == "a.jpg" else "dog", 0.9)
    done = undo(tmp_path / "out")
    assert not done.kept
    assert snapshot(tmp_path) == before
    assert not (tmp_path / "out").exists()


def test_undo_never_overwrites_and_keeps_what_it_cannot_undo_on_the_list(tmp_path):
    images = [make(tmp_path / "in" / name, name) for name in ("a.jpg", "b.jpg")]
    sorter = Sorter(tmp_path / "out", {"cat": "cat"}, "move")
    for image in images:
        sorter.place(image, "cat", 0.9)
    make(images[0], "a new image of the same name")
    done = undo(tmp_path / "out")
    assert (done.moved_back, [path.name for path, _ in done.kept]) == (1, ["a.jpg"])
    assert "is taken by another file" in done.kept[0][1]
    assert images[0].read_text() == "a new image of the same name"
    images[0].unlink()
    assert undo(tmp_path / "out").moved_back == 1
    assert [image.read_text() for image in images] == ["a.jpg", "b.jpg"]


def test_undo_removes_no_copy_that_was_changed_or_lost_its_original(tmp_path):
    images = [make(tmp_path / "in" / name, name) for name in ("a.jpg", "b.jpg")]
    for image in images:
        Sorter(tmp_path / "out", {"cat": "cat"}).place(image, "cat", 0.9)
    (tmp_path / "out" / "cat" / "a.jpg").write_text("edited")
    images[1].unlink()
    assert [reason.split(" ")[0] for _, reason in undo(tmp_path / "out").kept] == ["differs", "its"]
    assert sorted(os.listdir(tmp_path / "out" / "cat")) == ["a.jpg", "b.jpg"]


@pytest.mark.parametrize(
    ("listing", "message"),
    [
        (None, "has no wordsight-sort.csv"),
        ("a,b\n1,2\n", "Row 2 .* is not of a sorting"),
        ("source,destination,label,probability,how\n/x,/etc/passwd,cat,1,move\n", "outside of"),
        ('source,destination,label,probability,how\n"/x', "is damaged"),
    ],
)
def test_a_listing_that_cannot_be_trusted_is_refused(tmp_path, listing, message):
    if listing is not None:
        make(tmp_path / LISTING, listing)
    with pytest.raises(InputError, match=message):
        undo(tmp_path)
