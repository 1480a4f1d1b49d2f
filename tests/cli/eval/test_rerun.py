"""`wordsight eval rerun` of a record that someone else wrote: it may measure, and nothing else."""

import json

import pytest
from click.testing import CliRunner

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
        (["eval", "zeroshot", "photos", "--report", "notes.md"], "has --report, which writes a file"),
        (["eval", "fewshot", "photos", "--save=model.safetensors"], "has --save, which writes a file"),
        (["eval", "similarity", "photos", "--model", "http://127.0.0.1:1/v1#m"], "uses the network: 'http://"),
        (["eval", "zeroshot", "photos", "--model=hf-hub:a/b"], "add --allow-network"),
        (["eval", "zeroshot", "hf:a/b"], "add --allow-network"),
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
