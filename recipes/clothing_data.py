"""Tables of product photos and their titles, and of labelled images that have nothing to do with them.

Read from the folder WORDSIGHT_DATA: `fashion/products.csv` with `fashion/images`, `clothing/validation`, `transfer`.
Products are parted by a hash of their number, as the bundled model's recipe does: four of five were learnt from there
and may be here, the fifth was never seen by it. Half of that fifth chooses α, the other half is asked about in the end;
of both only products whose title and photo are no other's, since shops sell the same shirt under several numbers.
"""

from __future__ import annotations

import csv
import hashlib
import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from mini_data import fraction

from wordsight.errors import InputError

# Sets whose images the bundled model never saw, of things that no shop for clothes sells.
ORIGINAL = ("animals22", "sports22", "sun8", "vehicles3")
TITLE, WORDS, CLASS = "title", "words", "class"
_PEOPLE = {"Men": "men's ", "Women": "women's ", "Boys": "boys' ", "Girls": "girls' "}


@dataclass(frozen=True)
class Product:
    """A product photo, its title in the shop, other words for it, and its part: train, validation or test."""

    image: str
    title: str
    words: str
    part: str


def data_folder() -> Path:
    """Where the images lie.

    Raises: InputError where they do not.
    """
    folder = Path(os.environ.get("WORDSIGHT_DATA", "../shared/data")).absolute()
    if not (folder / "fashion/products.csv").is_file():
        raise InputError(
            f"There is no fashion/products.csv in {folder}; name the folder that holds it in WORDSIGHT_DATA."
        )
    return folder


def products(data: Path) -> Iterator[Product]:
    """All products that have a photo."""
    with (data / "fashion/products.csv").open(encoding="utf-8") as file:
        for row in csv.DictReader(file):
            image = data / "fashion/images" / f"{row['id']}.jpg"
            title = " ".join(row["productDisplayName"].split())
            if title and image.exists():
                share = fraction("fashion" + row["id"])
                part = "train"
                if share < 0.1:
                    part = "validation"
                elif share < 0.2:
                    part = "test"
                words = f"{_PEOPLE.get(row['gender'], '')}{row['baseColour']} {row['articleType']}".lower()
                yield Product(str(image), title, words, part)


def prepare(work: Path) -> None:
    """Write `train.tsv`, `validation.tsv`, `test.tsv` of products, and `original.tsv`, into a folder."""
    data = data_folder()
    work.mkdir(parents=True, exist_ok=True)
    found = list(products(data))
    known: set[str | bytes] = set()  # titles, and what the photos' files hold
    for part in ("train", "validation", "test"):
        rows = []
        for product in (one for one in found if one.part == part):
            marks = {product.title.casefold(), hashlib.sha256(Path(product.image).read_bytes()).digest()}
            if part == "train" or not marks & known:
                rows.append({"filepath": product.image, TITLE: product.title, WORDS: product.words})
            known |= marks
        _write(work / f"{part}.tsv", rows)
    _write(work / "original.tsv", [{"filepath": file, CLASS: label} for file, label in _original(data)])


def _original(data: Path) -> Iterator[tuple[str, str]]:
    for line in (data / "transfer/labels.tsv").read_text(encoding="utf-8").splitlines():
        name, file, label = line.split("\t")
        if name in ORIGINAL:
            yield str(data / "transfer" / name / file), label


def _write(path: Path, rows: Iterable[Mapping[str, str]]) -> None:
    rows = list(rows)
    beside = path.with_name(path.name + ".part")
    with beside.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]), delimiter="\t", lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    os.replace(beside, path)


def rows(table: Path) -> list[dict[str, str]]:
    """Rows of a table that `prepare` wrote."""
    with table.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file, delimiter="\t"))
