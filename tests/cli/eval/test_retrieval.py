"""`wordsight eval retrieval` on the sample images: text, JSON, the page, the file of figures, and skipped images."""

import json
import shutil

import pytest
from click.testing import CliRunner

from wordsight.cli import group
from wordsight.doctor.whatif import CAPTIONS
from wordsight.samples import sample_images


@pytest.fixture
def run(tmp_path, monkeypatch):
    monkeypatch.setenv("WORDSIGHT_CACHE", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)
    for path in sample_images()[:6]:
        shutil.copy(path, tmp_path)
    rows = [f"{path.name}\t{CAPTIONS[path.name]}" for path in sample_images()[:6]]
    (tmp_path / "photos.tsv").write_text("\n".join(["image\tcaption", *rows, f"cat.jpg\t{'a cat '}"]) + "\n")
    return lambda line: CliRunner().invoke(group, ["eval", "retrieval", *line.split()])


def test_figures_are_printed_and_written(run, tmp_path):
    result = run("photos.tsv -k 1 -k 2 --report out.html")
    assert result.exit_code == 0, result.output
    assert "mini puts a caption's image first for" in result.stdout
    assert "text → image, 7 queries, gallery of 6" in result.stdout
    figures = json.loads((tmp_path / "eval/photos/mini/retrieval.json").read_text())
    assert figures["task"] == "zeroshot_retrieval"
    assert set(figures["metrics"]) == {f"{side}_retrieval_recall@{k}" for side in ("image", "text") for k in (1, 2)}
    page = (tmp_path / "out.html").read_text()
    assert "wordsight eval retrieval photos.tsv -k 1 -k 2" in page
    assert "<svg" in page


def test_json_and_unreadable_images(run, tmp_path):
    (tmp_path / "coffee.jpg").write_bytes(b"no")
    result = run("photos.tsv --json")
    assert result.exit_code == 1, result.output
    figures = json.loads(result.stdout)["results"][0]
    assert (figures["skipped_images"], figures["text_to_image"]["queries"]) == (1, 6)
    assert "1 of 6 images skipped" in result.stderr


def test_models_of_images_only_are_refused(run):
    assert "embeds images only, but words are asked for" in str(run("photos.tsv --model pixels:8").exception)
