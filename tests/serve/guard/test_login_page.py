"""The page behind the token, in a real browser: signing in, the page under its policy, a cookie that scripts lack."""

import os

import pytest
from serving import run_server

from wordsight.serve.settings import Settings

TOKEN = "correct-horse-battery"
sync_api = pytest.importorskip("playwright.sync_api")
pytest.importorskip("gradio")
pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def address():
    with run_server(Settings(port=0, token=TOKEN)) as client:  # ready, or the page would meet 503 at /readyz
        yield str(client.base_url).rstrip("/")


@pytest.fixture(scope="module")
def browser():
    with sync_api.sync_playwright() as playwright:
        path = os.environ.get("CHROMIUM", "/usr/bin/chromium")
        browser = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        yield browser
        browser.close()


def test_signing_in_leads_to_the_page_which_breaks_no_rule_of_its_policy(browser, address):
    page = browser.new_context().new_page()
    faults, hosts = [], set()
    page.on("console", lambda message: faults.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: faults.append(str(error)))
    page.on("request", lambda request: hosts.add(request.url.split("/")[2]))
    page.goto(f"{address}/?q=red")
    assert page.url == f"{address}/login?next=%2F%3Fq%3Dred"
    page.keyboard.type("a wrong token")  # the field has the focus
    page.keyboard.press("Enter")
    page.get_by_role("alert").wait_for()
    assert page.get_by_role("alert").inner_text() == "This is not the token of this server."
    faults.clear()  # the browser counts the 401 as one
    page.get_by_label("Token of this server").fill(TOKEN)
    page.get_by_role("button", name="Sign in").click()
    page.get_by_role("tab", name="Find").wait_for()
    assert page.url.startswith(f"{address}/?q=red")
    page.wait_for_timeout(1500)
    assert not faults
    assert hosts == {address.removeprefix("http://")}
    assert page.evaluate("document.cookie") == ""


def test_a_script_that_gets_into_the_page_does_not_run(browser, address):
    context = browser.new_context()
    page = context.new_page()
    page.goto(f"{address}/login")
    page.get_by_label("Token of this server").fill(TOKEN)
    page.get_by_role("button", name="Sign in").click()
    page.get_by_role("tab", name="Find").wait_for()
    page.evaluate(
        """() => {
            const script = document.createElement("script");
            script.textContent = "window.attacked = 'script'";
            document.body.append(script);
            const image = document.createElement("div");
            image.innerHTML = "<img src='/nothing' onerror=\\"window.attacked = 'handler'\\">";
            document.body.append(image);
            const far = document.createElement("script");
            far.src = "https://evil.test/x.js";
            document.body.append(far);
        }"""
    )
    page.wait_for_timeout(500)
    assert page.evaluate("window.attacked") is None


def test_a_page_of_another_site_can_neither_read_nor_change_nor_frame(browser, address):
    """The other site is another port of this machine, the hardest case: cookies know no ports."""
    with run_server(wait=False, prepare=_add_evil_page) as evil:
        context = browser.new_context()
        page = context.new_page()
        page.goto(f"{address}/login")
        page.get_by_label("Token of this server").fill(TOKEN)
        page.get_by_role("button", name="Sign in").click()
        page.get_by_role("tab", name="Find").wait_for()
        page.goto(f"{evil.base_url}/try/evil")
        found = page.evaluate(
            """async (address) => {
                const results = {};
                for (const [name, options] of Object.entries({
                    read: {credentials: "include"},
                    simple: {method: "POST", mode: "no-cors", body: "{}", credentials: "include"},
                })) {
                    results[name] = await fetch(address + "/v1/models", options).then((r) => r.type, () => "failed");
                }
                const image = new Image();
                results.image = await new Promise((done) => {
                    image.onload = () => done("loaded");
                    image.onerror = () => done("failed");
                    image.src = address + "/favicon.ico";
                });
                return results;
            }""",
            address,
        )
    assert found["read"] == "failed"
    assert found["simple"] in ("failed", "opaque")  # an answer that cannot be read: 403, see test_origins
    assert found["image"] == "failed"


def _add_evil_page(app):
    from fastapi.responses import HTMLResponse

    headers = {"Content-Security-Policy": "default-src * 'unsafe-inline'"}
    app.add_api_route("/try/evil", lambda: HTMLResponse("<title>evil</title>", headers=headers))
