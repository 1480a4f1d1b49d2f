"""Thumbnails and files of a gallery's items, and nothing else."""

import io
import os
import tarfile

import pytest
from PIL import Image
from serving import run_server
from small_pdf import page, small_pdf

from wordsight.gallery import Gallery
from wordsight.serve.media.disk_cache import DiskCache
from wordsight.serve.media.keys import decode_key, encode_key
from wordsight.serve.settings import Limits


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


@pytest.mark.parametrize("id", ["a.jpg", "/photos/ä b.png", "x#page=3", "\uef80"])
def test_keys_give_ids_back(id):
    assert decode_key(encode_key(id)) == id


def serve_folder(tmp_path):
    """Location of a new index of the folder "photos"."""
    with Gallery.create(tmp_path / "index") as gallery:
        gallery.add(tmp_path / "photos")
    return {"photos": str(tmp_path / "index")}


def list_hits(client):
    return {hit["name"]: hit for hit in client.post("/v1/search", json={}).json()["hits"]}


def test_a_thumbnail_is_of_the_size_and_kind_asked_for(client, hit):
    small = client.get(hit["thumb"] + "&size=100", headers={"Accept": "image/webp"})
    assert small.headers["content-type"] == "image/webp"
    assert max(Image.open(io.BytesIO(small.content)).size) == 160
    plain = client.get(hit["thumb"] + "&size=100", headers={"Accept": "image/png"})
    assert plain.headers["content-type"] == "image/jpeg"
    assert plain.headers["vary"] == "Accept"


def test_only_the_hash_of_the_content_makes_an_answer_last(client, hit):
    for v in ("", "0", "0" * 16):
        answer = client.get(f"/thumb/{hit['key']}?v={v}")
        assert "immutable" not in answer.headers["cache-control"]


def test_parts_of_files_are_sent(client, hit):
    whole = client.get(hit["file"]).content
    part = client.get(hit["file"], headers={"Range": "bytes=10-19"})
    assert (part.status_code, part.content) == (206, whole[10:20])


def test_images_taken_upside_down_are_shown_upright(tmp_path):
    (tmp_path / "photos").mkdir()
    image = Image.new("RGB", (300, 200), "white")
    image.paste("red", (0, 0, 300, 60))
    exif = Image.Exif()
    exif[0x0112] = 3
    image.save(tmp_path / "photos" / "turned.jpg", exif=exif)
    with run_server(galleries=serve_folder(tmp_path)) as client:
        thumb = Image.open(io.BytesIO(client.get(list_hits(client)["turned.jpg"]["thumb"]).content)).convert("RGB")
        assert thumb.getpixel((150, 190))[1] < 100
        assert thumb.getpixel((150, 10))[1] > 150


def test_what_happens_to_files_after_indexing(tmp_path):
    """Damaged, gone, swapped for a link, too large: an error about this image alone."""
    photos = tmp_path / "photos"
    photos.mkdir()
    for name, colour in (
        ("gone", "red"),
        ("damaged", "blue"),
        ("linked", "teal"),
        ("huge", "gray"),
        ("changed", "tan"),
    ):
        Image.new("RGB", (64, 64), colour).save(photos / f"{name}.png")
    Image.new("RGB", (64, 64), "black").save(tmp_path / "secret.png")
    limits = Limits(pixels=10_000)
    with run_server(galleries=serve_folder(tmp_path), limits=limits) as client:
        hits = list_hits(client)
        (photos / "gone.png").unlink()
        (photos / "damaged.png").write_bytes(b"\x89PNG\r\n\x1a\n" + b"x" * 100)
        (photos / "linked.png").unlink()
        (photos / "linked.png").symlink_to(tmp_path / "secret.png")
        Image.new("1", (1000, 1000)).save(photos / "huge.png")
        Image.new("RGB", (64, 64), "lime").save(photos / "changed.png")
        said = {}
        for name, hit in hits.items():
            answer = client.get(hit["thumb"])
            said[name] = answer.status_code == 200 or answer.json()["error"]["message"]
            if name == "changed.png":
                assert "immutable" not in answer.headers["cache-control"]
        assert "1,000,000 pixels" in said.pop("huge.png")
        assert "has gone, or is not below its source" in said["gone.png"]
        assert "has gone, or is not below its source" in said.pop("linked.png")
        assert "cannot be shown" in said.pop("damaged.png")
        assert said.pop("changed.png") is True
        assert client.get(hits["linked.png"]["file"]).status_code == 404
        assert client.get(hits["gone.png"]["file"]).status_code == 404


def test_a_table_may_name_images_anywhere_while_they_stay_as_they_are(tmp_path):
    elsewhere, secret = tmp_path / "elsewhere", tmp_path / "secret.png"
    elsewhere.mkdir()
    (tmp_path / "tables").mkdir()
    Image.new("RGB", (64, 64), "teal").save(elsewhere / "a.png")
    Image.new("RGB", (65, 64), "black").save(secret)
    (tmp_path / "tables" / "t.csv").write_text(f"image,title\n{elsewhere / 'a.png'},a cup\n")
    with Gallery.create(tmp_path / "index") as gallery:
        gallery.add(tmp_path / "tables" / "t.csv")
    with run_server(galleries={"t": str(tmp_path / "index")}) as client:
        (hit,) = list_hits(client).values()
        assert client.get(hit["file"]).status_code == 200
        (elsewhere / "a.png").unlink()
        (elsewhere / "a.png").symlink_to(secret)
        assert client.get(hit["file"]).status_code == 404
        assert client.get(hit["thumb"]).status_code == 404


def test_members_of_archives_are_shown_and_the_archive_is_not_sent(tmp_path):
    with tarfile.open(tmp_path / "00000.tar", "w") as tar:
        file = io.BytesIO()
        Image.new("RGB", (64, 64), "teal").save(file, "PNG")
        entry = tarfile.TarInfo("a.png")
        entry.size = file.tell()
        file.seek(0)
        tar.addfile(entry, file)
    with Gallery.create(tmp_path / "index") as gallery:
        gallery.add(tmp_path / "00000.tar")
    with run_server(galleries={"t": str(tmp_path / "index")}) as client:
        (hit,) = list_hits(client).values()
        assert client.get(f"/file/{hit['key']}").status_code == 404
        assert client.get(hit["file"]).headers["content-type"] == "image/jpeg"


def test_pages_of_documents_are_rendered_and_the_document_is_sent(tmp_path):
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "plan.pdf").write_bytes(small_pdf([page("first page"), page("second page")]))
    with run_server(galleries=serve_folder(tmp_path)) as client:
        hits = client.post("/v1/search", json={}).json()["hits"]
        assert [hit["page"] for hit in hits] == [1, 2]
        assert hits[1]["file"].endswith("#page=2")
        assert client.get(hits[1]["file"]).headers["content-type"] == "application/pdf"
        shown = client.get(hits[1]["page_image"])
        assert "immutable" in shown.headers["cache-control"]
        assert max(Image.open(io.BytesIO(shown.content)).size) > 640


def test_the_disk_cache_stays_within_its_limit(tmp_path):
    cache = DiskCache(tmp_path / "cache", most_bytes=1000)
    for i in range(30):
        cache.put(f"{i:02}", bytes([i]) * 100)
        os.utime(tmp_path / "cache" / f"{i:02}" / f"{i:02}", (i, i))
    assert sum(path.stat().st_size for path in tmp_path.glob("cache/*/*")) <= 1000
    assert cache.get("29") == bytes([29]) * 100
    assert cache.get("00") is None


def test_a_disk_that_cannot_be_written_costs_nothing_but_time(tmp_path):
    (tmp_path / "cache").write_text("a file where the folder should be")
    cache = DiskCache(tmp_path / "cache")
    cache.put("ab", b"x")
    assert cache.get("ab") is None


def test_links_are_shown_while_they_lead_to_what_was_indexed(tmp_path):
    (tmp_path / "elsewhere").mkdir()
    Image.new("RGB", (64, 64), "teal").save(tmp_path / "elsewhere" / "a.png")
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "a.png").symlink_to(tmp_path / "elsewhere" / "a.png")
    with Gallery.create(tmp_path / "index") as gallery:
        gallery.add(tmp_path / "photos")
    with run_server(galleries={"photos": str(tmp_path / "index")}) as client:
        hit = client.post("/v1/search", json={}).json()["hits"][0]
        assert client.get(hit["thumb"]).status_code == 200
        assert client.get(hit["file"]).status_code == 200
