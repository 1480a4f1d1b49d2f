"""`wordsight tune` as a script sees it."""

import json

import pytest
from click.testing import CliRunner
from colour_model import ColourModel
from colour_shop import questions, shop  # noqa: F401

from wordsight.cli import group
from wordsight.errors import InputError


@pytest.fixture
def call(shop, tmp_path, monkeypatch):
    monkeypatch.setattr("wordsight.gallery.open_index", lambda location: {"here": shop}[location])
    monkeypatch.setattr("wordsight.gallery.load", lambda *args, **options: ColourModel())

    def call(judged, *options):
        lines = [f"{one.query}\t{answer}" for one in judged for answer in one.relevant]
        (tmp_path / "q.tsv").write_text("query\tid\n" + "\n".join(lines), encoding="utf-8")
        return CliRunner().invoke(group, ["tune", str(tmp_path / "q.tsv"), "--in", "here", *options])

    return call


def test_a_table_and_the_choice_in_words(call, shop):
    result = call(questions())
    assert result.exit_code == 0, result.output
    lines = result.stdout.splitlines()
    assert lines[0].split() == ["nDCG@10", "recall@10", "hit", "rate@10"]
    assert [line[:12].strip() for line in lines[1:4]] == ["text only", "vector only", "hybrid"]
    assert "Chosen: 0." in result.stdout
    assert "× visual similarity + 0." in result.stdout
    assert "12 queries" in lines[-1]
    assert shop.note("fusion")["way"] == "both"


def test_what_was_chosen_is_shown_and_removed(call, shop):
    def alone(*options):
        return CliRunner().invoke(group, ["tune", "--in", "here", *options]).stdout

    assert alone("--status").startswith("Not tuned")
    assert alone("--status", "--json") == "{}\n"
    said = call(questions()).stdout
    assert alone("--status") == said
    assert json.loads(alone("--status", "--json"))["queries"] == 12
    assert "removed" in alone("--reset")
    assert alone("--status").startswith("Not tuned")
    shop.set_note("fusion", {"way": "text", "alpha": 0.5})
    assert alone("--status") == "Chosen by an older version: text only.\n"


def test_either_queries_or_status_or_reset(call):
    for options in (["--status"], ["--reset"]):
        assert "exactly one of QUERIES.tsv, --status and --reset" in str(call(questions(), *options).exception)
    assert "exactly one of QUERIES.tsv, --status and --reset" in str(CliRunner().invoke(group, ["tune"]).exception)


def test_unknown_answers_and_missing_ones_are_said(call):
    judged = [type(one)(one.query, one.relevant | {"gone.png"}) for one in questions()]
    result = call(judged)
    assert result.exit_code == 0
    assert "1 answers are not in the index and were left out: gone.png" in result.stderr
    colours = [type(one)(one.query.split()[0] + f" {i}", one.relevant) for i, one in enumerate(questions())]
    assert "12 of 12 queries list only one answer, and for" in call(colours).stderr


def test_json_is_one_object(call):
    answer = json.loads(call(questions(), "--json").stdout)
    assert answer["queries"] == 12
    assert answer["fusion"]["way"] == "both"
    assert set(answer["figures"][0]["ndcg"]) == {"mean", "low", "high"}


def test_mistakes_are_named_before_any_model_is_loaded(call, monkeypatch, tmp_path):
    monkeypatch.setattr("wordsight.gallery.load", lambda *args, **options: pytest.fail("a model was loaded"))
    result = CliRunner().invoke(group, ["tune", str(tmp_path / "gone.tsv")])
    assert isinstance(result.exception, InputError)
    assert "gone.tsv' cannot be read" in str(result.exception)
