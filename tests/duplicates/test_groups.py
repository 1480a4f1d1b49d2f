"""Near duplicates: what counts as a copy, how copies are grouped, and what is learnt from known ones."""

import dataclasses
import shutil
from itertools import combinations

import numpy as np
import pytest
from colour_model import ColourModel
from hypothesis import given, settings
from hypothesis import strategies as st
from memory_index import MemoryIndex, index_info
from PIL import Image, ImageDraw, ImageFont
from small_pdf import page as pdf_page
from small_pdf import small_pdf

from wordsight.duplicates import neighbours
from wordsight.duplicates.groups import duplicates, read_threshold
from wordsight.duplicates.miniature import Miniature
from wordsight.duplicates.similarity import UNLIKE, compare_images
from wordsight.duplicates.threshold import KINDS, LearntThreshold, learn, learn_threshold, make_copies
from wordsight.errors import ImageError, InputError, StoreError
from wordsight.images.decode import read_image
from wordsight.index import Row
from wordsight.row_images import row_image, shown_image
from wordsight.samples import sample_images

TEXTURES = ("bricks", "galaxies", "grass", "gravel", "bicycle")  # and what is thin on a plain ground
PICTURES = [path for path in sample_images() if path.stem not in TEXTURES][:4]


def unit(*numbers):
    vector = np.array(numbers, np.float32)
    return vector / np.linalg.norm(vector)


def turned(degrees):
    """A unit vector in a plane: cosines are those of differences of angles."""
    return unit(np.cos(np.radians(degrees)), np.sin(np.radians(degrees)), 0, 0)


def row(name, vector, *, content_hash="", pixels=100, size=0, path="", **more):
    content_hash = content_hash or f"digest of {name}"
    return Row(name, "s", path or name, content_hash, vector, width=pixels, height=1, size=size, **more)


def index_of(*rows):
    index = MemoryIndex()
    index.add(rows)
    return index


def names(groups):
    return [[row.id for row in group.rows] for group in groups]


def test_the_best_of_a_group_comes_first_and_each_copy_is_near_it():
    index = index_of(row("small", turned(0), pixels=50), row("large", turned(5), pixels=500), row("other", turned(90)))
    (group,) = duplicates(index, 0.99, check=False)
    assert group.keep.id == "large"
    assert [copy.id for copy in group.copies] == ["small"]
    assert group.cosines == pytest.approx((1.0, np.cos(np.radians(5))))
    assert not group.exact


def test_of_equal_images_the_larger_file_is_kept_then_the_older():
    same = {"vector": turned(0), "content_hash": "d"}
    rows = row("a", size=5, mtime_ns=2, **same), row("b", size=5, mtime_ns=1, **same), row("c", size=9, **same)
    (group,) = duplicates(index_of(*rows), check=False)
    assert names([group]) == [["c", "b", "a"]]
    assert group.exact


def test_small_steps_do_not_join_what_differs():
    """Ten images, each 5° from the next: single linkage would put all in one group, 45° wide."""
    index = index_of(*(row(f"p{i}", turned(5 * i), pixels=100 - i) for i in range(10)))
    groups = duplicates(index, float(np.cos(np.radians(5.5))), check=False)
    assert names(groups) == [["p0", "p1"], ["p2", "p3"], ["p4", "p5"], ["p6", "p7"], ["p8", "p9"]]


def test_the_same_file_by_two_ways_is_no_copy_of_itself():
    twice = {"vector": turned(0), "content_hash": "d", "path": "a.jpg"}
    assert duplicates(index_of(row("a.jpg", **twice), row("table.csv#a.jpg", **twice)), 0.9, check=False) == []
    pages = [row(f"b.pdf#page={i}", turned(0), content_hash="d", path="b.pdf", page=i) for i in (1, 2)]
    assert len(duplicates(index_of(*pages), 0.9, check=False)) == 1


def test_an_empty_index_and_one_image_have_no_duplicates():
    assert duplicates(MemoryIndex()) == []
    assert duplicates(index_of(row("a", turned(0)))) == []


@pytest.mark.parametrize("threshold", [1.5, -2.0, float("nan")])
def test_a_threshold_that_no_cosine_can_be_is_refused(threshold):
    with pytest.raises(InputError, match=r"threshold is .*, expected a cosine: -1 to 1"):
        duplicates(MemoryIndex(), threshold)


@settings(max_examples=60, deadline=None)
@given(
    angles=st.lists(st.integers(0, 359), max_size=25),
    digests=st.lists(st.integers(0, 12), min_size=25, max_size=25),
    pixels=st.lists(st.integers(1, 4), min_size=25, max_size=25),
    step=st.integers(1, 40),
    at_once=st.sampled_from([0, 200_000]),
    block=st.sampled_from([1, 3, 1024]),
)
def test_groups_of_any_collection_keep_the_rules(angles, digests, pixels, step, at_once, block):
    least = float(np.cos(np.radians(step))) - 1e-4
    angle_of = dict(zip(digests, angles, strict=False))  # the same content has the same vector
    rows = [
        row(f"r{i}", turned(angle_of[digest]), content_hash=str(digest), pixels=pixels[i])
        for i, (digest, _) in enumerate(zip(digests, angles, strict=False))
    ]
    with pytest.MonkeyPatch.context() as patch:  # the index's own search in the place of products, blocks of any size
        patch.setattr(neighbours, "_AT_ONCE", at_once)
        patch.setattr(neighbours, "_BLOCK", block)
        groups = duplicates(index_of(*rows), least, check=False)
    members = [member for group in groups for member in group.rows]
    assert len({member.id for member in members}) == len(members)
    for group in groups:
        assert len(group.rows) > 1
        assert group.keep.width == max(member.width for member in group.rows)
        assert all(cosine >= least - 1e-3 for cosine in group.cosines)
    group_of = {member.id: i for i, group in enumerate(groups) for member in group.rows}
    for one, other in combinations(rows, 2):
        if one.content_hash == other.content_hash:
            assert group_of[one.id] == group_of[other.id]
        elif float(one.vector @ other.vector) >= least + 1e-3:  # near each other: at least one of them is in a group
            assert one.id in group_of or other.id in group_of


@pytest.fixture(scope="module")
def samples():
    """Some bundled images. Not those of fine texture or thin parts: some copies of these are not recognised."""
    return [read_image(path) for path in PICTURES]


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind != "much brighter"])  # a third of these are told
def test_a_copy_is_told_by_its_pixels(samples, kind):
    for number, image in enumerate(samples):
        copy = make_copies(image, number)[kind]
        found = compare_images(Miniature(image), Miniature(copy))
        assert found.same, (number, found)


def test_different_images_are_told_apart(samples):
    miniatures = [Miniature(image) for image in samples]
    assert not any(compare_images(one, other).same for one, other in combinations(miniatures, 2))


def shirt(colour, print_colour):
    """Two products on the same background differ in one small piece."""
    image = Image.new("RGB", (300, 300), "white")
    draw = ImageDraw.Draw(image)
    outline = (60, 60), (240, 60), (280, 120), (220, 130), (220, 270), (80, 270), (80, 130), (20, 120)
    draw.polygon(outline, fill=colour)
    draw.ellipse((120, 120, 180, 180), fill=print_colour)
    return image


def test_products_that_differ_in_one_small_piece_are_no_copies():
    plain = Miniature(shirt("navy", "navy"))
    assert compare_images(plain, Miniature(make_copies(shirt("navy", "navy"))["half the size"])).same
    assert not compare_images(plain, Miniature(shirt("navy", "white"))).same
    assert not compare_images(plain, Miniature(shirt("darkgreen", "darkgreen"))).same


def page_of_text(seed):
    chance = np.random.default_rng(seed)
    page = Image.new("RGB", (620, 877), "white")
    draw = ImageDraw.Draw(page)
    for line in range(60):
        words = " ".join("x" * int(n) for n in chance.integers(1, 10, 12))
        draw.text((50, 40 + 13 * line), words[: int(chance.integers(20, 85))], fill="black")
    return page


def test_pages_of_text_of_one_layout_are_no_copies():
    pages = [Miniature(page_of_text(seed)) for seed in range(4)]
    assert not any(compare_images(one, other).same for one, other in combinations(pages, 2))
    assert compare_images(pages[0], Miniature(page_of_text(0).resize((310, 438)))).same


def sheet(*lines, size=26):
    """A page with little on it, as an invoice or a note."""
    page = Image.new("RGB", (1240, 1754), "white")
    draw = ImageDraw.Draw(page)
    for i, line in enumerate(lines):
        draw.text((100, 100 + 100 * i), line, fill="black", font=ImageFont.load_default(size))
    return page


@pytest.fixture(scope="module")
def sheets():
    """Pages that differ in few strokes: nearly blank ones, bills of one form, notes."""
    bills = [
        sheet(
            "ACME Ltd", f"Invoice {4711 + i}  2026-{i:02}-01", "John Smith", "1 x rent of office", f"Sum {900 + 37 * i}"
        )
        for i in range(1, 4)
    ]
    notes = [sheet("call Anna, pay the rent"), sheet("bank: ask Anna about it")]
    return [sheet(), sheet("Invoice 17"), sheet("Invoice 18 total 99"), *bills, *notes]


def test_sheets_that_differ_in_a_few_strokes_are_no_copies(sheets):
    miniatures = [Miniature(page) for page in sheets]
    assert all(miniature.paper for miniature in miniatures)
    assert not [
        pair for pair in combinations(range(len(sheets)), 2) if compare_images(*(miniatures[i] for i in pair)).same
    ]


def test_a_coloured_band_does_not_hide_that_strokes_differ(sheets):
    letters = [page.copy() for page in sheets[3:5]]
    for page in letters:
        ImageDraw.Draw(page).rectangle((0, 1500, 1240, 1754), fill="navy")
    one, other = map(Miniature, letters)
    assert one.paper
    assert other.paper
    assert not compare_images(one, other).same


@pytest.mark.parametrize("kind", ["half the size", "JPEG, quality 35", "mirrored", "brighter or darker"])
def test_copies_of_sheets_are_told(sheets, kind):
    for page in sheets[1], sheets[-1]:
        assert compare_images(Miniature(page), Miniature(make_copies(page)[kind])).same


def test_photos_are_no_sheets(samples):
    assert not any(Miniature(image).paper for image in samples)


def test_a_group_names_its_sheets_that_are_not_the_same_byte_for_byte(tmp_path, sheets):
    """One digit may be all that differs, and too small to be seen: nothing to delete unseen."""
    files = [tmp_path / "bill.png", tmp_path / "again.png", tmp_path / "scan.jpg"]
    for file in files[:2]:
        sheets[3].save(file)
    make_copies(sheets[3])["JPEG, quality 75"].save(files[2])
    digests = ("png", "png", "jpg")
    (group,) = duplicates(
        index_of(*(row(str(f), turned(0), content_hash=d) for f, d in zip(files, digests, strict=True)))
    )
    assert len(group.rows) == 3
    assert len(group.paper) == 1
    assert group.keep.id not in group.paper


def test_plain_surfaces_are_copies_where_their_colours_agree():
    grey = Miniature(Image.new("RGB", (50, 50), (128, 128, 128)))
    assert compare_images(grey, Miniature(Image.new("RGB", (90, 60), (130, 129, 128)))).same
    assert not compare_images(grey, Miniature(Image.new("RGB", (90, 60), (200, 40, 40)))).same


def test_shapes_that_no_crop_makes_alike_are_unlike(samples):
    assert compare_images(Miniature(samples[0]), Miniature(samples[0].resize((400, 100)))) == UNLIKE


@pytest.fixture
def library(tmp_path, samples):
    """An index of the bundled images and copies of three of them, each with its own file; vectors are all alike."""
    model, index = ColourModel(), MemoryIndex(index_info(256, "colour", "colour"))
    files = [shutil.copy(path, tmp_path) for path in PICTURES]
    for number, kind in enumerate(("mirrored", "cropped by 10 %", "half the size")):
        files.append(str(tmp_path / f"copy-{number}.png"))
        make_copies(samples[number])[kind].save(files[-1])
    rows = []
    for file, vector in zip(files, model.embed_images(files), strict=True):
        with Image.open(file) as image:
            size = {"width": image.width, "height": image.height}
        rows.append(Row(str(file), "s", str(file), f"digest of {file}", vector, **size))
    index.add(rows)
    return index


def test_pixels_decide_among_images_of_like_vectors(library):
    """At a cosine that all images have, only the copies are grouped."""
    groups = duplicates(library, -1.0)
    assert len(groups) == 3
    assert sum(len(group.rows) for group in groups) == 6
    assert all(any("copy-" in row.path for row in group.rows) for group in groups)
    assert len(duplicates(library, -1.0, check=False)) == 1


def test_where_a_image_cannot_be_read_the_cosine_decides():
    rows = [row("gone/a.jpg", turned(0)), row("gone/b.jpg", turned(2)), row("gone/c.jpg", turned(25))]
    assert names(duplicates(index_of(*rows))) == [["gone/a.jpg", "gone/b.jpg"]]


def test_progress_counts_rows():
    seen = []
    index = index_of(*(row(str(i), turned(i)) for i in range(5)))
    duplicates(index, 0.9, check=False, progress=lambda *counts: seen.append(counts))
    assert seen[-1] == (5, 5)


def test_what_is_learnt_is_noted_and_used(library, monkeypatch):
    monkeypatch.setattr("wordsight.duplicates.threshold.IMAGES", 1)
    learnt = learn(library, ColourModel())
    assert read_threshold(library) == learnt
    assert learnt.images == 1
    assert set(learnt.recall) == set(learnt.recall_alone) == set(KINDS)
    assert learnt.recall["half the size"] == learnt.recall["in a frame"] == 1.0
    assert learnt.candidates <= learnt.alone
    assert len(duplicates(library)) <= 3
    library.set_note("duplicates", dataclasses.replace(learnt, candidates=-1.0).to_note())
    assert len(duplicates(library)) == 3


def test_named_images_are_learnt_on_too_and_unreadable_ones_skipped(library, tmp_path):
    (tmp_path / "broken.jpg").write_bytes(b"no image")
    learnt = learn(library, ColourModel(), [PICTURES[0], tmp_path / "broken.jpg"])
    assert learnt.images == 1
    with pytest.raises(InputError, match="No image to learn on can be read; expected some images, best 50 or more"):
        learn(library, ColourModel(), [tmp_path / "broken.jpg"])
    with pytest.raises(InputError, match="No image to learn on can be read"):
        learn_threshold(ColourModel(), [])


def test_another_model_learns_nothing(library):
    model = ColourModel()
    model.fingerprint = "another"
    with pytest.raises(StoreError, match="cannot be compared"):
        learn(library, model)


def test_a_threshold_is_the_same_after_it_was_noted():
    learnt = LearntThreshold(0.8, 0.95, 40, {"mirrored": 1.0}, {"mirrored": 0.5})
    assert LearntThreshold.from_note(learnt.to_note()) == learnt


def test_a_page_is_shown_large_enough_to_be_read_while_its_file_is_as_it_was(tmp_path):
    file = tmp_path / "plan.pdf"
    file.write_bytes(small_pdf([pdf_page("a headline")]))
    Image.new("RGB", (32, 16), "blue").save(tmp_path / "small.jpg")
    kept = (tmp_path / "small.jpg").read_bytes()
    facts = {"path": str(file), "page": 1, "thumbnail": kept}
    made = row("plan", turned(0), **facts, mtime_ns=file.stat().st_mtime_ns)
    other = row("other", turned(0), **facts, mtime_ns=1)
    index = index_of(made, other)
    assert max(shown_image(index, made).size) > 900
    assert shown_image(index, other).size == (32, 16)


def test_a_row_shows_its_file_or_what_the_index_keeps(tmp_path):
    Image.new("RGB", (8, 8), "red").save(tmp_path / "red.png")
    Image.new("RGB", (8, 8), "blue").save(tmp_path / "blue.jpg")
    thumbnail = (tmp_path / "blue.jpg").read_bytes()
    page = row("a.pdf#page=1", turned(0), path="a.pdf", page=1, thumbnail=thumbnail)
    member = row("b.tar#1", turned(0), path="b.tar", thumbnail=thumbnail)
    file = row(str(tmp_path / "red.png"), turned(0))
    index = index_of(page, member, file)
    assert row_image(index, file).getpixel((0, 0)) == (255, 0, 0)
    for kept in (page, member):
        assert row_image(index, dataclasses.replace(kept, thumbnail=b"")).getpixel((0, 0))[2] > 200
    with pytest.raises(ImageError, match="keeps no image of this page; index it again"):
        row_image(index, row("c.pdf#page=1", turned(0), page=1))
    with pytest.raises(ImageError, match="no such file"):
        row_image(index, row("gone.jpg", turned(0)))
