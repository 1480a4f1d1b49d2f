"""`wordsight duplicates` as a person and a script see it."""

import json
import os
import re
from dataclasses import replace

import numpy as np
import pytest
from click.testing import CliRunner
from colour_model import ColourModel
from memory_index import MemoryIndex, index_info
from PIL import Image, ImageDraw, ImageFont
from small_dng import bayer, small_dng

from wordsight.cli import group
from wordsight.cli._duplicates.rows import size_text
from wordsight.duplicates.threshold import KINDS, make_copies
from wordsight.errors import InputError
from wordsight.images.decode import read_image
from wordsight.index import Row
from wordsight.samples import sample_images

PICTURES = [path for path in sample_images() if path.stem != "bricks"][:4]


def add(index, file, **more):
    """Add the image in a file, as one of a place that `more` names."""
    image, status = read_image(file), os.stat(file)
    facts = {
        "id": str(file), "path": str(file), "content_hash": str(hash(file.read_bytes())), "width": image.width,
        "height": image.height, "size": status.st_size, "mtime_ns": status.st_mtime_ns,
    }  # fmt: skip
    index.add([Row(source="s", vector=ColourModel().embed_images([image])[0], **facts | more)])


@pytest.fixture
def library(tmp_path):
    """Four images; of the first a small copy, of the second one of the same content."""
    index = MemoryIndex(index_info(256, "colour", "colour"))
    for path in PICTURES:
        (tmp_path / path.name).write_bytes(path.read_bytes())
    make_copies(read_image(PICTURES[0]))["half the size"].save(tmp_path / "small.jpg", quality=90)
    (tmp_path / "zz copy.jpg").write_bytes(PICTURES[1].read_bytes())
    for path in sorted(tmp_path.iterdir()):
        add(index, path)
    return index


@pytest.fixture
def run(library, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("wordsight.gallery.load", lambda *args, **options: ColourModel())
    monkeypatch.setattr("wordsight.gallery.open_index", lambda location: library)

    def run(*arguments):
        return CliRunner().invoke(group, ["duplicates", *arguments], catch_exceptions=True)

    return run


def test_groups_name_the_one_to_keep_first(run, tmp_path):
    result = run("--threshold", "0")
    assert result.exit_code == 0, result.output
    blocks = result.stdout.strip().split("\n\n")
    assert len(blocks) == 3
    for block in blocks[:2]:
        head, keep, copy = block.splitlines()
        assert re.fullmatch(
            r"\d\. 2 images(, all with identical content)?; the first is kept because (it|its) .+", head
        )
        assert re.search(rf"keep +\d+×\d+ +\d+ KB  {tmp_path}", keep)
        assert copy.split()[0] in ("same", "1.000") or re.match(r"0\.\d{3}", copy.split()[0])
    assert "all with identical content" in result.stdout
    assert re.fullmatch(r"2 groups; deleting 2 copies frees \d+ KB\.", blocks[2])


def test_json_is_one_object_a_group(run, tmp_path):
    groups = [json.loads(line) for line in run("--threshold", "0", "--json").stdout.splitlines()]
    assert sorted(one["exact"] for one in groups) == [False, True]
    near = next(one for one in groups if not one["exact"])
    assert near["keep"] == near["images"][0]["path"] == str(tmp_path / PICTURES[0].name)
    assert near["images"][1]["path"] == str(tmp_path / "small.jpg")
    assert near["images"][1]["width"] < near["images"][0]["width"]


def test_plain_paths_are_all_but_the_best(run, tmp_path):
    copies = {str(tmp_path / "small.jpg"), str(tmp_path / "zz copy.jpg")}
    assert set(run("--threshold", "0", "-f").stdout.splitlines()) == copies
    assert run("--threshold", "0", "-f", "-0").stdout.endswith("\0")


def test_a_link_to_what_is_kept_and_changed_files_are_not_listed(run, library, tmp_path):
    """Deleting what is listed never loses an image."""
    library.remove([str(tmp_path / "zz copy.jpg")])
    os.symlink(tmp_path / PICTURES[1].name, tmp_path / "link.jpg")
    add(library, tmp_path / "link.jpg", width=5000)  # were the link kept, its target would be listed
    (tmp_path / "small.jpg").write_bytes(b"something else now")
    result = run("--threshold", "0", "-f")
    assert result.stdout == ""
    assert "1 groups contain files that changed or disappeared since they were indexed" in result.stderr


def test_parts_of_files_are_not_listed(run, library, tmp_path):
    page = tmp_path / PICTURES[2].name
    add(library, page, id=f"{page}#page=1", page=1, width=1)
    add(library, page, id=f"{page}#member", width=2)
    result = run("--threshold", "0", "-f")
    assert set(result.stdout.splitlines()) == {str(tmp_path / "small.jpg"), str(tmp_path / "zz copy.jpg")}
    assert "2 copies are pages or members of archives; they are not listed" in result.stderr


def test_sheets_of_writing_are_listed_only_where_every_byte_is_the_same(run, library, tmp_path):
    """Nobody loses an invoice for another one that differs in a digit."""
    page = Image.new("RGB", (620, 877), "white")
    ImageDraw.Draw(page).text((50, 50), "Invoice 4711", fill="black", font=ImageFont.load_default(26))
    for name in ("bill.png", "same.png", "other.webp"):
        page.save(tmp_path / name, lossless=True)
        add(library, tmp_path / name)
    result = run("--threshold", "0", "-f")
    assert {"bill.png", "same.png", "other.webp"} & {os.path.basename(path) for path in result.stdout.splitlines()} in (
        {"bill.png"},
        {"same.png"},
    )
    assert "1 copies are sheets of text or lines, which may differ in a single digit" in result.stderr
    groups = [json.loads(line) for line in run("--threshold", "0", "--json").stdout.splitlines()]
    assert [image["path"] for one in groups for image in one["images"] if image["paper"]] == [
        str(tmp_path / "other.webp")
    ]


def test_without_the_check_the_cosine_alone_decides(run):
    assert "1. 6 images" in run("--threshold", "-1", "--no-check").stdout


def test_none_is_an_answer(run, library):
    library.remove([id for id in library.rows if "small" in id or "copy" in id])
    result = run("--threshold", "0")
    assert result.exit_code == 1
    assert result.stdout == ""
    assert "no duplicates found" in result.stderr


def test_raw_and_jpeg_of_one_shot_both_stay(run, library, tmp_path):
    """The JPEG has more pixels, as those of phones, and its small copy is a copy of it."""
    photo = read_image(PICTURES[2])
    linear = (np.asarray(photo.resize((300, 200))) / 255.0) ** 2.2
    (tmp_path / "PXL_2.RAW-02.ORIGINAL.dng").write_bytes(small_dng(bayer(linear)))
    photo.resize((600, 400)).save(tmp_path / "PXL_2.RAW-01.COVER.jpg", quality=95)
    photo.resize((150, 100)).save(tmp_path / "web.jpg")
    library.remove(list(library.rows))
    for name in ("PXL_2.RAW-01.COVER.jpg", "PXL_2.RAW-02.ORIGINAL.dng"):
        add(library, tmp_path / name)
    result = run("--threshold", "0", "-f")
    assert (result.exit_code, result.stdout) == (1, "")
    assert "1 shot exists as RAW file and as rendered image: both are kept" in result.stderr
    add(library, tmp_path / "web.jpg")
    assert run("--threshold", "0", "-f").stdout.splitlines() == [str(tmp_path / "web.jpg")]
    (found,) = map(json.loads, run("--threshold", "0", "--json").stdout.splitlines())
    assert [image["role"] for image in found["images"]] == ["keep", "copy", "shot"]
    assert found["keep"].endswith(".dng")
    assert found["because"] == "it is the camera's RAW file"


@pytest.mark.parametrize("link", [os.symlink, os.link])
def test_one_file_of_two_names_is_no_copy_of_itself(run, library, tmp_path, link):
    library.remove([str(tmp_path / "zz copy.jpg"), str(tmp_path / "small.jpg")])
    link(tmp_path / PICTURES[1].name, tmp_path / "another name.jpg")
    add(library, tmp_path / "another name.jpg")
    result = run("--threshold", "0")
    assert (result.exit_code, result.stdout) == (1, "")


def test_a_folder_under_another_name_by_a_link_holds_no_copies(run, library, tmp_path):
    library.remove(list(library.rows))
    (tmp_path / "photos").mkdir()
    (tmp_path / PICTURES[1].name).rename(tmp_path / "photos" / "cat.jpg")
    os.symlink(tmp_path / "photos", tmp_path / "alias")
    for folder in ("alias", "photos"):
        add(library, tmp_path / folder / "cat.jpg")
    assert run("--threshold", "0").exit_code == 1
    (tmp_path / "copy.jpg").write_bytes((tmp_path / "photos" / "cat.jpg").read_bytes())
    add(library, tmp_path / "copy.jpg")
    (found,) = map(json.loads, run("--threshold", "0", "--json").stdout.splitlines())
    assert [image["path"] for image in found["images"]] == [
        str(tmp_path / "photos" / "cat.jpg"),  # its own name, not the link's
        str(tmp_path / "copy.jpg"),
    ]


def test_a_file_that_is_gone_is_in_no_group(run, library, tmp_path):
    """A renamed folder: the only file left is not the copy of one that is not there."""
    os.remove(tmp_path / PICTURES[1].name)
    for form in ((), ("--json",), ("-f",)):
        result = run("--threshold", "0", *form)
        assert PICTURES[1].name not in result.stdout
        assert "zz copy.jpg" not in result.stdout
        assert "1 file is missing and was left out. Run: wordsight index (or connect the drive)" in result.stderr


def test_what_deleting_would_free(run, library, tmp_path):
    """A copy with a further name outside of the index keeps its bytes."""
    before = run("--threshold", "0").stdout.splitlines()[-1]
    os.link(tmp_path / "zz copy.jpg", tmp_path / "backup.jpg")
    after = run("--threshold", "0").stdout.splitlines()[-1]
    kilobytes = [int(re.search(r"frees (\d+) KB", line)[1]) for line in (before, after)]
    assert kilobytes[0] - kilobytes[1] == pytest.approx(os.path.getsize(tmp_path / "zz copy.jpg") / 1000, abs=1)


def test_a_fetched_image_is_named_by_its_address(run, library, tmp_path):
    address = "https://shop.example/small.jpg"
    add(library, tmp_path / "small.jpg", id=address, path=address, thumbnail=(tmp_path / "small.jpg").read_bytes())
    assert address in run().stdout
    groups = map(json.loads, run("--json").stdout.splitlines())
    assert address in [image["path"] for found in groups for image in found["images"]]


def test_a_contact_sheet_has_a_section_for_each_group(run, tmp_path):
    result = run("--threshold", "0", "--html", "d.html")
    page = (tmp_path / "d.html").read_text(encoding="utf-8")
    assert page.count("<h2>") == 2
    assert page.count("<p>keep</p>") == 2
    assert (tmp_path / "zz copy.jpg").as_uri() in page
    assert "contact sheet written to d.html" in result.stderr


def test_the_threshold_is_learnt_on_named_images_and_noted(run, library, tmp_path):
    result = run("--learn", str(tmp_path / PICTURES[0].name))
    assert re.search(r"calibrated on 1 images, each copied in \d+ ways; .* from a cosine of 0\.\d+\.", result.stderr)
    for kind in KINDS:
        assert re.search(rf"^  {kind} +\d+%  \(\d+%\)$", result.stderr, re.MULTILINE), kind
    assert "Each figure is based on 1 copies: for similar images it may be off by 98% either way" in result.stderr
    assert library.note("duplicates")["images"] == 1


def test_a_large_enough_index_is_learnt_on_once(run, library, monkeypatch):
    monkeypatch.setattr("wordsight.cli._duplicates.calibration.LEARNT_FROM", 2)
    monkeypatch.setattr("wordsight.duplicates.threshold.IMAGES", 1)
    assert "calibrating the threshold on copies of your images (once)" in run().stderr
    assert "calibrating" not in run().stderr


def test_where_nothing_can_be_learnt_the_usual_threshold_serves(run, library, monkeypatch):
    monkeypatch.setattr("wordsight.cli._duplicates.calibration.LEARNT_FROM", 2)
    library.info = replace(library.info, fingerprint="another")
    result = run()
    assert result.exit_code == 0, result.output
    assert "calibration failed; using the default threshold. The index" in result.stderr
    assert "was made with the model" in result.stderr
    assert "1. 2 images" in result.stdout


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["-0"], "add -f"),
        (["-f", "--json"], "-f and --json cannot be combined"),
        (["--html", "photo.jpg"], "its name must end in .html"),
        (["--html", "gone/s.html"], "the folder 'gone' does not exist"),
        (["--threshold", "0.9", "--learn", "x"], "--threshold and --learn cannot be combined"),
        (["--threshold", "90"], "expected a cosine"),
    ],
)
def test_what_cannot_be_asked_is_refused(run, arguments, message):
    error = run(*arguments).exception
    assert isinstance(error, InputError)
    assert message in str(error)


@pytest.mark.parametrize(
    ("n", "text"), [(0, "0 B"), (999, "999 B"), (1500, "1.5 KB"), (52_000, "52 KB"), (3e6, "3.0 MB"), (5e9, "5.0 GB")]
)
def test_weights_are_short(n, text):
    assert size_text(n) == text
