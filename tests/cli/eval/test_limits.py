"""`wordsight eval limits` with a model that guesses: text, JSON, the page, and options that contradict each other."""

import json

import numpy as np
import pytest
from click.testing import CliRunner
from limit_models import GuessingModel
from PIL import Image

from wordsight.cli import group
from wordsight.cli.eval import limits
from wordsight.errors import InputError


@pytest.fixture
def run(tmp_path, monkeypatch):
    monkeypatch.setenv("WORDSIGHT_CACHE", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)
    for name in ("open_text_model", "open_model"):
        monkeypatch.setattr(limits, name, lambda name, options: GuessingModel())
    return lambda line: CliRunner().invoke(group, ["eval", "limits", *line.split()])


def test_what_not_to_trust_is_said_and_written(run, tmp_path):
    result = run("--tests inside --report out.html --model guess")
    assert result.exit_code == 0, result.output
    assert "1 tests, 120 questions, seed 0" not in result.stdout
    assert "1 test, 120 questions, seed 0" in result.stdout
    page = (tmp_path / "out.html").read_text()
    assert "wordsight eval limits --tests inside --model guess" in " ".join(page.split())
    assert "Wrong answers" in page
    assert "<svg" in page
    assert json.loads((tmp_path / "out.json").read_text())["limits"]["tests"][0]["test"] == "inside"


def test_json_and_seeds(run):
    figures = [json.loads(run(f"--tests inside --json --seed {seed}").stdout)["limits"] for seed in (0, 0, 1)]
    for run_of_seed in figures:
        run_of_seed.pop("seconds")
    assert figures[0] == figures[1] != figures[2]


def test_people_only(run, tmp_path):
    for name in ("a", "b"):
        for number in range(3):
            path = tmp_path / "portraits" / name / f"{number}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(np.full((8, 8, 3), 80 * number + (name == "a"), np.uint8)).save(path)
    result = run("--tests none --people portraits")
    assert result.exit_code == 0, result.output
    assert "Consent and limits" in result.stdout
    assert "What not to trust" not in result.stdout
    assert not (tmp_path / "cache" / "features").exists(), "features of faces are not kept"


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("--tests none", "there is nothing to measure; add --languages or --people"),
        ("--languages names", "--languages and --images go together"),
        ("--tests countin", "Did you mean: counting"),
        ("--report page.txt", "its name must end in .html"),
        ("--languages nowhere --images nowhere", "holds no names of languages"),
    ],
)
def test_options_that_cannot_be_followed(run, line, message):
    result = run(line)
    assert isinstance(result.exception, InputError)
    assert message in str(result.exception)
