"""Recipes: files with a `recipe()`, perhaps with a `run` of their own; what is wrong in them is told with its line."""

import sys
from pathlib import Path

import pytest
from training import small_run, write_squares

from wordsight.errors import InputError, MissingExtraError
from wordsight.train.monitor.reports import RunResult
from wordsight.train.recipe import load_recipe

GOOD = """
from training import small_run
def recipe():
    return small_run("squares/pairs.tsv", steps=2)
"""
OWN = """
from dataclasses import dataclass
import beside
@dataclass(frozen=True)
class Own:
    times: int = 2
def recipe():
    return Own()
def run(config, folder, resume):
    import later
    return beside.double(config.times), folder, resume, later.THERE
"""


@pytest.fixture
def write(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    def write(text, name="small.py"):
        path = tmp_path / name
        path.write_text(text)
        return path

    yield write
    for name in ("small", "beside", "later", "recipe_json"):
        sys.modules.pop(name, None)


def test_a_recipe_that_only_says_how_is_trained_by_train(write, tmp_path):
    write_squares(tmp_path / "squares")  # a relative path in a recipe is relative to the current folder
    recipe = load_recipe(write(GOOD))
    assert recipe.name == "small"
    assert recipe.config == small_run("squares/pairs.tsv", steps=2)
    result = recipe.with_settings(["steps=1"]).run("out")
    assert isinstance(result, RunResult)
    assert (result.step, result.folder.name) == (1, "out")
    assert recipe.config.steps == 2


def test_a_recipe_may_run_by_itself_with_what_lies_beside_it(write):
    write("def double(n): return 2 * n", "beside.py")
    write("THERE = True", "later.py")
    recipe = load_recipe(write(OWN)).with_settings(["times=4"])
    before = list(sys.path)
    assert recipe.run("out", resume=True) == (8, Path("out"), True, True)
    assert sys.path == before


def test_another_modules_run_is_not_the_recipes(write):
    assert load_recipe(write("from subprocess import run\n" + GOOD)).own_run is None


def test_a_recipe_called_like_a_library_takes_nobodys_place(write):
    import json

    assert load_recipe(write(GOOD, "json.py")).name == "json"
    assert sys.modules["json"] is json


def test_a_changed_recipe_is_read_anew(write):
    assert load_recipe(write(GOOD)).config.steps == 2
    assert load_recipe(write(GOOD.replace("steps=2", "steps=33"))).config.steps == 33


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("x = 1", r"small\.py defines no recipe\(\); expected def recipe\(\) -> TrainConfig"),
        ("def recipe(): return 3", r"recipe\(\) of .*small\.py returned 3, expected a TrainConfig"),
        ("def recipe(): return {'batch': 3}", "expected a TrainConfig or a frozen dataclass"),
        (OWN.replace("(frozen=True)", "").replace("import beside", ""), "a frozen dataclass"),
        (OWN.replace("def run", "def walk").replace("import beside", ""), r"returned Own, which needs a run\("),
        ("def recipe(:\n  pass", r"small\.py, line 1: SyntaxError: .*\n    def recipe\(:"),
        ("\nimport nowhere_at_all", r"small\.py, line 2: ModuleNotFoundError: .*nowhere_at_all'\n    import nowhere"),
        ("def recipe():\n    d = {}\n    return d['batch']", r"line 3: KeyError: 'batch'\n    return d\['batch'\]"),
        (
            "from wordsight.train.config.sizes import size\ndef recipe():\n    return size('ViT-B-33')",
            r"^small\.py, line 3: There is no size 'ViT-B-33'.*\n    return size\(",
        ),
        ("def recipe():\n    return int('x')\nraise SystemError('no')", "line 3: SystemError: no"),
    ],
)
def test_what_is_wrong_in_a_recipe_is_told_with_its_line(write, text, message):
    with pytest.raises(InputError, match=message):
        load_recipe(write(text))


def test_an_error_in_what_a_recipe_imports_names_that_file(write):
    write("def double(n):\n    return n / 0", "beside.py")
    with pytest.raises(InputError, match=r"beside\.py, line 2: ZeroDivisionError.*\n    return n / 0"):
        load_recipe(write("import beside\ndef recipe():\n    return beside.double(1)"))


def test_a_file_that_is_not_there(write, tmp_path):
    write(GOOD)
    with pytest.raises(InputError, match=r"There is no recipe 'smal\.py'; .*Did you mean: small\.py"):
        load_recipe("smal.py")
    with pytest.raises(InputError, match=r"is a folder; expected a Python file\. In it: small\.py"):
        load_recipe(tmp_path)
    (tmp_path / "notes.txt").write_text("x")
    with pytest.raises(InputError, match="is not a Python file"):
        load_recipe("notes.txt")


def test_without_torch_it_is_said_what_to_install(write, monkeypatch):
    monkeypatch.setitem(sys.modules, "torch", None)
    with pytest.raises(MissingExtraError, match=r"Training needs the package 'torch'.*wordsight\[train\]"):
        load_recipe(write("import torch"))
