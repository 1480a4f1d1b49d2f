"""`wordsight eval suite` from the command line, on raw pixels of coloured squares."""

import json
import shutil

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

from wordsight.cli import group
from wordsight.errors import InputError
from wordsight.evaluate.suite.groups import read_groups


@pytest.fixture(scope="module")
def sets(tmp_path_factory):
    root = tmp_path_factory.mktemp("sets")
    rng = np.random.default_rng(0)
    for dataset in ("one", "two"):
        for place, name in enumerate(("dark", "light")):
            (root / dataset / name).mkdir(parents=True)
            for i in range(4):
                pixels = rng.integers(0, 40, (8, 8, 3)) + np.linspace(0, 160, 8)[:, None, None]
                Image.fromarray((pixels[:: 1 - 2 * place]).astype(np.uint8)).save(root / dataset / name / f"{i}.png")
    (root / "single" / "dark").mkdir(parents=True)
    Image.new("RGB", (8, 8)).save(root / "single" / "dark" / "0.png")
    return root


@pytest.fixture
def run(tmp_path, monkeypatch):
    monkeypatch.setenv("WORDSIGHT_CACHE", str(tmp_path / "cache"))

    def run(*arguments):
        out = ["--out", str(tmp_path / "out"), "--model", "pixels:4", "--seeds", "2"]
        return CliRunner().invoke(group, ["eval", "suite", *map(str, arguments), *out])

    return run


def test_sets_are_measured_and_those_that_cannot_be_are_named(run, sets, tmp_path):
    result = run(sets / "one", sets / "two", sets / "single")
    assert result.exit_code == 0, result.output
    said = " ".join(result.output.split())
    assert "pixels:4, mean of 2 datasets (intervals: of these only): probe, all 100.0 %" in said
    assert "single: " in said
    again = run(sets / "one", sets / "two")
    assert "runs were there already and were not repeated" in " ".join(again.output.split())


def test_json_and_groups(run, sets, tmp_path):
    (tmp_path / "groups.tsv").write_text("one\tmine\ntwo\tmine\n")
    result = run(sets / "one", sets / "two", "--groups", tmp_path / "groups.tsv", "--json")
    assert [mean["group"] for mean in json.loads(result.stdout)["means"]] == ["all sets", "mine"]


def test_a_table_of_groups_that_cannot_be_read_is_refused(run, sets, tmp_path):
    (tmp_path / "groups.tsv").write_text("one mine\n")
    with pytest.raises(InputError, match=r"Line 1 of .*separated by a tab"):
        read_groups(tmp_path / "groups.tsv")
    (tmp_path / "groups.tsv").write_bytes(b"\xff\xfe")
    result = run(sets / "one", "--groups", tmp_path / "groups.tsv")
    assert isinstance(result.exception, InputError)
    assert "cannot be read as a table of groups" in str(result.exception)


def test_two_datasets_of_one_name_would_share_their_runs(run, sets, tmp_path):
    """The second would find the first's predictions in its place, or write over them."""
    shutil.copytree(sets / "one", tmp_path / "copy" / "one")
    result = run(sets / "one", tmp_path / "copy" / "one")
    assert isinstance(result.exception, InputError)
    assert "Two datasets are called 'one': " in str(result.exception)
    assert not (tmp_path / "out").exists()


def test_nothing_that_can_be_measured_is_an_error(run, sets):
    result = run(sets / "single")
    assert isinstance(result.exception, InputError)
    assert "None of the 1 datasets can be measured" in str(result.exception)
