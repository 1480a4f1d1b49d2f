"""`wordsight eval zeroshot` and `rerun` on colours, with a model of known geometry: files, text, pages, exit codes."""

import json

import pytest
from click.testing import CliRunner
from colour_model import ColourModel, write_images

from wordsight.cli import group
from wordsight.evaluate.predictions import read_predictions, write_predictions

RED_IN_GREEN = "green/red-9.png"  # an image with a wrong label


class Colours(ColourModel):
    def __init__(self, name):
        super().__init__()
        self.name, self.fingerprint = name, name

    def _text(self, text):
        if self.name == "blind":  # takes red for green
            text = text.replace("red", "?").replace("green", "red").replace("?", "green")
        return super()._text(text)


@pytest.fixture
def run(tmp_path, monkeypatch):
    """Run a line of `wordsight eval` in a folder with the set "colours" of 3 classes with 4 images, one more wrong."""
    monkeypatch.setenv("WORDSIGHT_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr("wordsight.evaluate.models.open_embedder", lambda name, **_: Colours(name))
    monkeypatch.chdir(tmp_path)
    names = [f"{colour}/{colour}-{n}.png" for colour in ("red", "green", "blue") for n in range(4)]
    write_images(tmp_path / "colours", [*names, RED_IN_GREEN])
    return lambda line: CliRunner().invoke(group, ["eval", *line.split()])


def test_figures_are_printed_and_all_files_written(run, tmp_path):
    result = run("zeroshot colours --report out.html")
    assert result.exit_code == 0, result.output
    assert result.stdout.startswith("mini names the class of 92.3 % [66.7, 98.6] of 13 images of colours, out of 3")
    assert "No class is taken for the same other one twice." in result.stdout
    predictions = read_predictions(tmp_path / "eval/colours/mini/predictions.parquet")
    assert predictions.origin.command == ("eval", "zeroshot", "colours", "--model", "mini")
    assert predictions.origin.templates == ("a photo of a {}.",)
    assert set(predictions.origin.seconds) == {"texts", "images", "scores"}
    metrics = json.loads((tmp_path / "eval/colours/mini/result.json").read_text())["metrics"]
    assert metrics == {"acc1": 12 / 13, "acc5": None, "mean_per_class_recall": (1 + 1 + 0.8) / 3}
    line = json.loads((tmp_path / "eval/eval_results-mini.jsonl").read_text())
    assert line["metrics"]["main_metric"] == 12 / 13
    page = (tmp_path / "out.html").read_text()
    assert "wordsight eval zeroshot colours" in page
    assert "red-9.png" in page
    assert json.loads((tmp_path / "out.json").read_text())["summary"]["n"] == 13


def test_models_are_compared_in_words(run):
    result = run("zeroshot colours --model mini --model blind")
    assert result.exit_code == 0, result.output
    assert "mini is better than blind by 53.8 points (" in " ".join(result.stdout.split())
    alike = run("zeroshot colours --model mini --model also")
    assert "mini and also are right about the same images" in alike.stdout
    (pair,) = json.loads(run("zeroshot colours --model mini --model blind --json").stdout)["comparison"]["sets"]
    assert pair["pair"]["gain"]["value"] == pytest.approx(-7 / 13)


def test_the_folder_of_results_can_be_compared(run):
    run("zeroshot colours --model mini --model blind")
    result = run("compare eval")
    assert result.exit_code == 0, result.output
    assert "mini is better than blind by 53.8 points (" in " ".join(result.stdout.split())


def test_two_datasets_of_one_name_would_write_to_one_folder(run, tmp_path):
    write_images(tmp_path / "more" / "colours", ["red/red-0.png", "green/green-0.png"])
    message = "Two datasets are called 'colours': 'colours' and 'more/colours'; measure them one at a time"
    assert message in str(run("zeroshot colours more/colours").exception)


def test_several_sets_have_a_table_and_a_mean(run, tmp_path):
    write_images(tmp_path / "two", ["red/red-0.png", "green/green-0.png"])
    result = run("zeroshot colours two --json")
    assert [each["origin"]["dataset"] for each in json.loads(result.stdout)["results"]] == ["colours", "two"]
    result = run("zeroshot colours two")
    assert "mini: 96.2 % on average over 2 datasets, from 92.3 % (colours) to 100.0 % (two)." in result.stdout


def test_groups_of_a_table(run, tmp_path):
    rows = ["image,class,region", "colours/red/red-0.png,red,Asia", f"colours/{RED_IN_GREEN},green,Africa"]
    (tmp_path / "labels.csv").write_text("\n".join(rows))
    result = run("zeroshot labels.csv --by region")
    assert "By region, the worst of 2 groups is 'Africa': 0.0 %" in result.stdout
    wrong = run("zeroshot labels.csv --by regoin")
    assert "no column 'regoin' to group by; its columns: region. Did you mean: region?" in str(wrong.exception)


def test_an_unreadable_image_is_a_counted_skip(run, tmp_path):
    (tmp_path / "colours/red/broken.png").write_bytes(b"no image")
    result = run("zeroshot colours")
    assert result.exit_code == 1, result.output
    assert "1 of 14 images skipped" in result.stderr
    assert "of 13 images of colours" in result.stdout


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("zeroshot colours --report out.pdf", "its name must end in .html"),
        ("zeroshot colours --report missing/out.html", "the folder 'missing' does not exist"),
        ("zeroshot colours --templates photoo", "photoo"),
        ("rerun nowhere.parquet", "does not exist; expected a predictions.parquet"),
        ("rerun colours", "There is no predictions.parquet in 'colours'"),
    ],
)
def test_wrong_inputs_are_told_before_any_work(run, line, message):
    assert message in str(run(line).exception)


def test_a_rerun_is_equal(run, tmp_path):
    run("zeroshot colours")
    for path in ("predictions.parquet", "result.json", ""):
        result = run(f"rerun eval/colours/mini/{path}")
        assert (result.exit_code, result.stdout) == (
            0,
            "Equal: all 13 images have the same classes with bit-identical scores.\n",
        )
    assert "running: wordsight eval zeroshot --out " in result.stderr


def test_a_rerun_on_other_images_says_what_changed(run, tmp_path):
    run("zeroshot colours")
    write_images(tmp_path / "colours", ["blue/blue-9.png"])
    (tmp_path / "colours" / RED_IN_GREEN).unlink()
    (tmp_path / "colours" / "red/red-0.png").write_bytes((tmp_path / "colours/blue/blue-0.png").read_bytes())
    result = run("rerun eval/colours/mini/predictions.parquet")
    assert result.exit_code == 1, result.output
    assert "Not equal: 1 of 12 images have another class" in result.stdout
    assert "1 images are missing now, and 1 are new." in result.stdout
    assert "Different from the record: dataset: " in result.stdout
    assert json.loads(run("rerun eval/colours/mini/result.json --json").stdout)["equal"] is False


def test_predictions_of_a_program_cannot_be_repeated(run, tmp_path):
    from dataclasses import replace

    run("zeroshot colours")
    path = tmp_path / "eval/colours/mini/predictions.parquet"
    predictions = read_predictions(path)
    write_predictions(path, replace(predictions, origin=replace(predictions.origin, command=())))
    assert "records no command" in str(run(f"rerun {path}").exception)
