"""The Duplicates tab in a browser: groups side by side, marks, lists of the others."""

import csv
import io

import pytest
from browser import find_violations, open_page
from PIL import Image
from playwright.sync_api import expect
from serving import run_server
from tabs import LOOKS, open_tab, overflow, save_download, tab_to

from wordsight.gallery import Gallery
from wordsight.samples import sample_images
from wordsight.serve.settings import Settings

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Photos of which two have a smaller copy each."""
    folder = tmp_path_factory.mktemp("photos")
    for path in sample_images():
        (folder / path.name).write_bytes(path.read_bytes())
        if path.stem in ("cat", "coffee"):
            with Image.open(path) as image:
                image.resize((image.width // 2, image.height // 2)).save(folder / f"{path.stem}-small.jpg", quality=90)
    return folder


@pytest.fixture(scope="module")
def server(folder, tmp_path_factory):
    place = tmp_path_factory.mktemp("index") / "index"
    with Gallery.create(place) as gallery:
        gallery.add(folder)
    with run_server(Settings(port=0, galleries={"photos": str(place)})) as client:
        yield str(client.base_url)


@pytest.fixture
def page(chromium, server):
    with open_page(chromium, server) as page:
        yield page


def find(page):
    element = open_tab(page, "duplicates")
    element.get_by_role("button", name="Find duplicates").click()
    element.get_by_role("group", name="Group 1").wait_for()
    return element


def test_copies_are_side_by_side_with_one_to_keep(page):
    element = find(page)
    groups = element.get_by_role("group", name="Group")
    expect(groups).to_have_count(2)
    expect(groups.nth(0).get_by_label("Keep cat.jpg")).to_be_checked()
    expect(groups.nth(0).get_by_label("Keep cat-small.jpg")).not_to_be_checked()
    expect(groups.nth(0)).to_contain_text("Suggested: it has the most pixels")
    expect(element.locator(".tb-summary")).to_contain_text("2 groups; 2 images not kept")


def test_marks_are_changed_by_keys_and_kept_over_a_reload(page):
    find(page)
    tab_to(page, "Keep cat-small.jpg")
    page.keyboard.press("Space")
    element = find(page)
    expect(element.get_by_label("Keep cat-small.jpg")).to_be_checked()
    expect(element.locator(".tb-summary")).to_contain_text("1 image not kept")


def test_a_group_of_which_nothing_is_kept_is_told(page):
    element = find(page)
    element.get_by_label("Keep cat.jpg").uncheck()
    expect(element.locator(".tb-summary")).to_contain_text("In 1 group nothing is kept.")


def test_the_others_are_saved_as_text_and_csv(page, folder):
    element = find(page)
    name, content = save_download(page, element.get_by_role("button", name="as text").click)
    assert name == "duplicates.txt"
    assert content.decode().splitlines() == [str(folder / f"{stem}-small.jpg") for stem in ("cat", "coffee")]
    name, content = save_download(page, element.get_by_role("button", name="as CSV").click)
    rows = list(csv.DictReader(io.StringIO(content.decode("utf-8-sig"))))
    assert [row["kept instead"] for row in rows] == [str(folder / f"{stem}.jpg") for stem in ("cat", "coffee")]
    assert (folder / "cat-small.jpg").exists()


def test_a_threshold_that_nothing_reaches_is_answered(page):
    element = open_tab(page, "duplicates")
    element.get_by_label("As suits the gallery").uncheck()
    element.get_by_label("Cosine from").fill("1")
    element.get_by_role("button", name="Find duplicates").click()
    expect(element.get_by_text("There are no copies that are so close.")).to_be_visible()


@pytest.mark.parametrize("options", LOOKS)
def test_it_is_accessible_and_fits_the_window(chromium, server, options):
    with open_page(chromium, server, **options) as page:
        find(page)
        assert find_violations(page) == []
        assert overflow(page) <= 0
