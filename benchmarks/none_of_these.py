"""Accuracy of sorting by words: calibration of "none of these", independent classes, joint judgement.

Each labelled set of `$WORDSIGHT_DATA/transfer` that the bundled model never trained on, and clothing's validation
split, gives tasks: 2, 4, 10 or 30 of its classes are listed, the others left out. "near" images belong to the
classes left out, "far" ones to other sets. Rules: the largest softmax probability, the largest cosine, and ours.
"reliability": lists of a set's classes with 0, 30 and 70 % of far images among them. "together": accuracy of images
judged one by one and jointly. "independent": each class by itself, on the objects annotated in COCO photos.

    python benchmarks/none_of_these.py [--model mini] [--fit]

--fit prints the constants of `wordsight/zeroshot/none_of_these.py` that fit the *learn* data of `sorting_fit.py` best
(these are shipped) and measures nothing.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import sorting_fit
from harness import table, write_rows

import wordsight
from wordsight.metrics import measure_reliability
from wordsight.zeroshot import none_of_these as rejection
from wordsight.zeroshot.classifier import Classifier
from wordsight.zeroshot.none_of_these import NoneOfThese
from wordsight.zeroshot.transductive import joint_proba

DATA = Path(os.environ.get("WORDSIGHT_DATA", Path(__file__).parents[2] / "shared" / "data"))
# never trained on, with classes that have names of their own; no word list describes the rest (defects, cards, X-rays)
SETS = ("animals22", "clothing", "cub200", "dtd10", "flowers17", "food-3dishes", "food101-10", "messier", "oxford-pets",
        "pacs", "roadsigns_it", "rsscn7", "sports22", "sun8", "vehicles3", "vnlandmarks")  # fmt: skip
CLOTHES = {"longsleeve": "long-sleeve top", "outwear": "jacket or coat"}  # as people would type them
HALVES = (SETS[::2], SETS[1::2])
SIZES = (2, 4, 10, 30)
DRAWS = 4
# classes wider than the images' own: (classes, sets that belong to them, other sets)
WIDE = (
    (("animal", "vehicle", "food"), ("animals22", "oxford-pets", "food101-10", "vehicles3", "food-3dishes"),
     ("flowers17", "sun8", "rsscn7", "messier", "dtd10")),
    (("flower", "bird"), ("flowers17", "cub200"), ("vehicles3", "food101-10", "sports22", "sun8")),
    (("people doing sports",), ("sports22",), ("flowers17", "vehicles3", "food101-10", "animals22")),
    (("clothes",), ("clothing",), ("flowers17", "vehicles3", "food101-10", "animals22", "sun8")),
    (("dog", "cat"), ("oxford-pets",), ("flowers17", "vehicles3", "food101-10", "sun8", "clothing")),
)  # fmt: skip


@dataclass
class Embedded:
    """A set's images as embeddings (N, D), and their labels."""

    images: np.ndarray
    labels: np.ndarray


@dataclass
class Task:
    """Listed classes, and the images of them (with their labels), of the set's other classes, and of other sets."""

    name: str
    classes: tuple[str, ...]
    listed: np.ndarray
    truth: np.ndarray
    near: np.ndarray
    far: np.ndarray


def read_sets(model: Any) -> dict[str, Embedded]:
    """Embed every image of SETS."""
    files: dict[str, list[tuple[Path, str]]] = {name: [] for name in SETS}
    with open(DATA / "transfer" / "labels.tsv", encoding="utf-8", newline="") as file:
        for name, image, label in list(csv.reader(file, delimiter="\t")):
            if name in files:
                files[name].append((DATA / "transfer" / name / image, label))
    for path in sorted((DATA / "clothing" / "validation").glob("*/*")):
        files["clothing"].append((path, CLOTHES.get(path.parent.name, path.parent.name)))
    return {
        name: Embedded(model.embed_images([path for path, _ in rows]), np.array([label for _, label in rows]))
        for name, rows in files.items()
    }


def tasks(sets: dict[str, Embedded], names: tuple[str, ...], seed: int = 0) -> Iterator[Task]:
    """Yield DRAWS tasks for each set and number of listed classes, and the WIDE ones (whose "near" is empty)."""
    rng = np.random.default_rng(seed)
    for name in names:
        classes = np.unique(sets[name].labels)
        for size in [size for size in SIZES if size < len(classes)]:
            for _ in range(DRAWS):
                listed = tuple(map(str, rng.choice(classes, size, replace=False)))
                theirs = np.isin(sets[name].labels, listed)
                far = _sample(rng, sets, [other for other in names if other != name], 6)
                own = sets[name]
                yield Task(f"{name}-{size}", listed, own.images[theirs], own.labels[theirs], own.images[~theirs], far)
    for listed, theirs, others in WIDE:
        mine, far = _sample(rng, sets, list(theirs), 60), _sample(rng, sets, list(others), 60)
        yield Task("wide", listed, mine, np.full(len(mine), ""), far[:0], far)


def _sample(rng: np.random.Generator, sets: dict[str, Embedded], names: list[str], count: int) -> np.ndarray:
    """Up to `count` images from each of the sets."""
    drawn = [rng.permutation(len(sets[name].images))[:count] for name in names]
    return np.concatenate([sets[name].images[rows] for name, rows in zip(names, drawn, strict=True)])


def scores(model: Any, task: Task, bank: np.ndarray) -> dict[str, tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """For each rule the scores of listed, near and far images; high means "one of these"."""
    classes = sorting_fit.embed(model, task.classes)
    ours = NoneOfThese.from_embeddings(classes, bank)

    def softmax(images: np.ndarray) -> np.ndarray:
        logits = model.scale * images @ classes.T
        return 1 / np.exp(logits - logits.max(axis=1, keepdims=True)).sum(axis=1)

    rules = {"largest softmax": softmax, "largest cosine": lambda x: (x @ classes.T).max(axis=1),
             "ours": lambda x: 1 - ours.proba(x).astype(np.float64)}  # fmt: skip
    return {name: (rule(task.listed), rule(task.near), rule(task.far)) for name, rule in rules.items()}


def auroc(high: np.ndarray, low: np.ndarray) -> float:
    """Probability that a random one of `high` exceeds a random one of `low` (ties count half)."""
    ordered = np.sort(low)
    below = np.searchsorted(ordered, high, "left") + np.searchsorted(ordered, high, "right")
    return float(below.mean() / 2 / len(low))


def _calibration_error(proba: np.ndarray, right: np.ndarray) -> float:
    return measure_reliability(proba, right, binning="equal_width").error


def pooled(rows: list[tuple[np.ndarray, np.ndarray, np.ndarray]], which: int, each: int = 50) -> np.ndarray:
    """`each` scores per task (drawn with replacement), so that tasks have equal weight."""
    rng = np.random.default_rng(0)
    return np.concatenate([rng.choice(row[which], each) for row in rows if len(row[which])])


def measure(found: list[tuple[Task, dict[str, Any]]], rule: str) -> dict[str, Any]:
    """Row of a rule: one threshold for all tasks, as for a user's folder."""
    rows = [scored[rule] for _, scored in found]
    listed, near, far = (pooled(rows, which) for which in range(3))
    keep_90 = np.quantile(listed, 0.1)
    return {
        "rule": rule,
        "AUROC far": auroc(listed, far),
        "AUROC near": auroc(listed, near),
        "far kept when 90 % of listed are": float((far >= keep_90).mean()),
    }


@dataclass
class Mixed:
    """Answers to lists of classes: probabilities of none and of the answer, and whether each was right."""

    none: np.ndarray
    is_none: np.ndarray
    answer: np.ndarray
    right: np.ndarray
    size: np.ndarray


def mixed(model: Any, pairs: list[Task], out: float, each: int = 60) -> Mixed:
    """Answer `each` images a task, a share `out` of them far ones, as `Classifier.predict_proba` does."""
    rng = np.random.default_rng(0)
    columns: list[tuple[np.ndarray, ...]] = []
    for task in pairs:
        classifier = Classifier(model, list(task.classes), none=True)
        inside, outside = (rng.choice(len(x), n) for x, n in
                           ((task.listed, each - round(out * each)), (task.far, round(out * each))))  # fmt: skip
        proba = classifier.proba_of_embeddings(np.concatenate([task.listed[inside], task.far[outside]]))
        truth = np.r_[
            [task.classes.index(label) for label in task.truth[inside]], np.full(len(outside), proba.shape[1] - 1)
        ]
        is_none = truth == proba.shape[1] - 1
        size = np.full(each, len(task.classes))
        columns.append((proba[:, -1], is_none, proba.max(axis=1), proba.argmax(axis=1) == truth, size))
    return Mixed(*(np.concatenate(column) for column in zip(*columns, strict=True)))


def reliability(mixes: dict[float, Mixed]) -> list[dict[str, Any]]:
    """Calibration of "none" and of the answer for each share of images outside the classes, and of all."""
    joined = Mixed(*(np.concatenate([getattr(m, name) for m in mixes.values()])
                     for name in ("none", "is_none", "answer", "right", "size")))  # fmt: skip
    rows = []
    for name, mix in (*((f"{share:.0%}", mix) for share, mix in mixes.items()), ("all three", joined)):
        rows.append(
            {
                "outside": name,
                "ECE none": _calibration_error(mix.none, mix.is_none),
                "mean none": mix.none.mean(),
                "ECE answer": _calibration_error(mix.answer, mix.right),
                "answers right": mix.right.mean(),
                "said": mix.answer.mean(),
            }
        )
    return rows


def diagram(mixes: dict[float, Mixed]) -> list[dict[str, Any]]:
    """Predicted against observed probability of "none", in tenths, over all shares."""
    said = np.concatenate([mix.none for mix in mixes.values()])
    so = np.concatenate([mix.is_none for mix in mixes.values()])
    tenth = np.minimum((said * 10).astype(int), 9)
    return [
        {"said": said[tenth == t].mean(), "so": so[tenth == t].mean(), "images": int((tenth == t).sum())}
        for t in range(10) if (tenth == t).any()
    ]  # fmt: skip


def by_size(found: list[tuple[Task, dict[str, Any]]]) -> list[dict[str, Any]]:
    """Rates at 0.5 for each number of listed classes, and for the wide ones."""
    rows = []
    for size in (*SIZES, "wide"):
        chosen = [s["ours"] for task, s in found if task.name.split("-")[-1] == str(size)]
        if chosen:
            none = [pooled(chosen, which) < 0.5 for which in (0, 2)]
            rates = {"false none": none[0].mean(), "far found": none[1].mean()}
            rows.append({"listed": str(size), "tasks": len(chosen), **rates})
    return rows


def together(model: Any, sets: dict[str, Embedded]) -> list[dict[str, Any]]:
    """Accuracies one by one and jointly; of fashion, whose classes are imbalanced, on products held out of training."""
    with open(DATA / "fashion" / "products.csv", encoding="utf-8", newline="") as file:
        products = [
            row for row in csv.DictReader(file) if sorting_fit.crc32(f"fashion{row['id']}".encode()) / 2**32 < 0.2
        ]
    products = [row for row in products if (DATA / "fashion" / "images" / f"{row['id']}.jpg").exists()]
    kinds = [row["articleType"].lower() for row in products]
    common = {kind for kind, _ in Counter(kinds).most_common(20)}
    files = [DATA / "fashion" / "images" / f"{row['id']}.jpg" for row in products]
    keep = np.array([kind in common for kind in kinds])
    fashion = Embedded(model.embed_images([f for f, k in zip(files, keep, strict=True) if k]), np.array(kinds)[keep])
    rows = []
    for name, own in (*sets.items(), ("fashion, type of 20", fashion)):
        names, truth = np.unique(own.labels, return_inverse=True)
        classes = sorting_fit.embed(model, tuple(map(str, names)))
        answers = (own.images @ classes.T, joint_proba(own.images, classes, model.scale))
        alone, joint = (100 * float((answer.argmax(axis=1) == truth).mean()) for answer in answers)
        rows.append({"set": name, "classes": len(names), "images": len(truth), "alone": alone, "together": joint})
    means = {key: float(np.mean([row[key] for row in rows])) for key in ("alone", "together")}
    return [*rows, {"set": "mean", "classes": 0, "images": 0, **means}]


def independent(model: Any) -> list[dict[str, Any]]:
    """Accuracy of independent classes on the objects annotated in COCO photos, by how common they are."""
    photos = [json.loads(line) for line in (DATA / "coco159" / "captions.jsonl").read_text().splitlines()]
    images = model.embed_images([DATA / "coco159" / "images" / row["image"] for row in photos])
    names = sorted({name for row in photos for name in row["objects"]})
    proba = Classifier(model, names).proba_multi_of_embeddings(images)
    true = np.array([[name in row["objects"] for name in names] for row in photos])
    share = true.mean(axis=0)
    rows = []
    for label, low, high in (("under 5 %", 0, 0.05), ("5 to 20 %", 0.05, 0.2), ("over 20 %", 0.2, 1), ("all", 0, 1)):
        chosen = (share >= low) & (share < high)
        said, so = proba[:, chosen].ravel(), true[:, chosen].ravel()
        found = said > 0.5
        rows.append({"true of": label, "classes": int(chosen.sum()), "share": so.mean(), "said": said.mean(),
                     "ECE": _calibration_error(said, so),
                     "precision": so[found].mean(), "recall": found[so].mean()})  # fmt: skip
    return rows


def _plain(value: Any) -> Any:
    return round(float(value), 4) if isinstance(value, float | np.floating) else value


def main() -> None:
    """Measure, print and write `results/none_of_these.jsonl`."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", default="mini")
    parser.add_argument("--fit", action="store_true")
    arguments = parser.parse_args()
    model = wordsight.load(arguments.model)
    if arguments.fit:
        for name, value in sorting_fit.fit(model, DATA).items():
            print(f"{name} = {value:.2f}")
        return
    sets = read_sets(model)
    bank = sorting_fit.embed(model, rejection.bank_words())
    found = [(task, scores(model, task, bank)) for names in HALVES for task in tasks(sets, names)]
    labelled = [task for task, _ in found if task.name != "wide"]
    mixes = {share: mixed(model, labelled, share) for share in (0.0, 0.3, 0.7)}
    parts = {
        "rules": [measure(found, rule) for rule in ("largest softmax", "largest cosine", "ours")],
        "by number of classes": by_size(found),
        "reliability": reliability(mixes),
        "diagram": diagram(mixes),
        "together": together(model, sets),
        "independent": independent(model),
    }
    parts = {title: [{k: _plain(v) for k, v in row.items()} for row in rows] for title, rows in parts.items()}
    for title, rows in parts.items():
        print(f"\n{title}\n{table(rows)}")
    about = {"model": arguments.model, "precision": model.encoder.precision, "fingerprint": model.fingerprint,
             "tasks": len(found)}  # fmt: skip
    path = write_rows("none_of_these", [about, *({"part": k, **row} for k, rows in parts.items() for row in rows)])
    print(f"\n{path}")


if __name__ == "__main__":
    main()
