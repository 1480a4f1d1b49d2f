"""Draw the pictures of docs/serve: the page with a gallery of yours, at the sizes of a desktop and a phone.

    python docs/serve_screenshots.py SOURCE --words "red apples"

SOURCE: a folder, a table or a PDF, which is indexed into a temporary folder; its images are shown, so it has to be one
whose images may be published. Those in docs/serve are of the clothing dataset (CC0) and GroceryStoreDataset (MIT).
Needs: pip install '.[page]' playwright, and a Chromium.
"""

from __future__ import annotations

import argparse
import contextlib
import sys
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

from playwright.sync_api import Page

from wordsight.gallery import Gallery
from wordsight.serve.run import make_server, open_socket
from wordsight.serve.settings import Settings

sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "support"))
from browser import open_browser

FOLDER = Path(__file__).parent / "serve"
DESKTOP = {"width": 1280, "height": 800}
PHONE = {"width": 390, "height": 844}
CARD = ".find-results:not([aria-busy]) .find-card[data-key]"


@contextlib.contextmanager
def serve(source: Path) -> Iterator[str]:
    """Address of a server of a gallery made from a source."""
    with tempfile.TemporaryDirectory() as folder:
        with Gallery.create(Path(folder) / "index") as gallery:
            gallery.add(source)
        settings = Settings(port=0, galleries={source.stem: str(Path(folder) / "index")}, allow_add=True)
        server = make_server(settings)
        with open_socket(settings) as listener:
            thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
            thread.start()
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"
            server.should_exit = True
            thread.join()


def settle(page: Page) -> None:
    """Wait until the results and their images are there and the model is loaded."""
    page.locator(CARD).first.wait_for()
    page.locator(".ws-readiness").wait_for(state="hidden")
    page.wait_for_timeout(1500)


def open_first(page: Page) -> None:
    """Show the first result large."""
    page.locator(CARD).first.locator(".find-open").click()
    page.wait_for_timeout(1500)


def open_filters(page: Page) -> None:
    """Open the sheet of filters."""
    page.get_by_role("button", name="Filters").click()
    page.wait_for_timeout(500)


def like_second(page: Page) -> None:
    """Ask for more like the second result, and for nothing green."""
    page.locator(CARD).nth(1).get_by_title("More like this").click()
    page.get_by_label("Words that results should not show").fill("green")
    page.get_by_label("Words that results should not show").press("Enter")
    settle(page)


def main() -> None:
    """Draw all pictures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("source", type=Path)
    parser.add_argument("--words", default="red apples", help="a search that finds something")
    options = parser.parse_args()
    words = f"/?q={quote(options.words)}"
    shots = (
        ("find-desktop", words, DESKTOP, "light", None),
        ("find-dark", words, DESKTOP, "dark", None),
        ("find-query", words, DESKTOP, "light", like_second),
        ("find-detail", words, DESKTOP, "light", open_first),
        ("find-phone", words, PHONE, "light", None),
        ("find-phone-filters", words, PHONE, "light", open_filters),
    )
    with serve(options.source) as address, open_browser() as chromium:
        for name, path, size, scheme, act in shots:
            page = chromium.new_page(viewport=size, color_scheme=scheme, reduced_motion="reduce")
            page.goto(address + path)
            settle(page)
            if act is not None:
                act(page)
            page.screenshot(path=FOLDER / f"{name}.png")
            page.close()


if __name__ == "__main__":
    main()
