"""`wordsight classify` as a script sees it, with a model that knows colours."""

import csv
import io
import json
import warnings

import pytest
from click.testing import CliRunner
from colour_model import ColourModel, write_pictures

from wordsight.cli import group
from wordsight.cli._options import spread
from wordsight.errors import InputError


@pytest.fixture
def run(tmp_path, monkeypatch):
    monkeypatch.setenv("WORDSIGHT_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr("wordsight.model.load", lambda *args, **options: ColourModel())
    monkeypatch.chdir(tmp_path)
    write_pictures(tmp_path / "in", ["red-1.png", "blue-1.png", "sub/green-1.png"])

    def run(line, **options):
        arguments = line if isinstance(line, list) else line.split()
        return CliRunner().invoke(group, ["classify", *arguments], catch_exceptions=True, **options)

    return run


@pytest.mark.parametrize(
    ("given", "spread_out"),
    [
        (["p", "--classes", "cat", "red coat", "--top", "5"],
         ["p", "--classes", "cat", "--classes", "red coat", "--top", "5"]),
        (["--classes", "a", "b", "--", "p"], ["--classes", "a", "--classes", "b", "--", "p"]),
        (["--classes", "a", "b", "-", "p"], ["--classes", "a", "--classes", "b", "-", "p"]),
        (["--classes=a", "p"], ["--classes=a", "p"]),
        (["p", "--classes", "a", "--none", "--classes", "b"], ["p", "--classes", "a", "--none", "--classes", "b"]),
        (["p", "--classes", "--none"], ["p", "--classes", "--none"]),
        (["p", "--classes"], ["p", "--classes"]),
        (["--", "--classes", "a", "b"], ["--", "--classes", "a", "b"]),
    ],
)  # fmt: skip
def test_one_option_takes_all_values_up_to_the_next(given, spread_out):
    assert spread("--classes", given) == spread_out


def test_a_line_per_picture_best_answer_first(run):
    result = run("in --classes red blue green --top 1")
    assert result.exit_code == 0, result.output
    assert [line.split()[1:] for line in result.stdout.splitlines()] == [
        ["blue", "in/blue-1.png"], ["red", "in/red-1.png"], ["green", "in/sub/green-1.png"]]  # fmt: skip
    assert result.stderr == ""


def test_json_is_one_object_a_line(run):
    result = run(["in", "--classes", "red", "a blue thing", "--top", "2", "--none", "--json"])
    rows = [json.loads(line) for line in result.stdout.splitlines()]
    assert [row["label"] for row in rows] == ["a blue thing", "red", "none of these"]
    assert rows[0]["path"] == "in/blue-1.png"
    assert len(rows[0]["top"]) == 2
    assert rows[2]["none_probability"] > 0.5 > rows[0]["none_probability"]


def test_csv_is_a_table_with_a_heading(run):
    result = run("in --classes red blue green --csv --top 2")
    rows = list(csv.DictReader(io.StringIO(result.stdout)))
    assert list(rows[0]) == ["path", "label", "probability", "label_2", "probability_2"]
    assert rows[1]["label"] == "red"
    assert float(rows[1]["probability"]) > 0.9


def test_classes_come_from_a_file_too(run, tmp_path):
    (tmp_path / "classes.txt").write_text("# colours\nwarm = red\n\ncold = blue, green\n", encoding="utf-8")
    result = run("in --classes-file classes.txt --json")
    assert [json.loads(line)["label"] for line in result.stdout.splitlines()] == ["cold", "warm", "cold"]


def test_the_list_of_pictures_may_come_on_standard_input(run):
    result = run("--classes red blue --top 1 -", input="in/red-1.png\nin/gone.png\n")
    assert result.exit_code == 1
    assert "red" in result.stdout
    assert "1 of 2 pictures skipped" in result.stderr
    assert "in/gone.png: " in result.stderr


def test_skipped_pictures_are_counted_listed_and_change_the_exit_code(run, tmp_path):
    (tmp_path / "in" / "broken.jpg").write_bytes(b"\xff\xd8 not a picture")
    result = run("in --classes red blue green --json")
    assert result.exit_code == 1
    assert "1 of 4 pictures skipped" in result.stderr
    assert any("skipped" in json.loads(line) for line in result.stdout.splitlines())
    (tmp_path / "bad").mkdir()
    (tmp_path / "bad" / "empty.png").touch()
    assert run("bad --classes red blue").exit_code == 3


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("in", "No classes are given"),
        ("--classes red in", r"No pictures are given.*'in' was read as a class"),
        ("in --classes red RED", "more than once"),
        ("in --classes red --classes-file f.txt", "use one of the two"),
        ("in --classes-file missing.txt", "'missing.txt' cannot be read"),
        ("in --classes red --templates imagenet80", "Did you mean: imagenet-80"),
        ("in --classes red --templates photo{}s{", None),
        ("nowhere --classes red", "'nowhere' does not exist"),
        ("in --classes red --move", "--move says how to sort, but not where"),
        ("in --classes red --sort-into in/sorted", "which is being sorted"),
    ],
)
def test_mistakes_are_named_before_any_model_is_loaded(run, monkeypatch, line, message):
    if message is None:
        assert run(line).exit_code == 0
        return
    monkeypatch.setattr("wordsight.model.load", lambda *args, **options: pytest.fail("a model was loaded"))
    result = run(line)
    assert isinstance(result.exception, InputError)  # which `main` turns into one line and exit status 2
    with pytest.raises(InputError, match=message):
        raise result.exception


def test_an_option_without_value_is_a_usage_error(run):
    assert run("in --classes").exit_code == 2


def test_pictures_are_sorted_into_folders(run, tmp_path):
    result = run("in --classes red blue --none --sort-into out --move")
    assert result.exit_code == 0, result.output
    found = sorted(str(p.relative_to(tmp_path / "out")) for p in (tmp_path / "out").rglob("*.png"))
    assert found == ["blue/blue-1.png", "none/green-1.png", "red/red-1.png"]
    assert not list((tmp_path / "in").rglob("*.png"))
    assert len((tmp_path / "out" / "wordsight-sort.csv").read_text().splitlines()) == 4


def test_a_class_named_none_keeps_a_folder_of_its_own(run, tmp_path):
    run("in --classes red none --none --sort-into out --link")
    assert {p.name for p in (tmp_path / "out").iterdir() if p.is_dir()} <= {"red", "none", "none-2"}
    assert (tmp_path / "out" / "red" / "red-1.png").is_symlink()


def test_odd_file_names_are_printed_on_one_line(run, tmp_path):
    write_pictures(tmp_path / "odd", ["red-\n1.png"])
    result = run("odd --classes red blue --top 1")
    assert result.stdout.splitlines() == [result.stdout.rstrip("\n")]


def test_a_picture_that_cannot_be_placed_is_one_more_skip(run, tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "red").write_text("a file where the folder should be")
    result = run("in --classes red blue green --sort-into out --json")
    assert result.exit_code == 1
    assert "could not be put into the folder of 'red'" in result.stderr
    assert sum("skipped" in json.loads(line) for line in result.stdout.splitlines()) == 1


def test_a_warning_is_one_plain_line(run, monkeypatch):
    def embed(self, texts):
        warnings.warn("The text is too long.", UserWarning, stacklevel=2)
        return kept(self, texts)

    kept = ColourModel.embed_texts
    monkeypatch.setattr(ColourModel, "embed_texts", embed)
    assert run("in --classes red blue").stderr == "wordsight: The text is too long.\n"
