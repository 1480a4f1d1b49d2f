"""What the subcommands of `wordsight eval` share: commands that can be repeated, folders of results, skips."""

import fnmatch
import importlib.util
import re
from pathlib import Path
from types import SimpleNamespace

import click
import pytest
from click.testing import CliRunner

from wordsight.cli import group
from wordsight.cli._messages import DONE, SOME_SKIPPED
from wordsight.cli.eval import SUBCOMMANDS
from wordsight.cli.eval._options import check_report, datasets_argument, models_option, record_command, result_options
from wordsight.cli.eval._results import report_all_skips
from wordsight.errors import InputError, MissingExtraError
from wordsight.evaluate.result_folder import folder_name, is_lines_path, lines_path, result_folder
from wordsight.images.skipped import Skipped


@pytest.fixture
def record():
    """Arguments that `wordsight eval shapes …` would record of itself."""
    seen = []

    @click.group()
    def wordsight():
        pass

    @wordsight.group("eval")
    def evaluate():
        pass

    @evaluate.command()
    @datasets_argument
    @models_option
    @click.option("--by", multiple=True)
    @click.option("-k", "ks", type=int, multiple=True, default=(1, 5))
    @click.option("--together", is_flag=True)
    @click.option("--none/--no-none", "none", default=True)
    @result_options
    @click.pass_context
    def shapes(ctx, /, **_):
        seen.append((record_command(ctx), record_command(ctx, datasets=["one"], models=["mini"])))

    def call(line):
        result = CliRunner().invoke(wordsight, ["eval", "shapes", *line.split()])
        assert result.exit_code == 0, result.output
        return tuple(" ".join(command) for command in seen[-1])

    return call


@pytest.mark.parametrize(
    ("line", "whole", "one"),
    [
        ("a b", "eval shapes a b", "eval shapes one --model mini"),
        ("a --model x --model y", "eval shapes a --model x --model y", "eval shapes one --model mini"),
        ("a --by region --by sex", "eval shapes a --by region --by sex", None),
        ("a -k 3 --seed 7 --precision f32", "eval shapes a --precision f32 -k 3 --seed 7", None),
        ("a --together --no-none", "eval shapes a --together --no-none", None),
        ("a --out x --report y.html --json", "eval shapes a", None),
    ],
)
def test_a_command_is_recorded_without_defaults_and_without_places(record, line, whole, one):
    assert record(line)[0] == whole
    if one is not None:
        assert record(line)[1] == one


def test_a_recorded_command_records_the_same_again(record):
    whole, _ = record("a --model x --by region -k 3 -k 4 --no-none --seed 2")
    assert record(whole.removeprefix("eval shapes "))[0] == whole


def test_a_page_is_refused_before_a_long_run(tmp_path, monkeypatch):
    check_report(None)
    check_report(tmp_path / "out.html")
    with pytest.raises(InputError, match=r"its name must end in \.html"):
        check_report(tmp_path / "photo.jpg")
    with pytest.raises(InputError, match="does not exist; create it"):
        check_report(tmp_path / "no" / "out.html")
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(MissingExtraError, match="matplotlib"):
        check_report(tmp_path / "out.html")


@pytest.mark.parametrize(
    ("name", "folder"),
    [
        ("ViT-B-32/openai", "ViT-B-32_openai"),
        ("猫の写真", "猫の写真"),
        ("hf-hub:org/repo", "hf-hub_org_repo-??????"),
        ("../../etc", "etc-??????"),
        ("", "unnamed-??????"),
        ("a b", "a_b-??????"),
        ("x" * 100, "x" * 80 + "-??????"),
    ],
)
def test_names_become_folders_that_stay_below_the_one_asked_for(name, folder):
    made = folder_name(name)
    assert fnmatch.fnmatchcase(made, folder)
    assert result_folder(Path("eval"), name, name) == Path("eval", made, made)
    assert is_lines_path(lines_path(Path("eval"), name))


def test_two_names_never_share_a_folder():
    names = ["a b", "a_b", "a\tb", "", "!!!", "???", "y" + "x" * 80, "z" + "x" * 80, "mini", "mini+f32"]
    assert len({folder_name(name) for name in names}) == len(names)


def test_skips_of_several_models_are_told_once(capsys):
    skip = Skipped(Path("a.jpg"), "no such file")
    features = SimpleNamespace(places=[0, 2], skipped=(skip,))
    assert report_all_skips([features, features]) == SOME_SKIPPED
    assert capsys.readouterr().err.count("a.jpg: no such file") == 1
    assert report_all_skips([SimpleNamespace(places=[0], skipped=())]) == DONE


@pytest.mark.parametrize(
    ("arguments", "package"),
    [
        (["zeroshot", "photos/"], "pyarrow"),
        (["pick", "photos/"], "pyarrow"),
        (["fewshot", "photos/"], "scipy"),
        (["suite", "photos/"], "matplotlib"),
        (["labels", "photos/"], "scipy"),
        (["contamination", "photos/", "--train", "other/"], "pyarrow"),
        (["limits", "--people", "portraits/"], "scipy"),
    ],
)
def test_a_package_that_is_not_installed_is_named_before_anything_is_read(arguments, package, monkeypatch):
    found = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name, *rest: None if name == package else found(name, *rest)
    )
    done = CliRunner().invoke(group, ["eval", *arguments])
    assert isinstance(done.exception, MissingExtraError)
    assert re.search(rf"{arguments[0]}|--people", str(done.exception))
    assert f"{package!r}" in str(done.exception)
    assert "pip install 'wordsight[eval]'" in str(done.exception)
    assert CliRunner().invoke(group, ["eval", arguments[0], "--help"]).exit_code == 0


@pytest.mark.parametrize("name", SUBCOMMANDS)
def test_the_help_of_each_subcommand_has_a_claim_examples_and_exit_codes(name):
    text = CliRunner().invoke(group, ["eval", name, "--help"]).output
    assert f"\n    wordsight eval {name} " in text or name == "limits"
    assert text.count("Exit codes: 0 ") == 1
    assert "2 the command or an input is" in text
