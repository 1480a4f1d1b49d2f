"""Clothing search: by words, by an image, by both; titles are searched too (BM25), since words say what images cannot.

Command: `python examples/clothing_search.py` on a made-up shop of twelve drawn garments; or `python
    examples/clothing_search.py FOLDER` on a folder with `products.csv` (with a column `id`) and `images/<id>.jpg`, of
    which at most 600 rows are read.
Time: 4 s on two CPU cores; 600 products 10 to 15 s.
Result: "Cat" is found in the image (first, but with less than one half), "organic cotton" in the titles, "navy
    trousers" by both. Dark blue trousers find the navy ones, and the image of a red T-shirt with the word "green"
    finds the green T-shirt. Wrong, and printed as well: by the images alone, black trousers come before navy ones, and
    a T-shirt with a bicycle before that with a cat. On a shop of fashion photos, "a watch with a leather strap" found
    watches, whatever their straps, and of an image with the word "blue", the word in titles outweighed the image.
"""

# %% The shop: titles name material and colour; what is printed on a garment only the image shows
import csv
import sys
import tempfile
from pathlib import Path
from typing import Any

from PIL import Image, ImageDraw, ImageOps

import wordsight

SHIRT = ((130, 60), (60, 100), (20, 180), (80, 210), (105, 170), (105, 350), (280, 350), (280, 170), (305, 210),
         (365, 180), (325, 100), (255, 60), (225, 85), (160, 85))  # fmt: skip
TROUSERS = ((120, 40), (265, 40), (300, 360), (220, 360), (192, 140), (165, 360), (85, 360))
SHOP = (  # sku, title, price, kind, colour, print
    ("S-1", "Organic cotton T-shirt, white, design 17", 24, "shirt", "white", "cat.jpg"),
    ("S-2", "T-shirt, red, design 4", 19, "shirt", "firebrick", "rocket.jpg"),
    ("S-3", "T-shirt, navy, design 9", 19, "shirt", "navy", "galaxies.jpg"),
    ("S-4", "T-shirt, yellow, design 12", 19, "shirt", "gold", "bicycle.png"),
    ("S-5", "Organic cotton T-shirt, green", 22, "shirt", "seagreen", ""),
    ("S-6", "T-shirt, red", 15, "shirt", "firebrick", ""),
    ("B-1", "Tote bag, natural, design 3", 12, "bag", "beige", "coffee.jpg"),
    ("B-2", "Tote bag, navy, design 8", 12, "bag", "navy", "sailing-boat.png"),
    ("B-3", "Tote bag, natural, design 5", 14, "bag", "beige", "strawberry.png"),
    ("T-1", "Chino trousers, navy, stretch", 45, "trousers", "navy", ""),
    ("T-2", "Wool trousers, black", 89, "trousers", "black", ""),
    ("T-3", "Chino trousers, tan", 45, "trousers", "tan", ""),
)


def draw_garment(kind: str, colour: str, motif: Path | None) -> Image.Image:
    """A garment on white, with an image printed on it."""
    image = Image.new("RGB", (384, 384), "white")
    pen = ImageDraw.Draw(image)
    left, top, right, bottom = (130, 180, 255, 305) if kind == "bag" else (140, 130, 245, 235)
    if kind == "bag":
        pen.arc((130, 20, 255, 220), 180, 360, fill=colour, width=14)
        pen.rectangle((80, 120, 305, 360), fill=colour, outline="#444")
    else:
        pen.polygon(SHIRT if kind == "shirt" else TROUSERS, fill=colour, outline="#444")
    if motif:
        image.paste(ImageOps.fit(wordsight.read_image(motif), (right - left, bottom - top)), (left, top))
    return image


def draw_shop() -> list[dict[str, Any]]:
    """Rows of the made-up shop, each with its image."""
    prints = {path.name: path for path in wordsight.sample_images()}
    return [
        {"id": sku, "title": title, "price": price, "image": draw_garment(kind, colour, prints.get(motif))}
        for sku, title, price, kind, colour, motif in SHOP
    ]


def read_shop(folder: Path, limit: int = 600) -> list[dict[str, Any]]:
    """Rows of products.csv, evenly chosen, each with the path of its image."""
    with open(folder / "products.csv", newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    return [row | {"image": folder / "images" / f"{row['id']}.jpg"} for row in rows[:: max(1, -(-len(rows) // limit))]]


given = [word for word in sys.argv[1:] if not word.startswith("-")]
shop = read_shop(Path(given[0])) if given else draw_shop()
products = {row["id"]: row for row in shop}

# %% Index the table: the column `image` is embedded, texts are searched by words, numbers by conditions
folder = tempfile.TemporaryDirectory()
gallery = wordsight.Gallery.create(Path(folder.name) / "index")
summary = gallery.add(shop, image="image", id="id")
print(f"{len(gallery)} products, {len(summary.skipped)} skipped")


def show(question: str, hits: Any) -> None:
    """Print a question and its hits: probability, id, title, and the words that were found in the text."""
    print(f"\n{question}")
    for hit in hits:
        title = hit.meta.get("title") or hit.meta.get("productDisplayName", "")
        found = f"   [{', '.join(hit.matched)}]" if hit.matched else ""
        print(f"  {hit.proba:4.0%}  {hit.id:6} {title}{found}")


# %% Words: images and titles are weighed together; by="vector" asks the images alone, by="text" the titles alone
if given:
    for question in ("Nike", "running shoes", "red dress", "a watch with a leather strap"):
        show(question, gallery.search(question, k=3))
else:
    for question in ("cat", "organic cotton", "navy trousers"):
        show(question, gallery.search(question, k=2))
    show("design 8, by the titles alone", gallery.search("design 8", k=1, by="text"))

# %% An image, an image and a word, words and a condition
if given:
    first = shop[0]["image"]
    show(f"like {first.name}", gallery.search(first, k=4))
    show(f"like {first.name}, but blue", gallery.search([first, "blue"], k=4))
else:
    customers_trousers, red_shirt = draw_garment("trousers", "midnightblue", None), products["S-6"]["image"]
    show("a customer's photo of dark blue trousers", gallery.search(customers_trousers, k=2))
    show("the image of the red T-shirt, and the word green", gallery.search([red_shirt, "green"], k=2))
    show("t-shirt, price < 16", gallery.search("t-shirt", k=4, where="price < 16"))

# %% Where the small model is wrong: colours by the images alone, a garment and its print in one phrase
if not given:
    show("wrong: navy trousers, by the images alone", gallery.search("navy trousers", k=2, by="vector"))
    show("wrong: a t-shirt with a cat", gallery.search("a t-shirt with a cat", k=2, by="vector"))

gallery.close()
folder.cleanup()
