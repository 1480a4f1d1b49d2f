"""`POST /v1/search`, `/v1/facets`, `/v1/galleries`: words, likes, filters, listing, paging."""

import pytest


def search(client, **asked):
    answer = client.post("/v1/search", json=asked)
    assert answer.status_code == 200, answer.text
    return answer.json()


def names(answer):
    return [hit["name"] for hit in answer["hits"]]


def test_words_find_what_they_say_with_probabilities(client):
    answer = search(client, text="a cup of coffee", by="vector", limit=3)
    assert answer["hits"][0]["name"] == "coffee.jpg"
    assert answer["hits"][0]["likely"]
    assert answer["likely"] >= 1
    assert not answer["hits"][2]["likely"]


def test_nothing_is_likely_where_nothing_matches(client):
    answer = search(client, text="a parliament of owls in the snow", by="vector")
    assert answer["likely"] == 0
    assert answer["hits"]  # the nearest are shown all the same


def test_more_and_less_like_an_item(client):
    coffee = search(client, text="a cup of coffee", limit=1)["hits"][0]
    like = search(client, query=[{"like": coffee["id"]}])
    assert coffee["id"] not in [hit["id"] for hit in like["hits"]]
    unlike = search(client, text="food", query=[{"like": coffee["id"], "weight": -1}], by="vector")
    assert coffee["id"] not in [hit["id"] for hit in unlike["hits"]]


def test_all_results_come_page_by_page_once_each(client):
    seen, cursor = [], None
    while True:
        answer = search(client, text="cat", fold=False, limit=5, cursor=cursor)
        seen += [hit["id"] for hit in answer["hits"]]
        cursor = answer["cursor"]
        if cursor is None:
            break
        assert answer["remaining"] == 24 - len(seen)
    assert len(seen) == len(set(seen)) == 24
    assert answer["remaining"] == 0


def test_without_words_the_gallery_is_listed(client):
    first = search(client, filter={"colour": {"in": ["red", "blue"]}}, limit=5)
    assert first["likely"] == 8
    rest = search(client, filter={"colour": {"in": ["red", "blue"]}}, limit=5, cursor=first["cursor"])
    assert len(names(first) + names(rest)) == 8
    assert rest["cursor"] is None
    assert first["hits"][0]["probability"] is None


def test_a_cursor_of_another_search_is_refused(client):
    cursor = search(client, text="cat", limit=1)["cursor"]
    answer = client.post("/v1/search", json={"text": "dog", "cursor": cursor, "limit": 1})
    assert answer.status_code == 400
    assert "of another search" in answer.json()["error"]["message"]


def test_a_filter_narrows_and_is_checked(client):
    answer = search(client, text="cat", filter={"price": {"gte": 30, "lt": 60}, "in_stock": True})
    assert {hit["meta"]["in_stock"] for hit in answer["hits"]} == {True}
    refused = client.post("/v1/search", json={"text": "cat", "filter": {"prize": 3}})
    assert refused.status_code == 400
    assert "Did you mean: price" in refused.json()["error"]["message"]


def test_raw_sql_needs_the_switch(client):
    refused = client.post("/v1/search", json={"text": "cat", "where": "price > 3"})
    assert refused.status_code == 400
    assert "--allow-sql" in refused.json()["error"]["message"]


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ({"text": "cat", "limit": 0}, "limit is 0"),
        ({"limit": 1000}, "limit is 1000"),
        ({"exclude": ["cat"]}, "asks for nothing"),
        ({"query": [{"text": "cat", "like": "x"}]}, "has 2 of text, image and like"),
        ({"query": [{"like": "nothing"}]}, "no item 'nothing'"),
        ({"query": [{"text": "cat", "weight": -1}]}, "negative parts only"),
        ({"text": "cat", "cursor": "x"}, "The cursor 'x' is not one"),
        ({"gallery": "shpo", "text": "cat"}, "Did you mean: shop"),
        ({"txt": "cat"}, "txt"),
    ],
)
def test_what_cannot_be_asked_is_explained(client, asked, message):
    answer = client.post("/v1/search", json=asked)
    assert answer.status_code in (400, 404)
    assert message in answer.json()["error"]["message"]


def test_facets_count_what_narrows_a_search(client):
    facets = client.post("/v1/facets", json={"filter": {"colour": "red"}}).json()
    by_column = {facet["column"]: facet for facet in facets["facets"]}
    assert {value["value"]: value["count"] for value in by_column["colour"]["values"]} == {
        "red": 4,
        "green": 4,
        "blue": 4,
    }
    assert sum(value["count"] for value in by_column["in_stock"]["values"]) == 4
    assert by_column["added"]["kind"] == "date"
    assert "title" not in by_column
    assert facets["total"] == 4


def test_galleries_are_listed_with_their_columns(client):
    (shop,) = client.get("/v1/galleries").json()["galleries"]
    assert shop["name"] == "shop"
    assert shop["images"] == 24
    assert shop["columns"]["price"] == "number"
    assert not shop["can_add"]


def test_ranges_stay_while_other_columns_narrow(client):
    def ranges(**asked):
        facets = client.post("/v1/facets", json=asked).json()["facets"]
        (price,) = [facet for facet in facets if facet["column"] == "price"]
        return {(one["from"], one["to"]): one["count"] for one in price["ranges"]}

    whole, red = ranges(), ranges(filter={"colour": "red"})
    assert red.keys() <= whole.keys()
    assert (sum(whole.values()), sum(red.values())) == (12, 4)
    assert ranges(filter={"and": [{"colour": "red"}, {"price": {"lt": 20}}]}) == red  # its own condition is ignored


def test_the_number_that_remains_heeds_the_filter(client):
    answer = search(client, text="cat", fold=False, filter={"colour": "red"}, limit=3)
    assert answer["remaining"] == 1
