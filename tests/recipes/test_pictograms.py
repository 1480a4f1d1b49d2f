"""The recipe `pictograms`: which images it takes from the packages, what it says of them, and how it measures."""

from __future__ import annotations

import csv
import dataclasses
import io
import json
import sys
from pathlib import Path

import pytest
from PIL import Image
from project import ROOT

pytest.importorskip("torch")
sys.path.append(str(ROOT / "recipes"))

import pictograms
import pictograms_data
import pictograms_measure
from pictograms_data import Drawing, Emoji

from wordsight.errors import InputError
from wordsight.text.tokenizer import Tokenizer
from wordsight.train.batch import Ids
from wordsight.train.data import open_data
from wordsight.train.networks import build_network

DOG = Emoji("1F415", "dog", ("animal", "pet"))
PIANO = '<svg xmlns="http://www.w3.org/2000/svg" width="40" height="20"><rect width="40" height="20" fill="red"/></svg>'


def png(path: Path, colour: str, size: tuple[int, int] = (8, 8)) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGBA", size, colour).save(path)


def written(path: Path, value: object) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(value), encoding="utf-8")


@pytest.fixture
def packages(tmp_path: Path) -> Path:
    """Four emoji as the packages hold them: a dog, a castle, a flag, a keycap, and a dark hand."""
    source = tmp_path / "src"
    written(
        source / "emojibase-data/en/data.json",
        [
            {"hexcode": "1F415", "label": "dog", "group": 3, "subgroup": 34, "tags": ["animal", "dog", "pet"]},
            {"hexcode": "1F3F0", "label": "castle", "group": 5, "subgroup": 51, "tags": ["european"]},
            {"hexcode": "1F1F2-1F1F1", "label": "flag: Mali", "group": 9, "subgroup": 98},
            {"hexcode": "0031-FE0F-20E3", "label": "keycap: 1", "group": 8, "subgroup": 94},
            {"hexcode": "1F1E6", "label": "regional indicator A"},
        ],
    )
    written(source / "emojibase-data/en/shortcodes/github.json", {"1F3F0": ["european_castle", "castle2"]})
    rows = [
        {"unified": "1F415", "image": "dog.png", "name": "DOG"},
        {"unified": "1F3F0", "image": "absent.png", "name": "EUROPEAN CASTLE"},
        {"unified": "1F1F2-1F1F1", "image": "ml.png", "name": "MALI"},
        {"unified": "1F590-FE0F-1F3FF", "image": "hand.png", "name": "HAND"},
    ]
    for style in ("google", "twitter"):
        written(source / f"emoji-datasource-{style}/emoji.json", rows)
        for file in ("dog.png", "ml.png", "hand.png"):
            png(source / f"emoji-datasource-{style}/img/{style}/64" / file, "brown")
    written(
        source / "openmoji/data/openmoji.json",
        [
            {"hexcode": "E0A0", "annotation": "plastic bottle", "group": "extras-openmoji", "subgroups": "objects"},
            {"hexcode": "E0A1", "annotation": "pirate flag", "group": "extras-openmoji", "subgroups": "flags"},
        ],
    )
    for kind in ("color", "black"):
        for code in ("E0A0", "E0A1"):
            path = source / f"openmoji/{kind}/svg/{code}.svg"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(PIANO, encoding="utf-8")
    body = {"body": '<circle cx="8" cy="8" r="8"/>'}
    for style in ("noto-v1", "emojione", "fxemoji"):
        icons = {"old-castle": body, "dog-dark-skin-tone": body}
        aliases = {"european-castle": {"parent": "old-castle"}}
        written(source / f"iconify-json-{style}/icons.json", {"icons": icons, "aliases": aliases, "width": 16})
    written(source / "iconify-json-game-icons/icons.json", {"icons": {"grand-piano-2": body, "abstract-12": body}})
    png(source / "lobehub-fluent-emoji-3d/assets/1f415.webp", "orange")
    png(source / "lobehub-fluent-emoji-3d/assets/1f590-fe0f-1f3ff.webp", "black")
    stamps = source / "tuxpaint-stamps-default/usr/share/tuxpaint/stamps/food"
    png(stamps / "pear.png", "green")
    (stamps / "pear.txt").write_text("A pear.\nde.utf8=Eine Birne.\n", encoding="utf-8")
    png(source / "openclipart-png/usr/share/openclipart/png/tools/hammer_01.png", "red")
    return source


def test_flags_keycaps_skin_tones_and_nameless_ones_are_left_out(packages: Path) -> None:
    found = list(pictograms_data.drawings(packages))
    emoji = {(drawing.style, drawing.label) for drawing in found if drawing.label}
    assert emoji == {
        ("google", "dog"),
        ("twitter", "dog"),
        *((style, "castle") for style in ("noto-v1", "emojione", "fxemoji")),  # by an alias that a shortcode knows
        ("fluent-3d", "dog"),
    }
    others = {(drawing.style, drawing.captions[0]) for drawing in found if not drawing.label}
    assert others == {
        ("openmoji-color", "plastic bottle"),
        ("openmoji-black", "plastic bottle"),
        ("game-icons", "grand piano"),
        ("stamps", "A pear."),
        ("openclipart", "hammer"),
    }


def test_the_held_out_style_is_in_no_other_table(packages: Path) -> None:
    for drawing in pictograms_data.drawings(packages):
        assert (drawing.style == "fluent-3d") == (drawing.table == "heldout")


def test_an_emoji_is_called_by_its_name_and_its_keywords() -> None:
    assert pictograms_data.write_captions(DOG) == ("dog", "dog, animal", "dog, pet", "animal, pet")
    assert pictograms_data.write_captions(Emoji("2693", "anchor", ("ship",))) == (
        "anchor",
        "anchor, ship",
        "anchor, ship",
        "ship",
    )
    assert pictograms_data.write_captions(Emoji("2693", "anchor", ())) == ("anchor",)


def test_images_of_one_design_are_on_one_side() -> None:
    tables = {name: pictograms_data.choose_table("openmoji", name) for name in map(str, range(2000))}
    share = list(tables.values()).count("validation") / len(tables)
    assert abs(share - pictograms_data.VALIDATION) < 0.02
    assert tables == {name: pictograms_data.choose_table("openmoji", name) for name in tables}


def test_a_image_is_drawn_whole_in_the_middle_of_a_white_square(tmp_path: Path) -> None:
    png(tmp_path / "wide.png", "blue", (40, 20))
    assert pictograms_data.draw(tmp_path / "wide.png", tmp_path / "out/wide.png")
    with Image.open(tmp_path / "out/wide.png") as drawn:
        side = pictograms_data.SIDE
        assert (drawn.size, drawn.mode) == ((side, side), "RGB")
        assert drawn.getpixel((side // 2, 2)) == (255, 255, 255)
        assert drawn.getpixel((side // 2, side // 2)) == (0, 0, 255)
        assert drawn.getpixel((1, side // 2)) == (0, 0, 255)


def test_what_is_drawn_is_not_drawn_again_and_what_cannot_be_is_told(tmp_path: Path) -> None:
    png(tmp_path / "red.png", "red")
    assert pictograms_data.draw(tmp_path / "red.png", tmp_path / "target.png")
    before = (tmp_path / "target.png").stat().st_mtime_ns
    assert pictograms_data.draw(tmp_path / "gone.png", tmp_path / "target.png")
    assert (tmp_path / "target.png").stat().st_mtime_ns == before
    (tmp_path / "broken.png").write_bytes(b"no image")
    assert not pictograms_data.draw(tmp_path / "broken.png", tmp_path / "never.png")
    assert not (tmp_path / "never.png").exists()


def test_svg_is_drawn_by_resvg(tmp_path: Path) -> None:
    pytest.importorskip("resvg_py", reason="SVG is drawn by resvg-py: pip install resvg-py")
    assert pictograms_data.draw(PIANO, tmp_path / "piano.png")
    with Image.open(tmp_path / "piano.png") as drawn:
        assert drawn.getpixel((36, 36)) == (255, 0, 0)
        assert drawn.getpixel((36, 4)) == (255, 255, 255)
    assert not pictograms_data.draw("<svg", tmp_path / "broken.png")


def test_tables_are_read_by_training_with_one_caption_at_a_time(tmp_path: Path) -> None:
    rows = []
    for i, colour in enumerate(("red", "green", "blue", "black")):
        drawing = Drawing("google", f"{i}", Path(), (colour, f"{colour}, plain", " "), colour)
        png(tmp_path / drawing.file, colour, (72, 72))
        rows.append(pictograms_data.row(drawing))
    pictograms_data.write_table(tmp_path / "emoji.tsv", rows)
    with (tmp_path / "emoji.tsv").open(encoding="utf-8") as file:
        first = next(csv.DictReader(file, delimiter="\t"))
    assert first["filepath"] == "images/google/0.png"
    assert [first[name] for name in pictograms_data.TEXT_COLUMNS] == ["red", "red, plain", "", ""]
    assert (first["class"], first["style"]) == ("red", "google")

    config = pictograms.recipe()
    data = dataclasses.replace(config.data, pairs=(str(tmp_path / "emoji.tsv"),), workers=0)
    config = dataclasses.replace(config, data=data, batch=4)
    with open_data(config, Tokenizer(config.model.tokenizer, {})) as opened:
        batch, _ = next(opened.batches())
    assert batch.pixels_BCHW.shape == (4, 3, pictograms.SIDE, pictograms.SIDE)
    assert isinstance(batch.ids, Ids)


def test_measures_of_fresh_weights_stand_beside_chance(tmp_path: Path) -> None:
    names = ["red", "green", "blue", "black", "white", "grey"]
    rows = []
    for i, name in enumerate(names):
        drawing = Drawing("fluent-3d", f"{i}", Path(), (name,), name, "heldout")
        png(tmp_path / drawing.file, name, (72, 72))
        rows.append(pictograms_data.row(drawing))
    pictograms_data.write_table(tmp_path / "heldout.tsv", rows)
    config = pictograms.recipe()
    tokenizer = Tokenizer(config.model.tokenizer, {})
    network = build_network(config, tokenizer).train()
    figures = pictograms_measure.measured(network, tmp_path / "heldout.tsv", config.model, tokenizer)
    assert network.training
    assert figures["text→image R@10"].value == 1  # ten of six are all
    assert 0 <= figures["zero-shot top-1"].value <= figures["zero-shot top-5"].value <= 1
    assert figures["zero-shot top-1"].n == 6
    blind = pictograms_measure.chance(tmp_path / "heldout.tsv")
    assert blind == {"zero-shot top-1": 1 / 6, "zero-shot top-5": 5 / 6, "text→image R@10": 1}


def test_chance_counts_a_class_of_two_images_twice(tmp_path: Path) -> None:
    lines = [f"{i}.png\t{name}" for i, name in enumerate([*"aabcdefghijklmnopqrs"])]
    (tmp_path / "many.tsv").write_text("\n".join(["filepath\tclass", *lines]) + "\n", encoding="utf-8")
    blind = pictograms_measure.chance(tmp_path / "many.tsv")
    assert blind["zero-shot top-1"] == pytest.approx(1 / 19)
    both_missed = (10 * 9) / (20 * 19)  # of 20 images the first ten hold neither of the two
    assert blind["text→image R@10"] == pytest.approx((18 * 10 / 20 + 1 - both_missed) / 19)


def test_the_reading_of_a_webp_is_that_of_pillow(tmp_path: Path) -> None:
    assert isinstance(pictograms_data.pixels(Path("dog.webp")), Path)
    pytest.importorskip("resvg_py", reason="SVG is drawn by resvg-py: pip install resvg-py")
    assert isinstance(pictograms_data.pixels(PIANO), io.BytesIO)


def test_what_is_not_installed_is_named_before_anything_is_fetched(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pictograms_data.shutil, "which", lambda tool: None if tool == "npm" else f"/usr/bin/{tool}")
    with pytest.raises(InputError, match="and npm cannot be found; install that"):
        pictograms_data.fetch(tmp_path / "work")
    assert not (tmp_path / "work").exists()
    monkeypatch.setattr(pictograms_data.shutil, "which", lambda tool: f"/usr/bin/{tool}")
    monkeypatch.setattr(pictograms_data.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(InputError, match="not installed: pip install resvg-py"):
        pictograms_data.fetch(tmp_path / "work")
