"""The page before the model is there, without galleries, with empty ones, and when the server is gone."""

import json
import re

import pytest
from browser import open_page
from playwright.sync_api import expect
from serving import run_server

from wordsight.gallery import Gallery
from wordsight.serve.settings import Settings

pytestmark = pytest.mark.browser


def test_the_page_says_that_the_model_is_loading(chromium, site):
    waiting = [json.dumps({"status": "loading"})] * 2

    def answer(route):
        if waiting:
            route.fulfill(status=503, content_type="application/json", body=waiting.pop())
        else:
            route.continue_()

    with open_page(chromium, site, expect=["503"]) as page:
        page.route("**/readyz", answer)
        page.goto("/")
        expect(page.locator(".ws-readiness")).to_have_text("Loading the model…")
        expect(page.locator(".ws-readiness")).to_be_hidden()


@pytest.fixture
def empty_site(tmp_path):
    Gallery.create(tmp_path / "index").close()
    with run_server(Settings(port=0, galleries={"new": str(tmp_path / "index")}, allow_add=True)) as client:
        yield str(client.base_url).rstrip("/")


def test_an_empty_gallery_leads_to_where_images_are_added(chromium, empty_site):
    with open_page(chromium, empty_site) as page:
        page.goto("/")
        expect(page.locator(".find-count")).to_have_text("This gallery has no images yet")
        page.get_by_role("link", name="Add some").click()
        expect(page.get_by_role("tab", name="Add")).to_have_attribute("aria-selected", "true")


def test_a_server_without_galleries_tells_how_to_get_one(chromium):
    with run_server(Settings(port=0)) as client, open_page(chromium, str(client.base_url)) as page:
        page.goto("/")
        expect(page.locator(".find-count")).to_have_text("There is no gallery yet")
        expect(page.locator(".find-note code")).to_have_text("wordsight serve --gallery FOLDER")


def test_a_server_that_is_gone_can_be_asked_again(chromium, site):
    with open_page(chromium, site, expect=["Failed to load resource"]) as page:
        page.goto("/?q=coffee")
        expect(page.locator(".find-card[data-key]").first).to_be_visible()
        page.route("**/v1/search", lambda route: route.abort())
        page.get_by_role("searchbox").fill("cat")
        page.keyboard.press("Enter")
        expect(page.get_by_role("alert")).to_contain_text("The server does not answer")
        page.unroute("**/v1/search")
        page.get_by_role("button", name="Try again").click()
        expect(page.locator(".find-card[data-key]").first).to_be_visible()
        expect(page.get_by_role("alert")).to_be_hidden()


def test_what_the_server_refuses_is_said_in_its_words(chromium, site):
    with open_page(chromium, site, expect=["Failed to load resource"]) as page:
        page.goto('/?f={"prize":3}')
        expect(page.get_by_role("alert")).to_contain_text("Did you mean: price")
        page.get_by_role("button", name="Remove: Prize: 3").click()
        expect(page.locator(".find-count")).to_have_text("24 images")


def test_an_answer_that_is_late_does_not_replace_a_newer_one(page):
    held = []

    def hold(route):
        if route.request.post_data_json.get("text") == "cat":
            held.append(route)  # answered after the other
        else:
            route.continue_()

    page.goto("/")
    expect(page.locator(".find-card[data-key]").first).to_be_visible()
    page.route("**/v1/search", hold)
    for words in ("cat", "a cup of coffee"):
        page.get_by_role("searchbox").fill(words)
        page.keyboard.press("Enter")
    expect(page.locator(".find-title").first).to_contain_text("coffee")
    for route in held:
        route.fulfill(status=200, content_type="application/json", body=json.dumps({"hits": []}))
    page.wait_for_timeout(200)
    expect(page.locator(".find-title").first).to_contain_text("coffee")


def test_a_damaged_link_still_shows_the_rest(page):
    page.goto("/?f={&alpha=7&q=coffee")
    expect(page.locator(".find-title").first).to_contain_text(re.compile("coffee"))
