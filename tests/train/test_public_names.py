"""`wordsight.train` is the one place that recipes and notebooks import training from."""

import importlib
import re
import subprocess
import sys
from pathlib import Path

import pytest

import wordsight.train

RECIPES = Path(__file__).parents[2] / "recipes"


@pytest.mark.parametrize("name", wordsight.train.__all__)
def test_a_public_name_is_that_of_its_module(name):
    home = importlib.import_module(f".{wordsight.train._HOMES[name]}", "wordsight.train")
    assert getattr(wordsight.train, name) is getattr(home, name)
    assert name in dir(wordsight.train)


def test_the_lists_of_public_names_agree():
    assert sorted(wordsight.train.__all__) == sorted(wordsight.train._HOMES)
    with pytest.raises(AttributeError, match="has no attribute 'trian'"):
        wordsight.train.trian  # noqa: B018


def test_settings_sizes_and_shards_load_without_torch():
    code = "import sys; from wordsight.train import TrainConfig, size, OBJECTIVES, write_shards\n"
    code += "raise SystemExit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.mark.parametrize("recipe", ["clothing.py", "pictograms.py", "simclr_pages.py", "vit_b32_wit.py"])
def test_recipes_import_settings_and_train_from_there(recipe):
    text = (RECIPES / recipe).read_text("utf-8")
    assert re.search(r"^from wordsight\.train import ", text, re.M)
    assert "wordsight.train.config" not in text
    assert "wordsight.train.loop" not in text
