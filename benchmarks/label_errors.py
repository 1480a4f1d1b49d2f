"""Precision and recall of finding label errors that were put into labelled sets on purpose, by method and share.

    python benchmarks/label_errors.py [--model mini] [--sets aid,birds50,…]

Of each learn set of `transfer` with four images a class or more, a share of the labels is changed to another class at
random, three times; suspects are found by confident learning with the probabilities of each method, and compared with
what was changed. Labels that are wrong to begin with count as false. The default method of `eval labels` is the one
with the best mean of precision among as many first suspects as labels were changed. Minutes on two cores.
"""

from __future__ import annotations

import argparse
import os
from collections import defaultdict
from pathlib import Path

import harness
import numpy as np

from wordsight.evaluate.data_quality.label_errors import METHODS, measure_trust, select_known
from wordsight.evaluate.datasets.opening import open_set
from wordsight.evaluate.features import embed_set
from wordsight.evaluate.models import open_image_text_embedder
from wordsight.evaluate.zeroshot.run import choose_templates, embed_names

DATA = Path(os.environ.get("WORDSIGHT_DATA", Path(__file__).resolve().parents[2] / "shared/data"))
SETS = "aid,birds50,flowers5,food101-10,fruitveg,imagewoof,monkeys10,rooms6,scene15,trashnet,weather5"
SHARES = (0.05, 0.1)


def main() -> None:
    """Measure, print and write the rows."""
    parser = argparse.ArgumentParser(description="Finding label errors that were put in on purpose.")
    parser.add_argument("--model", default="mini")
    parser.add_argument("--sets", default=SETS)
    options = parser.parse_args()
    model = open_image_text_embedder(options.model)
    rows = []
    totals: defaultdict[tuple[str, float], list[tuple[float, float, float]]] = defaultdict(list)
    for name in options.sets.split(","):
        data = open_set(str(DATA / "transfer" / name))
        features = embed_set(model, data)
        places, label_N, kept, _ = select_known(features.of(data))
        names = [data.classnames[k] for k in kept]
        texts_KD = embed_names(model, names, choose_templates(data, None), cache=True)
        for method in METHODS:
            for share in SHARES:
                trust = measure_trust(
                    features.image_MD[places], label_N, len(kept), share=share, method=method, class_KD=texts_KD,
                    scale=model.scale,
                )  # fmt: skip
                figures = (trust.precision.value, trust.recall.value, trust.first.value)
                totals[method, share].append(figures)
                rows.append(_row(name, method, share, figures))
    rows += [_row(f"mean of {len(seen)} sets", *of, tuple(np.mean(seen, axis=0))) for of, seen in totals.items()]
    print(harness.table(rows))
    print(harness.write_rows("label_errors", rows))


def _row(name: str, method: str, share: float, figures: tuple[float, ...]) -> dict[str, object]:
    keys = ("precision", "recall", "precision of first")
    rounded = {key: round(value, 3) for key, value in zip(keys, figures, strict=True)}
    return {"set": name, "method": method, "changed": share, **rounded}


if __name__ == "__main__":
    main()
