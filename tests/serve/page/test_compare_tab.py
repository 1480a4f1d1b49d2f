"""The Compare tab in a browser: images × texts as a heat map, and how much the wording matters."""

import csv
import io

import pytest
from browser import find_violations, open_page
from playwright.sync_api import expect
from serving import run_server
from tabs import LOOKS, REFUSED, open_tab, overflow, save_download

from wordsight import load
from wordsight.samples import sample_images
from wordsight.serve.settings import Settings

pytestmark = pytest.mark.browser

CAT, ROCKET = (next(path for path in sample_images() if path.stem == name) for name in ("cat", "rocket"))
TEXTS = ["a photo of a cat", "a rocket in the sky"]


@pytest.fixture(scope="module")
def server(gallery_folder):
    with run_server(Settings(port=0, galleries={"shop": str(gallery_folder)})) as client:
        yield str(client.base_url)


@pytest.fixture
def page(chromium, server):
    with open_page(chromium, server) as page:
        yield page


def compare(element, images=(CAT, ROCKET), texts=TEXTS):
    element.locator("input[type=file]").set_input_files(images)
    for text in texts:
        element.get_by_label("Text to add").fill(text)
        element.get_by_label("Text to add").press("Enter")
    cells = element.locator(".tb-heat").first.locator("td")
    expect(cells).to_have_count(len(images) * len(texts))
    return cells


def read(cells):
    return [float(text.split()[0].replace("−", "-")) for text in cells.all_inner_texts()]


def test_the_heat_map_has_the_cosines_of_the_model(page):
    cells = compare(open_tab(page, "compare"))
    model = load("mini")
    expected = model.embed_texts(TEXTS) @ model.embed_images([CAT, ROCKET]).T
    assert read(cells) == pytest.approx(expected.flatten().tolist(), abs=0.002)
    expect(cells.nth(0)).to_contain_text("best text of the image")


def test_probabilities_of_an_image_sum_to_one(page):
    element = open_tab(page, "compare")
    cells = compare(element)
    element.get_by_label("Which text fits").check()
    expect(cells.nth(0)).to_contain_text("> 99%")
    expect(cells.nth(2)).to_contain_text("< 1%")


def test_a_text_that_is_true_of_no_image_is_improbable_by_itself(page):
    element = open_tab(page, "compare")
    compare(element, texts=["a photo of a cat", "a plate of spaghetti"])
    element.get_by_label("Is the text true").check()
    row = element.locator(".tb-heat").first.get_by_role("row", name="a plate of spaghetti").locator("td")
    expect(row.nth(0)).to_contain_text("%")
    assert all("> 99%" not in text for text in row.all_inner_texts())


def test_texts_and_images_are_added_and_removed_freely(page):
    element = open_tab(page, "compare")
    compare(element)
    element.get_by_label("Text to add").fill("grass")
    element.get_by_role("button", name="Add", exact=True).click()
    cells = element.locator(".tb-heat").first.locator("td")
    expect(cells).to_have_count(6)
    element.get_by_role("button", name="Remove a photo of a cat").click()
    element.get_by_role("button", name="Remove rocket.jpg").click()
    expect(cells).to_have_count(2)


def test_the_spread_over_wordings_is_shown(page):
    element = open_tab(page, "compare")
    compare(element)
    element.get_by_text("Wording sensitivity").click()
    row = element.locator(".tb-ranges").get_by_role("row", name="a rocket in the sky")
    least, most = row.locator(".tb-range-text").nth(1).inner_text().replace("−", "-").split(" to ")
    model = load("mini")
    wordings = ["a bad photo of the a rocket in the sky.", "art of the a rocket in the sky."]
    cosines = model.embed_texts(wordings) @ model.embed_images([ROCKET])[0]
    assert float(least) - 0.01 <= cosines.min() <= cosines.max() <= float(most) + 0.01


def test_the_table_is_saved_as_csv(page):
    element = open_tab(page, "compare")
    compare(element)
    name, content = save_download(page, element.get_by_role("button", name="Download CSV").click)
    rows = list(csv.reader(io.StringIO(content.decode("utf-8-sig"))))
    assert name == "cosine.csv"
    assert rows[0] == ["text", "cat.jpg", "rocket.jpg"]
    assert rows[1][0] == TEXTS[0]
    assert float(rows[1][1]) > float(rows[2][1])


def test_an_image_that_cannot_be_read_is_named_and_left_out(chromium, server, tmp_path):
    broken = tmp_path / "broken.png"
    broken.write_bytes(b"\x89PNG\r\n\x1a\n and nothing else")
    with open_page(chromium, server, expect=REFUSED) as page:
        element = open_tab(page, "compare")
        element.locator("input[type=file]").set_input_files([CAT, broken])
        element.get_by_label("Text to add").fill("a cat")
        element.get_by_label("Text to add").press("Enter")
        expect(element.locator(".tb-form [role=status]").last).to_contain_text("broken.png cannot be read")
        expect(element.locator(".tb-heat").first.locator("td")).to_have_count(1)


def test_a_text_longer_than_the_model_reads_is_told(page):
    element = open_tab(page, "compare")
    compare(element, images=[CAT], texts=["cat " * 400])
    expect(element.locator(".tb-form [role=status]").last).to_contain_text("does not read the last")


@pytest.mark.parametrize("options", LOOKS)
def test_it_is_accessible_and_fits_the_window(chromium, server, options):
    with open_page(chromium, server, **options) as page:
        element = open_tab(page, "compare")
        compare(element)
        element.get_by_text("Wording sensitivity").click()
        element.locator(".tb-ranges td").first.wait_for()
        assert find_violations(page) == []
        assert overflow(page) <= 0
