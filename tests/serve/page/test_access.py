"""The page for everyone: keyboard alone, screen readers, dark mode, phones; and what a page must not do."""

import re

import pytest
from browser import find_violations, open_page
from playwright.sync_api import expect

pytestmark = pytest.mark.browser

RESULTS = ".find-results:not([aria-busy]) .find-card[data-key]"


def focused(page):
    """Accessible name or text of what has the focus, inside of components too."""
    return page.evaluate(
        "() => { let e = document.activeElement; while (e.shadowRoot?.activeElement) e = e.shadowRoot.activeElement;"
        " return e.getAttribute('aria-label') ?? e.innerText; }"
    )


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("address", ["/", "/?q=coffee&not=cat", "/?gallery=papers&q=lamps", "/?q=owls&gallery=many"])
def test_axe_finds_no_fault(chromium, site, address, scheme):
    with open_page(chromium, site, color_scheme=scheme) as page:
        page.goto(address)
        expect(page.locator(RESULTS).first).to_be_visible()
        assert find_violations(page) == []


@pytest.mark.parametrize("width", [1280, 390])
def test_axe_finds_no_fault_in_dialogs(chromium, site, width):
    with open_page(chromium, site, viewport={"width": width, "height": 844}) as page:
        page.goto("/?q=coffee")
        page.locator(RESULTS).first.locator(".find-open").click()
        expect(page.get_by_role("dialog")).to_be_visible()
        assert find_violations(page) == []
        page.keyboard.press("Escape")
        if width < 800:
            page.get_by_role("button", name="Filters").click()
            assert find_violations(page) == []


@pytest.mark.parametrize("tab", ["sort", "compare", "add", "duplicates"])
def test_axe_finds_no_fault_in_other_tabs(page, tab):
    page.goto(f"/#{tab}")
    expect(page.get_by_role("tabpanel")).to_be_visible()
    assert find_violations(page) == []


def test_a_search_needs_no_mouse(page):
    page.goto("/")
    expect(page.locator(RESULTS).first).to_be_visible()
    expect(page.get_by_role("searchbox")).to_be_focused()
    page.keyboard.type("a cup of coffee")
    page.keyboard.press("Enter")
    expect(page).to_have_url(re.compile("q=a"))
    expect(page.locator(RESULTS).first).to_contain_text("coffee")
    for _ in range(200):
        page.keyboard.press("Tab")
        if page.locator(".find-open:focus").count():
            break
    assert "coffee" in focused(page)
    page.keyboard.press("ArrowRight")
    second = focused(page)
    page.keyboard.press("End")
    page.keyboard.press("Home")
    page.keyboard.press("ArrowRight")
    assert focused(page) == second
    page.keyboard.press("Tab")
    page.keyboard.press("Tab")
    assert focused(page).startswith(("More like this", "Less like this"))
    page.keyboard.press("Enter")
    expect(page.locator(".find-chip")).to_have_count(2)
    expect(page.locator(".find-count")).to_be_focused()  # not lost with the results that were there


def test_arrows_walk_rows_and_enter_opens(page):
    page.goto("/")
    expect(page.locator(RESULTS).first).to_be_visible()
    page.locator(".find-open").first.focus()
    page.keyboard.press("ArrowDown")
    second_row = page.evaluate(
        "() => { const root = document.querySelector('ws-app').shadowRoot;"
        " const card = root.activeElement.closest('li'); const cards = [...root.querySelectorAll('.find-card')];"
        " return card.offsetTop > cards[0].offsetTop && card.offsetLeft === cards[0].offsetLeft; }"
    )
    assert second_row
    page.keyboard.press("Enter")
    expect(page.get_by_role("dialog")).to_be_visible()


def test_tabs_have_addresses_and_arrow_keys(page):
    page.goto("/")
    page.get_by_role("tab", name="Find").focus()
    page.keyboard.press("ArrowRight")
    expect(page.get_by_role("tab", name="Sort")).to_have_attribute("aria-selected", "true")
    expect(page).to_have_url(re.compile("#sort$"))
    page.keyboard.press("End")
    expect(page).to_have_url(re.compile("#duplicates$"))
    page.go_back()
    expect(page.get_by_role("tab", name="Sort")).to_have_attribute("aria-selected", "true")


def test_results_are_announced(page):
    page.goto("/?q=a+cup+of+coffee")
    expect(page.locator("#ws-announcer")).to_contain_text("likely result")
    assert page.locator("#ws-announcer").get_attribute("aria-live") == "polite"


def test_a_phone_shows_two_columns_and_filters_in_a_sheet(chromium, site):
    with open_page(chromium, site, viewport={"width": 390, "height": 844}, has_touch=True) as page:
        page.goto("/")
        expect(page.locator(RESULTS).first).to_be_visible()
        boxes = [page.locator(RESULTS).nth(i).bounding_box() for i in range(3)]
        assert boxes[0]["y"] == boxes[1]["y"] < boxes[2]["y"]
        assert page.evaluate("document.documentElement.scrollWidth") <= 390
        page.get_by_role("button", name="Filters").tap()
        page.get_by_role("checkbox", name=re.compile("^red")).check()
        page.get_by_role("button", name="Show 4 of 24 images").tap()
        expect(page.locator(".find-count")).to_have_text("4 of 24 images")
        expect(page.locator(".find-badge")).to_have_text("1")


def test_dark_mode_follows_the_system(chromium, site):
    def ground(scheme):
        with open_page(chromium, site, color_scheme=scheme) as page:
            page.goto("/")
            expect(page.locator(RESULTS).first).to_be_visible()
            colour = page.evaluate("getComputedStyle(document.body).backgroundColor")
            return sum(int(part) for part in re.findall(r"\d+", colour)[:3])

    assert ground("dark") < 150 < 600 < ground("light")


def test_images_have_their_size_before_they_arrive_and_later_ones_wait(page):
    page.goto("/?gallery=many")
    expect(page.locator(RESULTS).first).to_be_visible()
    last = page.locator(".find-card[data-key] img").last
    assert last.get_attribute("loading") == "lazy"
    assert last.get_attribute("width")
    assert last.get_attribute("height")
