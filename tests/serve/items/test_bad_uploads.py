"""Hostile and unlucky uploads: refused or skipped with a reason; the server lives on, the gallery stays intact."""

import http.client
import io
import shutil
import threading

import pytest
from jobs import finish, image_bytes, wait_for, zip_bytes
from PIL import Image
from serving import run_server

from wordsight.gallery import Gallery
from wordsight.index.writer_lock import WriterLock
from wordsight.serve.settings import Limits


def check_intact(shop, images=24):
    """Whether the gallery is as it was, answers, and takes another image."""
    assert shop.client.get("/healthz").status_code == 200
    with Gallery.open(shop.index) as gallery:
        assert len(gallery) == images
        assert gallery.index.check_files().damage == ()
    assert finish(shop.client, shop.send(("good.png", image_bytes(77))))["added"] == 1


def skipped(shop, *files):
    state = finish(shop.client, shop.send(*files))
    assert state["added"] == 0
    assert shop.uploads() == []
    return [(skip["name"], skip["reason"]) for skip in state["skipped"]]


def test_empty_and_unreadable_files_are_skipped_one_by_one(shop):
    reasons = skipped(
        shop,
        ("empty.png", b""),
        ("page.html", b"<!doctype html><script>alert(1)</script>"),
        ("a.svg", b"<svg xmlns='http://www.w3.org/2000/svg'/>"),
        ("broken.zip", b"PK\x03\x04broken"),
        ("broken.pdf", b"%PDF-1.7 broken"),
        ("broken.parquet", b"PAR1brokenPAR1"),
        ("cut.png", image_bytes(1)[:60]),
    )
    assert {name for name, _ in reasons} == {
        "empty.png", "page.html", "a.svg", "broken.zip", "broken.pdf", "broken.parquet", "cut.png",
    }  # fmt: skip
    assert not any("/tmp" in reason or "Traceback" in reason for _, reason in reasons)
    check_intact(shop)


def test_a_zip_bomb_and_a_path_out_of_an_archive(shop):
    ((_, bomb),) = skipped(shop, ("bomb.zip", zip_bytes({"a.png": bytes(50 << 20)})))
    assert "which no image does" in bomb
    ((_, outside),) = skipped(shop, ("out.zip", zip_bytes({"../../escaped.png": image_bytes(1)})))
    assert "leads out of it" in outside
    assert not list(shop.index.parent.rglob("escaped*"))
    check_intact(shop)


def test_an_upload_of_500_mb_is_refused_before_it_is_read(shop):
    connection = http.client.HTTPConnection(shop.client.base_url.host, shop.client.base_url.port, timeout=30)
    connection.putrequest("POST", "/v1/items")
    connection.putheader("Content-Type", "multipart/form-data; boundary=x")
    connection.putheader("Content-Length", str(500 << 20))
    connection.endheaders()
    answer = connection.getresponse()  # nothing of it was sent
    assert answer.status == 413
    assert b"the limit of this server" in answer.read()
    connection.close()
    check_intact(shop)


def test_a_large_json_body_is_refused_though_uploads_may_be_large(shop):
    body = b'{"items": [{"image": "' + b"A" * (33 << 20) + b'"}]}'
    answer = shop.client.post("/v1/items", content=body, headers={"Content-Type": "application/json"})
    assert answer.status_code == 413
    check_intact(shop)


def test_another_process_writes_the_gallery_meanwhile(shop, monkeypatch):
    lock = WriterLock(shop.index)
    lock.acquire()
    timer = threading.Timer(1.5, lock.release)
    timer.start()
    job = shop.send(("a.png", image_bytes(1))).json()["job"]
    state = wait_for(shop.client, job)
    assert (state["state"], state["added"]) == ("done", 1)
    timer.join()
    monkeypatch.setattr("wordsight.serve.items.writing.LOCK_SECONDS", 0.2)
    lock.acquire()
    state = wait_for(shop.client, shop.send(("b.png", image_bytes(2))).json()["job"])
    lock.release()
    assert state["state"] == "failed"
    assert "another process is writing it" in state["message"]
    assert finish(shop.client, shop.send(("b.png", image_bytes(2))))["added"] == 1


def test_a_gallery_deleted_while_it_is_served(shop):
    job = shop.send(*[(f"{i}.png", image_bytes(i, side=200)) for i in range(1, 40)]).json()["job"]
    shutil.rmtree(shop.index)
    state = wait_for(shop.client, job)
    assert state["state"] in ("failed", "done")
    answer = shop.send(("a.png", image_bytes(1)))
    assert answer.status_code in (404, 503)
    assert shop.client.get("/healthz").status_code == 200


@pytest.mark.parametrize("fails", ["copyfile", "rows"])
def test_the_disk_is_full(shop, fails, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    if fails == "copyfile":
        monkeypatch.setattr("wordsight.serve.items.uploads_folder.shutil.copyfile", full)
    else:
        monkeypatch.setattr("wordsight.index.lance.index.columns.to_table", full)
    state = wait_for(shop.client, shop.send(("a.png", image_bytes(1))).json()["job"])
    monkeypatch.undo()
    assert state["state"] == "failed"
    assert "full" in state["message"] or "No space left" in state["message"]
    assert shop.uploads() == []
    check_intact(shop)


def test_a_folder_that_cannot_be_written(shop):
    shop.index.with_name(f"{shop.index.name}-uploads").write_bytes(b"a file in its place")
    state = wait_for(shop.client, shop.send(("a.png", image_bytes(1))).json()["job"])
    assert state["state"] == "failed"
    assert "could not read or write" in state["message"]
    shop.index.with_name(f"{shop.index.name}-uploads").unlink()
    check_intact(shop)


def test_too_many_jobs_wait(shop):
    lock = WriterLock(shop.index)
    lock.acquire()
    answers = [shop.send((f"{i}.png", image_bytes(i))) for i in range(1, 30)]
    lock.release()
    refused = [answer for answer in answers if answer.status_code == 429]
    assert refused
    assert int(refused[0].headers["retry-after"]) >= 1
    for answer in answers:
        if answer.status_code == 202:
            assert wait_for(shop.client, answer.json()["job"])["state"] == "done"


def test_archives_of_one_upload_share_its_limits(gallery_folder, tmp_path):
    grey = io.BytesIO()
    Image.new("RGB", (300, 300), "grey").save(grey, "BMP")  # 270 KB, a few hundred bytes in an archive
    archive = zip_bytes({"grey.bmp": grey.getvalue()})
    shutil.copytree(gallery_folder, tmp_path / "shop")
    limits = Limits(upload_bytes=400_000)
    with run_server(galleries={"shop": str(tmp_path / "shop")}, allow_add=True, limits=limits) as client:
        files = [("files", (f"{name}.zip", archive)) for name in "ab"]
        state = finish(client, client.post("/v1/items", files=files))
    (skip,) = state["skipped"]
    assert skip["name"] == "b.zip"
    assert "unpacks to 270,054 bytes, more than the limit of" in skip["reason"]
