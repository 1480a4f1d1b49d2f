"""Steps that tests of the page's tabs share."""

from pathlib import Path

from browser import TIMEOUT, sync_api

sync_api.expect.set_options(timeout=TIMEOUT)  # as for all else that a test waits for

PHONE = {"width": 390, "height": 844}
LOOKS = [{}, {"viewport": PHONE}, {"color_scheme": "dark"}]  # options of `browser.open_page`
REFUSED = ("Failed to load resource",)  # what Chromium notes of an answer that is an error

_FOCUSED = """() => {
  let at = document.activeElement;
  while (at?.shadowRoot?.activeElement) at = at.shadowRoot.activeElement;
  return at?.getAttribute("aria-label") || at?.labels?.[0]?.textContent || at?.textContent || "";
}"""


def open_tab(page, name):
    """Open a tab by its address, and return its element."""
    page.goto(f"/#{name}")
    element = page.locator(f"ws-{name}")
    element.wait_for()
    return element


def tab_to(page, text, most=80):
    """Press Tab until the element whose label begins with `text` has the focus."""
    for _ in range(most):
        page.keyboard.press("Tab")
        if page.evaluate(_FOCUSED).strip().startswith(text):
            return
    raise AssertionError(f"{most} presses of Tab do not lead to {text!r}")


def save_download(page, click):
    """Name and bytes of the file that a click makes the browser save."""
    with page.expect_download() as download:
        click()
    return download.value.suggested_filename, Path(download.value.path()).read_bytes()


def overflow(page):
    """Pixels by which the page is wider than its window."""
    return page.evaluate("document.documentElement.scrollWidth - innerWidth")
