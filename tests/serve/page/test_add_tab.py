"""The Add tab in a browser: uploads with progress, and what was skipped."""

import zipfile

import pytest
from browser import find_violations, open_page
from playwright.sync_api import expect
from serving import make_gallery, run_server
from small_pdf import page as pdf_page
from small_pdf import small_pdf
from tabs import LOOKS, REFUSED, open_tab, overflow, tab_to

from wordsight.samples import sample_images
from wordsight.serve.settings import Settings

pytestmark = pytest.mark.browser

CAT, COFFEE, ROCKET = (next(path for path in sample_images() if path.stem == n) for n in ("cat", "coffee", "rocket"))


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    place = make_gallery(tmp_path_factory.mktemp("shop"))
    with run_server(Settings(port=0, galleries={"shop": str(place)}, allow_add=True)) as client:
        yield str(client.base_url)


@pytest.fixture
def page(chromium, server):
    with open_page(chromium, server) as page:
        yield page


@pytest.fixture
def fresh(tmp_path):
    """Image that the gallery does not have: called with a name and a sample."""

    def write(name, image):
        path = tmp_path / name
        path.write_bytes(image.read_bytes() + name.encode())  # decoders stop at the end of the image
        return path

    return write


def add(page, files):
    element = open_tab(page, "add")
    element.locator("input[type=file]").set_input_files(files)
    element.get_by_role("button", name="Add", exact=False).click()
    return element


def test_images_are_added_and_shown_in_find(page, fresh):
    element = add(page, [fresh("my cat.jpg", CAT), fresh("my coffee.jpg", COFFEE)])
    expect(element.get_by_role("status")).to_have_text("2 images are added to shop.")
    element.get_by_role("link", name="Show in Find").click()
    find = page.locator("ws-find")
    expect(find.get_by_role("img", name="my cat")).to_be_visible()
    expect(find.get_by_role("img", name="my coffee")).to_be_visible()
    expect(find.get_by_role("img", name="rocket")).to_have_count(0)


def test_what_cannot_be_added_is_listed_with_the_reason(page, tmp_path, fresh):
    broken, empty, text = tmp_path / "broken.jpg", tmp_path / "empty.jpg", tmp_path / "notes.txt"
    broken.write_bytes(b"\xff\xd8\xff\xe0 not an image")
    empty.touch()
    text.write_text("notes")
    element = add(page, [fresh("good.jpg", ROCKET), broken, empty, text])
    expect(element.get_by_role("status")).to_contain_text("1 image is added to shop. 3 files skipped.")
    rows = element.get_by_role("table").get_by_role("row")
    for name in ("broken.jpg", "empty.jpg", "notes.txt"):
        expect(rows.filter(has_text=name)).to_have_count(1)
    assert "/tmp" not in element.get_by_role("table").inner_text()  # nothing of the server's folders


def test_archives_documents_and_tables_are_unpacked(page, tmp_path, fresh):
    archive, document, table = tmp_path / "photos.zip", tmp_path / "manual.pdf", tmp_path / "prices.csv"
    with zipfile.ZipFile(archive, "w") as file:
        file.write(fresh("in the archive.jpg", CAT), "folder/in the archive.jpg")
    document.write_bytes(small_pdf([pdf_page("A rocket on page one"), pdf_page("Page two")]))
    row = fresh("of a row.jpg", ROCKET)
    table.write_text(f"image,colour,price\n{row.name},violet,3\n")
    element = add(page, [archive, document, table, row])
    expect(element.get_by_role("status")).to_contain_text("4 images are added")
    element.get_by_role("link", name="Show in Find").click()
    expect(page.locator("ws-find").get_by_label("violet")).to_be_visible()


def test_an_archive_that_leads_out_of_its_folder_is_refused(chromium, server, tmp_path):
    archive = tmp_path / "photos.zip"
    with zipfile.ZipFile(archive, "w") as file:
        file.writestr("../escape.jpg", CAT.read_bytes())
    with open_page(chromium, server, expect=REFUSED) as page:
        element = add(page, [archive])
        expect(element).to_contain_text("leads out of it")


def test_an_image_that_is_there_already_is_told(page):
    element = add(page, [CAT])
    expect(element.get_by_role("status")).to_contain_text("Nothing is new. 1 file skipped.")
    expect(element.get_by_role("table")).to_contain_text("is in the gallery already")


def test_files_can_be_taken_back_before_they_are_sent(page):
    element = open_tab(page, "add")
    element.locator("input[type=file]").set_input_files([CAT, COFFEE])
    element.get_by_role("button", name="Remove cat.jpg").click()
    expect(element.get_by_role("button", name="Add 1 file")).to_be_visible()
    expect(element.get_by_role("button", name="Remove coffee.jpg")).to_be_focused()


def test_files_are_taken_by_dropping_them(page):
    element = open_tab(page, "add")
    transfer = page.evaluate_handle(
        "() => { const transfer = new DataTransfer();"
        " transfer.items.add(new File(['x'], 'dropped.jpg', { type: 'image/jpeg' })); return transfer; }"
    )
    element.locator(".tb-drop").dispatch_event("drop", {"dataTransfer": transfer})
    expect(element.get_by_role("button", name="Remove dropped.jpg")).to_be_visible()


def test_keys_alone_add_a_file(page, fresh):
    element = open_tab(page, "add")
    element.locator("input[type=file]").set_input_files(fresh("by keys.jpg", COFFEE))
    tab_to(page, "Add 1 file")
    page.keyboard.press("Enter")
    expect(element.get_by_role("status")).to_contain_text("1 image is added")


def test_a_server_that_only_shows_says_so_kindly(chromium, gallery_folder):
    with (
        run_server(Settings(port=0, galleries={"shop": str(gallery_folder)})) as client,
        open_page(chromium, str(client.base_url)) as page,
    ):
        element = open_tab(page, "add")
        expect(element.get_by_role("heading", name="This server only shows its galleries")).to_be_visible()
        expect(element.get_by_text("--allow-add")).to_be_visible()
        assert find_violations(page) == []


@pytest.mark.parametrize("options", LOOKS)
def test_it_is_accessible_and_fits_the_window(chromium, server, tmp_path, options):
    text = tmp_path / "a-long-name-without-any-space-that-has-to-be-broken-somewhere-on-a-phone.txt"
    text.write_text("notes")
    with open_page(chromium, server, **options) as page:
        element = add(page, [text])
        element.get_by_role("table").wait_for()
        assert find_violations(page) == []
        assert overflow(page) <= 0
