"""CLIP against SimCLR on PDF pages: accuracy of finding pages of the same kind in other documents.

    wordsight train recipes/simclr_pages.py --folder runs/simclr_pages
    python benchmarks/simclr_pages.py runs/simclr_pages

The queries are the 217 pages labelled by hand in `document_pages.KINDS`, of documents that neither model has seen.
Rows: raw grey pixels; SimCLR's tower as it was before the first step; SimCLR; the bundled CLIP; both models' vectors
concatenated, as an index could store them. Shares with bootstrap 95 % intervals over queries.
"""

from __future__ import annotations

import argparse
import dataclasses
from pathlib import Path

import document_pages
import harness
import numpy as np
import search_quality

import wordsight
from wordsight.encoder import open_encoder
from wordsight.metrics import average_precision, precision_at_k
from wordsight.model import Model
from wordsight.text.tokenizer import Tokenizer
from wordsight.train.config import TrainConfig, settings
from wordsight.train.networks import build_network


def main() -> None:
    """Measure, print and write the rows."""
    parser = argparse.ArgumentParser(description="CLIP against SimCLR on PDF pages.")
    parser.add_argument("folder", type=Path, help="a finished run of recipes/simclr_pages.py")
    options = parser.parse_args()
    labelled = document_pages.pages()
    images = [document_pages.render(page) for page in labelled]
    kinds, documents = np.array([page.kind for page in labelled]), [page.path.name for page in labelled]
    config = settings.from_json(TrainConfig, (options.folder / "config.json").read_text(encoding="utf-8"))
    before = build_network(config, Tokenizer(config.model.tokenizer, {})).checkpoint()
    simclr = wordsight.load(options.folder).embed_images(images)
    clip = wordsight.load("mini").embed_images(images)
    ways = {
        "raw pixels": search_quality.grey_pixels(images),
        "SimCLR, untrained": Model(before, open_encoder(before)).embed_images(images),
        "SimCLR": simclr,
        "CLIP (mini)": clip,
        "CLIP and SimCLR": np.concatenate([clip, simclr], axis=1) / np.sqrt(2),
    }
    rows = []
    for way, vectors_ND in ways.items():
        relevant_QN, asked_N = search_quality.rankings(vectors_ND, kinds, documents)
        drawings = kinds[asked_N] == "drawing"
        for task, measure, values in (
            ("page → pages of its kind", "mAP", average_precision(relevant_QN)),
            ("drawing → drawings", "mAP", average_precision(relevant_QN[drawings])),
            ("drawing → drawings", "precision@10", precision_at_k(relevant_QN[drawings], 10)),
        ):
            rows.append(dataclasses.asdict(search_quality.result(task, way, measure, values, len(labelled))))
    print(harness.table(rows))
    print(harness.write_rows("simclr_pages", rows))


if __name__ == "__main__":
    main()
