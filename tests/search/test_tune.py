"""Choosing the fusion: choices where the right one is known."""

import numpy as np
import pytest
from colour_model import DIM, ColourModel
from colour_shop import questions, shop  # noqa: F401
from memory_index import MemoryIndex, index_info
from searching import run

from wordsight.errors import InputError, StoreError
from wordsight.index import Row
from wordsight.search.fusion import Fusion
from wordsight.search.judged import Judged, read_judged, resolve_answers
from wordsight.search.relevance import text_evidence
from wordsight.search.tune import (
    Sides,
    choose,
    cross_validated,
    read_tuning,
    reset,
    tune,
)


def test_each_query_is_answered_by_what_was_chosen_without_it():
    alone = np.zeros((3, 6))
    alone[2] = 1
    assert list(cross_validated(alone)) == [2] * 6
    flip = np.array([[1.0, 0.0], [0.0, 1.0]])  # of two queries, each alone would choose what is wrong for the other
    assert flip[cross_validated(flip), [0, 1]].sum() == 0


def both_sides(looks, words, query="q"):
    """Candidates of both sides: id → visual log-odds, id → share of the words that its text holds, its score too."""
    ids = list(dict.fromkeys([*looks, *words]))
    held = np.array([words.get(id, 0.0) for id in ids])
    visual = np.array([looks.get(id, -6.0) for id in ids])
    return Sides(ids, visual, text_evidence(held, held, 2), frozenset("a"), query)


def sides(looks_find, words_find, count=40):
    """Queries whose answer "a" the two sides put first, or tenth of ten."""
    rng = np.random.default_rng(0)
    found = []
    for _ in range(count):
        first = rng.random(2) < (looks_find, words_find)
        looks = {id: rng.random() for id in "bcdefghij"} | {"a": 5.0 if first[0] else -1.0}
        words = {id: 0.4 + 0.1 * rng.random() for id in "bcdefghij"} | {"a": 0.9 if first[1] else 0.3}
        found.append(both_sides(looks, words))
    return found


def test_hybrid_is_chosen_where_both_sides_know_something():
    tuned = choose(sides(0.6, 0.6))
    assert tuned.hybrid
    assert tuned.gain.low > 0
    assert [figures.mode for figures in tuned.figures] == ["text only", "vector only", "hybrid"]
    assert tuned.figures[2].ndcg.value > max(figures.ndcg.value for figures in tuned.figures[:2])


def uneven(count):
    """Queries that looks answer, and texts half of the time; texts are surer of what is wrong."""
    wrong = {"b": 1.0, "a": 0.2}
    looks = {"a": 3.0, "b": 0.0}
    return [both_sides(looks, {"a": 1.0} if i % 2 else wrong, f"query {i}") for i in range(count)]


def test_the_better_side_counts_more_the_more_the_more_queries_say_so():
    few, many = choose(uneven(6)), choose(uneven(200))
    assert 0.5 <= few.fusion.alpha <= many.fusion.alpha < 1
    assert many.fusion.alpha > 0.55
    assert few.hybrid
    assert many.hybrid


@pytest.mark.parametrize(("looks", "words"), [(1.0, 0.0), (0.0, 1.0)])
def test_a_side_that_does_no_harm_is_kept(looks, words):
    tuned = choose(sides(looks, words))
    assert tuned.hybrid
    assert tuned.gain.low <= 0


def test_one_side_alone_is_chosen_only_where_it_is_better_beyond_doubt():
    hopeless = [both_sides({"a": 1.0, "b": 1.0 - 1e-9}, {"b": 1.0}) for _ in range(40)]
    tuned = choose(hopeless)
    assert tuned.fusion == Fusion("vector")
    assert tuned.gain.high < 0


def test_judgements_that_list_one_answer_of_several_are_told():
    tuned = choose([*hopeless_texts(12)])
    assert tuned.unjudged.singles == 12
    assert tuned.partial
    assert tuned.unjudged.examples[0] == ("query 0", "b")
    assert not choose(sides(1.0, 1.0)).partial


def hopeless_texts(count):
    """Queries whose only judged answer stands second on both sides."""
    both = {"b": 1.0, "a": 0.8, "c": 0.1}
    return [both_sides(both, both, f"query {i}") for i in range(count)]


def test_a_choice_is_noted_and_can_be_forgotten(shop):
    assert read_tuning(shop) is None
    tuned = tune(shop, ColourModel(), questions())
    assert read_tuning(shop) == tuned
    reset(shop)
    assert read_tuning(shop) is None
    shop.set_note("fusion", {"way": "score", "alpha": 0.2, "queries": 9})  # of an older version
    assert read_tuning(shop) == Fusion("both", 0.2)


def test_a_search_goes_by_what_was_tuned(shop):
    tuned = tune(shop, ColourModel(), questions())
    assert tuned.hybrid
    assert shop.note("fusion")["way"] == tuned.fusion.method
    assert run(shop, ColourModel(), "blue large", 1)[0].id == "/shop/blue/large.png"
    shop.set_note("fusion", {"way": "vector", "alpha": 0.5})
    assert run(shop, ColourModel(), "blue large", 1)[0].bm25 is None


def test_answers_may_be_named_by_the_end_of_their_path(shop, tmp_path, monkeypatch):
    monkeypatch.chdir("/")
    given = [Judged("q", frozenset(["red/small.png", "shop/blue/huge.png", "/shop/green/large.png"]))]
    expected = {"/shop/red/small.png", "/shop/blue/huge.png", "/shop/green/large.png"}
    assert resolve_answers(shop, given)[0][0].relevant == expected
    with pytest.raises(InputError, match=r"'small\.png' is the end of 3 paths, such as /shop/blue/small\.png and"):
        resolve_answers(shop, [Judged("q", frozenset(["small.png"]))])


def test_any_page_of_a_document_answers_for_it(shop):
    for page in (1, 2):
        row = next(iter(shop.rows.values()))
        shop.add([Row(f"/d.pdf#page={page}", "/d.pdf", "/d.pdf", str(page), row.vector, page=page)])
    assert resolve_answers(shop, [Judged("q", frozenset(["/d.pdf"]))])[0][0].relevant == {
        "/d.pdf#page=1",
        "/d.pdf#page=2",
    }


def test_answers_that_are_not_there_are_left_out_and_listed(shop):
    gone = [Judged("q", frozenset(["/shop/red/smal.png", *(f"/gone/{i}.png" for i in range(7))]))]
    some = [Judged(one.query, one.relevant | {"/gone/0.png"}) for one in questions()]
    tuned = tune(shop, ColourModel(), [*some, *gone])
    assert tuned.queries == len(some)
    assert tuned.unknown == (*(f"/gone/{i}.png" for i in range(7)), "/shop/red/smal.png")
    assert tuned.fusion == tune(shop, ColourModel(), questions()).fusion
    with pytest.raises(
        InputError, match=r"none of these, 8 in all: '/gone/0.png'.* … and 3 more\. 0 queries"
    ) as caught:
        tune(shop, ColourModel(), gone * 5)
    assert "index them first" in str(caught.value)
    with pytest.raises(InputError, match=r"'/shop/red/smal.png'\. Did you mean: small.png\?"):
        tune(shop, ColourModel(), [Judged(f"q{i}", frozenset(["/shop/red/smal.png"])) for i in range(5)])


def test_too_few_queries_choose_nothing(shop):
    with pytest.raises(InputError, match="There are 4 queries, expected 5 or more"):
        tune(shop, ColourModel(), questions()[:4])
    assert shop.note("fusion") is None


def test_an_index_of_another_model_is_not_tuned():
    with pytest.raises(StoreError, match="their vectors cannot be compared"):
        tune(MemoryIndex(index_info(DIM, "other", "other")), ColourModel(), questions())


def test_queries_are_read_with_all_their_answers(tmp_path):
    file = tmp_path / "q.tsv"
    file.write_text('\ufeffquery\tid\nred coat\ta.png\n\nred coat\tb.png\n5" nail\tc.png\tnoted\n', encoding="utf-8")
    assert read_judged(file) == [
        Judged("red coat", frozenset(["a.png", "b.png"])),
        Judged('5" nail', frozenset(["c.png"])),
    ]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"red coat\n", r"line 1: \['red coat'\]; expected a query, a tab, and the id"),
        (b"query\tid\nred\t\n", "line 2"),
        (b"\xff\xfe", "cannot be read .* expected UTF-8 text"),
    ],
)
def test_a_file_of_queries_that_is_none_is_refused(tmp_path, content, message):
    (tmp_path / "q.tsv").write_bytes(content)
    with pytest.raises(InputError, match=message):
        read_judged(tmp_path / "q.tsv")
    with pytest.raises(InputError, match=r"gone\.tsv' cannot be read"):
        read_judged(tmp_path / "gone.tsv")
