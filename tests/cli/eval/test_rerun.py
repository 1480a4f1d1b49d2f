"""`wordsight eval rerun` of a record that someone else wrote: it may measure, and nothing else."""

import json

import pytest
from click.testing import CliRunner
from PIL import Image

from wordsight.cli import group
from wordsight.errors import InputError


def rerun(path, *options):
    result = CliRunner().invoke(group, ["eval", "rerun", str(path), *options])
    if result.exception and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result


@pytest.mark.parametrize(
    ("command", "message"),
    [
        (["index", "/home"], "expected one of `wordsight eval`"),
        (["eval", 1], "expected one of `wordsight eval`"),
        (["eval", "rerun", "x.json"], "'eval rerun'; only zeroshot, "),
        (["eval", "compare", "x"], "'eval compare'; only zeroshot, "),
        (["eval", "limits"], "'eval limits'; only zeroshot, "),
        (["eval", "pick", "photos"], "'eval pick'; only zeroshot, "),
        ([["eval"], "zeroshot", "photos"], "expected one of `wordsight eval`"),
        (["eval", "zeroshot", "photos", "--out", "elsewhere"], "has --out, which writes a file"),
        (["eval", "similarity", "photos", "--sheet=x.png"], "has --sheet, which writes a file"),
        (["eval", "zeroshot", "photos", "--report", "notes.md"], "has --report, which writes a file"),
        (["eval", "fewshot", "photos", "--save=model.safetensors"], "has --save, which writes a file"),
        (["eval", "similarity", "photos", "--model", "http://127.0.0.1:1/v1#m"], "uses the network: 'http://"),
        (["eval", "zeroshot", "photos", "--model=hf-hub:a/b"], "add --allow-network"),
        (["eval", "zeroshot", "hf:a/b"], "add --allow-network"),
        (["eval", "zeroshot", "HTTP://127.0.0.1:1/x"], "uses the network: 'HTTP://"),
        (["eval", "zeroshot", r"\\\\host\share"], "uses the network"),
        (["eval", "zeroshot", "photos", "--templates=//host/share"], "uses the network"),
    ],
)
def test_a_record_that_does_more_than_measure_is_refused(tmp_path, command, message):
    path = tmp_path / "retrieval.json"
    path.write_text(json.dumps({"command": command, "recall": 1.0}))
    with pytest.raises(InputError, match=message):
        rerun(path)


@pytest.mark.parametrize("command", ["eval", 1, None, []])
def test_a_record_without_a_list_of_arguments(tmp_path, command):
    path = tmp_path / "retrieval.json"
    path.write_text(json.dumps({"command": command}))
    with pytest.raises(InputError, match="records no command"):
        rerun(path)


def test_the_network_is_used_where_it_is_allowed(tmp_path):
    path = tmp_path / "similarity.json"
    path.write_text(
        json.dumps({"command": ["eval", "similarity", str(tmp_path / "none"), "--model", "http://localhost:1/v1"]})
    )
    with pytest.raises(InputError, match="none"):  # the folder that is missing, found by the command itself
        rerun(path, "--allow-network")


@pytest.mark.parametrize("end", [["--"], ["--split"], ["--groups"]])
def test_an_end_that_would_swallow_the_folder_of_results_does_not(tmp_path, monkeypatch, end):
    """Behind them "--out" would be a dataset or a value, and results would be written where the user is."""
    for name in ("dark/0.png", "dark/1.png", "light/0.png", "light/1.png"):
        (tmp_path / "photos" / name).parent.mkdir(parents=True, exist_ok=True)
        Image.new("L", (8, 8), 200 * name.startswith("light")).save(tmp_path / "photos" / name)
    path = tmp_path / "suite.json"
    path.write_text(json.dumps({"command": ["eval", "suite", "photos", "--model", "pixels:4", *end]}))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("WORDSIGHT_CACHE", str(tmp_path / "cache"))
    result = CliRunner().invoke(group, ["eval", "rerun", str(path)])
    assert isinstance(result.exception, InputError) or result.exit_code == 2
    assert sorted(each.name for each in tmp_path.iterdir()) == ["photos", "suite.json"]


def test_the_command_is_shown_before_it_runs(tmp_path):
    path = tmp_path / "retrieval.json"
    path.write_text(json.dumps({"command": ["eval", "retrieval", "\x1b[2J none"]}))
    result = CliRunner().invoke(group, ["eval", "rerun", str(path)])
    assert "running: wordsight eval retrieval --out " in result.stderr
    assert r"\x1b[2J none" in result.stderr
