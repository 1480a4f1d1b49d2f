"""A headless Chromium for tests of pages: what a page must never do is noted, and asserted when it closes."""

import contextlib
import functools
import subprocess

import pytest
from project import SUPPORT

sync_api = pytest.importorskip("playwright.sync_api", reason="pip install playwright")

TIMEOUT = 15_000  # milliseconds for anything that a test waits for
# of axe's rules: what WCAG 2.2 asks for at levels A and AA, and what its authors hold for good practice
RULES = ("wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice")


@functools.cache
def _ask(script):
    """First line of what a script prints; skips the test where it ends with 2."""
    done = subprocess.run([SUPPORT / script], capture_output=True, text=True, check=False)
    if done.returncode == 2:
        pytest.skip(done.stderr.strip())
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()[0]


_open = []  # [browser, users, stack]: Playwright runs once in a process


@contextlib.contextmanager
def open_browser():
    """A Chromium, the same for all who have it open; skips the test where there is none."""
    if not _open:
        path = _ask("chromium.sh")
        stack = contextlib.ExitStack()
        playwright = stack.enter_context(sync_api.sync_playwright())
        # no sandbox: it cannot be had as root, and the pages are our own
        chromium = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        stack.callback(chromium.close)
        _open[:] = [chromium, 0, stack]
    _open[1] += 1
    try:
        yield _open[0]
    finally:
        _open[1] -= 1
        if not _open[1]:
            _open[2].close()
            _open.clear()


@contextlib.contextmanager
def open_page(chromium, site, *, expect=(), **context):
    """A page of a site, not yet led anywhere.

    expect: words of console messages that the test provokes. When it closes, errors on the console, exceptions,
    requests to other sites and images or scripts that were missing fail the test.
    """
    options = {"base_url": site, "viewport": {"width": 1280, "height": 800}, "reduced_motion": "reduce"} | context
    opened = chromium.new_context(**options)
    opened.set_default_timeout(TIMEOUT)
    page = opened.new_page()
    faults = []
    page.on("console", lambda said: said.type in ("error", "warning") and faults.append(f"{said.type}: {said.text}"))
    page.on("pageerror", lambda error: faults.append(f"exception: {error}"))
    page.on("request", lambda request: _is_foreign(request.url, site) and faults.append(f"foreign: {request.url}"))
    try:
        yield page
    finally:
        opened.close()
    assert not [fault for fault in faults if not any(words in fault for words in expect)]


def _is_foreign(url, site):
    return not url.startswith((site.rstrip("/") + "/", "data:", "blob:"))


def find_violations(page):
    """Faults of accessibility that axe-core finds in a page as it is: rule and elements of each."""
    page.evaluate(read_axe())
    found = page.evaluate(f"axe.run(document, {{runOnly: {list(RULES)}, resultTypes: ['violations']}})")
    return [
        f"{one['id']} ({one['impact']}): {node['html'][:200]} {node['failureSummary'][:400]}"
        for one in found["violations"]
        for node in one["nodes"]
    ]


@functools.cache
def read_axe():
    """Source of axe-core; skips the test where it cannot be had."""
    with open(_ask("axe.sh"), encoding="utf-8") as file:
        return file.read()
