"""Conditions mean what SQL means by them, in Qdrant's filters and in Pinecone's: random rows, compared with sqlite."""

import sqlite3

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from pinecone_server import StoredIndex

from wordsight.errors import InputError
from wordsight.index import Row
from wordsight.index.filters.parse import Alike, Always, Compared, Every, NoneOf, OneOf, Present, Some, parse
from wordsight.index.filters.translate import to_pinecone, to_qdrant
from wordsight.index.payload_fields import (
    TAKEN_SECONDS,
    columns_with,
    decode_field_name,
    encode_field_name,
    parse_seconds,
)

COLUMNS = {"gender": "text", "price": "number", "year": "integer", "sale": "boolean", "taken": "text"}

# the reading of a condition


@pytest.mark.parametrize(
    ("where", "tree"),
    [
        ("gender = 'Women'", OneOf("gender", ("Women",))),
        ("price < 50 and year >= 2010", Every((Compared("price", "<", 50), Compared("year", ">=", 2010)))),
        ("50 > price", Compared("price", "<", 50)),
        ("not (gender = 'a' or price > 3)", Every((NoneOf("gender", ("a",)), Compared("price", "<=", 3)))),
        ("not price between 1 and 2", Some((Compared("price", "<", 1), Compared("price", ">", 2)))),
        ("year in (1, 2, null)", OneOf("year", (1, 2))),
        ("year not in (1, null)", Always(False)),  # SQL: neither true nor false for any year
        ("gender = null", Always(False)),
        ("gender is null", Present("gender", negated=True)),
        ("sale", OneOf("sale", (True,))),
        ("sale is not true", Some((OneOf("sale", (False,)), Present("sale", negated=True)))),
        ("gender like 'W%'", Alike("gender", "W", anywhere=False)),
        ("gender not like '%o%'", Alike("gender", "o", anywhere=True, negated=True)),
        (r"gender like '50\%%' escape '\'", Alike("gender", "50%", anywhere=False)),
        ("gender not like '50!%%' escape '!'", Alike("gender", "50%", anywhere=False, negated=True)),
        ("not gender not like 'W%'", Alike("gender", "W", anywhere=False)),
        ("gender like 'exact'", OneOf("gender", ("exact",))),
        ("gender like '%'", Present("gender")),
        ("true or gender = 'a'", Always(True)),
        ("false or gender = 'a'", OneOf("gender", ("a",))),
        ("((price)) = -(1.5)", OneOf("price", (-1.5,))),
        ("PRICE = '50'", OneOf("price", (50,))),
        ("`gender` = 'it''s' -- a remark", OneOf("gender", ("it's",))),
    ],
)
def test_a_condition_is_read_with_its_negations_at_the_leaves(where, tree):
    assert parse(where, COLUMNS) == tree


@pytest.mark.parametrize(
    ("where", "message"),
    [
        ("", r"The condition '' cannot be read: .* such as: gender = 'Women' and price < 50"),
        ("gender =", "cannot be read"),
        ("gender = 'a'; drop table rows", "more than one condition"),
        ("gender = 'a' group by 2", "more than one condition"),
        ("gendr = 'a'", r"column 'gendr', which is not there; the columns are: gender, .* Did you mean: gender"),
        ("rows.gender = 'a'", "has 'rows.gender', which this store cannot do"),
        ("lower(gender) = 'a'", r"LOWER\(gender\) = 'a'.*cannot do; it knows columns compared with values"),
        ("price = year", "has 'price = year', which this store cannot do"),
        ("price + 1 > 2", "cannot do"),
        ("gender in (select 1)", "cannot do"),
        ("gender ilike 'a%'", "cannot do"),
        ("gender", "cannot do"),
        ("price < 'cheap'", "compares 'price', which is number, with 'cheap'"),
        ("gender = 3", "compares 'gender', which is text, with 3"),
        ("sale = 1", "compares 'sale', which is boolean, with 1"),
        ("sale > false", "orders 'sale', which is true or false"),
        ("year like '20%'", "asks 'year' for a pattern; it is not a text"),
        ("gender like '%n'", r"the pattern '%n'; this store knows 'begins with%' and '%holds%'"),
        ("gender like 'W_men'", "the pattern 'W_men'"),
    ],
)
def test_what_cannot_be_read_is_said(where, message):
    with pytest.raises(InputError, match=message):
        parse(where, COLUMNS)


def test_a_store_says_what_it_cannot_do():
    with pytest.raises(InputError, match=r"Pinecone cannot filter by a part of a text \('gender' LIKE …\)"):
        to_pinecone(parse("gender like 'W%'", COLUMNS), str, COLUMNS)
    with pytest.raises(InputError, match=r"Pinecone knows no order of texts \(gender < 'W'\): use =, in, or is null"):
        to_pinecone(parse("gender < 'W'", COLUMNS), str, COLUMNS)
    with pytest.raises(InputError, match=r"Qdrant knows no order of texts \(gender > 'W'\)"):
        to_qdrant(parse("gender > 'W'", COLUMNS), str, COLUMNS)
    with pytest.raises(InputError, match="compare taken with a date: '2023-06-01'"):
        to_qdrant(parse("taken > 'yesterday'", COLUMNS), str, COLUMNS)


# the same rows as sqlite chooses

values = {
    "gender": st.sampled_from(["Women", "Men", "", "it's", "100%"]),
    "price": st.sampled_from([0.0, -1.5, 2.0, 3, 10**6]),
    "year": st.sampled_from([0, -1, 2010, 2014]),
    "sale": st.booleans(),
    "taken": st.sampled_from(["2022-12-31T23:59:59", "2023-01-01T00:00:00", "2023-06-01T12:00:00", "2024-02-29T08:15"]),
}  # fmt: skip
rows = st.lists(
    st.fixed_dictionaries({name: st.none() | each for name, each in values.items()}), min_size=1, max_size=12
)


def literal(value):
    if value is None:
        return "null"
    if isinstance(value, str):
        return "'" + value.replace("'", "''") + "'"
    return str(value).lower()


def leaves(like):
    equal = st.sampled_from([*values]).flatmap(
        lambda name: st.tuples(
            st.just(name), st.sampled_from(["=", "!=", "<>"]), (st.none() | values[name]).map(literal)
        ).map(" ".join)
    )
    order = st.sampled_from(["price", "year", "taken"]).flatmap(
        lambda name: st.tuples(
            st.just(name),
            st.sampled_from(["<", "<=", ">", ">="]),
            st.sampled_from(["'2023'", "'2023-01'", "'2023-06-01T12:00:00'", "'2024-02-29'"])
            if name == "taken"
            else values[name].map(literal),
        ).map(" ".join)
    )
    several = st.sampled_from(["gender", "price", "year"]).flatmap(
        lambda name: st.tuples(
            st.just(name),
            st.sampled_from(["in", "not in"]),
            st.lists((st.none() | values[name]).map(literal), min_size=1, max_size=3).map(
                lambda x: f"({', '.join(x)})"
            ),
        ).map(" ".join)
    )
    between = st.tuples(st.sampled_from(["between", "not between"]), values["price"], values["price"]).map(
        lambda parts: f"price {parts[0]} {parts[1]} and {parts[2]}"
    )
    null = st.tuples(st.sampled_from([*values]), st.sampled_from(["is null", "is not null"])).map(" ".join)
    truth = st.sampled_from(["sale", "not sale", "sale is true", "sale is not false", "true", "false"])
    pattern = st.tuples(
        st.sampled_from(["like", "not like"]), st.sampled_from(["'Wo%'", "'%e%'", "'%'", "'Men'", "''"])
    )
    every = [equal, order, several, between, null, truth]
    return st.one_of(*every, *([pattern.map(lambda parts: f"gender {parts[0]} {parts[1]}")] if like else []))


def conditions(like):
    return st.recursive(
        leaves(like),
        lambda inner: st.one_of(
            inner.map(lambda part: f"not ({part})"),
            st.tuples(inner, st.sampled_from(["and", "or"]), inner).map(lambda parts: f"({' '.join(parts)})"),
        ),
        max_leaves=6,
    )


def chosen_by_sqlite(where, rows):
    with sqlite3.connect(":memory:") as base:
        base.execute("pragma case_sensitive_like = on")
        base.execute(f"create table rows (n, {', '.join(COLUMNS)})")
        for n, row in enumerate(rows):
            base.execute("insert into rows values (?, ?, ?, ?, ?, ?)", [n, *(row[name] for name in COLUMNS)])
        return [n for (n,) in base.execute(f"select n from rows where {where} order by n")]


def key(column):
    return "taken_seconds" if column == TAKEN_SECONDS else column


def payload(row):
    there = {name: value for name, value in row.items() if value is not None}
    return there | ({"taken_seconds": parse_seconds(row["taken"])} if row["taken"] else {})


@settings(max_examples=120, deadline=None)
@given(conditions(like=True), rows)
@example("not (gender = 'Women' and price < 2)", [dict.fromkeys(COLUMNS), dict.fromkeys(COLUMNS) | {"price": 3}])
def test_qdrants_filters_choose_the_rows_that_sqlite_chooses(where, rows):
    models = pytest.importorskip("qdrant_client.models")
    from qdrant_client.local.payload_filters import check_filter

    condition = parse(where, COLUMNS)
    if isinstance(condition, Always):
        chosen = [n for n in range(len(rows)) if condition.value]
    else:
        filter_ = models.Filter.model_validate(to_qdrant(condition, key, COLUMNS))
        chosen = [n for n, row in enumerate(rows) if check_filter(filter_, payload(row), n, {})]
    assert chosen == chosen_by_sqlite(where, rows)


@settings(max_examples=120, deadline=None)
@given(conditions(like=False), rows)
def test_pinecones_filters_choose_the_rows_that_sqlite_chooses(where, rows):
    """The filters are evaluated by `pinecone_server`, as Pinecone's documentation describes them."""
    server = StoredIndex("test", {"fields": {}}, None)
    condition = parse(where, COLUMNS)
    if isinstance(condition, Always):
        chosen = [n for n in range(len(rows)) if condition.value]
    else:
        filter_ = to_pinecone(condition, key, COLUMNS)
        floats = [
            {
                name: float(v) if isinstance(v, int) and not isinstance(v, bool) else v
                for name, v in payload(row).items()
            }
            for row in rows
        ]
        chosen = [n for n, row in enumerate(floats) if server.chosen(filter_, row)]
    assert chosen == chosen_by_sqlite(where, rows)


# columns and names


@given(st.text())
def test_any_columns_name_becomes_a_fields_name_and_comes_back(name):
    field = encode_field_name(name)
    assert set(field) <= set("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_")
    assert decode_field_name(field) == name


def test_plain_names_stay_as_they_are():
    assert encode_field_name("list_price_2") == "list_price_2"
    assert encode_field_name("price (€)") == "price_x20__x28__x20AC__x29_"


def row(**meta):
    return Row(id="a.jpg", source="", path="", content_hash="", vector=None, meta=meta)


def test_columns_come_with_rows_and_whole_numbers_become_numbers():
    assert columns_with({"size": "integer"}, [row(size=1, name="x"), row(size=2.5, ready=True, none=None)]) == {
        "size": "number", "name": "text", "ready": "boolean",
    }  # fmt: skip
    assert columns_with({}, [row(path="x")]) == {"table_path": "text"}


@pytest.mark.parametrize(
    ("value", "seen"),
    [
        ("large", r"text \('large'\), where the index has integer"),
        (True, r"boolean \(True\), where the index has integer"),
        ([1], r"\[1\] \(list\); expected text, a number"),
    ],
)
def test_a_column_of_two_types_is_refused(value, seen):
    with pytest.raises(InputError, match=f"The column 'size' holds {seen}"):
        columns_with({"size": "integer"}, [row(size=value)])


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("1970", 0), ("1970-01-02", 86400), ("1970-01-01T01:00", 3600), ("1970-01-01 00:00:01.5", 1.5),
        ("1970-01-01T00:00:01+02:00", 1), ("2023-13", None), ("2023-02-30", None), ("soon", None), ("", None),
    ],
)  # fmt: skip
def test_times_as_seconds(text, seconds):
    assert parse_seconds(text) == seconds


HOSTILE = {
    "long": "path = '" + "x" * 600_000 + "'",
    "many operators": " or ".join(f"n = {i}" for i in range(3000)),
    "deep brackets": "(" * 1000 + "n = 1" + ")" * 1000,
    "many signs": "n = " + "- " * 1000 + "1",
    "not not": "not " * 1000 + "n = 1",
    "cases": "case when n=1 then " * 500 + "true " + "end " * 500,
    "repeat": "repeat('a', 1000000000) = path",
    "lpad": "lpad(path, 2000000000) = 'x'",
    "range": "array_length(range(0, 10000000000)) > 0",
    "files": "path = read_csv('/etc/passwd')",
}


@pytest.mark.parametrize("condition", HOSTILE.values(), ids=HOSTILE)
def test_conditions_that_would_take_the_machine_are_refused(condition):
    from wordsight.index.lance.messages import checked

    for read in (
        lambda: parse(condition, {"n": "integer", "path": "text"}),
        lambda: checked(condition, {"n": "integer", "path": "text"}),
    ):
        with pytest.raises(InputError, match="cannot be read") as raised:
            read()
        assert len(str(raised.value)) < 1500


def test_long_lists_and_quoted_signs_are_no_attack():
    condition = "n in (" + ",".join(map(str, range(20_000))) + ") and path != '" + "((-- or repeat(" * 200 + "'"
    assert parse(condition, {"n": "integer", "path": "text"})
