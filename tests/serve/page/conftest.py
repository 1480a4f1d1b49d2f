"""One browser and one server with three galleries for all tests of the page."""

import pytest
from browser import open_browser, open_page
from PIL import Image
from serving import run_server
from small_pdf import page as pdf_page
from small_pdf import small_pdf

from wordsight.gallery import Gallery
from wordsight.serve.settings import Settings

MANY = 90  # images of a gallery that takes several answers to show


@pytest.fixture(scope="session")
def many_folder(tmp_path_factory):
    """Index of many plain images, no two of the same colour."""
    folder = tmp_path_factory.mktemp("many")
    for i in range(MANY):
        Image.new("RGB", (48, 32), (i * 2, 255 - i * 2, (i * 37) % 256)).save(folder / f"tile {i:02}.png")
    with Gallery.create(folder / "index") as gallery:
        gallery.add(folder)
    return folder / "index"


@pytest.fixture(scope="session")
def papers_folder(tmp_path_factory):
    """Index of a document of two pages."""
    folder = tmp_path_factory.mktemp("papers")
    lines = ("How to fasten the bolts of a wheel", "Where the lamps of the cabin are")
    (folder / "manual.pdf").write_bytes(small_pdf([pdf_page(line, 300, 400) for line in lines]))
    with Gallery.create(folder / "index") as gallery:
        gallery.add(folder / "manual.pdf")
    return folder / "index"


@pytest.fixture(scope="session")
def site(gallery_folder, many_folder, papers_folder):
    """Address of a server with the page."""
    galleries = {"shop": str(gallery_folder), "many": str(many_folder), "papers": str(papers_folder)}
    with run_server(Settings(port=0, galleries=galleries)) as client:
        yield str(client.base_url).rstrip("/")


@pytest.fixture(scope="session")
def chromium():
    with open_browser() as chromium:
        yield chromium


@pytest.fixture
def page(chromium, site):
    """A page at desktop size; faults of the page fail the test."""
    with open_page(chromium, site) as page:
        yield page
