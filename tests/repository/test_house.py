"""`benchmarks/house.py` on a made-up tree whose figures are counted by hand."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

HOUSE = (
    next(folder for folder in Path(__file__).parents if (folder / "benchmarks").is_dir()) / "benchmarks" / "house.py"
)

TOP = '''
"""A word is no number; there is no fault in this, and it is no longer one."""
from shop.low import find

def pick(a, b=None):
    """What is picked.

    So it begins
    anew.
    """
    import json
    return (1 if a else 2 if b else 3), find(a, True), {}.get(a, False), json

class Shelf:
    def put(self, a: int, b: int, c: int, d: int, e: int, f: int, g: int, *rest: int) -> None:
        if (n := a) > 1:
            self.n = n

    def _hide(self): ...
'''
# seven lines in both that tell something, although comments differ
BLOCK = """
def find(a, b):
    one = a + 1
    two = b + 2  # {}
    three = one * two
    four = [
        three,
    ]
    return four
"""
LOW = f'''"""Low."""
import shop.top
{BLOCK.format("a remark")}'''


@pytest.fixture(scope="module")
def figures(tmp_path_factory):
    root = tmp_path_factory.mktemp("tree")
    long = "def long():\n" + "".join(f"    call_{n}()\n" for n in range(60))
    files = {
        "src/shop/__init__.py": '"""A shop."""\n__version__ = "1.2"\n',
        "src/shop/top.py": TOP.lstrip("\n"),
        "src/shop/low.py": LOW,
        "src/shop/_own.py": BLOCK.format("another") + long,
        "tests/test_layers.py": 'LAYERS = [{"low"}, {"top"}]\n',
        "tests/data/kept.md": "anew\n",
        "CHANGELOG.md": "TextCutWarning is renamed\n",  # data, not counted
        "docs/page.md": "Go\non with the picture.\n",
    }
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    done = subprocess.run([sys.executable, HOUSE, "--root", root, "--json"], capture_output=True, text=True, check=True)
    return json.loads(done.stdout)


def test_sizes(figures):
    assert (figures["version"], figures["commit"]) == ("1.2", "unknown")
    expected = {"modules": 3, "lines": 2 + 18 + 11 + 70, "largest folder": "3 src/shop", "folders above 20": [],
                "median file": 14.5, "longest file": "70 src/shop/_own.py"}  # fmt: skip
    assert expected.items() <= figures["src"].items()
    assert figures["tests"]["largest folder"] == "1 tests"


def test_forms(figures):
    expected = {
        "functions over 60 lines": 1,
        "more than 8 parameters": 0,  # self is left out: there are 8
        "conditional expressions": 2,
        "nested conditional expressions": 1,
        "walrus": 1,
        "positional booleans": 1,  # not that of dict.get
        "imports inside functions": 1,
        "duplicates": 1,
        "conditional expressions per 1,000 lines": 19.8,  # of 101
    }
    assert expected.items() <= figures["src"].items()
    assert figures["tests"]["duplicates"] == 0


def test_layers_and_documentation(figures):
    expected = {
        "imports upward": 1,  # of shop.top, by low
        "public names": 4,  # pick, Shelf, put; find of low
        "with docstring, %": 25.0,
        "functions with full types, %": 33.33,
    }
    assert expected.items() <= figures["src"].items()


def test_words(figures):
    by_better = {key.split(" → ")[1]: count for key, count in figures["words"].items()}
    assert by_better == {
        "is not a …": 1,
        "again, from scratch": 1,
        "continue, resume": 1,  # across a line's end; "picture" in docs is a person's
        "lead with the noun": 1,
    }
    assert figures["words left"] == 4
