"""`wordsight tune` as a script sees it."""

import json

import pytest
from click.testing import CliRunner
from colour_model import ColourModel
from test_tune import questions, shop  # noqa: F401

from wordsight.cli import group
from wordsight.errors import InputError


@pytest.fixture
def call(shop, tmp_path, monkeypatch):  # noqa: F811
    monkeypatch.setattr("wordsight.search.gallery.open_index", lambda location: {"here": shop}[location])
    monkeypatch.setattr("wordsight.search.gallery.load", lambda *args, **options: ColourModel())

    def call(judged, *options):
        lines = [f"{one.query}\t{answer}" for one in judged for answer in one.relevant]
        (tmp_path / "q.tsv").write_text("query\tid\n" + "\n".join(lines), encoding="utf-8")
        return CliRunner().invoke(group, ["tune", str(tmp_path / "q.tsv"), "--in", "here", *options])

    return call


def test_a_table_and_the_choice_in_words(call, shop):  # noqa: F811
    result = call(questions())
    assert result.exit_code == 0, result.output
    lines = result.stdout.splitlines()
    assert lines[0].split() == ["nDCG@10", "recall@10"]
    assert [line[:12].strip() for line in lines[1:4]] == ["text only", "vector only", "hybrid"]
    assert "Chosen: hybrid" in result.stdout
    assert "12 queries" in lines[-1]
    assert shop.note("fusion")["way"] in ("rank", "score")


def test_it_says_when_hybrid_is_no_better(call, shop):  # noqa: F811
    colours = [f"{word} {colour}" for word in ("a", "the", "my") for colour in ("red", "green", "blue")]
    judged = [
        type(one)(colour, frozenset(f"/shop/{colour.split()[1]}/{s}.png" for s in ("small", "medium", "large", "huge")))
        for colour, one in zip(colours, questions(), strict=False)
    ]
    result = call(judged)
    assert result.exit_code == 0, result.output
    assert "Chosen: what pictures look like alone; hybrid" in result.stdout
    assert shop.note("fusion")["way"] == "vector"


def test_json_is_one_object(call):
    answer = json.loads(call(questions(), "--json").stdout)
    assert answer["queries"] == 12
    assert answer["fusion"]["way"] in ("rank", "score")
    assert set(answer["figures"][0]["ndcg"]) == {"mean", "low", "high"}


def test_mistakes_are_named_before_any_model_is_loaded(call, monkeypatch, tmp_path):
    monkeypatch.setattr("wordsight.search.gallery.load", lambda *args, **options: pytest.fail("a model was loaded"))
    result = CliRunner().invoke(group, ["tune", str(tmp_path / "gone.tsv")])
    assert isinstance(result.exception, InputError)
    assert "gone.tsv' cannot be read" in str(result.exception)
