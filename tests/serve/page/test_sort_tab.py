"""The Sort tab in a browser: images by words, bars, the effect of templates, CSV."""

import csv
import io

import pytest
from browser import find_violations, open_page
from playwright.sync_api import expect
from serving import run_server
from tabs import LOOKS, REFUSED, open_tab, overflow, save_download, tab_to

from wordsight.samples import sample_images
from wordsight.serve.settings import Settings

pytestmark = pytest.mark.browser

CAT = next(path for path in sample_images() if "cat" in path.stem or "chelsea" in path.stem)
COFFEE = next(path for path in sample_images() if "coffee" in path.stem)


@pytest.fixture(scope="module")
def server(gallery_folder):
    with run_server(Settings(port=0, galleries={"shop": str(gallery_folder)})) as client:
        yield str(client.base_url)


@pytest.fixture
def page(chromium, server):
    with open_page(chromium, server) as page:
        yield page


def sort(element, images, classes):
    element.locator("input[type=file]").set_input_files(images)
    element.get_by_label("Classes").fill(classes)
    element.get_by_role("button", name="Sort", exact=False).first.click()
    expect(element.get_by_role("button", name="Download CSV")).to_be_visible()
    return element.locator(".tb-card")


def test_images_are_sorted_by_words(page):
    element = open_tab(page, "sort")
    cards = sort(element, [CAT, COFFEE], "cat, rocket\ncup of coffee: coffee, a cup of coffee")
    expect(cards).to_have_count(2)
    expect(cards.nth(0).locator(".tb-best")).to_contain_text("cat")
    expect(cards.nth(1).locator(".tb-best")).to_contain_text("cup of coffee")
    expect(element.locator(".tb-form [role=status]").last).to_have_text("2 images are sorted.")


def test_an_image_of_none_of_the_classes_is_answered_so(page):
    cards = sort(open_tab(page, "sort"), [COFFEE], "horse, bicycle")
    expect(cards.locator(".tb-best")).to_contain_text("none of these")


def test_cards_are_filtered_by_class(page):
    element = open_tab(page, "sort")
    cards = sort(element, [CAT, COFFEE], "cat, cup of coffee")
    element.get_by_label("cat 1").check()
    expect(cards.nth(0)).to_be_visible()
    expect(cards.nth(1)).to_be_hidden()


def test_the_effect_of_each_template_is_shown(page):
    element = open_tab(page, "sort")
    element.locator("select").select_option("imagenet-7")
    sort(element, [CAT, COFFEE], "cat, cup of coffee, rocket")
    element.get_by_role("button", name="Effect of each template").click()
    rows = element.get_by_role("table").get_by_role("row")
    expect(rows).to_have_count(8)
    expect(rows.filter(has_text="a origami {}.")).to_contain_text("of 2")


def test_own_templates_are_taken_and_checked(page):
    element = open_tab(page, "sort")
    element.locator("select").select_option("own")
    element.get_by_label("Your templates").fill("a drawing of a cat")
    element.locator("input[type=file]").set_input_files(CAT)
    element.get_by_label("Classes").fill("cat, rocket")
    element.get_by_role("button", name="Sort 1 image").click()
    expect(element.get_by_role("alert")).to_contain_text("lacks {}")
    element.get_by_label("Your templates").fill("a photo of a {}.\na picture of one {}.")
    element.get_by_role("button", name="Sort 1 image").click()
    expect(element.locator(".tb-card .tb-best")).to_contain_text("cat")


def test_the_csv_runs_nothing_in_a_spreadsheet(page, tmp_path):
    image = tmp_path / "=1+1.jpg"
    image.write_bytes(CAT.read_bytes())
    element = open_tab(page, "sort")
    sort(element, [image], "=cmd()\n@rocket\n-3")
    save = element.get_by_role("button", name="Download CSV")
    name, content = save_download(page, save.click)
    rows = list(csv.DictReader(io.StringIO(content.decode("utf-8-sig"))))
    assert name == "sorted.csv"
    assert rows[0]["image"] == "'=1+1.jpg"
    assert {"'=cmd()", "'@rocket", "-3", "none of these"} < set(rows[0])
    assert sum(float(rows[0][label]) for label in ("'=cmd()", "'@rocket", "-3", "none of these")) == pytest.approx(1)


def test_files_that_are_no_images_are_named_and_the_others_sorted(page, tmp_path):
    broken, text = tmp_path / "broken.jpg", tmp_path / "notes.txt"
    broken.write_bytes(b"\xff\xd8\xff not an image")
    text.write_text("notes")
    element = open_tab(page, "sort")
    element.locator("input[type=file]").set_input_files([text])
    expect(element.get_by_text("notes.txt is not an image.")).to_be_visible()
    cards = sort(element, [broken, CAT], "cat, rocket")
    expect(cards.nth(0).locator(".tb-fault")).to_contain_text("cannot be read")
    expect(cards.nth(1).locator(".tb-best")).to_contain_text("cat")


@pytest.mark.parametrize(
    ("classes", "said"), [("", "Type at least one class"), ("cat, cat", "is there twice"), ("none of these", "none")]
)
def test_classes_that_cannot_be_used_are_explained(chromium, server, classes, said):
    with open_page(chromium, server, expect=REFUSED) as page:
        element = open_tab(page, "sort")
        element.locator("input[type=file]").set_input_files(CAT)
        element.get_by_label("Classes").fill(classes)
        element.get_by_role("button", name="Sort 1 image").click()
        expect(element.get_by_role("alert")).to_contain_text(said)


def test_images_of_the_gallery_are_sorted(page):
    element = open_tab(page, "sort")
    element.get_by_role("button", name="From gallery").click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_label("Words").fill("cat")
    dialog.get_by_role("button", name="Find").click()
    dialog.get_by_role("checkbox").first.check()
    dialog.get_by_role("button", name="Add 1 image").click()
    element.get_by_label("Classes").fill("cat, rocket")
    element.get_by_role("button", name="Sort 1 image").click()
    expect(element.locator(".tb-card .tb-best")).to_contain_text("cat")


def test_the_form_is_kept_over_tabs_and_a_reload(page):
    element = open_tab(page, "sort")
    element.get_by_label("Classes").fill("cat, rocket")
    element.locator("input[type=file]").set_input_files(CAT)
    page.get_by_role("tab", name="Compare").click()
    page.get_by_role("tab", name="Sort").click()
    expect(element.get_by_role("button", name="Sort 1 image")).to_be_visible()
    page.reload()
    expect(element.get_by_label("Classes")).to_have_value("cat, rocket")


def test_a_server_that_is_gone_is_told_kindly(chromium, server):
    with open_page(chromium, server, expect=REFUSED) as page:
        element = open_tab(page, "sort")
        element.locator("input[type=file]").set_input_files(CAT)
        element.get_by_label("Classes").fill("cat, rocket")
        page.context.set_offline(True)
        element.get_by_role("button", name="Sort 1 image").click()
        expect(element.get_by_role("alert")).to_contain_text("does not answer")
        page.context.set_offline(False)
        element.get_by_role("button", name="Sort 1 image").click()
        expect(element.locator(".tb-card")).to_have_count(1)


def test_keys_alone_lead_to_an_answer(page):
    element = open_tab(page, "sort")
    element.locator("input[type=file]").set_input_files(CAT)
    tab_to(page, "Classes")
    page.keyboard.type("cat, rocket")
    tab_to(page, "“None of these”")
    page.keyboard.press("Space")
    tab_to(page, "Sort 1 image")
    page.keyboard.press("Enter")
    expect(element.locator(".tb-card .tb-best")).to_contain_text("cat")
    expect(element.locator(".tb-card")).not_to_contain_text("none of these")


@pytest.mark.parametrize("options", LOOKS)
def test_it_is_accessible_and_fits_the_window(chromium, server, options):
    with open_page(chromium, server, **options) as page:
        element = open_tab(page, "sort")
        element.locator("select").select_option("imagenet-7")
        sort(element, [CAT, COFFEE], "cat, cup of coffee, rocket")
        element.get_by_role("button", name="Effect of each template").click()
        element.get_by_role("table").wait_for()
        assert find_violations(page) == []
        assert overflow(page) <= 0
