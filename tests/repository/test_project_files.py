"""Files at the project's root are right: commands exist, links lead somewhere, workflows can be read."""

import re
import shutil
import subprocess
import tomllib
from pathlib import Path

import pytest

import wordsight

ROOT = next(folder for folder in Path(__file__).parents if (folder / "pyproject.toml").is_file())
PAGES = [ROOT / name for name in ("README.md", "CONTRIBUTING.md", "SECURITY.md", "examples/README.md")]
YAML = [
    *sorted((ROOT / ".github").rglob("*.yml")),
    *(ROOT / name for name in (".pre-commit-config.yaml", "CITATION.cff")),
]
TARGETS = set(re.findall(r"^([a-z-]+):.*## ", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))

pytestmark = pytest.mark.skipif(not (ROOT / ".github").is_dir(), reason="an sdist has no .github: use a checkout")


def relative_name(path):
    return path.relative_to(ROOT).as_posix()


@pytest.mark.parametrize("page", PAGES, ids=relative_name)
def test_links_lead_somewhere(page):
    links = re.findall(r"\]\(([^)#\s]+)", page.read_text(encoding="utf-8"))
    assert not [link for link in links if "://" not in link and not (page.parent / link).exists()]


@pytest.mark.parametrize("page", PAGES, ids=relative_name)
def test_the_commands_of_make_exist(page):
    named = re.findall(r"`make ([a-z -]+)`|^make ([a-z-]+)", page.read_text(encoding="utf-8"), re.MULTILINE)
    assert {target for pair in named for target in " ".join(pair).split()} <= TARGETS


@pytest.mark.skipif(shutil.which("make") is None, reason="make is not installed")
def test_make_lists_its_commands():
    listed = subprocess.run(["make"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert set(re.findall(r"^make ([a-z-]+)", listed, re.MULTILINE)) == TARGETS


@pytest.mark.parametrize("path", YAML, ids=relative_name)
def test_yaml_can_be_read(path):
    yaml = pytest.importorskip("yaml", reason="PyYAML comes with the docs extra: pip install 'wordsight[docs]'")
    assert yaml.safe_load(path.read_text(encoding="utf-8"))


def test_the_oldest_supported_python_is_tested():
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    oldest = settings["project"]["requires-python"].removeprefix(">=")
    assert f'python: ["{oldest}", ' in (ROOT / ".github/workflows/test.yml").read_text(encoding="utf-8")


def test_the_release_finds_the_version_where_it_is():
    release = (ROOT / ".github/workflows/release.yml").read_text(encoding="utf-8")
    assert r"""sed -n 's/^__version__ = "\(.*\)"$/\1/p' src/wordsight/__init__.py""" in release
    source = (ROOT / "src/wordsight/__init__.py").read_text(encoding="utf-8")
    assert re.findall(r'^__version__ = "(.*)"$', source, re.MULTILINE) == [wordsight.__version__]
