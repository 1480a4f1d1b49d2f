"""What a request may give as an image, and what it is told about what it may not."""

import asyncio
import base64

import pytest

from wordsight.index import Row
from wordsight.samples import sample_images
from wordsight.serve.api.image_inputs import ImageObject, read_image_input
from wordsight.serve.errors import RequestError
from wordsight.serve.library import UnknownGalleryError
from wordsight.serve.service import Service
from wordsight.serve.settings import Limits, Settings

IMAGE = sample_images()[0].read_bytes()
BASE64 = base64.b64encode(IMAGE).decode()
URI = f"data:image/jpeg;base64,{BASE64}"


def read(given, **settings):
    return asyncio.run(read_image_input(given, Service(Settings(page=False, **settings)), "input.3"))


@pytest.mark.parametrize(
    "given",
    [URI, BASE64, {"image": URI}, {"image": BASE64}, {"url": URI}, ImageObject(image=BASE64),
     URI.replace("data", "DATA"), f"data:;base64,{BASE64}", f"data:image/jpeg;charset=x;base64,{BASE64}"],
    ids=["uri", "base64", "image uri", "image base64", "url uri", "object", "upper case", "no type", "parameter"],
)  # fmt: skip
def test_an_image_may_be_given_in_many_forms(given):
    assert read(given) == IMAGE


def test_an_item_of_a_gallery_is_named_by_its_id(gallery_folder):
    galleries = {"shop": str(gallery_folder)}
    service = Service(Settings(page=False, galleries=galleries))
    (ids, vectors) = next(service.open_gallery("shop").gallery.index.batches(1))
    row = asyncio.run(read_image_input({"id": ids[0]}, service))
    assert isinstance(row, Row)
    assert row.vector == pytest.approx(vectors[0])
    assert read({"id": ids[0], "gallery": "shop"}, galleries=galleries).id == ids[0]
    with pytest.raises(
        RequestError, match=r"input.3 is not there: the gallery 'shop' has no item '/etc/passwd'"
    ) as error:
        read({"id": "/etc/passwd"}, galleries=galleries)
    assert error.value.status == 404
    with pytest.raises(UnknownGalleryError):
        read({"id": ids[0], "gallery": "shap"}, galleries=galleries)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ("photos/cat.jpg", "is 'photos/cat.jpg', which is not valid base64 .*; expected a data: URI, base64"),
        (f"{BASE64[:76]}\n{BASE64[76:]}", "not valid base64 .*in one line"),
        (BASE64[:-1], "not valid base64 .*padded"),
        ("Zg\u00e9=", "not valid base64"),
        ("", "is empty: 0 bytes"),
        ("data:image/png;base64,", "is empty: 0 bytes"),
        ("data:image/svg+xml,<svg/>", "is a data: URI without ';base64,'"),
        ("https://example.org/a.jpg", "is a URL, and this server fetches none; .*--allow-urls"),
        ("file:///etc/passwd", "not valid base64"),
        ({}, "is an object of nothing; expected"),
        ({"path": "a.jpg"}, "is an object of 'path'; expected"),
        ({"image": URI, "url": URI}, "is an object of 'image', 'url'"),
        ({"image": {"url": URI}}, "is of the kind dict"),
        ({"id": "\ud800"}, r"has the id '\\ud800', which is not valid Unicode"),
        ({"id": 3}, "names an item by something other than texts"),
        (None, "is of the kind NoneType"),
        ([1, 2], "is of the kind list"),
    ],
)
def test_what_is_not_an_image_is_said_with_its_place(given, message):
    with pytest.raises(RequestError, match=f"^input.3 .*{message}") as error:
        read(given)
    assert error.value.status == 400
    assert error.value.param == "input.3"


def test_an_image_of_too_many_bytes_is_not_decoded():
    limits = Limits(file_bytes=len(IMAGE) - 1)
    with pytest.raises(RequestError, match=rf"is larger than the {len(IMAGE) - 1:,} bytes") as error:
        read(URI, limits=limits)
    assert error.value.status == 413
    assert read(URI, limits=Limits(file_bytes=len(IMAGE))) == IMAGE


def test_urls_are_fetched_where_the_server_allows_them(monkeypatch):
    asked = []

    async def fetch(url, settings):
        asked.append(url)
        return IMAGE

    monkeypatch.setattr("wordsight.serve.api.image_inputs.fetch_url", fetch)
    for given in ("https://example.org/a.jpg", {"image": "HTTP://example.org/a.jpg"}, {"url": "https://example.org/a"}):
        assert read(given, allow_urls=True) == IMAGE
    assert len(asked) == 3


def test_a_url_of_this_machine_is_not_fetched():
    with pytest.raises(RequestError, match=r"^input.3 cannot be used: The image was not fetched") as error:
        read("http://127.0.0.1:80/secret.png", allow_urls=True)
    assert error.value.status == 400
