"""Galleries that change, leave and come back while they are served."""

import shutil

from PIL import Image
from serving import run_server

from wordsight.gallery import Gallery


def write_images(folder, colours):
    folder.mkdir(exist_ok=True)
    for colour in colours:
        Image.new("RGB", (64, 64), colour).save(folder / f"{colour}.png")


def make_index(tmp_path, *colours):
    write_images(tmp_path / "photos", colours)
    with Gallery.create(tmp_path / "index") as gallery:
        gallery.add(tmp_path / "photos")
    return str(tmp_path / "index")


def names(client, **asked):
    answer = client.post("/v1/search", json=asked)
    assert answer.status_code == 200, answer.text
    return {hit["name"] for hit in answer.json()["hits"]}


def test_what_another_process_adds_is_found_by_the_next_request(tmp_path):
    with run_server(galleries={"a": make_index(tmp_path, "red", "blue")}) as client:
        first = client.post("/v1/search", json={"limit": 1}).json()
        assert not first["changed"]
        make_index(tmp_path, "green")
        assert names(client) == {"red.png", "blue.png", "green.png"}
        assert names(client, text="green") == {"red.png", "blue.png", "green.png"}
        following = client.post("/v1/search", json={"limit": 1, "cursor": first["cursor"]}).json()
        assert following["changed"]  # the page can say so, or begin again


def test_a_gallery_that_leaves_is_missed_and_found_again(tmp_path):
    place = make_index(tmp_path, "red", "blue")
    with run_server(galleries={"a": place}) as client:
        hit = client.post("/v1/search", json={}).json()["hits"][0]
        shutil.move(place, tmp_path / "away")
        for answer in (
            client.post("/v1/search", json={"text": "red"}),
            client.post("/v1/search", json={}),
            client.post("/v1/facets", json={}),
            client.get(hit["thumb"]),
        ):
            assert answer.status_code in (404, 503), answer.text
            assert "There is no index in" in answer.json()["error"]["message"]
        assert "There is no index in" in client.get("/v1/galleries").json()["galleries"][0]["error"]
        assert client.get("/healthz").status_code == 200
        shutil.move(tmp_path / "away", place)
        assert names(client) == {"red.png", "blue.png"}
        shutil.rmtree(place)
        (tmp_path / "photos" / "red.png").unlink()
        make_index(tmp_path, "white")
        assert names(client) == {"blue.png", "white.png"}


def test_a_gallery_that_is_not_there_leaves_the_others_served(tmp_path, gallery_folder):
    place = make_index(tmp_path, "red")
    (tmp_path / "empty").mkdir()
    with run_server(galleries={"shop": str(gallery_folder), "empty": str(tmp_path / "empty"), "a": place}) as client:
        refused = client.post("/v1/search", json={"gallery": "empty", "text": "red"})
        assert refused.status_code in (404, 503)
        assert names(client, gallery="a", text="red") == {"red.png"}
        assert names(client, text="a cup of coffee", limit=1) == {"coffee.jpg"}
