"""Which columns of a table are shown first, and what heads a result."""

import pytest

from wordsight.errors import InputError
from wordsight.output.lead_columns import cell_text, lead_columns

SHOES = [
    {"id": i, "productDisplayName": name, "gender": "Men", "notes": "long text " * 20, "year": year, "price": price}
    for i, (name, year, price) in enumerate([("Nike Air", 2011, 40.0), ("Puma Run", 2012, 55.5)])
]


def test_the_title_heads_and_what_differs_leads():
    lead = lead_columns(SHOES)
    assert lead.heading == "productDisplayName"
    assert lead.columns == ("price", "year", "gender", "notes", "id")


def test_a_person_may_choose():
    lead = lead_columns(SHOES, "Price, gender")
    assert (lead.heading, lead.columns) == ("price", ("gender",))
    with pytest.raises(InputError, match=r"No result has a column 'prize'; there are: id, .* Did you mean: price"):
        lead_columns(SHOES, "prize")


@pytest.mark.parametrize(
    ("meta", "heading"),
    [
        ({"caption": "a dog", "file_name": "a.jpg"}, "caption"),
        ({"name": "A", "title": "B"}, "title"),
        ({"brand_name": "A", "category": "x"}, None),
        ({"title": 7}, None),
        ({"title": ""}, None),
        ({}, None),
    ],
)
def test_only_texts_that_name_the_thing_head(meta, heading):
    assert lead_columns([meta]).heading == heading


def test_no_rows_have_no_columns():
    assert lead_columns([]).columns == ()


def test_cells_are_short_and_on_one_line():
    assert [cell_text(value) for value in (3.50, "a\n b", None, True, 12)] == ["3.5", "a b", "", "True", "12"]
