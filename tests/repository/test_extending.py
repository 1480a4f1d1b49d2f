"""docs/extending.md is true: each of its changes applies, touches the files it lists and no other, and works."""

import os
import re
import shutil
import subprocess
import sys

import pytest
from project import ROOT

PAGE = (ROOT / "docs" / "extending.md").read_text(encoding="utf-8")
SECTIONS = dict(re.findall(r"^## ([^\n]+)\n(.*?)(?=^## |\Z)", PAGE, re.DOTALL | re.MULTILINE))
CHANGES = [title for title, body in SECTIONS.items() if "<!-- check -->" in body]
BLOCK = re.compile(
    r"<!-- (?P<what>edit|new|check)(?:: (?P<path>\S+))? -->\n```\w+\n(?P<body>.*?)^```$", re.DOTALL | re.MULTILINE
)


def listed_files(body):
    """Paths of the list at the top of a section."""
    return set(re.findall(r"^- `([^`]+)`", body, re.MULTILINE))


def apply_diff(text, diff):
    """A file's text with a block replaced: lines of context, "-" old and "+" new ones; the old block stands once."""
    lines = diff.splitlines()
    old = "\n".join(line[1:] for line in lines if not line.startswith("+")) + "\n"
    new = "\n".join(line[1:] for line in lines if not line.startswith("-")) + "\n"
    assert text.count(old) == 1, f"stands {text.count(old)} times, expected once:\n{old}"
    return text.replace(old, new)


def test_there_are_eight_changes():
    assert len(CHANGES) == 8


@pytest.mark.parametrize("title", CHANGES)
def test_a_change_touches_what_is_listed_and_works(title, tmp_path):
    package = tmp_path / "src" / "wordsight"
    shutil.copytree(ROOT / "src" / "wordsight", package, ignore=shutil.ignore_patterns("data", "__pycache__"))
    (package / "data").symlink_to(ROOT / "src" / "wordsight" / "data")
    touched, checks = set(), []
    for block in BLOCK.finditer(SECTIONS[title]):
        if block["what"] == "check":
            checks.append(block["body"])
            continue
        path = tmp_path / block["path"]
        if block["what"] == "new":
            assert not path.exists()
            path.write_text(block["body"], encoding="utf-8")
        else:
            path.write_text(apply_diff(path.read_text(encoding="utf-8"), block["body"]), encoding="utf-8")
        touched.add(block["path"])
    assert touched == listed_files(SECTIONS[title])
    for check in checks:
        run = subprocess.run(
            [sys.executable, "-W", "ignore", "-c", check],
            cwd=tmp_path,
            env=os.environ | {"PYTHONPATH": str(tmp_path / "src"), "WORDSIGHT_CACHE": str(tmp_path / "cache")},
            capture_output=True,
            text=True,
            check=False,
        )
        assert run.returncode == 0, run.stderr
