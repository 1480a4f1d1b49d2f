"""README and docs tell the truth: their blocks run, what is generated is up to date, links lead somewhere."""

import importlib.util
import re
import shutil
import subprocess
import sys

import pytest
from project import ROOT

from wordsight.cli import COMMANDS
from wordsight.samples import sample_images

sys.path.insert(0, str(ROOT / "docs"))
import page_outputs

PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]


def blocks(page):
    """(kind, line, body, exit status) of each block of a page that claims to run."""
    text = page.read_text(encoding="utf-8")
    for kind, end, body, code in page_outputs.runnable_blocks(text):
        yield kind, text[:end].count("\n") - body.count("\n"), body, code


def relative_name(page):
    return page.relative_to(ROOT).as_posix()


@pytest.fixture
def workplace(tmp_path, monkeypatch):
    """A folder with photos/ and classes.txt, as the pages assume, and caches of its own."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("WORDSIGHT_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("WORDSIGHT_INDEX", str(tmp_path / "index"))
    monkeypatch.setenv("WORDSIGHT_PRECISION", "f32")  # whether something is likely is a matter of figures
    (tmp_path / "photos").mkdir()
    for image in sample_images():
        shutil.copy(image, tmp_path / "photos")
    (tmp_path / "classes.txt").write_text("cat\nrocket\ncup of coffee\n")
    return tmp_path


@pytest.mark.parametrize("page", [page for page in PAGES if any(blocks(page))], ids=relative_name)
def test_code_blocks_run(page, workplace):
    names = {"__name__": "__main__"}  # as a script: blocks may guard what starts processes
    for kind, line, body, code in blocks(page):
        if kind == "python":
            exec(compile("\n" * line + body, str(page), "exec"), names)
        else:
            for command in body.splitlines():
                run_command(command, code if command.startswith("wordsight ") else 0)


def run_command(line, expected):
    code, _, said = page_outputs.run_line(line)
    assert code == expected, f"{line} ended with {code}:\n{said}"


def test_the_output_of_a_pages_commands_is_printed_beside_them():
    page = "```sh\nwordsight search coffee -k 2 --in x\n```\n"
    indexed = "```sh\nwordsight index photos/ --in x\n```\n"
    (printed,) = list(page_outputs.outputs(indexed + page, 10_000).values())[1:]
    assert "photos/coffee.jpg" in printed
    assert "1 of 1 likely match" in printed


def test_generated_blocks_are_up_to_date():
    spec = importlib.util.spec_from_file_location("generate", ROOT / "docs" / "generate.py")
    generate = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(generate)
    stale = [relative_name(page) for page in generate.stale()]
    assert not stale, f"update them with: python docs/generate.py ({', '.join(stale)})"


def test_the_readme_says_what_and_how_within_15_lines():
    head = (ROOT / "README.md").read_text(encoding="utf-8").splitlines()[:15]
    assert head[0] == "# wordsight"
    assert any(line.startswith("pip install") for line in head)
    code = head[head.index("```python") + 1 : -1]
    assert head[-1] == "```"
    assert len(code) <= 6
    assert "import wordsight" in code


LINK = re.compile(r"\]\((?!https?:|#)([^)#\s]+)")


@pytest.mark.parametrize("page", PAGES, ids=relative_name)
def test_links_between_pages_lead_somewhere(page):
    dead = [link for link in LINK.findall(page.read_text(encoding="utf-8")) if not (page.parent / link).exists()]
    assert not dead


@pytest.mark.parametrize("command", COMMANDS)
def test_every_commands_help_works_and_loads_neither_torch_nor_openvino(command):
    code = (
        "import sys\nfrom wordsight.cli import group\n"
        f"group([{command!r}, '--help'], standalone_mode=False)\n"
        "heavy = {'torch', 'openvino', 'transformers', 'nncf', 'PIL', 'tokenizers', 'huggingface_hub'}\n"
        "assert not heavy & set(sys.modules), heavy & set(sys.modules)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("Usage: ")


def test_every_page_is_on_the_site():
    listed = re.findall(r"[\w/-]+\.md", (ROOT / "mkdocs.yml").read_text(encoding="utf-8"))
    pages = [page for page in PAGES[1:] if page.parent.name != "results"]  # which docs/results.md links to
    assert sorted(listed) == sorted(page.relative_to(ROOT / "docs").as_posix() for page in pages)


def test_the_site_builds_and_calls_nobody(tmp_path):
    pytest.importorskip("mkdocs", reason="the docs extra is not installed: pip install 'wordsight[docs]'")
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(tmp_path)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    for page in tmp_path.rglob("*.html"):
        loaded = re.findall(r'(?:src|<link[^>]*href)="(https?://[^"]+)"', page.read_text(encoding="utf-8"))
        assert not loaded, page
