"""`Gallery`, as a program uses it: an index on disk, its model, and the sources it follows."""

import dataclasses
import os
import re
import shutil
from datetime import UTC, date, datetime
from decimal import Decimal

import numpy as np
import pytest
from indexing import colour, colour_model, vector_of, write_images
from PIL import Image

import wordsight
from wordsight.errors import InputError, StoreError
from wordsight.gallery import Gallery
from wordsight.ingest.in_memory import given_item
from wordsight.ingest.options import IngestOptions
from wordsight.samples import sample_images
from wordsight.update.row_state import is_gone
from wordsight.weights import write as weights

pytest.importorskip("lance")


@pytest.fixture
def gallery(tmp_path):
    write_images(tmp_path / "in", range(6))
    with Gallery.create(tmp_path / "index", model=colour_model()) as gallery:
        yield gallery


def test_images_are_found_by_words_with_the_bundled_model(tmp_path):
    with wordsight.Gallery.create(tmp_path / "index") as gallery:
        summary = gallery.add(sample_images())
        assert summary.added == len(gallery) == len(sample_images())
        best = gallery.search("a cat", 1)[0]
        assert best.path.name == "cat.jpg"
        assert best.score == pytest.approx(float(gallery.model.embed_texts("a cat")[0] @ best.row.vector), abs=1e-3)


def test_an_index_knows_its_model_and_is_opened_without_naming_it(tmp_path, monkeypatch):
    import random_models
    from indexing import SPEC

    monkeypatch.chdir(tmp_path)
    weights.write_checkpoint(random_models.random_checkpoint(SPEC), tmp_path / "model", "wordsight")
    with Gallery.create("index", model="model", backend="reference") as gallery:
        gallery.add([("a", Image.new("RGB", (9, 9), "red"))])
    monkeypatch.chdir(tmp_path.parent)
    with Gallery.open(tmp_path / "index", backend="reference") as gallery:
        assert gallery.info.model == str(tmp_path / "model")
        assert gallery.search(Image.new("RGB", (9, 9), "red"), 1)[0].id == "a"
    (tmp_path / "model").rename(tmp_path / "elsewhere")
    with Gallery.open(tmp_path / "index") as gallery, pytest.raises(StoreError, match=r"cannot be opened.*--model"):
        _ = gallery.model
    with Gallery.open(tmp_path / "index", model=tmp_path / "elsewhere") as gallery:
        assert gallery.model.fingerprint == gallery.info.fingerprint


def test_another_model_is_refused_and_both_are_named(gallery, tmp_path):
    other = colour_model(logit_scale=1.0)
    both = rf"{gallery.info.fingerprint}.*{other.fingerprint}"
    with pytest.raises(StoreError, match=both):
        Gallery.open(tmp_path / "index", model=other)
    with pytest.raises(StoreError, match=both):
        Gallery.create(tmp_path / "index", model=other)
    with Gallery.open(tmp_path / "index", model="mini") as opened, pytest.raises(StoreError, match="mini"):
        opened.add(tmp_path / "in")


def test_there_must_be_an_index_to_open(tmp_path):
    with pytest.raises(StoreError, match="There is no index"):
        Gallery.open(tmp_path / "nothing")


def test_the_users_own_index_is_the_default(tmp_path, monkeypatch):
    monkeypatch.setenv("WORDSIGHT_INDEX", str(tmp_path / "mine"))
    with Gallery.create(model=colour_model()) as gallery:
        gallery.add([("a", Image.new("RGB", (4, 4)))])
    with Gallery.open() as gallery:
        assert len(gallery) == 1
        assert gallery.location == str(tmp_path / "mine")


def test_refresh_does_what_adding_all_sources_again_would(gallery, tmp_path):
    write_images(tmp_path / "other", [20, 21])
    gallery.add(tmp_path / "in")
    gallery.add([str(tmp_path / "other")])
    (tmp_path / "in" / "000.png").unlink()
    write_images(tmp_path / "other", [22])
    summary = gallery.refresh()
    assert (summary.added, summary.removed, summary.unchanged) == (1, 1, 7)
    assert list(gallery.sources) == [str(tmp_path / "in"), str(tmp_path / "other")]


def test_a_source_that_is_away_is_skipped_and_keeps_its_images(gallery, tmp_path):
    gallery.add(tmp_path / "in")
    (tmp_path / "in").rename(tmp_path / "unplugged")
    summary = gallery.refresh()
    assert len(gallery) == 6
    assert summary.kept == (str(tmp_path / "in"),)
    assert summary.skipped[0].reason == "is not there now"


def test_a_single_image_that_was_named_and_deleted_leaves(gallery, tmp_path):
    gallery.add([tmp_path / "in" / "000.png", tmp_path / "in" / "001.png"])
    (tmp_path / "in" / "000.png").unlink()
    assert gallery.refresh().removed == 1
    assert list(gallery.sources) == [str(tmp_path / "in" / "001.png")]


def test_the_way_a_source_is_read_is_remembered(gallery, tmp_path):
    options = IngestOptions(exclude=("*5.png",))
    assert gallery.add(tmp_path / "in", options=options).added == 5
    assert gallery.add(tmp_path / "in").unchanged == 5
    assert gallery.refresh().unchanged == 5
    assert gallery.sources == {str(tmp_path / "in"): options}
    assert gallery.add(tmp_path / "in", options=IngestOptions()).added == 1
    assert gallery.add(tmp_path / "in", options=options).removed == 1  # what is left out now leaves


def test_forgetting_a_source_removes_its_images(gallery, tmp_path):
    gallery.add(tmp_path / "in")
    with pytest.raises(InputError, match=r"'nowhere' is not followed by this index; it follows '.*in'"):
        gallery.forget("nowhere")
    assert gallery.forget(tmp_path / "in") == 6
    assert len(gallery) == 0
    with pytest.raises(InputError, match="follows no source yet"):
        gallery.refresh()


@pytest.mark.parametrize("first", ["in/sub", "in"])
def test_forgetting_a_source_leaves_what_another_holds_too(gallery, tmp_path, first):
    write_images(tmp_path / "in" / "sub", range(20, 23))
    write_images(tmp_path / "in" / "sub" / ".hidden", [30])
    sources = [tmp_path / "in" / "sub", tmp_path / "in", tmp_path / "in" / "sub" / ".hidden"]
    for source in sorted(sources, key=lambda source: source != tmp_path / first):
        gallery.add(source)
    assert len(gallery) == 10
    assert gallery.forget(tmp_path / first) == (0 if first == "in/sub" else 6)
    assert len(gallery) == (10 if first == "in/sub" else 4)
    summary = gallery.refresh()
    assert (summary.embedded, summary.removed, len(gallery)) == (0, 0, 10 if first == "in/sub" else 4)


def test_forgetting_a_source_removes_what_the_other_leaves_out(gallery, tmp_path):
    write_images(tmp_path / "in" / "sub", range(20, 23))
    gallery.add(tmp_path / "in", options=IngestOptions(exclude=("sub/",)))
    gallery.add(tmp_path / "in" / "sub")
    assert gallery.forget(tmp_path / "in" / "sub") == 3
    with Gallery.open(tmp_path / "index", model=colour_model()) as other:
        assert other.add(tmp_path / "in").unchanged == 6


def test_images_are_removed_by_path_and_come_back_with_a_refresh(gallery, tmp_path):
    gallery.add(tmp_path / "in")
    assert gallery.remove([tmp_path / "in" / "000.png", str(tmp_path / "in" / "001.png"), "unknown"]) == 2
    assert len(gallery) == 4
    assert gallery.refresh().added == 2


def test_a_source_that_does_not_exist_changes_nothing(gallery, tmp_path):
    with pytest.raises(InputError, match="'missing' does not exist"):
        gallery.add([tmp_path / "in", "missing"])
    assert len(gallery) == 0
    assert gallery.sources == {}
    with pytest.raises(InputError, match="No source was named"):
        gallery.add([])


def test_images_in_memory_are_added_under_ids(gallery, tmp_path):
    images = [
        ("red", Image.new("RGB", (20, 10), (255, 0, 0)), {"title": "a red thing", "price": 5}),
        ("green", np.full((10, 20, 3), (0, 255, 0), np.uint8)),
        ("file", tmp_path / "in" / "003.png"),
        ("bytes", (tmp_path / "in" / "004.png").read_bytes()),
    ]
    assert gallery.add(images).added == 4
    row = gallery.index.get(["red"])[0]
    assert np.allclose(row.vector, vector_of((255, 0, 0)), atol=1e-6)
    assert (row.text, row.meta, row.width, row.height) == ("a red thing", {"title": "a red thing", "price": 5}, 20, 10)
    assert row.thumbnail.startswith(b"\xff\xd8")  # there is no file to show
    assert gallery.index.get(["file"])[0].thumbnail == b""
    assert gallery.add(images).unchanged == 4
    changed = gallery.add([("green", np.full((10, 20, 3), (0, 0, 255), np.uint8))])
    assert changed.changed == 1
    assert len(gallery) == 4
    gallery.add(tmp_path / "in")
    assert gallery.refresh().removed == 0  # they stay


def test_images_in_memory_are_given_in_one_form(gallery):
    with pytest.raises(InputError, match=r"expected \(id, image\)"):
        gallery.add([(5, Image.new("RGB", (4, 4)))])
    with pytest.raises(InputError, match="given as NoneType"):
        gallery.add([("a", None)])
    for forgotten_list in (("a", Image.new("RGB", (4, 4))), [Image.new("RGB", (4, 4))], Image.new("RGB", (4, 4))):
        with pytest.raises(InputError, match=r"given as Image, expected a path, or a list of tuples"):
            gallery.add(forgotten_list)
    with pytest.raises(InputError, match="add them in two calls"):
        gallery.add([("a", Image.new("RGB", (4, 4))), "folder"])


def test_metadata_are_what_columns_hold(gallery):
    pandas = pytest.importorskip("pandas")
    meta = {
        "integer": np.int64(3), "number": np.float32(0.5), "truth": np.bool_(True), "price": Decimal("1.25"),
        "when": datetime(2024, 1, 2, 3, 4, tzinfo=UTC), "day": date(2024, 1, 2), "text": np.str_("red"), "none": None,
        "nat": np.datetime64("NaT"), "na": pandas.NA, 7: "seven", "np_day": np.datetime64("2024-01-02"),
        "np_time": np.datetime64("2024-01-02T03:04", "ns"),
    }  # fmt: skip
    image = Image.new("RGB", (4, 4))
    assert gallery.add([("a", image, meta), ("b", image, None)]).skipped == ()
    kept = gallery.index.get(["a"])[0].meta
    assert {name: value for name, value in kept.items() if value is not None} == {
        "integer": 3, "number": 0.5, "truth": True, "price": 1.25, "when": "2024-01-02T03:04:00+00:00",
        "day": "2024-01-02", "text": "red", "7": "seven", "np_day": "2024-01-02",
        "np_time": "2024-01-02T03:04:00.000000000",
    }  # fmt: skip
    assert not any(gallery.index.get(["b"])[0].meta.values())


@pytest.mark.parametrize(
    ("meta", "reason"),
    [
        ({"x": b"1"}, "metadata 'x' of 'b' is bytes; expected text, number, true/false or None"),
        ({"x": object()}, "metadata 'x' of 'b' is object; expected"),
        ({"x": np.timedelta64(1, "s")}, "metadata 'x' of 'b' is timedelta64; expected"),
        ({"x": 10**5000}, "metadata 'x' of 'b' is a number of more than 64 bits; expected"),
        ({"x": ["red"]}, "metadata 'x' of 'b' is list; expected"),
        ({(1, 2): 3}, r"metadata of 'b' has the key \(1, 2\) \(tuple\); expected text"),
        ("red", "metadata of 'b' is str; expected a dict or None"),
    ],
)
def test_an_image_whose_metadata_cannot_be_kept_does_not_keep_the_others_out(gallery, meta, reason):
    image = Image.new("RGB", (4, 4))
    summary = gallery.add([("a", image, {"x": 1}), ("b", image, meta), ("c", image, {"x": 2})])
    assert (len(gallery), [skip.item for skip in summary.skipped]) == (2, ["b"])
    assert re.match(reason, summary.skipped[0].reason)
    item = dataclasses.replace(given_item("b", image, {}, ""), meta=meta)
    assert [re.match(reason, skip.reason) is not None for skip in gallery.add([item]).skipped] == [True]


def test_an_empty_path_is_not_the_current_folder(gallery):
    for empty in ("", [""]):
        with pytest.raises(InputError, match=r"^'' does not exist; expected an image"):
            gallery.add(empty)


def test_progress_knows_the_total_in_time(gallery, tmp_path):
    states = []
    write_images(tmp_path / "in", range(300))
    gallery.add(tmp_path / "in", progress=states.append)
    assert states[-1].total == states[-1].done == 300


def test_a_table_brings_columns_to_search_in(gallery, tmp_path):
    lines = ["image,title,price", "in/000.png,a coat,10", "in/001.png,a hat,20", "in/002.png,shoes,30"]
    table = tmp_path / "shop.csv"
    table.write_text("\n".join(lines))
    assert gallery.add(table).added == 3
    hits = gallery.search(Image.new("RGB", (9, 9), colour(0)), where="price >= 20")
    assert {hit.meta["title"] for hit in hits} == {"a hat", "shoes"}
    table.write_text("\n".join([*lines[:2], "in/001.png,a cap,21"]))
    summary = gallery.add(table)
    assert (summary.described, summary.removed, summary.unchanged, summary.embedded) == (1, 1, 1, 0)
    (tmp_path / "in" / "001.png").unlink()
    summary = gallery.refresh()
    assert (summary.removed, len(summary.skipped)) == (1, 1)


def test_a_table_is_read_again_by_the_column_that_was_named(gallery, tmp_path):
    table = tmp_path / "shop.csv"
    table.write_text("code,title\n000,a coat\n001,a hat\n")
    assert gallery.add(table, options=IngestOptions(image_column="in/{code}.png")).added == 2
    assert gallery.add(table).unchanged == 2


def test_a_table_that_broke_does_not_keep_the_others_from_being_refreshed(gallery, tmp_path):
    table = tmp_path / "shop.csv"
    table.write_text("image,price\nin/000.png,1\n")
    gallery.add([table, tmp_path / "in"])
    table.write_text("")
    write_images(tmp_path / "in", [7])
    summary = gallery.refresh()
    assert (summary.added, summary.removed, len(gallery)) == (1, 0, 8)
    assert [skip.item for skip in summary.skipped] == [str(table)]
    assert "cannot be read: it is empty" in summary.skipped[0].reason
    with pytest.raises(InputError, match="it is empty"):
        gallery.add(table)


def test_an_interrupted_writer_lets_others_write(gallery, tmp_path):
    def interrupt(state):
        if state.embedded:
            raise KeyboardInterrupt

    write_images(tmp_path / "in", range(100))
    with pytest.raises(KeyboardInterrupt):
        gallery.add(tmp_path / "in", progress=interrupt)
    with Gallery.open(tmp_path / "index", model=colour_model()) as other:
        other.add(tmp_path / "in")
        assert len(other) == 100


def test_a_table_whose_column_is_of_another_kind_does_not_keep_the_others_out(gallery, tmp_path):
    for n, price in enumerate([10, "unknown", 30]):
        (tmp_path / f"{n}.csv").write_text(f"image,price\nin/00{n}.png,{price}\n")
    summary = gallery.add([tmp_path / f"{n}.csv" for n in range(3)])
    assert (summary.added, summary.skipped) == (3, ())
    (odd,) = summary.incomplete
    assert odd.item == f"{tmp_path}/1.csv#in/001.png: 'unknown'"
    assert odd.reason.startswith("the column 'price' holds whole numbers in this index, so this cell was left out")


def test_one_cell_of_another_kind_does_not_keep_its_table_from_being_updated(gallery, tmp_path):
    table = tmp_path / "t.csv"
    table.write_text("image,stock,price\nin/000.png,1,5\nin/001.png,2,6\n")
    gallery.add(table)
    table.write_text("image,stock,price\nin/000.png,1,9\nin/001.png,2,6\nin/002.png,soon,8\nin/003.png,n/a,7\n")
    summary = gallery.add(table)
    assert (summary.added, summary.described, summary.skipped, summary.kept) == (2, 2, (), ())
    assert [skip.item for skip in summary.incomplete] == [f"{table}#in/002.png: 'soon'"]
    found = {row.path[-7:-4]: dict(row.meta) for row in gallery.index.get([s.id for s in gallery.index.row_versions()])}
    assert found == {
        "000": {"stock": 1, "price": 9}, "001": {"stock": 2, "price": 6}, "002": {"price": 8}, "003": {"price": 7},
    }  # fmt: skip
    assert (gallery.refresh().unchanged, gallery.refresh().incomplete) == (4, ())
    table.write_text("image,stock,price\ngone.png,1,9\n")
    assert gallery.refresh().kept == (str(table),)  # its images may be on a disk that is away


def test_a_source_whose_images_cannot_be_read_is_not_said_to_hold_none(gallery, tmp_path):
    gallery.add(tmp_path / "in")
    for path in (tmp_path / "in").iterdir():
        path.write_bytes(b"damaged")
    summary = gallery.refresh()
    assert (len(summary.skipped), summary.kept, len(gallery)) == (6, (), 6)


def test_a_number_in_a_column_of_text_is_written_as_text(gallery, tmp_path):
    (tmp_path / "a.csv").write_text("image,code\nin/000.png,A1\n")
    (tmp_path / "b.csv").write_text("image,code\nin/001.png,17\n")
    summary = gallery.add([tmp_path / "a.csv", tmp_path / "b.csv"])
    assert (summary.added, summary.incomplete) == (2, ())
    assert {row.meta["code"] for row in gallery.index.get([s.id for s in gallery.index.row_versions()])} == {"A1", "17"}


def test_a_folder_that_was_renamed_is_taken_over_without_reading_it(gallery, tmp_path):
    gallery.add(tmp_path / "in", options=IngestOptions(exclude=("005.png",)))
    (tmp_path / "in").rename(tmp_path / "pics")
    write_images(tmp_path / "pics", [9])
    summary = gallery.add(tmp_path / "pics")
    assert summary.moved == {str(tmp_path / "in"): str(tmp_path / "pics")}
    assert (summary.added, summary.unchanged, summary.reused, summary.embedded, len(gallery)) == (1, 5, 0, 1, 6)
    assert gallery.sources == {str(tmp_path / "pics"): IngestOptions(exclude=("005.png",))}
    assert {os.path.dirname(version.path) for version in gallery.index.row_versions()} == {str(tmp_path / "pics")}


def test_a_folder_that_was_moved_into_another_is_taken_in(gallery, tmp_path):
    gallery.add(tmp_path / "in")
    (tmp_path / "archive").mkdir()
    (tmp_path / "in").rename(tmp_path / "archive" / "in")
    summary = gallery.add(tmp_path / "archive")
    assert summary.moved == {str(tmp_path / "in"): str(tmp_path / "archive")}
    assert (summary.unchanged, summary.embedded, len(gallery)) == (6, 0, 6)
    assert list(gallery.sources) == [str(tmp_path / "archive")]


def test_a_folder_that_was_copied_and_deleted_is_taken_over_by_its_content(gallery, tmp_path):
    gallery.add(tmp_path / "in")
    for path in (tmp_path / "in").iterdir():
        (tmp_path / "new").mkdir(exist_ok=True)
        (tmp_path / "new" / f"x{path.name}").write_bytes(path.read_bytes())
    assert gallery.add(tmp_path / "new").moved == {}  # both are there
    assert len(gallery) == 12
    shutil.rmtree(tmp_path / "in")
    summary = gallery.add(tmp_path / "new")
    assert summary.moved == {str(tmp_path / "in"): str(tmp_path / "new")}
    assert (summary.removed, len(gallery), list(gallery.sources)) == (6, 6, [str(tmp_path / "new")])


def test_a_source_whose_images_came_back_in_part_is_not_taken_over(gallery, tmp_path):
    gallery.add(tmp_path / "in")
    (tmp_path / "new").mkdir()
    (tmp_path / "new" / "a.png").write_bytes((tmp_path / "in" / "000.png").read_bytes())
    shutil.rmtree(tmp_path / "in")
    assert gallery.add(tmp_path / "new").moved == {}
    assert len(gallery) == 7


def write_table(path, rows):
    path.parent.mkdir(exist_ok=True)
    path.write_text("image,title\n" + "".join(f"{image},{title}\n" for image, title in rows))


def titles(gallery):
    rows = gallery.index.get([version.id for version in gallery.index.row_versions()])
    return sorted(row.meta["title"] for row in rows if row.meta.get("title"))


def test_a_folder_of_a_tables_images_does_not_take_the_place_of_the_table(gallery, tmp_path):
    table = tmp_path / "p.csv"
    write_table(table, [("in/000.png", "red"), ("in/001.png", "green")])
    gallery.add(table)
    table.rename(tmp_path / "away.csv")
    summary = gallery.add(tmp_path / "in")
    assert (summary.moved, summary.removed, summary.kept) == ({}, 0, (str(table),))
    assert titles(gallery) == ["green", "red"]
    assert set(gallery.sources) == {str(table), str(tmp_path / "in")}
    (tmp_path / "away.csv").rename(table)
    assert gallery.refresh().unchanged == 8


def test_a_table_that_was_copied_is_taken_over_by_one_that_says_the_same(gallery, tmp_path):
    table, other, copy = tmp_path / "p.csv", tmp_path / "other.csv", tmp_path / "copy.csv"
    write_table(table, [("in/000.png", "red"), ("in/001.png", "green")])
    write_table(other, [("in/000.png", "poppy"), ("in/001.png", "leaf")])
    gallery.add(table)
    copy.write_bytes(table.read_bytes())
    table.unlink()
    assert gallery.add(other).moved == {}
    assert titles(gallery) == ["green", "leaf", "poppy", "red"]
    assert gallery.add(copy).moved == {str(table): str(copy)}
    assert titles(gallery) == ["green", "leaf", "poppy", "red"]


def test_a_table_that_was_moved_into_a_named_folder_is_a_source_still(gallery, tmp_path):
    (tmp_path / "old").mkdir()
    (tmp_path / "in").rename(tmp_path / "old" / "in")
    write_table(tmp_path / "old" / "p.csv", [("in/000.png", "red"), ("in/001.png", "green")])
    gallery.add(tmp_path / "old" / "p.csv")
    (tmp_path / "archive").mkdir()
    (tmp_path / "old").rename(tmp_path / "archive" / "old")
    now = tmp_path / "archive" / "old" / "p.csv"
    assert gallery.add(tmp_path / "archive").moved == {str(tmp_path / "old" / "p.csv"): str(now)}
    assert titles(gallery) == ["green", "red"]
    assert set(gallery.sources) == {str(now), str(tmp_path / "archive")}


def test_a_gallery_in_the_home_folder_is_made_there(tmp_path, monkeypatch):
    for name in ("HOME", "USERPROFILE"):
        monkeypatch.setenv(name, str(tmp_path))
    with Gallery.create("~/pictures", model=colour_model()) as gallery:
        assert gallery.location == str(tmp_path / "pictures")
    assert (tmp_path / "pictures" / "items.lance").is_dir()


@pytest.mark.parametrize("table", [False, True])
def test_an_index_beside_its_images_moves_with_them(tmp_path, table):
    write_images(tmp_path / "disk1" / "photos", range(4))
    source = tmp_path / "disk1" / "photos"
    if table:
        source = tmp_path / "disk1" / "t.csv"
        source.write_text("image,title\n" + "".join(f"photos/00{n}.png,t{n}\n" for n in range(4)))
    with Gallery.create(tmp_path / "disk1" / ".ix", model=colour_model()) as gallery:
        gallery.add(source)
    (tmp_path / "disk1").rename(tmp_path / "disk2")
    with Gallery.open(tmp_path / "disk2" / ".ix", model=colour_model()) as gallery:
        summary = gallery.refresh()
        assert (summary.unchanged, summary.embedded, summary.skipped, len(gallery)) == (4, 0, (), 4)
        now = tmp_path / "disk2" / source.name
        assert summary.moved == {str(source): str(now)}
        assert list(gallery.sources) == [str(now)]
        hits = gallery.search(Image.new("RGB", (9, 9), "red"), 4)
        assert {hit.path.parent for hit in hits} == {tmp_path / "disk2" / "photos"}
        assert not any(is_gone(row) for row in gallery.index.get([s.id for s in gallery.index.row_versions()]))


def test_another_folder_of_the_same_names_is_not_taken_for_one_that_is_gone(gallery, tmp_path):
    gallery.add(tmp_path / "in")
    shutil.rmtree(tmp_path / "in")
    write_images(tmp_path / "other", range(1, 7))
    assert gallery.add(tmp_path / "other").moved == {}
    row = gallery.index.get([str(tmp_path / "in" / "000.png")])[0]
    assert is_gone(row)
    assert not is_gone(dataclasses.replace(row, path="https://example.org/a.png"))


def test_images_of_folders_that_are_passed_over_now_are_said_to_leave(gallery, tmp_path):
    """As in an index that an older version made."""
    write_images(tmp_path / "in" / "@eaDir" / "x", [7, 8])
    gallery.add(tmp_path / "in", options=IngestOptions(exclude=("!@eaDir/",)))
    assert len(gallery) == 8
    summary = gallery.add(tmp_path / "in", options=IngestOptions(exclude=("*.gif",)))
    assert (summary.removed, summary.left_out, len(gallery)) == (2, {"@eaDir": 2}, 6)
    assert gallery.refresh().left_out == {}


def test_a_pattern_is_followed(gallery, tmp_path):
    pattern = f"{tmp_path}/in/00[0-3].*"
    assert gallery.add(pattern).added == 4
    (tmp_path / "in" / "001.png").unlink()
    (tmp_path / "in" / "002.webp").write_bytes((tmp_path / "in" / "005.png").read_bytes())
    summary = gallery.refresh()
    assert (summary.added, summary.removed, summary.unchanged) == (1, 1, 3)
    shutil.rmtree(tmp_path / "in")
    assert gallery.refresh().kept == (pattern,)
    assert gallery.forget(pattern) == 4
    with pytest.raises(InputError, match="matches no image"):
        gallery.add(pattern)


def test_one_process_writes_at_a_time(gallery, tmp_path):
    gallery.add(tmp_path / "in")
    row = gallery.index.get([str(tmp_path / "in" / "000.png")])[0]
    gallery.index.add([row])  # and has not ended writing
    with Gallery.open(tmp_path / "index", model=colour_model()) as other:
        write_images(tmp_path / "in", [30])
        write_images(tmp_path / "more", [31])
        with pytest.raises(StoreError, match="in use: another process is writing it"):
            other.add(tmp_path / "more")
        assert list(other.sources) == [str(tmp_path / "in")]  # what was refused is not recorded
        assert len(other.search(Image.new("RGB", (9, 9), "red"), 3)) == 3  # searching is possible
    assert gallery.add(tmp_path / "in").added == 1


@pytest.mark.skipif(os.name != "posix", reason="names are bytes on POSIX systems only")
def test_file_names_of_any_bytes_are_followed(gallery, tmp_path):
    odd = [os.fsdecode(name) for name in (b"line\nbreak.png", b"\xff\xfe.png", "日本 é.png".encode())]
    for n, name in enumerate(odd):
        (tmp_path / "in" / f"{n:03}.png").rename(tmp_path / "in" / name)
    assert gallery.add(tmp_path / "in").added == 6
    assert gallery.refresh().unchanged == 6
    assert gallery.remove(tmp_path / "in" / odd[1]) == 1
    assert gallery.refresh().added == 1
    (tmp_path / "in" / odd[1]).unlink()
    assert gallery.refresh().removed == 1
