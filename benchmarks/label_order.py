"""Alarms of the label-order check: on sets with right names, and with the same names in another order.

Sets: the *learn* sets of `$WORDSIGHT_DATA/transfer`, products by each attribute, clothes, groceries and scikit-learn's
digits; with --role measure the *measure* sets of transfer, looked at once. The zero-shot classes of a model are those
of one template. "permuted": no name stays at its label; "shifted": each name one label further; "swapped": two names.

    python benchmarks/label_order.py [--model mini] [--role learn]
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from harness import table, write_rows

from wordsight.errors import InputError
from wordsight.evaluate.datasets.label_order import check_label_order
from wordsight.evaluate.datasets.labelled_set import LabelledSet
from wordsight.evaluate.datasets.opening import open_set
from wordsight.evaluate.features import embed_set
from wordsight.evaluate.models import open_image_text_embedder
from wordsight.metrics import confusion_matrix
from wordsight.zeroshot.class_embeddings import embed_classes

DATA = Path(os.environ.get("WORDSIGHT_DATA", Path(__file__).parents[2] / "shared" / "data"))
ATTRIBUTES = ("gender", "masterCategory", "subCategory", "articleType", "baseColour", "season", "usage")
ORDERS = 3  # of each kind


def sets(role: str) -> Iterator[LabelledSet]:
    """Sets of a role that have two classes or more."""
    for line in (DATA / "transfer" / "README.md").read_text().splitlines():
        cells = [cell.strip() for cell in line.split("|")]
        if len(cells) > 3 and cells[2] == role:
            try:
                yield open_set(str(DATA / "transfer" / cells[1]))
            except InputError as error:
                print(f"left out: {error}")
    if role == "learn":
        for column in ATTRIBUTES:
            yield open_set(str(DATA / "fashion" / "products.csv"), class_column=column, limit=1500, name=column)
        yield open_set(str(DATA / "clothing"))
        yield open_set(str(DATA / "grocery"), class_column="column_2")
        yield open_set(str(DATA / "grocery"), class_column="column_3", name="grocery groups")
        yield open_set("digits")


def orders(kind: str, k: int, rng: np.random.Generator) -> Iterator[np.ndarray]:
    """Orders of names, ORDERS of them: label i is called by the name of label order[i]."""
    for _ in range(ORDERS):
        order = np.arange(k)
        if kind == "shifted":
            order = np.roll(order, 1)
        elif kind == "swapped":
            pair = rng.choice(k, 2, replace=False)
            order[pair] = pair[::-1]
        while kind == "permuted" and (order == np.arange(k)).any():
            order = rng.permutation(k)
        yield order


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="mini")
    parser.add_argument("--role", default="learn", choices=("learn", "measure"))
    options = parser.parse_args()
    model = open_image_text_embedder(options.model)
    rng = np.random.default_rng(1)
    rows = []
    for data in sets(options.role):
        features = embed_set(model, data)
        labels, k = features.of(data).labels, len(data.classnames)
        class_KD = embed_classes(model, {name: (name,) for name in data.classnames}, ("a photo of a {}.",))
        guesses = (features.image_MD @ class_KD.T).argmax(axis=1)
        found = check_label_order(confusion_matrix(labels, guesses, k), data.classnames)
        row = {
            "set": data.name,
            "classes": k,
            "images": len(labels),
            "recall": round(found.recall, 3),
            "right": found.finding,
        }
        for kind in ("permuted", "shifted", "swapped"):
            row[kind] = sum(
                check_label_order(
                    confusion_matrix(labels, np.argsort(order)[guesses], k), [data.classnames[i] for i in order]
                ).is_suspicious
                for order in orders(kind, k, rng)
            )
        rows.append(row)
    print(table(rows))
    judged = [row for row in rows if row["recall"] >= 0.4 and row["right"] != "unknown"]
    alarms = sum(row["right"] in ("order", "exchanged") for row in rows)
    print(f"alarms with right names: {alarms} of {len(rows)}; mean recall of 0.4 or more: {len(judged)} sets")
    for kind in ("permuted", "shifted", "swapped"):
        print(f"alarms of these, {kind}: {sum(row[kind] for row in judged)} of {ORDERS * len(judged)}")
    print(write_rows(f"label_order_{options.role}", rows))


if __name__ == "__main__":
    main()
