"""Facets of columns: categories, numbers, dates; and columns that are none."""

import pytest

from wordsight.search.facets import count_again, count_facet


def test_categories_come_with_the_most_frequent_first():
    facet = count_facet("colour", "text", ["red", "blue", "red", None])
    assert facet.values == [("red", 2), ("blue", 1)]
    assert facet.missing == 1


def test_years_are_listed_in_order():
    facet = count_facet("year", "integer", [2012, 2010, 2012, 2011] * 10)
    assert facet.values == [(2010, 10), (2011, 10), (2012, 20)]


def test_prices_become_ranges_with_readable_edges():
    facet = count_facet("price", "number", [float(cents) / 7 for cents in range(700)])
    assert [one.label for one in facet.ranges] == [
        "under 20", "20 to 30", "30 to 50", "50 to 70", "70 to 80", "80 and more"
    ]  # fmt: skip
    assert sum(one.count for one in facet.ranges) == 700


def test_dates_are_counted_by_year_or_by_month_of_one_year():
    years = count_facet("taken", "text", ["2023-06-01T12:00:00", "2024-01-02", "2024-05-06"])
    assert [(one.label, one.count) for one in years.ranges] == [("2024", 2), ("2023", 1)]
    months = count_facet("added", "text", ["2024-01-02", "2024-05-06", "2024-05-07"])
    assert [(one.label, one.count) for one in months.ranges] == [("May 2024", 2), ("January 2024", 1)]


@pytest.mark.parametrize(
    ("column", "kind", "values"),
    [
        ("product_id", "integer", [1, 1, 2, 2]),
        ("number", "integer", list(range(1000))),
        ("title", "text", [f"shirt {i}" for i in range(100)]),
        ("season", "text", ["Fall"] * 10),
        ("empty", "number", [None, None]),
    ],
)
def test_what_tells_rows_apart_or_is_the_same_in_all_is_no_facet(column, kind, values):
    assert count_facet(column, kind, values) is None


def test_ranges_stay_while_a_filter_changes_their_counts():
    facet = count_facet("price", "number", [float(value) for value in range(100)])
    narrowed = count_again(facet, [5.0, 6.0, None])
    assert [(one.label, one.count) for one in narrowed.ranges] == [(facet.ranges[0].label, 2)]
