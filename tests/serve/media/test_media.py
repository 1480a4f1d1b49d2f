"""Thumbnails and files of a gallery's items, and nothing else."""

import io

import pytest
from PIL import Image
from serving import run_server

from wordsight.gallery import Gallery
from wordsight.serve.media.keys import decode_key, encode_key


@pytest.fixture(scope="module")
def hit(client):
    return client.post("/v1/search", json={"text": "a cup of coffee", "limit": 1}).json()["hits"][0]


def test_a_thumbnail_is_small_and_may_be_kept_for_ever(client, hit):
    answer = client.get(hit["thumb"])
    image = Image.open(io.BytesIO(answer.content))
    assert max(image.size) <= 320
    assert "immutable" in answer.headers["cache-control"]
    again = client.get(hit["thumb"].split("&v=")[0], headers={"If-None-Match": answer.headers["etag"]})
    assert again.status_code == 304


def test_a_thumbnail_holds_no_metadata(tmp_path):
    exif = Image.Exif()
    exif[0x010F] = "a maker"
    exif.get_ifd(0x8825)[1] = "N"
    (tmp_path / "photos").mkdir()
    Image.new("RGB", (600, 400), "teal").save(tmp_path / "photos" / "gps.jpg", exif=exif)
    with Gallery.create(tmp_path / "index") as gallery:
        gallery.add(tmp_path / "photos")
    with run_server(galleries={"photos": str(tmp_path / "index")}) as client:
        hit = client.post("/v1/search", json={}).json()["hits"][0]
        thumb = client.get(hit["thumb"]).content
        assert not Image.open(io.BytesIO(thumb)).getexif()
        assert b"a maker" not in thumb
        assert b"a maker" in client.get(hit["file"]).content


def test_files_of_the_gallery_alone_are_served(client, hit):
    assert client.get(hit["file"]).headers["content-type"] == "image/jpeg"
    for id in ("/etc/passwd", "../../etc/passwd", hit["path"] + "/../../x"):
        assert client.get(f"/file/{encode_key(id)}").status_code == 404
    assert client.get("/file/..%2f..%2fetc%2fpasswd").status_code in (400, 404)


def test_a_file_swapped_for_a_link_is_not_followed(tmp_path):
    (tmp_path / "photos").mkdir()
    photo = tmp_path / "photos" / "a.png"
    Image.new("RGB", (64, 64), "teal").save(photo)
    with Gallery.create(tmp_path / "index") as gallery:
        gallery.add(tmp_path / "photos")
    secret = tmp_path / "secret.txt"
    secret.write_text("a secret")
    with run_server(galleries={"photos": str(tmp_path / "index")}) as client:
        hit = client.post("/v1/search", json={}).json()["hits"][0]
        photo.unlink()
        photo.symlink_to(secret)
        assert client.get(hit["file"]).status_code == 404
        photo.unlink()
        photo.write_text("<svg xmlns='http://www.w3.org/2000/svg'><script>alert(1)</script></svg>")
        answer = client.get(hit["file"])
        assert answer.headers["content-type"] == "application/octet-stream"
        assert answer.headers["content-disposition"].startswith("attachment")


@pytest.mark.parametrize("id", ["a.jpg", "/photos/ä b.png", "x#page=3", "\udcff"])
def test_keys_give_ids_back(id):
    assert decode_key(encode_key(id)) == id
