"""Write the screenshots of Sort, Compare, Add and Duplicates in docs/serve, of the bundled images.

    python docs/serve_tab_screenshots.py

Takes Chromium and Playwright. Each tab at desktop size and at that of a phone.
"""

import io
import sys
import tempfile
from pathlib import Path

FOLDER = Path(__file__).parent / "serve"
sys.path.insert(0, str(FOLDER.parent.parent / "tests" / "support"))

from browser import open_browser, open_page  # noqa: E402
from PIL import Image  # noqa: E402
from serving import run_server  # noqa: E402
from tabs import PHONE, open_tab  # noqa: E402

from wordsight.gallery import Gallery  # noqa: E402
from wordsight.samples import sample_images  # noqa: E402
from wordsight.serve.settings import Settings  # noqa: E402

SIZES = {"desktop": {"width": 1280, "height": 860}, "phone": PHONE}
MOST_HEIGHT = 1700  # pixels of a screenshot
_LOAD = """() => Promise.all([...document.querySelector("ws-app").shadowRoot.querySelectorAll("img")].map((image) => {
  image.loading = "eager";
  return image.complete || new Promise((done) => { image.onload = image.onerror = done; });
}))"""
CLASSES = "cat\ncup of coffee\nrocket\nbicycle\nastronaut\nfood: strawberry, pizza, bread"
TEXTS = ("a photo of a cat", "a cup of coffee", "a rocket in the sky", "a drawing of a bicycle", "grass")


def show_sort(page, images):
    """Sort images of one's own, with the effect of the templates."""
    element = open_tab(page, "sort")
    element.locator("input[type=file]").set_input_files(images)
    element.get_by_label("Classes").fill(CLASSES)
    element.locator("select").select_option("imagenet-7")
    element.get_by_role("button", name="Sort 12 images").click()
    element.get_by_role("button", name="Download CSV").wait_for()


def show_sort_folder(page, _):
    """Preview of a folder."""
    element = open_tab(page, "sort")
    element.get_by_role("radio", name="The folder").check()
    element.get_by_label("Classes").fill(CLASSES)
    element.get_by_role("button", name="Preview").click()
    element.locator(".tb-plan").first.wait_for()


def show_compare(page, images):
    """Compare images and texts, with the wordings."""
    element = open_tab(page, "compare")
    chosen = [image for image in images if image.stem in ("cat", "coffee", "rocket", "bicycle", "astronaut", "grass")]
    element.locator("input[type=file]").set_input_files(chosen)
    for text in TEXTS:
        element.get_by_label("Text to add").fill(text)
        element.get_by_label("Text to add").press("Enter")
    element.locator("tr:nth-child(5) td:nth-of-type(6)").first.wait_for()
    element.get_by_text("Wording sensitivity").click()
    element.locator(".tb-ranges td").first.wait_for()


def show_add(page, images):
    """Add two new images, one that the gallery has, and a file that cannot be read."""
    element = open_tab(page, "add")
    with tempfile.TemporaryDirectory() as folder:
        files = [images[0], *(Path(folder) / name for name in ("cat, close.png", "coffee, close.png", "holiday.jpg"))]
        for path, file in zip((image for image in images if image.stem in ("cat", "coffee")), files[1:], strict=False):
            with Image.open(path) as image:
                size = page.viewport_size["width"]  # another for each screenshot, so that it is new
                image.resize((size, 300)).crop((30, 30, size - 30, 270)).save(file)
        files[3].write_bytes(b"\xff\xd8\xff\xe0 cut off")
        element.locator("input[type=file]").set_input_files(files)
        element.get_by_role("button", name="Add 4 files").click()
        element.get_by_role("table").wait_for()


def show_duplicates(page, _):
    """Groups of copies."""
    element = open_tab(page, "duplicates")
    element.get_by_role("button", name="Find duplicates").click()
    element.locator(".tb-group").first.wait_for()


SHOWN = {
    "sort": show_sort,
    "sort-folder": show_sort_folder,
    "compare": show_compare,
    "duplicates": show_duplicates,
    "add": show_add,
}


def copy_images(folder):
    """The bundled images in a folder, and smaller copies of two of them below it."""
    (folder / "copies").mkdir(parents=True)
    for path in sample_images():
        (folder / path.name).write_bytes(path.read_bytes())
        if path.stem in ("cat", "coffee"):
            with Image.open(path) as image:
                small = image.resize((image.width // 2, image.height // 2))
                small.save(folder / "copies" / f"{path.stem}-small.jpg", quality=85)
    return sorted(path for path in folder.iterdir() if path.is_file())


def make_server(folder):
    """Server of a gallery of those images, that may be changed, and a folder that may be sorted."""
    images, place = copy_images(folder / "photos"), folder / "index"
    copy_images(folder / "unsorted")
    with Gallery.create(place) as gallery:
        gallery.add(folder / "photos")
    settings = Settings(port=0, galleries={"photos": str(place)}, allow_add=True, sort_folder=folder / "unsorted")
    return images, run_server(settings)


def main():
    """Write all, or those of the tabs named on the command line."""
    names = sys.argv[1:] or list(SHOWN)
    with tempfile.TemporaryDirectory() as folder, open_browser() as chromium:
        images, server = make_server(Path(folder))
        with server as client:
            for name in names:
                for size, viewport in SIZES.items():
                    with open_page(chromium, str(client.base_url), viewport=viewport) as page:
                        SHOWN[name](page, images)
                        page.mouse.move(0, 0)
                        page.evaluate(_LOAD)
                        height = min(MOST_HEIGHT, page.evaluate("document.documentElement.scrollHeight"))
                        page.set_viewport_size({**viewport, "height": max(height, viewport["height"])})
                        shot = Image.open(io.BytesIO(page.screenshot()))
                        shot.convert("RGB").quantize(256).save(FOLDER / f"{name}-{size}.png", optimize=True)


if __name__ == "__main__":
    main()
