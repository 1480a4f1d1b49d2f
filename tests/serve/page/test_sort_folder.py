"""Sorting a folder of the server from the page: a preview, changes by hand, the move, undo."""

import pytest
from browser import find_violations, open_page
from playwright.sync_api import expect
from serving import run_server
from tabs import LOOKS, open_tab, overflow

from wordsight.samples import sample_images
from wordsight.serve.settings import Settings

pytestmark = pytest.mark.browser

NAMES = ("cat.jpg", "coffee.jpg", "rocket.jpg")


@pytest.fixture
def folder(tmp_path):
    for path in sample_images():
        if path.name in NAMES:
            (tmp_path / path.name).write_bytes(path.read_bytes())
    return tmp_path


@pytest.fixture
def server(gallery_folder, folder):
    with run_server(Settings(port=0, galleries={"shop": str(gallery_folder)}, sort_folder=folder)) as client:
        yield str(client.base_url)


def preview(page, classes="cat, cup of coffee, rocket"):
    element = open_tab(page, "sort")
    element.get_by_role("radio", name="The folder").check()
    element.get_by_label("Classes").fill(classes)
    element.get_by_role("button", name="Preview").click()
    expect(element.get_by_role("button", name="Move 3 files")).to_be_visible()
    return element


def files(folder):
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*.jpg"))


def test_nothing_moves_before_it_is_confirmed_and_all_can_be_undone(chromium, server, folder):
    with open_page(chromium, server) as page:
        element = preview(page)
        assert files(folder) == sorted(NAMES)
        element.get_by_label("Class of rocket.jpg").select_option("cat")
        element.get_by_role("button", name="Move 3 files").click()
        dialog = page.get_by_role("dialog")
        expect(dialog).to_contain_text("cat: 2 files")
        dialog.get_by_role("button", name="Cancel").click()
        assert files(folder) == sorted(NAMES)
        element.get_by_role("button", name="Move 3 files").click()
        dialog.get_by_role("button", name="Move 3 files").click()
        expect(element.get_by_text("3 files are moved.")).to_be_visible()
        assert files(folder) == ["cat/cat.jpg", "cat/rocket.jpg", "cup of coffee/coffee.jpg"]
        element.get_by_role("button", name="Undo all moves").click()
        expect(element.get_by_text("3 files are back")).to_be_visible()
        assert files(folder) == sorted(NAMES)
        expect(element.get_by_role("button", name="Undo all moves")).to_be_hidden()


def test_what_is_not_probable_enough_stays(chromium, server, folder):
    with open_page(chromium, server) as page:
        element = preview(page, "cat, horse")
        element.get_by_label("Class of rocket.jpg").select_option("horse")
        element.get_by_label("Move from a probability of").fill("1")
        element.get_by_role("button", name="Move 1 file").click()
        dialog = page.get_by_role("dialog")
        expect(dialog).to_contain_text("2 files stay")
        dialog.get_by_role("button", name="Move 1 file").click()
        expect(element.get_by_text("1 file is moved.")).to_be_visible()
        assert files(folder) == ["cat.jpg", "coffee.jpg", "horse/rocket.jpg"]


def test_a_folder_that_changed_since_is_told_and_left_as_it_is(chromium, server, folder):
    with open_page(chromium, server, expect=("Failed to load resource",)) as page:
        element = preview(page)
        (folder / "cat.jpg").unlink()
        element.get_by_role("button", name="Move 3 files").click()
        page.get_by_role("dialog").get_by_role("button", name="Move 3 files").click()
        expect(element.get_by_role("alert")).to_contain_text("nothing was moved")
        assert files(folder) == ["coffee.jpg", "rocket.jpg"]


@pytest.mark.parametrize("options", LOOKS)
def test_it_is_accessible_and_fits_the_window(chromium, server, options):
    with open_page(chromium, server, **options) as page:
        element = preview(page)
        assert find_violations(page) == []
        assert overflow(page) <= 0
        element.get_by_role("button", name="Move 3 files").click()
        assert find_violations(page) == []
