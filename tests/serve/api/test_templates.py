"""`GET /v1/templates`: the sets that classification may name."""

from wordsight.zeroshot.templates import TEMPLATE_SETS


def test_all_sets_are_listed_with_their_templates(client):
    found = {one["name"]: tuple(one["templates"]) for one in client.get("/v1/templates").json()["templates"]}
    assert found == TEMPLATE_SETS
