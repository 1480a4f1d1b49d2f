"""`POST /v1/duplicates`: groups side by side, page by page, and as lists."""

import csv
import io

import pytest
from jobs import finish, wait_for

from wordsight.samples import sample_images


def ask(shop, **asked):
    """Answer of a search for copies, waited for where it takes longer."""
    answer = shop.client.post("/v1/duplicates", json={"gallery": shop.name, **asked})
    if answer.status_code != 202:
        return answer
    assert wait_for(shop.client, answer.json()["job"])["state"] == "done"
    return shop.client.post("/v1/duplicates", json={"gallery": shop.name, **asked})


def test_copies_are_side_by_side_with_the_one_to_keep(shop):
    answer = ask(shop).json()
    assert answer["groups_total"] == 12  # each sample lies in two folders
    group = answer["groups"][0]
    assert [item["keep"] for item in group["items"]] == [True, False]
    assert group["exact"]
    assert group["items"][1]["reason"] == "the same content, byte for byte"
    for item in group["items"]:
        assert shop.client.get(item["thumb"]).status_code == 200
        assert min(item["size"], item["width"]) > 0
        assert item["path"].startswith("/")


def test_groups_come_page_by_page_and_all_at_once_as_lists(shop):
    first = ask(shop, limit=5).json()
    second = ask(shop, limit=5, cursor=first["cursor"]).json()
    third = ask(shop, limit=5, cursor=second["cursor"]).json()
    assert third["cursor"] is None
    kept = [group["items"][0]["id"] for answer in (first, second, third) for group in answer["groups"]]
    assert len(set(kept)) == 12
    answer = ask(shop, format="csv")
    assert answer.headers["content-type"].startswith("text/csv")
    assert "attachment" in answer.headers["content-disposition"]
    rows = list(csv.DictReader(io.StringIO(answer.text)))
    assert len(rows) == 12
    assert ask(shop, format="text").text.splitlines() == [row["copy"] for row in rows]


def test_the_same_search_is_made_once_until_the_gallery_changes(shop):
    def count():
        return sum(job["kind"] == "duplicates" for job in shop.client.get("/v1/jobs").json()["jobs"])

    ask(shop)
    before = count()
    ask(shop)
    assert count() == before
    sample = sample_images()[0]
    finish(shop.client, shop.send((sample.name, sample.read_bytes()), meta='{"again": true}'))
    answer = ask(shop).json()
    assert count() == before + 1
    assert len(answer["groups"][0]["items"]) == 3


@pytest.mark.parametrize(
    "asked",
    [{"threshold": 2}, {"threshold": "x"}, {"limit": 0}, {"cursor": "x"}, {"format": "pdf"}, {"gallery": "none"},
     {"more": 1}],
)  # fmt: skip
def test_what_cannot_be_asked_is_refused(shop, asked):
    answer = shop.client.post("/v1/duplicates", json={"gallery": shop.name, **asked})
    assert answer.status_code in (400, 404)
