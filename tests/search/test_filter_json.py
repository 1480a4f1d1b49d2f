"""Filters of JSON: they select the rows that they say, of every store, and what cannot be asked is explained."""

import json
import operator

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from memory_index import MemoryIndex, a_row, index_info

from wordsight.errors import InputError
from wordsight.index import create_index
from wordsight.index.filters.parse import parse
from wordsight.search.filter_json import MOST_CONDITIONS, MOST_DEPTH, compile_filter

COLUMNS = {"title": "text", "price": "number", "year": "integer", "sale": "boolean"}
TITLES = ["coat", "it's", "Ünïcode 日本", "a%b", "", "back\\slash", 'say "hi"', "-- drop", "; `x`", "COAT"]
ORDERS = {"eq": operator.eq, "ne": operator.ne, "lt": operator.lt, "lte": operator.le, "gt": operator.gt,
          "gte": operator.ge}  # fmt: skip
ROWS = [
    a_row(
        f"{i}",
        meta={
            name: value
            for name, value in {
                "title": None if i % 7 == 3 else TITLES[i % len(TITLES)],
                "price": None if i % 5 == 1 else (i * 3 % 11) / 2,
                "year": None if i % 6 == 2 else 2000 + i % 4 * (-1) ** i,
                "sale": None if i % 4 == 3 else i % 3 == 0,
            }.items()
            if value is not None
        },
    )
    for i in range(60)
]


def holds(tree, meta):
    """Truth of a filter for a row as SQL knows it: True, False, or None where a value is missing."""
    answers = [_entry_holds(name, value, meta) for name, value in tree.items()]
    return _every(answers)


def _entry_holds(name, value, meta):
    if name in ("and", "or"):
        answers = [holds(part, meta) for part in value]
        return _every(answers) if name == "and" else _negate(_every([_negate(answer) for answer in answers]))
    if name == "not":
        return _negate(holds(value, meta))
    tests = value if isinstance(value, dict) else {"eq": value}
    return _every([_test(test, wanted, meta.get(name)) for test, wanted in tests.items()])


def _test(test, wanted, value):
    if test == "exists":
        return (value is not None) == wanted
    if wanted is None:
        return (value is None) == (test == "eq")
    if value is None:
        return None
    if test in ("in", "not_in"):
        return (value in wanted) == (test == "in")
    if test == "like":
        text = wanted.strip("%")
        return text in value if wanted.startswith("%") else value.startswith(text)
    return ORDERS[test](value, wanted)


def _every(answers):
    if False in answers:
        return False
    return None if None in answers else True


def _negate(answer):
    return None if answer is None else not answer


TEXTS = st.sampled_from(TITLES) | st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=6)
NUMBERS = st.floats(-1e9, 1e9, allow_nan=False) | st.sampled_from([0, 0.5, 1, 2.5, -1, 1e-7])
YEARS = st.integers(1995, 2005) | st.sampled_from([-(2**62), 2000.5])


def _compared(values, orders=tuple(ORDERS)):
    one = st.tuples(st.sampled_from(orders), values).map(lambda pair: {pair[0]: pair[1]})
    several = st.tuples(st.sampled_from(["in", "not_in"]), st.lists(values, min_size=1, max_size=4)).map(
        lambda pair: {pair[0]: pair[1]}
    )
    missing = st.sampled_from([{"exists": True}, {"exists": False}, {"eq": None}, {"ne": None}])
    return one | several | missing | values


LIKE = st.sampled_from(["co%", "%a%", "%'%", "%日%", "it%", "zz%"]).map(lambda pattern: {"like": pattern})
LEAVES = st.one_of(
    st.fixed_dictionaries({"title": _compared(TEXTS) | LIKE}),
    st.fixed_dictionaries({"price": _compared(NUMBERS)}),
    st.fixed_dictionaries({"year": _compared(YEARS)}),
    st.fixed_dictionaries({"sale": _compared(st.booleans(), ("eq", "ne"))}),
    st.fixed_dictionaries({"price": st.just({"gte": 1, "lt": 4}), "sale": st.booleans()}),
)
FILTERS = st.recursive(
    LEAVES,
    lambda inner: (
        st.lists(inner, min_size=1, max_size=3).map(lambda parts: {"and": parts})
        | st.lists(inner, min_size=1, max_size=3).map(lambda parts: {"or": parts})
        | inner.map(lambda part: {"not": part})
    ),
    max_leaves=6,
)


@pytest.fixture(scope="module")
def indexes(tmp_path_factory):
    """The same rows in a folder and in memory."""
    memory, lance = MemoryIndex(), create_index(tmp_path_factory.mktemp("filters") / "index", index_info())
    for index in (memory, lance):
        index.add(ROWS)
    yield memory, lance
    lance.close()


def list_names(tree):
    """Columns that a filter names, each as often as it does."""
    if isinstance(tree, list):
        return [name for part in tree for name in list_names(part)]
    own = [name for name in tree if name not in ("and", "or", "not")]
    return own + [name for group in ("and", "or", "not") if group in tree for name in list_names(tree[group])]


@settings(max_examples=60, deadline=None, derandomize=True)
@given(tree=FILTERS)
def test_a_filter_selects_the_rows_that_it_says(indexes, tree):
    # Lance takes "x = 0 AND x != 0" for false, where x is NULL too, so that its negation finds such rows
    assume("not" not in json.dumps(tree) or len(list_names(tree)) == len(set(list_names(tree))))
    _, lance = indexes
    where = compile_filter(tree, lance.columns())
    wanted = {row.id for row in ROWS if holds(tree, row.meta) is True}
    assert set(lance.read_columns([], where)["id"]) == wanted
    parse(where, COLUMNS)  # as Qdrant and Pinecone read it


@pytest.mark.parametrize(
    "tree",
    [
        {"title": "it's"},
        {"title": {"ne": "coat"}},
        {"not": {"title": {"in": ["coat", "Ünïcode 日本"]}}},
        {"or": [{"price": {"gt": 3}}, {"year": {"exists": False}}]},
        {"and": [{"sale": True}, {"not": {"or": [{"price": 0}, {"title": None}]}}]},
    ],
)
def test_every_store_reads_it_the_same_way(indexes, tree):
    wanted = {row.id for row in ROWS if holds(tree, row.meta) is True}
    for index in indexes:
        assert set(index.read_columns([], compile_filter(tree, index.columns()))["id"]) == wanted


def test_numbers_are_exact_and_texts_quoted():
    assert compile_filter({"price": 1e-07}, COLUMNS) == "(`price` = 1e-07)"
    assert compile_filter({"title": "'; drop table x --"}, COLUMNS) == "(`title` = '''; drop table x --')"
    assert compile_filter({"a`b": 1}, {"a`b": "integer"}) == "(`a``b` = 1)"


def test_a_column_may_be_called_as_an_operator():
    assert compile_filter({"not": True}, {"not": "boolean"}) == "(`not` = true)"


@pytest.mark.parametrize(
    ("tree", "message"),
    [
        ([], r"holds \[\], expected an object"),
        ({}, r"holds \{\}, expected an object"),
        ({"and": []}, "'and' in the filter is .*, expected a list"),
        ({"or": {"price": 1}}, "'or' in the filter is .*, expected a list"),
        ({"prize": 1}, "names the column 'prize', which is not there.* Did you mean: price"),
        ({"price": {"lte ": 1}}, "has the operator 'lte '"),
        ({"price": {}}, "'price' is empty"),
        ({"price": "cheap"}, "compares 'price', which holds numbers, with 'cheap'"),
        ({"price": True}, "compares 'price'"),
        ({"price": float("nan")}, "with nan"),
        ({"year": 2**70}, "needs more than 64 bits"),
        ({"sale": 1}, "compares 'sale', which holds true or false, with 1"),
        ({"sale": {"lt": True}}, "orders 'sale'"),
        ({"title": 3}, "compares 'title', which holds text, with 3"),
        ({"title": "a\0b"}, "NUL"),
        ({"title": {"like": 3}}, "'like' of 'title' is 3"),
        ({"price": {"like": "3%"}}, "'like' of 'price'"),
        ({"price": {"in": []}}, "expected a list of 1 to"),
        ({"price": {"in": 3}}, "expected a list of 1 to"),
        ({"price": {"exists": 1}}, "expected true or false"),
        ({"price": {"lt": None}}, "compares 'price'"),
        ({"or": [{"price": i} for i in range(MOST_CONDITIONS + 1)]}, "more than 100 conditions"),
    ],
)
def test_what_is_not_a_filter_is_explained(tree, message):
    with pytest.raises(InputError, match=message):
        compile_filter(tree, COLUMNS)


def test_a_filter_of_many_levels_is_refused():
    tree = {"price": 1}
    for _ in range(MOST_DEPTH + 1):
        tree = {"not": tree}
    with pytest.raises(InputError, match="levels deep"):
        compile_filter(tree, COLUMNS)
