"""The page in a real browser: headless Chromium, its console watched, checked by axe-core."""

import contextlib
from pathlib import Path

import pytest
from browser import open_browser, read_axe

DESKTOP = {"width": 1280, "height": 900}
PHONE = {"width": 390, "height": 844}


@pytest.fixture(scope="session")
def chromium():
    """A browser for the whole run."""
    with open_browser() as browser:
        yield browser


class Watched:
    """A page of the browser. problems: what its console and its scripts complained of."""

    def __init__(self, context, address):
        self.page = context.new_page()
        self.address = address
        self.problems = []
        self.page.on("console", self._note)
        self.page.on("pageerror", lambda error: self.problems.append(str(error)))

    def _note(self, message):
        if message.type in ("error", "warning"):
            self.problems.append(f"{message.text} {message.location.get('url', '')}")

    def open(self, tab):
        """Open a tab by its address, and return its element."""
        self.page.goto(f"{self.address}/#{tab}")
        element = self.page.locator(f"ws-{tab}")
        element.wait_for()
        return element

    def violations(self):
        """Rules of accessibility that the page breaks, with the elements."""
        self.page.evaluate(read_axe())
        found = self.page.evaluate("axe.run(document, {resultTypes: ['violations']})")["violations"]
        return [(one["id"], [node["target"] for node in one["nodes"]]) for one in found]

    def overflow(self):
        """Pixels by which the page is wider than the window."""
        return self.page.evaluate("document.documentElement.scrollWidth - innerWidth")

    def focused(self):
        """Element that has the focus, inside the page's component: its text or label."""
        return self.page.evaluate(
            "(() => { let at = document.activeElement; while (at?.shadowRoot?.activeElement) at = "
            "at.shadowRoot.activeElement; return at?.getAttribute('aria-label') || at?.labels?.[0]?.textContent || "
            "at?.textContent; })()"
        )

    def tab_to(self, text, most=60):
        """Press Tab until the focused element's text begins with `text`."""
        for _ in range(most):
            self.page.keyboard.press("Tab")
            if (self.focused() or "").strip().startswith(text):
                return
        raise AssertionError(f"no press of Tab leads to {text!r}")


@contextlib.contextmanager
def browse(chromium, address, viewport=DESKTOP, **options):
    """A page of its own: nothing is kept from others."""
    context = chromium.new_context(viewport=viewport, accept_downloads=True, **options)
    context.set_default_timeout(20_000)
    try:
        yield Watched(context, str(address).rstrip("/"))
    finally:
        context.close()


def save_download(page, click):
    """Bytes of the file that a click makes the browser save."""
    with page.expect_download() as download:
        click()
    return download.value.suggested_filename, Path(download.value.path()).read_bytes()
