"""`wordsight eval similarity`, `pairs`, `labels` and `contamination` on squares of colours and the sample images."""

import csv
import json
from pathlib import Path

import pytest
from click.testing import CliRunner
from training import write_squares

from wordsight.cli import group
from wordsight.doctor.whatif import CAPTIONS
from wordsight.samples import sample_images


@pytest.fixture
def run(tmp_path, monkeypatch):
    monkeypatch.setenv("WORDSIGHT_CACHE", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)
    return lambda line: CliRunner().invoke(group, ["eval", *line.split()])


@pytest.fixture
def squares(tmp_path):
    """Table of squares by colour, two in a row from one sheet."""
    table = write_squares(tmp_path / "squares", count=24)
    names = [line.split("\t") for line in table.read_text().splitlines()[1:]]
    rows = ["image\tkind\tsheet", *(f"{image}\t{said.split()[1]}\t{n // 2}" for n, (image, said) in enumerate(names))]
    table.write_text("\n".join(rows) + "\n")
    return "squares/pairs.tsv"


def test_similarity_compares_models_and_writes_sheet_and_page(run, tmp_path, squares):
    line = f"similarity {squares} --class-column kind --apart sheet --model pixels:4 --model pixels:2"
    result = run(f"{line} --sheet out.png --report out.html")
    assert result.exit_code == 0, result.output
    assert "With pixels:4, an image of" in result.stdout
    assert "pixels:4 against pixels:2" in result.stdout
    assert (tmp_path / "out.png").is_file()
    assert "queries won and lost by most" in (tmp_path / "out.html").read_text()
    (file,) = (tmp_path / "eval").glob("*/pixels_4*/similarity.json")
    assert json.loads(file.read_text())["queries"] == 24


def test_similarity_says_what_is_wrong(run, squares):
    assert "name another one with --model" in str(run(f"similarity {squares} --sheet a.png").exception)
    assert "its name must end in .png" in str(run(f"similarity {squares} --sheet a.jpg").exception)
    assert "has no column 'page'" in str(run(f"similarity {squares} --class-column kind --apart page").exception)


def test_pairs_are_scored_by_kind(run, tmp_path):
    wrong = "a photo of a dog."
    with (tmp_path / "tests.csv").open("w", newline="") as file:
        rows = [[path, CAPTIONS[path.name], wrong, "animal"] for path in sample_images()[:6]]
        csv.writer(file).writerows([["filename", "caption", "negative_caption", "kind"], *rows])
    result = run("pairs tests.csv --report out.html")
    assert result.exit_code == 0, result.output
    assert "of the 6 tests of tests, too few to compare with the chance level of 50.0 %" in " ".join(
        result.stdout.split()
    )
    assert json.loads((tmp_path / "eval/tests/mini/pairs.json").read_text())["by_kind"]["animal"]["accuracy"]["n"] == 6


def test_labels_are_examined(run, tmp_path, squares):
    result = run(f"labels {squares} --class-column kind --sheet out.png --report out.html")
    assert result.exit_code == 0, result.output
    assert "labels of" in result.stdout
    (file,) = (tmp_path / "eval").glob("*/mini/labels.json")
    assert json.loads(file.read_text())["method"] == "prior-probe"
    assert (tmp_path / "out.png").is_file()


def test_contamination_takes_a_folder_or_an_index(run, tmp_path, squares):
    result = run(f"contamination {squares} --class-column kind --train squares/003.png --sheet out.png")
    assert result.exit_code == 0, result.output
    assert "of the 24 images of" in result.stdout
    assert "training images: " in result.stdout
    (file,) = (tmp_path / "eval").glob("*/mini/contamination.json")
    figures = json.loads(file.read_text())
    assert figures["accuracy"]["n"] == 24
    assert "003.png" in {match["key"] for match in figures["matches"]}
    assert "either --train, a folder, or --in" in str(run(f"contamination {squares}").exception)


def test_contamination_of_other_predictions(run, squares):
    run(f"zeroshot {squares} --class-column kind")
    predictions = next(Path("eval").glob("*/mini*/predictions.parquet"))
    line = f"contamination {squares} --class-column kind --train squares/003.png --predictions {predictions}"
    assert run(line).exit_code == 0
    line = f"contamination cats --train squares/003.png --predictions {predictions}"
    folder = Path("cats")
    for name in ("a", "b"):
        (folder / name).mkdir(parents=True)
        (folder / name / f"{name}.jpg").write_bytes(sample_images()[3].read_bytes())
    assert "is of another dataset: no key is one of 'cats'" in str(run(line).exception)
