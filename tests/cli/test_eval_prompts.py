"""`wordsight eval prompts` and `eval wordings` as a script sees them, with a model that knows words."""

import json
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image
from prompt_model import WordModel, embed_words

from wordsight.cli import group
from wordsight.errors import InputError
from wordsight.images.skipped import Skipped


class FileModel(WordModel):
    """Sees the words in the names of an image's file and folder."""

    def stream_images(self, images):
        for image in map(Path, images):
            if "broken" in str(image):
                yield Skipped(image, "not an image")
            else:
                yield image, embed_words(f"{image.parent.name} {image.stem.replace('-', ' ')}")


@pytest.fixture
def run(tmp_path, monkeypatch):
    monkeypatch.setenv("WORDSIGHT_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr("wordsight.evaluate.models.open_image_text_embedder", lambda *_, **options: FileModel())
    monkeypatch.chdir(tmp_path)
    for name in ("hen", "owl"):
        (tmp_path / "birds" / name).mkdir(parents=True)
        for i in range(6):
            Image.fromarray(np.zeros((8, 8, 3), np.uint8)).save(tmp_path / "birds" / name / f"bird-{i}.png")

    def run(*arguments):
        return CliRunner().invoke(group, ["eval", *map(str, arguments)])

    return run


def test_prompts_are_compared_and_the_answer_comes_first(run):
    done = run("prompts", "birds", "--control", "waffle", "--seeds", 2)
    assert done.exit_code == 0, done.output
    assert done.stdout.startswith('"a photo of a {}." alone: ')
    assert "Better than noise?" in done.stdout


def test_json_is_one_object_and_the_report_has_its_command(run, tmp_path):
    done = run("prompts", "birds", "--kind", "bird", "--json", "--report", "out.html")
    assert json.loads(done.stdout)["images"] == 12
    page = (tmp_path / "out.html").read_text(encoding="utf-8")
    assert "wordsight eval prompts birds --kind bird" in page
    assert json.loads((tmp_path / "out.json").read_text(encoding="utf-8"))["classes"] == 2


def test_an_image_that_cannot_be_read_is_skipped_and_said(run, tmp_path):
    (tmp_path / "birds" / "hen" / "broken.png").write_bytes(b"no image")
    done = run("prompts", "birds")
    assert done.exit_code == 1
    assert "not an image" in done.stderr


def test_a_bank_of_images_is_read(run, tmp_path):
    assert run("prompts", "birds", "--bank", "birds").exit_code == 0
    (tmp_path / "empty").mkdir()
    assert isinstance(run("prompts", "birds", "--bank", "empty").exception, InputError)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("prompts", "birds", "--rename", "hem=fowl"), "Did you mean: hen"),
        (("prompts", "birds", "--cupl", "none.json"), "cannot be read"),
        (("prompts", "birds", "--templates", "photo of it."), "lacks '{}'"),
        (("prompts", "birds", "--report", "out.png"), "its name must end in .html"),
        (("wordings", "x.png"), "Give either --words, texts as they are, or --classes"),
        (("wordings", "x.png", "--words", "a", "--classes", "b"), "Give either --words"),
        (("wordings", "x.png", "--words", ""), "A text of --words is empty; give texts such as bird 'a bird'"),
        (("wordings", "x.png", "--classes", "hen", "hen"), "given more than once"),
    ],
)
def test_what_cannot_be_done_is_refused_with_the_remedy(run, arguments, message):
    error = run(*arguments).exception
    assert isinstance(error, InputError)
    assert message in str(error)


def test_options_that_cannot_be_used_are_refused_before_images_are_read(run, monkeypatch):
    monkeypatch.setattr(FileModel, "stream_images", lambda *_: pytest.fail("images were read"))
    assert isinstance(run("prompts", "birds", "--kind", " ").exception, InputError)


def test_wordings_are_scored_as_they_are(run):
    done = run("wordings", "birds/hen/bird-0.png", "--words", "hen", "a hen", "owl", "--json")
    seen = json.loads(done.stdout)
    assert [wording["texts"] for wording in seen["wordings"]] == [["hen"], ["a hen"], ["owl"]]


def test_class_names_are_worded_in_many_ways_and_flips_counted(run, tmp_path):
    done = run("wordings", "birds/hen/bird-0.png", "--classes", "hen = hen, fowl", "owl", "--report", "out.html")
    assert done.exit_code == 0, done.output
    assert "wordings give 'hen'" in done.stdout
    assert "fowl" in done.stdout
    assert "<svg" in (tmp_path / "out.html").read_text(encoding="utf-8")
