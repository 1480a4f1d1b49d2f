"""The examples run, answer as they say, and run on folders of one's own."""

import ast
import csv
import functools
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image, ImageDraw

import wordsight

ROOT = next(folder for folder in Path(__file__).parents if (folder / "pyproject.toml").is_file())
EXAMPLES = sorted((ROOT / "examples").glob("*.py"))
README = (ROOT / "examples" / "README.md").read_text(encoding="utf-8")

pytest.importorskip("lance", reason="the examples need: pip install 'wordsight[search]'")


def run(name, *arguments):
    """The finished process of an example."""
    command = [sys.executable, str(ROOT / "examples" / f"{name}.py"), *map(str, arguments)]
    environment = os.environ | {"WORDSIGHT_PRECISION": "f32", "PYTHONUTF8": "1"}
    return subprocess.run(command, capture_output=True, text=True, encoding="utf-8", env=environment, timeout=300)


@functools.cache
def printed(name, *arguments):
    """Output of an example."""
    done = run(name, *arguments)
    assert done.returncode == 0, done.stderr
    return done.stdout


def ids_below(heading, output):
    """The second words of the lines below a heading, up to an empty line: what was found, best first."""
    block = output.split(f"\n\n{heading}\n")[1].split("\n\n")[0]
    return [line.split()[1] for line in block.splitlines()]


def without_figures(text):
    return [" ".join(re.sub(r"[\d.]+%?", "0", line).split()) for line in text.splitlines()]


@pytest.fixture(scope="module")
def classes(tmp_path_factory):
    """A folder with three subfolders, each with four parts of an image."""
    folder = tmp_path_factory.mktemp("classes")
    for path in wordsight.sample_images():
        if path.stem in ("cat", "coffee", "strawberry"):
            (folder / path.stem).mkdir()
            image = wordsight.read_image(path)
            for number in range(4):
                part = image.crop((10 * number, 0, image.width - 30 + 10 * number, image.height))
                part.save(folder / path.stem / f"{number}.png")
    return folder


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_an_example_says_what_it_does_how_long_it_takes_and_what_comes_out(path):
    says = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8")))
    assert re.findall(r"^(Command|Time|Result): ", says, re.MULTILINE) == ["Command", "Time", "Result"]
    assert f"`python examples/{path.name}" in " ".join(says.split())


@pytest.mark.parametrize("name", [path.stem for path in EXAMPLES])
def test_the_readme_shows_what_is_printed(name):
    shown = README.split(f"$ python examples/{name}.py\n")[1].split("```")[0]
    assert without_figures(printed(name)) == without_figures(shown)


def test_zero_shot_is_right_on_eleven_of_twelve_and_refuses_what_has_no_word():
    output = printed("zero_shot_imagenette")
    assert "photo        11 of 12 right" in output
    assert re.search(r"cat.jpg +cat +(9\d|100)%", output)
    assert "6 of 6 images of other classes are 'none of these'" in output


def test_wording_matters_more_than_templates():
    rows = {line[:10].strip(): [int(n) for n in re.findall(r"(\d+)%", line)] for line in wording_lines()}
    assert min(rows["as it is"][1:]) >= 78
    assert max(rows["as it is"][1:]) - min(rows["as it is"][1:]) <= 5
    assert rows["three"][0] > rows["as it is"][1] > rows["synonyms"][1] > rows["German"][1]


def wording_lines():
    return [line for line in printed("wording_sensitivity").splitlines() if re.match(r"\S.{9}.*\d%  ", line)]


def test_examples_tell_people_apart_where_names_do_not():
    output = printed("few_class_portraits")
    shares = {way: int(share) for way, share in re.findall(r"^(by .+?) +(\d+)%", output, re.MULTILINE)}
    assert shares["by the mean of examples"] == shares["by the nearest example"] == 100
    assert shares["by name"] < 50


def test_a_sketch_finds_the_pages_with_its_drawing():
    pages = re.findall(r"page \d  (.+)", printed("pdf_pages_by_example"))
    assert pages[:2] == ["FLANGE DN 80", "FLANGE DN 100"]
    assert pages[4] == "GROUND FLOOR"


@pytest.mark.parametrize(
    ("question", "found"),
    [
        ("cat", "S-1"),
        ("organic cotton", "S-5"),
        ("navy trousers", "T-1"),
        ("design 8, by the titles alone", "B-2"),
        ("a customer's photo of dark blue trousers", "T-1"),
        ("the image of the red T-shirt, and the word green", "S-5"),
        ("t-shirt, price < 16", "S-6"),
    ],
)
def test_a_garment_is_found(question, found):
    got = printed("clothing_search").split(f"\n{question}\n")[1].split()[1]
    assert got == found


def test_zero_shot_counts_on_a_folder_of_classes(classes):
    output = printed("zero_shot_imagenette", classes)
    assert "photo        12 of 12 right (100%), chance level 33%" in output


def test_wordings_are_made_of_the_names_of_folders(classes):
    output = printed("wording_sensitivity", classes)
    assert output.startswith("12 images, 3 classes")
    assert re.search(r"as it is +100% +100% +100%", output)


def test_photos_of_a_folder_are_sorted_by_example(classes):
    output = printed("few_class_portraits", classes)
    assert "3 people, 2 examples each, 6 photos to sort" in output
    assert re.search(r"by the nearest example +100%", output)


def test_pages_of_a_folder_are_found_by_an_image(tmp_path):
    pages = [Image.new("RGB", (800, 600), "white") for _ in range(2)]
    ImageDraw.Draw(pages[0]).ellipse((250, 150, 550, 450), outline="black", width=6)
    ImageDraw.Draw(pages[1]).line([(x, 100 + x % 200 * 2) for x in range(100, 700, 100)], fill="black", width=6)
    (tmp_path / "plans").mkdir()
    pages[0].save(tmp_path / "plans" / "two.pdf", save_all=True, append_images=pages[1:])
    pages[0].save(tmp_path / "circle.png")
    output = printed("pdf_pages_by_example", tmp_path / "plans", tmp_path / "circle.png")
    assert re.search(r"circle.png: .*\n.*two.pdf page 1", output)


def test_a_shop_in_a_folder_is_searched(tmp_path):
    (tmp_path / "images").mkdir()
    titles = {"cat": "Nike poster", "rocket": "running shoes", "bicycle": "city bike"}
    with open(tmp_path / "products.csv", "w", newline="", encoding="utf-8") as file:
        table = csv.writer(file)
        table.writerow(["id", "title"])
        for path in wordsight.sample_images():
            if path.stem in titles:
                table.writerow([path.stem, titles[path.stem]])
                wordsight.read_image(path).convert("RGB").save(tmp_path / "images" / f"{path.stem}.jpg")
    output = printed("clothing_search", tmp_path)
    assert ids_below("Nike", output)[0] == "cat"
    assert ids_below("running shoes", output)[0] == "rocket"
    assert ids_below("like bicycle.jpg", output)[0] == "bicycle"


def test_a_folder_without_classes_is_refused_with_what_is_expected(tmp_path):
    shutil.copy(wordsight.sample_images()[0], tmp_path)
    for name in ("zero_shot_imagenette", "wording_sensitivity"):
        done = run(name, tmp_path)
        assert done.returncode == 1
        assert "no subfolders; expected one for each class" in done.stderr
