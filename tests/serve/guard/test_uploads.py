"""Multipart uploads to a real server, honest and hostile."""

import glob
import os
import tempfile

import pytest
from fastapi import Request
from serving import run_server

from wordsight.samples import sample_images
from wordsight.serve.guard.shown_names import shown_member, shown_name
from wordsight.serve.guard.uploads import PREFIX, read_uploads
from wordsight.serve.settings import Limits, Settings

IMAGE = sample_images()[0].read_bytes()
LIMITS = Limits(file_bytes=300_000, upload_bytes=1_000_000, files=5)
SETTINGS = Settings(port=0, page=False, limits=LIMITS)


def add_route(app):
    """Route that tells what it received, and where it lay."""

    async def upload(request: Request):
        async with read_uploads(request, SETTINGS) as uploads:
            there = sorted(os.listdir(uploads.folder))
            return {
                "files": [[one.shown_name, one.kind.name, one.path.name, one.bytes] for one in uploads],
                "left": [[one.name, one.reason] for one in uploads.left],
                "fields": uploads.fields,
                "folder": str(uploads.folder),
                "there": there,
            }

    app.add_api_route("/v1/items", upload, methods=["POST"])
    app.router.routes.insert(0, app.router.routes.pop())  # before the server's own


@pytest.fixture(scope="module")
def server():
    with run_server(SETTINGS, wait=False, prepare=add_route) as client:
        yield client
    assert not glob.glob(os.path.join(tempfile.gettempdir(), f"{PREFIX}*"))


def send(server, *files, **fields):
    return server.post("/v1/items", files=[("files", one) for one in files], data=fields)


def send_raw(server, body, kind="multipart/form-data; boundary=x"):
    return server.post("/v1/items", content=body, headers={"Content-Type": kind})


def test_files_are_told_by_content_and_lie_under_names_of_ours(server):
    answer = send(
        server,
        ("photo.jpg", IMAGE),
        ("report.jpg", b"%PDF-1.7 ..."),
        ("all.png", b"PK\x03\x04rest"),
        ("shop.csv", b"image,title\na.jpg,red\n"),
        gallery="shop",
    ).json()
    suffix = sample_images()[0].suffix
    assert answer["files"] == [
        ["photo.jpg", "IMAGE", f"000000{suffix}", len(IMAGE)],
        ["report.jpg", "PDF", "000001.pdf", 12],
        ["all.png", "ZIP", "000002.zip", 8],
        ["shop.csv", "TABLE", "000003.csv", 22],
    ]
    assert answer["fields"] == {"gallery": "shop"}
    assert not os.path.exists(answer["folder"])  # gone with the request


@pytest.mark.parametrize(
    ("name", "content"),
    [("a.svg", b"<svg xmlns='http://www.w3.org/2000/svg' onload='alert(1)'/>"), ("a.html", b"<!doctype html>"),
     ("a.csv", b"<script>alert(1)</script>"), ("a.csv", b"a,b\n\x00\x01"), ("a.csv", b"\xff\xfe,b"), ("empty.png", b""),
     ("a.py", b"import os"), ("a.eps", b"%!PS-Adobe-3.0 EPSF-3.0"), ("a.jpg", b"GIF89a")]
)  # fmt: skip
def test_other_kinds_are_left_with_a_reason_whatever_their_name(server, name, content):
    answer = send(server, (name, content)).json()
    assert answer["files"] == []
    assert answer["left"][0][0] == name
    assert answer["left"][0][1].startswith("is ")


@pytest.mark.parametrize(
    ("name", "shown"),
    [("../../../../etc/passwd", "passwd"), ("..\\..\\windows\\a.jpg", "a.jpg"), ("/abs.jpg", "abs.jpg"),
     ("a\x00b.jpg", "ab.jpg"), ("\u202egpj.exe", "gpj.exe"), ("\x1b[31mred.jpg", "[31mred.jpg"), ("..", ".."),
     ("x" * 500 + ".jpg", "x" * 99 + "…" + "x" * 16 + ".jpg"), ("", "unnamed"),
     ("a\r\nSet-Cookie: b.jpg", "aSet-Cookie: b.jpg"),
     ("CON", "CON"), ("é.jpg", "é.jpg")]
)  # fmt: skip
def test_a_name_is_text_never_a_path(name, shown):
    assert shown_name(name) == shown


def test_a_member_is_shown_with_its_folders():
    assert shown_member("../trip\\\x07rome.jpg") == "../trip/rome.jpg"


def test_a_path_as_name_writes_nothing_outside(server):
    disposition = b'Content-Disposition: form-data; name="files"; filename="../../../../tmp/escaped.jpg"'
    answer = send_raw(server, b"--x\r\n" + disposition + b"\r\n\r\n" + IMAGE + b"\r\n--x--\r\n").json()
    assert answer["files"][0][0] == "escaped.jpg"
    assert answer["there"] == [f"000000{sample_images()[0].suffix}"]
    assert not os.path.exists("/tmp/escaped.jpg")


def test_the_limits_of_an_upload(server):
    too_large = send(server, ("a.jpg", bytes(300_001)))
    assert too_large.status_code == 413
    assert "'a.jpg' has more than 300,000 bytes" in too_large.json()["error"]["message"]
    too_many = send(server, *[("a.jpg", b"x")] * 6)
    assert too_many.status_code == 413
    assert "more than 5 files" in too_many.json()["error"]["message"]
    whole = send(server, *[("a.jpg", bytes(290_000))] * 4)
    assert whole.status_code == 413


def test_forms_that_never_end_in_fields_are_refused(server):
    many = b"".join(b'--x\r\nContent-Disposition: form-data; name="%d"\r\n\r\nv\r\n' % i for i in range(70))
    assert send_raw(server, many + b"--x--\r\n").status_code == 413
    long = b'--x\r\nContent-Disposition: form-data; name="a"\r\n\r\n' + bytes(70_000) + b"\r\n--x--\r\n"
    assert send_raw(server, long).status_code == 413


@pytest.mark.parametrize(
    "body",
    [b"", b"--x", b"--x--\r\n" * 0 + b"nonsense", b"--x\r\n\r\nno name\r\n--x--\r\n",
     b'--x\r\nContent-Disposition: form-data; name="f"; filename="a.jpg"\r\n\r\nbreaks off',
     b"--x\r\n" + b"A: b\r\n" * 100 + b"\r\n--x--\r\n", b"--x\r\nA: " + b"b" * 20_000 + b"\r\n\r\n--x--\r\n",
     b'--x\r\nContent-Disposition: form-data; name="a"; filename*=UTF-16\'\'%ff%fe\r\n\r\n\r\n--x']
)  # fmt: skip
def test_a_damaged_body_is_a_bad_request(server, body):
    answer = send_raw(server, body)
    assert answer.status_code == 400, answer.text
    assert "Traceback" not in answer.text
    assert not glob.glob(os.path.join(tempfile.gettempdir(), f"{PREFIX}*"))


@pytest.mark.parametrize(
    "kind", ["", "application/json", "multipart/form-data", "multipart/form-data; boundary=" + "x" * 300]
)
def test_another_type_of_body_is_said(server, kind):
    assert send_raw(server, b"{}", kind).status_code == 400
