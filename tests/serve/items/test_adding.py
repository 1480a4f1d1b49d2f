"""`POST /v1/items`: images, archives, documents and tables into a gallery that is being served."""

import base64
import json
import os

import pytest
from jobs import finish, image_bytes, wait_for, zip_bytes
from small_pdf import page, small_pdf

from wordsight.gallery import Gallery
from wordsight.samples import sample_images


def test_what_was_added_is_found_at_once_and_shown(shop):
    before = shop.search()["likely"]
    state = finish(shop.client, shop.send(("sea blue.png", image_bytes(1)), meta='{"colour": "teal"}'))
    assert (state["added"], state["skipped"]) == (1, [])
    (hit,) = shop.search(filter={"colour": "teal"})["hits"]
    assert shop.search()["likely"] == before + 1
    assert hit["meta"] == {"title": "sea blue", "colour": "teal"}
    assert shop.client.get(hit["file"]).content == image_bytes(1)
    assert shop.client.get(hit["thumb"]).status_code == 200
    assert hit["id"] in [one["id"] for one in shop.search(text="sea blue", by="text")["hits"]]


def test_the_same_content_is_stored_once(shop):
    finish(shop.client, shop.send(("a.png", image_bytes(1))))
    state = finish(
        shop.client, shop.send(("b.png", image_bytes(1)), ("c.png", image_bytes(2)), ("d.png", image_bytes(2)))
    )
    assert (state["added"], state["already"]) == (1, 2)
    assert state["skipped"] == [
        {"name": "b.png", "reason": "is in the gallery already"},
        {"name": "d.png", "reason": "is in the gallery already"},
    ]
    assert len(shop.uploads()) == 2
    sample = sample_images()[0]
    state = finish(shop.client, shop.send((sample.name, sample.read_bytes())))  # of a source that the index follows
    assert (state["added"], state["already"]) == (0, 1)
    assert len(shop.uploads()) == 2


def test_an_archive_with_a_table_gives_its_images_their_columns(shop):
    table = b"photo,name,price\nimages/a.png,Red chair,120\nimages/b.png,Oak table,80.5\nmissing.png,Lamp,3\n"
    images = {f"shop/{name}.png": image_bytes(3 + i) for i, name in enumerate(("images/a", "images/b", "more"))}
    archive = zip_bytes({"shop/list.csv": table, **images, "readme.txt": b"hello"})
    state = finish(shop.client, shop.send(("shop.zip", archive)))
    assert state["added"] == 3
    assert {skip["name"] for skip in state["skipped"]} == {"readme.txt", "shop/list.csv row 3"}
    found = shop.search(filter={"price": {"gte": 80, "lte": 120}, "name": {"exists": True}})["hits"]
    assert {hit["meta"]["name"] for hit in found} == {"Red chair", "Oak table"}


def test_a_table_never_leads_to_a_file_of_the_server(shop, tmp_path):
    secret = tmp_path / "secret.png"
    secret.write_bytes(image_bytes(6))
    cells = [str(secret), f"file://{secret}", "../secret.png", "..\\..\\etc/passwd", str(sample_images()[0]),
             "http://127.0.0.1:9/a.png"]  # fmt: skip
    rows = "".join(f"{cell},x\n" for cell in cells)
    table = f"image,title\nb.png,here\n{rows}".encode()
    state = finish(shop.client, shop.send(("list.csv", table), ("b.png", image_bytes(7))))
    assert state["added"] == 1
    reasons = [skip["reason"] for skip in state["skipped"]]
    assert sum("was not sent along" in reason for reason in reasons) == 5
    assert sum("--allow-urls" in reason for reason in reasons) == 1
    assert len(shop.uploads()) == 1


def test_pages_of_a_document_are_items(shop):
    content = small_pdf([page("a bridge over the river"), page("a cat on a mat")])
    state = finish(shop.client, shop.send(("bridge.pdf", content), title="Bridge"))
    assert state["added"] == 2
    hit = shop.search(text="cat mat", by="text")["hits"][0]
    assert (hit["page"], hit["meta"]["title"]) == (2, "Bridge")
    assert shop.client.get(hit["page_image"]).headers["content-type"] == "image/jpeg"
    again = finish(shop.client, shop.send(("bridge.pdf", content), title="Bridge"))
    assert (again["added"], again["already"]) == (0, 2)


def test_programs_send_json_with_ids(shop):
    image = base64.b64encode(image_bytes(8)).decode()
    given = {"gallery": shop.name, "items": [
        {"id": "sku-1", "image": f"data:image/png;base64,{image}", "meta": {"colour": "pink", "price": 3}},
        {"id": "sku-2", "image": base64.b64encode(b"nonsense").decode()},
    ]}  # fmt: skip
    state = finish(shop.client, shop.post(given))
    assert state["added"] == 1
    assert state["skipped"] == [{"name": "sku-2", "reason": "is not an image, PDF, ZIP or table that can be read here"}]
    (hit,) = shop.search(filter={"colour": "pink"})["hits"]
    assert hit["id"] == "sku-1"
    given["items"] = [{"id": "sku-1", "image": image, "meta": {"colour": "pink", "price": 4}}]
    state = finish(shop.client, shop.post(given))
    assert state["result"]["described"] == 1  # the same image, told otherwise: nothing is embedded
    (hit,) = shop.search(filter={"colour": "pink"})["hits"]
    assert hit["meta"]["price"] == 4


def test_an_item_of_a_followed_source_is_not_replaced(shop):
    theirs = shop.search(text="cat", by="vector")["hits"][0]["id"]
    given = {"gallery": shop.name, "items": [{"id": theirs, "image": base64.b64encode(image_bytes(9)).decode()}]}
    state = finish(shop.client, shop.post(given))
    assert state["added"] == 0
    assert "of another source" in state["skipped"][0]["reason"]
    assert shop.uploads() == []


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"items": []}, "items"),
        ({"items": [{"image": 3}]}, "items.0.image"),
        ({"items": [{"image": "a"}, {"image": "???"}]}, "items.0.image"),
        ({"items": [{"id": "a\n", "image": "aGk="}]}, "items.0.id"),
        ({"items": [{"id": "a", "image": "aGk="}, {"id": "a", "image": "aGk="}]}, "an id twice"),
        ({"items": [{"image": "aGk=", "meta": {"a": [1]}}]}, "items.0.meta"),
        ({"items": [{"image": "http://127.0.0.1/a.png"}]}, "--allow-urls"),
        ({"gallery": "none", "items": [{"image": base64.b64encode(image_bytes(1)).decode()}]}, "no gallery 'none'"),
        ([], ""),
    ],
)
def test_json_that_cannot_be_added_is_explained(shop, given, message):
    answer = shop.post(given)
    assert answer.status_code in (400, 404), answer.text
    assert message in answer.json()["error"]["message"]
    broken = shop.client.post("/v1/items", content=b"{", headers={"Content-Type": "application/json"})
    assert broken.status_code == 400


def test_items_are_removed_and_uploads_with_them_only_where_asked(shop):
    finish(shop.client, shop.send(("a.png", image_bytes(1)), ("b.png", image_bytes(2)), meta='{"colour": "grey"}'))
    first, second = [hit["id"] for hit in shop.search(filter={"colour": "grey"})["hits"]]
    theirs = shop.search(text="cat", by="vector")["hits"][0]
    assert shop.remove(first, "nothing").json() == {"removed": 1}
    assert len(shop.uploads()) == 2
    assert shop.remove(second, theirs["id"], delete_uploads=True).json() == {"removed": 2}
    assert len(shop.uploads()) == 1
    assert os.path.exists(theirs["path"])  # no file but the server's own is ever deleted
    assert shop.search(filter={"colour": "grey"})["likely"] == 0


def test_a_later_update_of_the_sources_leaves_uploads_alone(shop):
    finish(shop.client, shop.send(("a.png", image_bytes(1)), meta='{"colour": "grey"}'))
    with Gallery.open(shop.index) as gallery:
        count = len(gallery)
        assert gallery.refresh().altered == 0
        assert len(gallery) == count
        assert not any("uploads" in source for source in gallery.sources)


def test_reading_is_all_that_is_allowed_by_default(client):
    for answer in (
        client.post("/v1/items", files=[("files", ("a.png", image_bytes(1)))]),
        client.request("DELETE", "/v1/items", json={"ids": ["a"]}),
        client.post("/v1/items", json={"items": [{"image": "aGk="}]}),
    ):
        assert answer.status_code == 403
        assert "--allow-add" in answer.json()["error"]["message"]


def test_jobs_are_listed_and_unknown_ones_said(shop):
    finish(shop.client, shop.send(("a.png", image_bytes(1))))
    job = shop.client.get("/v1/jobs").json()["jobs"][0]
    assert (job["kind"], job["state"], job["added"]) == ("add", "done", 1)
    assert shop.client.get("/v1/jobs/none").status_code == 404


def test_two_uploads_at_once_both_arrive(shop):
    started = [shop.send(*[(f"{i}.png", image_bytes(20 * k + i)) for i in range(1, 15)]) for k in range(1, 4)]
    assert [finish(shop.client, one)["added"] for one in started] == [14, 14, 14]


def test_a_job_is_cancelled_and_what_was_committed_stays(shop):
    files = [(f"{i}.png", image_bytes(i, side=200)) for i in range(1, 60)]
    job = shop.send(*files).json()["job"]
    waiting = shop.send(("x.png", image_bytes(99))).json()["job"]
    assert shop.client.delete(f"/v1/jobs/{waiting}").json()["state"] == "cancelled"
    shop.client.delete(f"/v1/jobs/{job}")
    state = wait_for(shop.client, job)
    assert state["state"] == "cancelled"
    with Gallery.open(shop.index) as gallery:
        own = [version for version in gallery.index.row_versions() if "uploads" in version.path]
    assert len(shop.uploads()) == len(own)  # no file without an item
    assert finish(shop.client, shop.send(*files))["added"] == 59 - len(own)


def test_text_among_the_fields_is_checked(shop):
    for meta in ("[1]", "{", '{"a": [1]}', json.dumps({f"c{i}": 1 for i in range(200)})):
        answer = shop.send(("a.png", image_bytes(1)), meta=meta)
        assert answer.status_code in (400, 413), answer.text
    assert shop.send().status_code == 400
