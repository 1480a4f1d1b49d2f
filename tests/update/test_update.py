"""The living update: what is new is embedded, what is the same is not, what is gone leaves, and nothing else does."""

import dataclasses
import itertools
import os
import random
import shutil
from array import array

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from indexing import colour, colour_model, vector_of, write_images
from memory_index import MemoryIndex, index_info
from PIL import Image

from wordsight.errors import ImageError, InputError, StoreError
from wordsight.images.skipped import Skipped
from wordsight.ingest import Content, Item, Unit
from wordsight.ingest.items import Unlisted
from wordsight.ingest.scan import scan
from wordsight.update.row_state import RowStates
from wordsight.update.run import UpdateOptions, update


class Library:
    """A folder, an index in memory and a model; `run` brings the index up to date."""

    def __init__(self, folder):
        self.folder = folder
        self.index = MemoryIndex(index_info(dim=8))
        self.model = colour_model()

    @property
    def embedded(self):
        return self.model.encoder.seen

    def run(self, units=None, **options):
        listed = scan([self.folder]) if units is None else units
        return update(self.index, self.model, listed, [str(self.folder)], options=UpdateOptions(**options))

    def state(self):
        """Everything that the index holds, but for the vectors' last bits."""
        return {
            row.id: (row.content_hash, row.text, dict(row.meta), row.size, row.mtime_ns, tuple(np.round(row.vector, 5)))
            for row in self.index.rows.values()
        }


@pytest.fixture
def library(tmp_path):
    write_images(tmp_path / "in", range(6))
    return Library(tmp_path / "in")


def counts(summary):
    """The numbers of a summary that are not zero."""
    names = ("added", "changed", "reused", "described", "unchanged", "removed", "embedded")
    return {name: getattr(summary, name) for name in names if getattr(summary, name)}


def test_the_first_run_embeds_all(library):
    assert counts(library.run()) == {"added": 6, "embedded": 6}
    for n in range(6):
        row = library.index.rows[str(library.folder / f"{n:03}.png")]
        assert np.allclose(row.vector, vector_of(colour(n)), atol=1e-6)
        assert (row.width, row.height, row.source) == (24, 16, str(library.folder))
        assert row.text == f"{n:03}"
        assert row.thumbnail == b""


def test_a_second_run_opens_no_file(library, monkeypatch):
    library.run()
    monkeypatch.setattr("wordsight.ingest.files.read_file", lambda path: pytest.fail("a file was read"))
    assert counts(library.run()) == {"unchanged": 6}


def test_only_what_is_new_or_changed_is_embedded(library):
    library.run()
    Image.new("RGB", (9, 9), (200, 10, 10)).save(library.folder / "002.png")
    write_images(library.folder / "sub", [40])
    assert counts(library.run()) == {"added": 1, "changed": 1, "unchanged": 5, "embedded": 2}
    changed = library.index.rows[str(library.folder / "002.png")]
    assert np.allclose(changed.vector, vector_of((200, 10, 10)), atol=1e-6)
    assert (changed.width, changed.height) == (9, 9)


def test_renamed_and_copied_files_reuse_their_vectors(library):
    library.run()
    (library.folder / "000.png").rename(library.folder / "sunset.png")
    shutil.copy(library.folder / "001.png", library.folder / "again.png")
    assert counts(library.run()) == {"reused": 2, "removed": 1, "unchanged": 5}
    renamed = library.index.rows[str(library.folder / "sunset.png")]
    assert np.allclose(renamed.vector, vector_of(colour(0)), atol=1e-6)
    assert (renamed.text, renamed.width) == ("sunset", 24)
    assert library.embedded == 6


def test_files_of_equal_content_are_embedded_once(library):
    for n in range(200):
        shutil.copy(library.folder / "001.png", library.folder / f"copy-{n}.png")
    summary = library.run(commit_rows=16)
    assert summary.added + summary.reused == 206
    assert summary.embedded < 12  # a batch that closes before the first of them came may embed one again
    assert len({row.vector.tobytes() for row in library.index.rows.values()}) == 6


def test_a_touched_file_is_read_but_not_embedded_and_then_known_again(library):
    library.run()
    os.utime(library.folder / "003.png", ns=(1, 1))
    assert counts(library.run()) == {"unchanged": 6}
    assert library.index.rows[str(library.folder / "003.png")].mtime_ns == 1
    assert library.embedded == 6


def test_deleted_files_leave(library):
    library.run()
    (library.folder / "005.png").unlink()
    assert counts(library.run()) == {"unchanged": 5, "removed": 1}
    assert str(library.folder / "005.png") not in library.index.rows


def test_rows_of_other_sources_stay(library, tmp_path):
    library.run()
    write_images(tmp_path / "other", [7])
    update(library.index, library.model, scan([tmp_path / "other"]), [str(tmp_path / "other")])
    assert len(library.index) == 7


def test_a_source_that_is_empty_now_keeps_its_rows(library):
    library.run()
    for file in library.folder.iterdir():
        file.unlink()
    summary = library.run()
    assert summary.removed == 0
    assert summary.kept == (str(library.folder),)
    assert len(library.index) == 6


def test_a_source_that_cannot_be_listed_to_its_end_removes_nothing(library):
    library.run()
    (library.folder / "005.png").unlink()

    def broken():
        yield from itertools.islice(scan([library.folder]), 3)
        raise InputError("the disk went away")

    with pytest.raises(InputError, match="the disk went away"):
        library.run(broken())
    assert len(library.index) == 6


def test_rows_below_a_folder_that_cannot_be_listed_stay(library):
    write_images(library.folder / "locked", [30, 31])
    library.run()
    shutil.rmtree(library.folder / "locked")
    (library.folder / "005.png").unlink()
    (library.folder / "locked").mkdir()

    def units():
        yield Unlisted(library.folder / "locked", "cannot be listed (Permission denied)")
        yield from scan([library.folder])

    summary = library.run(units())
    assert summary.removed == 1
    assert len(library.index) == 7
    assert "Permission denied" in summary.skipped[0].reason


def test_no_image_ends_a_run_whatever_reading_it_raises(bare):
    def fail():
        raise ZeroDivisionError("of a decoder")

    items = [item("/a", (1, 2, 3)), dataclasses.replace(item("/b", (4, 5, 6)), read=fail), item("/c", (7, 8, 9))]
    summary = bare.run([unit(items)])
    assert counts(summary) == {"added": 2, "embedded": 2}
    assert summary.skipped == (Skipped("/b", "is damaged (ZeroDivisionError: of a decoder)"),)


def test_unreadable_images_are_skipped_and_tried_again(library):
    (library.folder / "000.png").write_bytes(b"no image")
    (library.folder / "001.png").write_bytes(b"")
    summary = library.run()
    assert counts(summary) == {"added": 4, "embedded": 4}
    assert [(os.path.basename(skip.item), skip.reason[:17]) for skip in summary.skipped] == [
        ("000.png", "is not an image t"),
        ("001.png", "the file is empty"),
    ]
    write_images(library.folder, [0])
    summary = library.run()
    assert counts(summary) == {"added": 1, "unchanged": 4, "embedded": 1}
    assert len(summary.skipped) == 1


def test_a_image_that_turned_unreadable_keeps_its_old_row(library):
    library.run()
    (library.folder / "000.png").write_bytes(b"half copied")
    summary = library.run()
    assert counts(summary) == {"unchanged": 5}
    assert len(summary.skipped) == 1
    assert np.allclose(library.index.rows[str(library.folder / "000.png")].vector, vector_of(colour(0)), atol=1e-6)


def test_a_file_that_vanishes_between_listing_and_reading_leaves(library):
    library.run()
    victim = library.folder / "004.png"
    victim.write_bytes(victim.read_bytes() + b" ")

    def units():
        for unit in scan([library.folder]):
            if unit.path == str(victim):
                victim.unlink()
            yield unit

    summary = library.run(units())
    assert summary.removed == 1
    assert len(summary.skipped) == 1
    assert str(victim) not in library.index.rows


def test_sources_that_overlap_hold_a_image_once(library):
    write_images(library.folder / "sub", [40, 41])
    roots = [str(library.folder), str(library.folder / "sub")]
    summary = update(library.index, library.model, scan(roots), roots)
    assert counts(summary) == {"added": 8, "embedded": 8}
    summary = update(library.index, library.model, scan(roots), roots)
    assert counts(summary) == {"unchanged": 8}
    assert summary.kept == ()


# what is not a file of its own: tables, documents, archives


def item(id, rgb, source="t.csv", path=None, read=None, **fields):
    """An item of one colour."""
    content = Content(f"digest of {rgb}", lambda: Image.new("RGB", (10, 20), rgb))
    return Item(id, source, path or id, read or (lambda: content), **fields)


def unit(items, path="/lib/t.csv", size=1, mtime_ns=1, same=False, source="t.csv"):
    return Unit(source, path, size, mtime_ns, lambda: iter(items), same)


@pytest.fixture
def bare(tmp_path):
    library = Library(tmp_path)
    library.folder = "t.csv"
    return library


def test_changed_metadata_changes_the_row_and_reads_no_image(bare):
    def table(price, text="a coat"):
        return [unit([item("t#1", (9, 9, 9), meta={"price": price}, text=text), item("t#2", (1, 1, 1), text="hat")])]

    assert counts(bare.run(table(5))) == {"added": 2, "embedded": 2}
    before = bare.index.rows["t#1"]
    assert counts(bare.run(table(6))) == {"described": 1, "unchanged": 1}
    after = bare.index.rows["t#1"]
    assert after.meta == {"price": 6}
    assert np.array_equal(after.vector, before.vector)
    assert counts(bare.run(table(6, "the coat"))) == {"described": 1, "unchanged": 1}
    assert bare.index.rows["t#1"].text == "the coat"
    assert bare.embedded == 2


def pages(numbers, broken=()):
    """Pages of one document; those that are `broken` cannot be read."""

    def unreadable():
        raise ImageError("is damaged")

    return [
        item(f"/d.pdf#page={n}", colour(n), path="/d.pdf", page=n, size=5, mtime_ns=5,
             read=unreadable if n in broken else None) for n in numbers
    ]  # fmt: skip


def document(items, size=5):
    return [unit(items, path="/d.pdf", size=size, mtime_ns=5, same=True)]


def test_pages_get_thumbnails_and_an_unchanged_document_is_not_opened(bare):
    assert counts(bare.run(document(pages(range(1, 4))))) == {"added": 3, "embedded": 3}
    row = bare.index.rows["/d.pdf#page=2"]
    assert (row.page, row.width, row.height) == (2, 10, 20)
    assert row.thumbnail.startswith(b"\xff\xd8")
    closed = Unit("t.csv", "/d.pdf", 5, 5, lambda: pytest.fail("the document was opened"))
    assert counts(bare.run([closed])) == {"unchanged": 3}


def test_pages_that_a_document_lost_leave(bare):
    bare.run(document(pages(range(1, 6))))
    shorter = [dataclasses.replace(page, size=6) for page in pages(range(1, 4))]
    assert counts(bare.run(document(shorter, size=6))) == {"unchanged": 3, "removed": 2}


def test_a_page_that_cannot_be_read_leaves_the_others_in_peace_and_is_tried_again(bare):
    summary = bare.run(document(pages(range(1, 6), broken={2})))
    assert summary.added == 4
    for _ in range(2):  # the document did not change
        assert summary.skipped == (Skipped("/d.pdf#page=2", "is damaged"),)
        summary = bare.run(document(pages(range(1, 6), broken={2})))
        assert counts(summary) == {"unchanged": 4}
    assert counts(bare.run(document(pages(range(1, 6))))) == {"added": 1, "unchanged": 4, "embedded": 1}
    assert bare.index.note("unfinished") == {"files": []}


def test_a_file_that_the_index_does_not_take_leaves_the_others_in_peace(bare):
    add = bare.index.add

    def choosy(rows):
        if any(row.meta.get("price") == "n/a" for row in rows):
            raise InputError("The column 'price' holds text.")
        add(rows)

    bare.index.add = choosy

    def shards(bad):
        for n in range(5):
            path = f"/{n}.tar"
            values = [1, "n/a"] if n == bad else [2, 3]
            yield unit([item(f"{path}#{k}", (n, k, 9), path=path, meta={"price": value}, size=n == bad, mtime_ns=1)
                        for k, value in enumerate(values)], path=path, size=int(n == bad), same=True)  # fmt: skip

    for expected in ({"added": 8, "embedded": 10}, {"unchanged": 8, "embedded": 2}):
        summary = bare.run(shards(bad=3))
        assert counts(summary) == expected
        assert [(str(skip.item), skip.reason) for skip in summary.skipped] == [
            ("/3.tar", "The column 'price' holds text.")
        ]
    assert counts(bare.run(shards(bad=1))) == {"added": 2, "unchanged": 6, "embedded": 2}
    assert dict(bare.index.rows["/1.tar#0"].meta) == {"price": 2}  # what there was stays


def test_a_document_that_was_interrupted_is_finished_by_the_next_run(bare):
    def interrupted():
        for page in pages(range(1, 200)):
            if page.page == 150:
                raise KeyboardInterrupt
            yield page

    with pytest.raises(KeyboardInterrupt):
        bare.run([unit(interrupted(), path="/d.pdf", size=5, mtime_ns=5, same=True)], commit_rows=16)
    done = len(bare.index)
    assert 50 < done < 150
    assert bare.index.note("unfinished") == {"files": ["/d.pdf"]}
    assert counts(bare.run(document(pages(range(1, 200))))) == {
        "added": 199 - done, "unchanged": done, "embedded": 199 - done}  # fmt: skip
    assert bare.index.note("unfinished") == {"files": []}
    assert counts(bare.run(document(pages(range(1, 200))))) == {"unchanged": 199}


def test_title_blocks_are_masked_and_a_change_of_mind_embeds_anew(bare, monkeypatch):
    masked = []
    monkeypatch.setattr("wordsight.images.title_block.mask", lambda image: masked.append(image) or image)
    bare.run(document(pages([1, 2])))
    assert masked == []
    assert counts(bare.run(document(pages([1, 2])), masked=frozenset(["t.csv"]))) == {"changed": 2, "embedded": 2}
    assert len(masked) == 2
    assert counts(bare.run(document(pages([1, 2])), masked=frozenset(["t.csv"]))) == {"unchanged": 2}
    assert bare.run(document(pages([1, 2]))).changed == 2
    images = [unit([item("/p.png", (5, 5, 5), path="/p.png")], path="/p.png", same=True)]
    bare.run(images, masked=frozenset(["t.csv"]))
    assert len(masked) == 2  # a photograph has no title block


# interrupts and full disks


def test_an_interrupt_keeps_what_is_embedded_and_the_next_run_continues(library):
    write_images(library.folder, range(100))
    calls = itertools.count()
    read = library.model.encoder.encode_images

    def interrupt(pixels):
        if next(calls) == 3:
            raise KeyboardInterrupt
        return read(pixels)

    library.model.encoder.encode_images = interrupt
    with pytest.raises(KeyboardInterrupt):
        library.run()
    assert len(library.index) == 48  # three batches
    summary = library.run()
    assert (summary.added, summary.unchanged) == (52, 48)


def test_a_full_disk_is_an_error_that_says_how_far_it_came(library):
    write_images(library.folder, range(100))
    add, calls = library.index.add, itertools.count()

    def full(rows):
        if next(calls) == 2:
            raise StoreError("The disk is full.")
        add(rows)

    library.index.add = full
    with pytest.raises(StoreError, match=r"The disk is full. 32 images of this run were indexed; rerun to continue"):
        library.run(commit_rows=16)
    assert len(library.index) == 32
    assert counts(library.run()) == {"added": 68, "unchanged": 32, "embedded": 68}


def test_rows_are_committed_by_number_and_by_time(library):
    sizes = []
    add = library.index.add
    library.index.add = lambda rows: (sizes.append(len(rows)), add(rows))
    write_images(library.folder, range(40))
    library.run(commit_rows=16)
    assert sizes == [16, 16, 8]
    library.index = MemoryIndex(index_info(dim=8))
    add = library.index.add
    library.index.add = lambda rows: (sizes.append(len(rows)), add(rows))
    sizes.clear()
    library.run(commit_seconds=0.0)
    assert sizes == [1] * 40


def test_only_the_first_commit_of_touched_files_is_early(library, monkeypatch):
    write_images(library.folder, range(200))
    library.run()
    for path in library.folder.iterdir():
        os.utime(path, ns=(1, 1))
    sizes = []
    monkeypatch.setattr(library.index, "add", lambda rows: sizes.append(len(rows)))
    library.run()
    assert sizes == [64, 136]


def test_progress_is_told_and_ends_with_all(library):
    states = []
    write_images(library.folder, range(60))
    update(library.index, library.model, scan([library.folder]), [str(library.folder)], progress=states.append)
    assert [state.done for state in states] == sorted(state.done for state in states)
    last = states[-1]
    assert (last.done, last.embedded, last.in_index, last.skipped) == (60, 60, 60, 0)
    assert last.rate == pytest.approx(60 / last.seconds)


# any history of changes leads to the same index as a fresh one

STEPS = st.lists(
    st.tuples(st.sampled_from(["write", "delete", "rename", "copy", "break", "touch"]), st.integers(0, 7),
              st.integers(0, 7)),
    min_size=1, max_size=12,
)  # fmt: skip


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(histories=st.lists(STEPS, min_size=1, max_size=4), seed=st.integers(0, 99))
def test_any_history_leads_to_the_index_of_a_fresh_run(tmp_path_factory, histories, seed):
    folder = tmp_path_factory.mktemp("history") / "in"
    write_images(folder, [100])  # never touched, so that the source is never empty
    library = Library(folder)
    chance = random.Random(seed)
    for steps in histories:
        for what, a, b in steps:
            change(folder, what, folder / f"{a}.png", folder / f"{b}.png", chance)
        library.run(commit_rows=chance.choice([1, 3, 100]))
    for file in folder.iterdir():
        if file.read_bytes() == b"broken":
            file.unlink()
    library.run()
    fresh = Library(folder)
    fresh.run()
    assert library.state() == fresh.state()
    assert counts(library.run()) == {"unchanged": len(fresh.index)}


def change(folder, what, one, other, chance):
    if what == "write":
        Image.new("RGB", (4, 4), colour(chance.randrange(6))).save(one)
    elif not one.exists():
        return
    elif what == "delete":
        one.unlink()
    elif what == "rename":
        one.rename(other)
    elif what == "copy" and one != other:
        shutil.copy(one, other)
    elif what == "break":
        one.write_bytes(b"broken")
    elif what == "touch":
        os.utime(one, ns=(chance.randrange(10**18), chance.randrange(10**18)))


def test_what_is_known_of_a_row_takes_little_memory(library):
    library.run()
    known = RowStates(library.index.row_versions())
    columns = [value for value in vars(known).values() if isinstance(value, array | bytearray)]
    assert sum(len(memoryview(column).cast("B")) for column in columns) / len(known) < 64
    assert known.find("nowhere") is None
    assert len(known.of_file("nowhere")) == 0
