"""`wordsight eval fewshot` from the command line, on raw pixels of coloured squares."""

import json

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

from wordsight.cli import group
from wordsight.errors import InputError
from wordsight.evaluate.predictions import read_predictions
from wordsight.evaluate.result_folder import folder_name
from wordsight.zeroshot.linear_head import LinearHead


@pytest.fixture(scope="module")
def squares(tmp_path_factory):
    folder = tmp_path_factory.mktemp("squares")
    rng = np.random.default_rng(0)
    for place, name in enumerate(("dark", "light")):
        (folder / name).mkdir()
        for i in range(6):
            pixels = rng.integers(0, 40, (8, 8, 3)) + np.linspace(0, 160, 8)[:, None, None]
            Image.fromarray((pixels[:: 1 - 2 * place]).astype(np.uint8)).save(folder / name / f"{i}.png")
    return folder


def run(squares, tmp_path, *arguments):
    return CliRunner().invoke(
        group, ["eval", "fewshot", str(squares), "--model", "pixels:4", "--out", str(tmp_path), *arguments]
    )


def test_it_answers_in_words_and_writes_predictions_and_curves(squares, tmp_path):
    result = run(squares, tmp_path, "--methods", "probe", "clap", "--shots", "1", "2", "16", "--seeds", "2")
    assert result.exit_code == 0, result.output
    said = " ".join(result.output.split())
    assert "probe is right on 100.0 %" in said
    assert "Clap left out: they start from texts" in said
    assert "16 shots left out: more shots than images (3 a class at most)" in said
    folder = tmp_path / squares.name / folder_name("pixels:4") / "fewshot"
    assert sorted(path.name for path in folder.iterdir()) == [
        "curves.png", "curves.svg", *(f"probe-{k}-shots-seed-{seed}.parquet" for k in (1, 2) for seed in (0, 1))
    ]  # fmt: skip
    predictions = read_predictions(folder / "probe-2-shots-seed-0.parquet")
    assert predictions.hits.all()
    assert predictions.origin.command[:2] == ("eval", "fewshot")


def test_json_holds_the_figures(squares, tmp_path):
    result = run(squares, tmp_path, "--methods", "nearest-mean", "--shots", "all", "--json")
    assert json.loads(result.stdout)["accuracy"]["nearest-mean"]["all"]["value"] == 1.0


def test_save_writes_a_head(squares, tmp_path):
    result = run(
        squares, tmp_path, "--methods", "probe", "--shots", "all", "--save", str(tmp_path / "head.safetensors")
    )
    assert result.exit_code == 0, result.output
    assert LinearHead.load(tmp_path / "head.safetensors").classnames == ("dark", "light")
    assert "probe was measured with all images but the test images: 100.0 % [61.0, 100.0] of these" in result.stderr


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--shots", "none"], "number of shots 'none' is not a number from 1"),
        (["--methods", "prob"], "Did you mean"),
        (["--methods", "clap"], "embeds images only, but clap start from texts"),
        (["--shots", "9"], "9 shots per class are asked for, but no class"),
        (["--report", "page.pdf"], "must end in .html"),
    ],
)
def test_what_cannot_be_done_is_said(squares, tmp_path, arguments, message):
    result = run(squares, tmp_path, *arguments)
    assert isinstance(result.exception, InputError)  # which `main` turns into one line and exit status 2
    assert message in str(result.exception)
