"""The OpenAPI document is whole, its examples work, and the page of it loads nothing from elsewhere."""

import html.parser
import re

import pytest
from serving import run_server

VOID = {"meta", "link", "br", "hr", "img", "input"}


@pytest.fixture(scope="module")
def document(client):
    return client.get("/openapi.json").json()


def operations(document):
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            yield method, path, operation


def test_every_operation_has_a_name_of_its_own_and_says_what_it_does(document):
    ids = [operation["operationId"] for _, _, operation in operations(document)]
    assert sorted(set(ids)) == sorted(ids)
    for _, path, operation in operations(document):
        assert operation.get("description"), path
        assert operation.get("tags"), path


def test_every_operation_says_its_errors(document):
    for _, path, operation in operations(document):
        assert "422" not in operation["responses"], path
        if operation["tags"] != ["health"]:
            for status in ("400", "429", "503"):
                content = operation["responses"][status]["content"]
                assert content["application/json"]["schema"] == {"$ref": "#/components/schemas/Error"}, path


def test_every_reference_leads_to_a_schema(document):
    names = set(re.findall(r"'#/components/schemas/([^']+)'", repr(document)))
    assert names <= document["components"]["schemas"].keys()


@pytest.mark.parametrize("path", ["/v1/embeddings", "/v1/classify", "/v1/rank", "/v1/similarity"])
def test_the_example_of_an_operation_works(client, document, path):
    content = document["paths"][path]["post"]["requestBody"]["content"]["application/json"]
    schema = document["components"]["schemas"][content["schema"]["$ref"].rpartition("/")[2]]
    for example in schema["examples"]:
        answer = client.post(path, json=example)
        assert answer.status_code == 200, answer.text
        known = document["paths"][path]["post"]["responses"]["200"]["content"]["application/json"]["schema"]["$ref"]
        assert answer.json().keys() <= document["components"]["schemas"][known.rpartition("/")[2]]["properties"].keys()


class Page(html.parser.HTMLParser):
    """Elements of a page, checked to be nested rightly."""

    def __init__(self):
        super().__init__()
        self.open, self.ids, self.links, self.loaded, self.headings = [], [], [], [], []

    def handle_starttag(self, tag, attrs):
        attrs = dict(attrs)
        if tag not in VOID:
            self.open.append(tag)
        self.ids += [attrs["id"]] if "id" in attrs else []
        if tag == "a":
            self.links.append(attrs["href"])
        elif "src" in attrs or "href" in attrs:
            self.loaded.append(attrs)
        if re.fullmatch("h[1-6]", tag):
            self.headings.append(int(tag[1]))

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


def test_the_page_is_plain_html_that_loads_nothing(client):
    answer = client.get("/docs")
    assert answer.headers["content-type"].startswith("text/html")
    page = Page()
    page.feed(answer.text)
    assert page.open == []
    assert page.loaded == []
    assert "<script" not in answer.text
    assert not re.search(r"url\(|@import", answer.text)
    assert sorted(set(page.ids)) == sorted(page.ids)
    assert {link[1:] for link in page.links if link.startswith("#")} <= set(page.ids)
    assert page.headings[0] == 1
    assert all(next_ - level <= 1 for level, next_ in zip(page.headings, page.headings[1:], strict=False))


def test_the_page_says_the_key_where_one_is_needed():
    with run_server(token="a token of 24 characters") as client:
        assert "Authorization: Bearer TOKEN" in client.get("/docs").text
        assert client.get("/openapi.json").json()["security"] == [{"token": []}]
        assert "401" in client.get("/openapi.json").json()["paths"]["/v1/embeddings"]["post"]["responses"]
        stranger = client.get("/openapi.json", headers={"Authorization": "Bearer wrong"})
        assert stranger.status_code == 401
