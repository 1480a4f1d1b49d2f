"""Accuracy of search: by words, by example, by both, and for pages of documents. One table with intervals.

    python benchmarks/search_quality.py [--model mini] [--only sheets,pages,words,hybrid,kinds] [--quick]

- words: captions find their photo (`flickr8k-a`: 5 captions each of 510; `coco159`).
- kinds: each image finds the others of its class: clothes (validation), products by article type (the fifth that the
  bundled model never learnt from), the labelled sets of `transfer` whose role is "measure".
- pages: pages of manuals, labelled by hand (`document_pages.KINDS`): drawings find drawings of other documents; words
  find pages of a kind.
- sheets: a drawing finds itself on other offices' sheets. The sheets are composed: figures of a booklet of circuits are
  set into 7 made-up offices' sheets (`tests/support/drawing_sheets.py`) and 10 templates of FreeCAD, each on 3 of them.
- hybrid: `hybrid_quality`, text and visual similarity together.

Methods: "plain" cosines; "mask": title blocks hidden; "whiten": `search.whitening`, learnt on the gallery itself (power
0.5 unless noted; "centre": power 0, which only subtracts the mean); "pixels": cosine of 32×32 grey pixels, their mean
subtracted. Intervals are 95 % bootstraps over queries; queries that belong together (captions of one photo, sheets of
one drawing) are drawn together. All random choices are seeded. About 6,000 images are embedded: minutes on two
cores with mini. Results go to `results/search_quality.jsonl`.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import os
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import document_pages
import numpy as np
from document_pages import NotFetchedError
from harness import table, write_rows
from hybrid_quality import hybrid_rows, products
from PIL import Image

import wordsight
from wordsight.images import title_block
from wordsight.images.decode import read_image
from wordsight.metrics import (
    Estimate,
    average_precision,
    bootstrap_clusters,
    bootstrap_mean,
    bootstrap_statistic,
    hit_rate_at_k,
    precision_at_k,
)
from wordsight.search.whitening import POWER, Whitening

ROOT = Path(__file__).resolve().parent.parent
sys.path.append(str(ROOT / "tests" / "support"))

import drawing_sheets  # noqa: E402

DATA = Path(os.environ.get("WORDSIGHT_DATA", ROOT.parent / "shared/data"))

# What a person types → the kind of page that is meant
QUERIES = {
    "an electrical circuit diagram": "drawing",
    "a technical drawing": "drawing",
    "a page of text": "text",
    "a page with a table": "table",
    "a table of numbers": "table",
    "a screenshot of a program": "screen",
    "a photograph": "photo",
    "a blank page": "blank",
}


class Remembering(wordsight.Model):
    """A model that embeds a file once, however many parts need it."""

    def __init__(self, model: wordsight.Model) -> None:
        super().__init__(model.checkpoint, model.encoder)
        self.known: dict[Path, np.ndarray] = {}

    def embed_images(self, images: Any, **options: Any) -> np.ndarray:
        """Embeddings; only lists of paths are remembered."""
        if not all(isinstance(image, Path) for image in images):
            return super().embed_images(images, **options)
        new = [path for path in dict.fromkeys(images) if path not in self.known]
        self.known |= dict(zip(new, super().embed_images(new, **options), strict=True)) if new else {}
        return np.stack([self.known[path] for path in images])


@dataclass(frozen=True)
class Result:
    """One figure: 0–1, or a rank. low, high: 95 % interval."""

    task: str
    way: str
    metric: str
    value: float
    low: float
    high: float
    queries: int
    gallery: int


def result(
    task: str, way: str, metric: str, values_Q: np.ndarray, gallery: int, groups_Q: Sequence[Any] | None = None
) -> Result:
    """Mean of a metric's values (the median of ranks) and its interval over resampled groups of queries."""
    if metric == "median rank":
        seen = bootstrap_statistic(lambda rows: float(np.median(values_Q[rows])), len(values_Q), groups_Q)
    elif groups_Q is None:
        seen = bootstrap_mean(values_Q)
    else:
        seen = bootstrap_clusters(values_Q, groups_Q)
    return _row(task, way, metric, seen, gallery)


def _row(task: str, way: str, metric: str, seen: Estimate, gallery: int) -> Result:
    numbers = (round(number, 4) for number in (seen.value, seen.low, seen.high))
    return Result(task, way, metric, *numbers, seen.n, gallery)


def rankings(
    vectors_ND: np.ndarray, labels: Sequence[Any], apart: Sequence[Any] | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Rank all others for each image → whether each place answers (Q, N - 1), and which images have an answer.

    apart: what is of the same group as the query (itself at least) is not an answer and comes last.
    """
    label_N = np.unique(np.asarray(labels), return_inverse=True)[1]
    group_N = np.arange(len(vectors_ND)) if apart is None else np.unique(np.asarray(apart), return_inverse=True)[1]
    score_NN = vectors_ND @ vectors_ND.T
    own_NN = group_N[:, None] == group_N
    score_NN[own_NN] = -np.inf
    order_NN = np.argsort(-score_NN, axis=1, kind="stable")[:, :-1]
    right_NN = (label_N[:, None] == label_N) & ~own_NN
    relevant_QN = np.take_along_axis(right_NN, order_NN, axis=1)
    asked_N = relevant_QN.any(axis=1)
    return relevant_QN[asked_N], asked_N


def whitened(vectors_ND: np.ndarray, power: float = POWER) -> np.ndarray:
    """Vectors whitened by their own statistics."""
    return Whitening.fit(vectors_ND, power=power).apply(vectors_ND)


def grey_pixels(images: Sequence[Any]) -> np.ndarray:
    """32×32 grey pixels without their mean, of unit length: similarity without learning."""
    small = [np.asarray(read_image(i, at_least=64).convert("L").resize((32, 32)), np.float32).ravel() for i in images]
    rows_ND = np.stack(small) - np.stack(small).mean(axis=1, keepdims=True)
    return rows_ND / np.maximum(np.linalg.norm(rows_ND, axis=1, keepdims=True), 1e-6)


def words(model: wordsight.Model, limit: int | None) -> Iterator[Result]:
    """Captions find their photo."""
    photos: dict[str, tuple[list[Path], list[tuple[int, str]]]] = {}
    captions: dict[str, list[str]] = {}
    for line in (DATA / "flickr8k-a/captions.tsv").read_text(encoding="utf-8").splitlines():
        file, caption = line.split("\t", 1)
        captions.setdefault(file, []).append(caption)
    photos["flickr8k-a"] = _captioned(DATA / "flickr8k-a/images", captions, limit)
    lines = map(json.loads, (DATA / "coco159/captions.jsonl").read_text(encoding="utf-8").splitlines())
    photos["coco159"] = _captioned(DATA / "coco159/images", {row["image"]: row["captions"] for row in lines}, limit)
    for name, (files, asked) in photos.items():
        images_ND = model.embed_images(files)
        score_QN = model.embed_texts([text for _, text in asked]) @ images_ND.T
        own_Q = np.array([i for i, _ in asked])
        rank_Q = 1 + (score_QN > score_QN[np.arange(len(asked)), own_Q][:, None]).sum(axis=1)
        task = f"words → photo, {name}"
        for k in (1, 5, 10):
            yield result(task, "plain", f"recall@{k}", rank_Q <= k, len(files), own_Q.tolist())
        yield result(task, "plain", "median rank", rank_Q, len(files), own_Q.tolist())


def _captioned(
    folder: Path, captions: dict[str, list[str]], limit: int | None
) -> tuple[list[Path], list[tuple[int, str]]]:
    files = list(captions)[:limit]
    return [folder / file for file in files], [(i, text) for i, file in enumerate(files) for text in captions[file]]


def kinds(model: wordsight.Model, limit: int | None) -> Iterator[Result]:
    """Each image finds the others of its class, among all of its set."""
    files = _thinned(sorted((DATA / "clothing/validation").glob("*/*.webp")), limit)
    yield from _by_class(model, "clothes, 10 classes", files, [file.parent.name for file in files])
    rows = products(limit)
    files = [DATA / "fashion/images" / f"{row['id']}.jpg" for row in rows]
    yield from _by_class(model, "products, article type", files, [row["articleType"] for row in rows])
    readme = (DATA / "transfer/README.md").read_text(encoding="utf-8")
    cells = [[cell.strip() for cell in line.split("|")] for line in readme.splitlines() if line.startswith("| ")]
    measured = [row[1] for row in cells if row[2] == "measure"]
    labelled = [line.split("\t") for line in (DATA / "transfer/labels.tsv").read_text(encoding="utf-8").splitlines()]
    ways: dict[str, list[np.ndarray]] = {}
    total = 0
    for name in measured:
        members = _thinned([(file, label) for set_, file, label in labelled if set_ == name], limit)
        classes = Counter(label for _, label in members)
        if len(classes) < 2 or max(classes.values()) < 2:
            continue  # one class, or one image a class
        total += len(members)
        vectors_ND = model.embed_images([DATA / "transfer" / name / file for file, _ in members])
        all_ways = {"plain": vectors_ND, "centre": whitened(vectors_ND, 0.0), "whiten": whitened(vectors_ND)}
        for way, given_ND in all_ways.items():
            relevant_QN, _ = rankings(given_ND, [label for _, label in members])
            ways.setdefault(way, []).append(average_precision(relevant_QN))
    for way, parts in ways.items():  # sets have equal weight
        means = np.array([part.mean() for part in parts])
        yield result(f"{len(parts)} transfer sets, class", way, "mAP", means, total)


def _thinned(items: list[Any], limit: int | None) -> list[Any]:
    """At most `limit` items, evenly spread."""
    return items if limit is None else items[:: max(1, len(items) // limit)][:limit]


def _by_class(model: wordsight.Model, task: str, files: Sequence[Path], labels: Sequence[str]) -> Iterator[Result]:
    vectors_ND = model.embed_images(files)
    for way, given_ND in {
        "pixels": grey_pixels(files),
        "plain": vectors_ND,
        "centre": whitened(vectors_ND, 0.0),
        "whiten": whitened(vectors_ND),
        "whiten, power 1": whitened(vectors_ND, 1.0),
    }.items():
        relevant_QN, _ = rankings(given_ND, labels)
        yield result(task, way, "precision@10", precision_at_k(relevant_QN, 10), len(files))
        yield result(task, way, "mAP", average_precision(relevant_QN), len(files))


def pages(model: wordsight.Model, limit: int | None) -> Iterator[Result]:
    """Drawings find drawings of other documents; words find pages of a kind."""
    labelled = _thinned(document_pages.pages(), limit)
    images = [document_pages.render(page) for page in labelled]
    kind = np.array([page.kind for page in labelled])
    document = [page.path.name for page in labelled]
    masked = [title_block.mask(image) for image in images]
    changed = np.array([after is not before for after, before in zip(masked, images, strict=True)])
    yield result("pages that have no title block", "mask", "falsely masked", changed, len(labelled))
    vectors_ND = model.embed_images(images)
    ways = {
        "pixels": grey_pixels(images),
        "plain": vectors_ND,
        "centre": whitened(vectors_ND, 0.0),
        "whiten": whitened(vectors_ND),
    }
    if changed.any():
        ways["mask"] = model.embed_images(masked)
    for way, given_ND in ways.items():
        relevant_QN, asked_N = rankings(given_ND, kind, document)
        drawings = kind[asked_N] == "drawing"
        task = "drawing → drawings of other documents"
        yield result(task, way, "precision@10", precision_at_k(relevant_QN[drawings], 10), len(labelled))
        yield result(task, way, "mAP", average_precision(relevant_QN[drawings]), len(labelled))
        yield result(
            "page → pages of its kind, other documents", way, "mAP", average_precision(relevant_QN), len(labelled)
        )
    scores_QN = model.embed_texts(list(QUERIES)) @ vectors_ND.T
    for (query, wanted), score_N in zip(QUERIES.items(), scores_QN, strict=True):
        if (kind == wanted).any():
            yield _text_result(query, score_N, kind == wanted)


def _text_result(query: str, score_N: np.ndarray, right_N: np.ndarray) -> Result:
    """Figure of a single query, whose interval comes from resampling the pages, 1,000 times."""

    def precision(rows: np.ndarray) -> float:
        marks_N = right_N[rows[np.argsort(-score_N[rows], kind="stable")]]
        return float(average_precision(marks_N[None])[0]) if marks_N.any() else 0.0

    seen = dataclasses.replace(bootstrap_statistic(precision, len(score_N)), n=1)
    return _row(f"“{query}” → {int(right_N.sum())} pages", "plain", "AP", seen, len(score_N))


def compose(limit: int | None) -> tuple[list[Image.Image], list[int]]:
    """Sheets and the number of the drawing on each: every figure on three offices' sheets."""
    rng = np.random.default_rng(0)
    sheets = [document_pages.template(name) for name in document_pages.TEMPLATES]
    templates = [(sheet, document_pages.largest_empty(sheet)) for sheet in sheets]
    offices = drawing_sheets.COMPANIES
    images, drawing = [], []
    for number, figure in enumerate(_thinned(document_pages.figures(), limit)):
        for style in rng.choice(len(offices) + len(templates), 3, replace=False):
            if style < len(offices):
                images.append(drawing_sheets.sheet(figure, offices[style], rng)[0])
            else:
                images.append(document_pages.on_template(figure, *templates[style - len(offices)], rng))
            drawing.append(number)
    return images, drawing


def sheets(model: wordsight.Model, limit: int | None) -> Iterator[Result]:
    """A drawing finds itself on other offices' sheets, whose blocks are all that many sheets have in common."""
    images, drawing = compose(limit)
    masked = [title_block.mask(image) for image in images]
    found = np.array([after is not before for after, before in zip(masked, images, strict=True)])
    yield result("sheets with a title block", "mask", "masked", found, len(images), drawing)
    plain_ND, masked_ND = model.embed_images(images), model.embed_images(masked)
    ways = {
        "pixels": grey_pixels(images),
        "pixels, mask": grey_pixels(masked),
        "plain": plain_ND,
        "mask": masked_ND,
        "centre": whitened(plain_ND, 0.0),
        "whiten": whitened(plain_ND),
        "mask + whiten": whitened(masked_ND),
        "whiten, power 1": whitened(plain_ND, 1.0),
        "mask + whiten, power 1": whitened(masked_ND, 1.0),
    }
    for way, given_ND in ways.items():
        relevant_QN, _ = rankings(given_ND, drawing)
        for k in (1, 5):
            yield result(
                "sheet → same drawing", way, f"recall@{k}", hit_rate_at_k(relevant_QN, k), len(images), drawing
            )
        yield result("sheet → same drawing", way, "mAP", average_precision(relevant_QN), len(images), drawing)


def hybrid(model: wordsight.Model, limit: int | None) -> Iterator[Result]:
    """Products and photos by words: BM25 over texts, vectors, and both (see `hybrid_quality`)."""
    for row in hybrid_rows(model, limit):
        for metric, short in (("nDCG@10", "nDCG"), ("recall@10", "recall")):
            seen = Estimate(row[metric], row[f"{short} low"], row[f"{short} high"], row["queries"])
            yield _row(f"words → {row['task']}", row["by"], metric, seen, row["gallery"])


PARTS = {"sheets": sheets, "pages": pages, "words": words, "hybrid": hybrid, "kinds": kinds}


def main() -> None:
    """Measure, print and write the results."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--model", default="mini")
    parser.add_argument("--only", default=",".join(PARTS), help="parts to run, separated by commas; writes no results")
    parser.add_argument("--quick", action="store_true", help="smoke run: 40 images of each set; writes no results")
    arguments = parser.parse_args()
    model = Remembering(wordsight.load(arguments.model))
    limit = 40 if arguments.quick else None
    results: list[Result] = []
    for part in arguments.only.split(","):
        start = time.perf_counter()
        try:
            found = list(PARTS[part](model, limit))
        except NotFetchedError as error:
            print(f"{part}: left out: its documents could not be fetched. {error}", file=sys.stderr)
            continue
        print(f"{part}, {time.perf_counter() - start:.0f} s\n{table([asdict(r) for r in found])}\n", flush=True)
        results += found
    if not arguments.quick and arguments.only == ",".join(PARTS):
        about = {"model": arguments.model, "fingerprint": model.fingerprint}
        print(write_rows("search_quality", [about, *map(asdict, results)]))


if __name__ == "__main__":
    main()
