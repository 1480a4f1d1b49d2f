"""The Find tab: search, likes, words to exclude, filters, Back, scrolling, what is said when nothing matches."""

import io
import re
from urllib.parse import parse_qs, urlsplit

import pytest
from PIL import Image
from playwright.sync_api import expect

from wordsight.samples import sample_images

pytestmark = pytest.mark.browser

LIKE, UNLIKE = re.compile("^More like this: "), re.compile("^Less like this: ")


def go(page, address="/"):
    """Open an address and wait for its results."""
    page.goto(address)
    expect(page.locator(".find-results:not([aria-busy]) .find-card[data-key]").first).to_be_visible()


def search(page, words):
    box = page.get_by_role("searchbox", name="Words to find")
    box.fill(words)
    with page.expect_response("**/v1/search"):
        box.press("Enter")
    expect(page.locator(".find-results:not([aria-busy])")).to_be_visible()


def titles(page):
    return page.locator(".find-card .find-title").all_inner_texts()


def query(page):
    return parse_qs(urlsplit(page.url).query)


def count(page):
    return page.locator(".find-count")


def test_the_gallery_is_listed_before_anything_is_asked(page):
    go(page)
    expect(count(page)).to_have_text("24 images")
    assert page.locator(".find-card[data-key] img").first.get_attribute("alt")
    assert query(page) == {}


def test_words_find_what_they_say_and_are_in_the_address(page):
    go(page)
    search(page, "a cup of coffee")
    assert "coffee" in titles(page)[0]
    expect(count(page)).to_contain_text("likely result")
    expect(page.locator(".find-card .find-meter").first).to_contain_text("% likely")
    expect(page.locator(".find-line")).to_contain_text("below this line: probably not")
    assert query(page) == {"q": ["a cup of coffee"]}
    assert page.title() == "a cup of coffee – wordsight"


def test_near_copies_are_one_result_that_unfolds(page):
    go(page, "/?q=a+cup+of+coffee")
    card = page.locator(".find-card[data-key]").first
    card.get_by_role("button", name="+1 copy").click()
    expect(card.get_by_role("list", name="Near copies").get_by_role("button")).to_have_count(1)


def test_when_nothing_matches_the_page_says_so_and_shows_the_nearest(page):
    go(page, "/?q=a+parliament+of+owls+in+the+snow&alpha=1")
    expect(count(page)).to_have_text("Nothing here likely matches “a parliament of owls in the snow”")
    expect(page.locator(".find-note")).to_contain_text("The nearest are below")
    assert titles(page)


def test_likes_and_dislikes_make_a_weighted_query_that_can_be_linked(page, site):
    go(page, "/?q=food")
    before = titles(page)
    page.get_by_role("button", name=LIKE).nth(2).click()
    expect(page.locator(".find-chip")).to_have_count(2)
    expect(page.locator(".find-results:not([aria-busy])")).to_be_visible()
    expect(page.locator(".find-title").first).not_to_have_text(before[0])
    page.get_by_role("button", name=UNLIKE).nth(1).click()
    expect(page.locator(".find-chip")).to_have_count(3)
    expect(page.locator(".find-results:not([aria-busy])")).to_be_visible()
    asked = query(page)
    assert len(asked["like"]) == len(asked["unlike"]) == 1
    with page.expect_response("**/v1/search") as answered:
        page.get_by_label(re.compile("Weight of: more like")).select_option("3")
    assert [part["weight"] for part in answered.value.request.post_data_json["query"]] == [3, -0.5]
    assert query(page)["like"][0].endswith("*3")
    expect(page.locator(".find-results:not([aria-busy])")).to_be_visible()
    there = titles(page)
    again = page.context.new_page()
    go(again, page.url)
    assert titles(again) == there
    expect(again.locator(".find-chip")).to_have_count(3)


def test_only_what_is_not_wanted_is_explained(page):
    go(page)
    page.get_by_role("button", name=UNLIKE).first.click()
    expect(page.locator(".find-note")).to_contain_text("add words, an image, or “more like this”")
    expect(page.locator(".find-card[data-key]")).to_have_count(23)


def test_words_can_be_excluded_and_taken_back(page):
    go(page, "/?q=animal")
    box = page.get_by_label("Words that results should not show")
    box.fill("cat")
    box.press("Enter")
    expect(page.locator(".find-chip", has_text="not cat")).to_be_visible()
    assert query(page) == {"q": ["animal"], "not": ["cat"]}
    page.get_by_role("button", name="Remove: not cat").click()
    expect(page.locator(".find-chip")).to_have_count(0)
    assert query(page) == {"q": ["animal"]}


def test_filters_narrow_and_keep_the_focus(page):
    go(page)
    page.get_by_role("checkbox", name=re.compile("^red")).check()
    expect(count(page)).to_have_text("4 of 24 images")
    expect(page.get_by_role("checkbox", name=re.compile("^red"))).to_be_focused()
    expect(page.get_by_role("checkbox", name=re.compile("^blue"))).to_have_accessible_name("blue : 4")
    page.get_by_role("checkbox", name=re.compile("^blue")).check()
    expect(count(page)).to_have_text("8 of 24 images")
    page.get_by_role("button", name="Remove: Colour: red, blue").click()
    expect(count(page)).to_have_text("24 images")


def test_ranges_of_numbers_and_days(page):
    go(page)
    page.get_by_label("Price from").fill("30")
    page.get_by_label("Price to").fill("60")
    page.get_by_role("button", name="Go: Price").click()
    expect(page.locator(".find-chip")).to_have_text(["Price: 30 to 60"])
    expect(count(page)).to_have_text("4 of 24 images")
    page.get_by_label("Added from").fill("2024-02-01")
    page.get_by_label("Added to").fill("2024-05-11")
    page.get_by_label("Added to").press("Enter")
    expect(page.locator(".find-chip").nth(1)).to_have_text("Added: 2024-02-01 to 2024-05-11")


def test_back_and_forward_show_what_was_there(page):
    go(page)
    search(page, "a cup of coffee")
    coffee = titles(page)
    search(page, "a cat")
    assert titles(page) != coffee
    page.go_back()
    expect(page.get_by_role("searchbox")).to_have_value("a cup of coffee")
    expect(page.locator(".find-title").first).to_have_text(coffee[0])
    page.go_back()
    expect(count(page)).to_have_text("24 images")
    page.go_forward()
    assert titles(page) == coffee


def test_scrolling_shows_all_results(page):
    go(page, "/?gallery=many")
    assert page.locator(".find-card[data-key]").count() < 90
    for _ in range(10):
        page.mouse.wheel(0, 20_000)
        page.wait_for_timeout(150)
    expect(page.locator(".find-card[data-key]")).to_have_count(90)
    expect(page.get_by_role("button", name="More results")).to_be_hidden()


def test_an_image_that_is_dropped_finds_its_like_and_is_not_in_the_link(page):
    go(page)
    coffee = next(path for path in sample_images() if path.stem == "coffee")
    page.get_by_label("Image files to search by").set_input_files(coffee)
    chip = page.locator(".find-chip")
    expect(chip).to_contain_text("not in the link")
    expect(page.locator(".find-results:not([aria-busy]) .find-title").first).to_contain_text("coffee")
    assert query(page) == {}
    search(page, "cat")
    page.go_back()
    expect(chip).to_contain_text("coffee.jpg")


def test_what_is_not_an_image_is_refused_kindly(page):
    go(page)
    page.get_by_label("Image files to search by").set_input_files(
        {"name": "notes.txt", "mimeType": "text/plain", "buffer": b"hello"}
    )
    expect(page.get_by_role("alert")).to_have_text("notes.txt is not an image.")
    expect(page.locator(".find-card[data-key]").first).to_be_visible()


def test_a_result_opens_large_with_all_that_is_known_of_it(page):
    go(page, '/?q=a+cup+of+coffee&f={"price":{"gte":0}}')
    page.locator(".find-open").first.click()
    dialog = page.get_by_role("dialog")
    expect(dialog.locator("dl")).to_contain_text("Colour")
    expect(dialog.get_by_role("link", name="Open the file")).to_have_attribute("href", re.compile(r"^/file/"))
    first = dialog.get_by_role("heading").inner_text()
    page.keyboard.press("ArrowRight")
    expect(dialog.get_by_role("heading")).not_to_have_text(first)
    page.keyboard.press("Escape")
    expect(dialog).to_be_hidden()
    expect(page.locator(".find-open").nth(1)).to_be_focused()


def test_a_page_of_a_document_shows_its_words_and_opens_there(page):
    go(page, "/?gallery=papers&q=lamps+of+the+cabin")
    card = page.locator(".find-card[data-key]").first
    expect(card.locator(".find-snippet mark").first).to_have_text("lamps")
    card.locator(".find-open").click()
    dialog = page.get_by_role("dialog")
    expect(dialog.get_by_role("link", name="Open at page 2")).to_have_attribute("href", re.compile(r"#page=2$"))
    image = dialog.locator("img")
    expect(image).to_have_js_property("complete", True)
    answer = page.request.get(image.get_attribute("src"))
    assert Image.open(io.BytesIO(answer.body())).height > 1000


def test_the_weight_of_words_and_looks_is_in_the_address(page):
    go(page, "/?q=red")
    slider = page.get_by_label("Words or looks")
    with page.expect_response("**/v1/search") as answered:
        slider.press("End")
    assert answered.value.request.post_data_json["alpha"] == 1
    assert query(page) == {"q": ["red"], "alpha": ["1"]}
    page.get_by_role("button", name="back to automatic").click()
    expect(page).to_have_url(re.compile(r"\?q=red$"))


def test_another_gallery_begins_a_new_search(page):
    go(page, "/?q=red")
    page.get_by_label("Gallery").select_option("many")
    expect(count(page)).to_have_text("90 images")
    assert query(page) == {"gallery": ["many"]}
