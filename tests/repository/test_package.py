"""The wheel holds everything that works offline, nothing else, and stays small."""

import subprocess
import sys
import zipfile

import pytest
from project import ROOT

MODEL_LIMIT = 45e6  # bytes of the bundled model in the wheel


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    """Name → packed size of the files in a wheel built from this checkout."""
    pytest.importorskip("hatchling", reason="hatchling is not installed: pip install 'wordsight[dev]'")
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    (path,) = folder.glob("wordsight-*.whl")
    with zipfile.ZipFile(path) as archive:
        return {entry.filename: entry.compress_size for entry in archive.infolist()}


@pytest.mark.parametrize(
    "name",
    [
        "py.typed",
        "data/bpe_simple_vocab_16e6.txt.gz",
        "data/bpe_NOTICE.txt",
        "data/none_bank.txt",
        "data/samples/CREDITS.md",
        "data/samples/cat.jpg",
        "data/mini/wordsight.json",
        "data/mini/model.safetensors",
        "data/mini/tokenizer.json",
    ],
)
def test_the_wheel_holds_what_works_offline(wheel, name):
    assert wheel[f"wordsight/{name}"] > 0 or name == "py.typed"


def test_the_wheel_holds_the_licence_and_the_notices(wheel):
    notices = [name for name in wheel if ".dist-info/licenses/" in name]
    assert sorted(name.rpartition("/")[2] for name in notices) == ["LICENSE", "NOTICE"]


def test_the_wheel_holds_nothing_but_the_package(wheel):
    strangers = [name for name in wheel if not name.startswith("wordsight/") and ".dist-info/" not in name]
    strangers += [name for name in wheel if "__pycache__" in name or name.endswith(".pyc")]
    assert not strangers


def test_the_bundled_model_is_small(wheel):
    assert sum(size for name, size in wheel.items() if name.startswith("wordsight/data/mini/")) <= MODEL_LIMIT
