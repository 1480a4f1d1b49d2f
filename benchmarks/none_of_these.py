"""How well "none of these" tells pictures of listed classes from others: ours against two common rules.

Each labelled set of `$WORDSIGHT_DATA/transfer` that the bundled model never trained on, and clothing's validation
split, gives tasks: 2, 4, 10 or 30 of its classes are listed, the others left out. "near" pictures are of the set's
classes left out, "far" ones of other sets. Rules: the largest softmax probability, the largest cosine, and ours.

    python benchmarks/none_of_these.py [--model mini] [--fit]

--fit prints the constants of `wordsight/rejection.py` that suit all sets best (these are shipped), and those that suit
each half: how far the halves differ is how far to trust them on pictures of another kind.
"""

from __future__ import annotations

import argparse
import csv
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from harness import table, write_rows

import wordsight
from wordsight import rejection
from wordsight.class_embeddings import embed_classes
from wordsight.rejection import NoneOfThese
from wordsight.templates import TEMPLATE_SETS

DATA = Path(os.environ.get("WORDSIGHT_DATA", Path(__file__).parents[2] / "shared" / "data"))
# never trained on, with classes that have names of their own; the rest (defects, cards, X-rays) no word list describes
SETS = ("animals22", "clothing", "cub200", "dtd10", "flowers17", "food-3dishes", "food101-10", "messier", "oxford-pets",
        "pacs", "roadsigns_it", "rsscn7", "sports22", "sun8", "vehicles3", "vnlandmarks")  # fmt: skip
CLOTHES = {"longsleeve": "long-sleeve top", "outwear": "jacket or coat"}  # as people would type them
HALVES = (SETS[::2], SETS[1::2])
SIZES = (2, 4, 10, 30)
DRAWS = 4
# classes that are wider than the pictures' own: (classes, sets of theirs, sets of others)
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
    """A set's pictures as embeddings (N, D), and their labels."""

    images: np.ndarray
    labels: np.ndarray


@dataclass
class Task:
    """Listed classes, and the pictures of them, of the set's other classes, and of other sets."""

    name: str
    classes: tuple[str, ...]
    listed: np.ndarray
    near: np.ndarray
    far: np.ndarray


def read_sets(model: Any) -> dict[str, Embedded]:
    """Embed every picture of SETS."""
    files: dict[str, list[tuple[Path, str]]] = {name: [] for name in SETS}
    with open(DATA / "transfer" / "labels.tsv", encoding="utf-8", newline="") as file:
        for name, picture, label in list(csv.reader(file, delimiter="\t")):
            if name in files:
                files[name].append((DATA / "transfer" / name / picture, label))
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
                yield Task(f"{name}-{size}", listed, sets[name].images[theirs], sets[name].images[~theirs], far)
    for listed, theirs, others in WIDE:
        mine, far = _sample(rng, sets, list(theirs), 60), _sample(rng, sets, list(others), 60)
        yield Task("wide", listed, mine, far[:0], far)


def _sample(rng: np.random.Generator, sets: dict[str, Embedded], names: list[str], count: int) -> np.ndarray:
    """Return up to `count` pictures from each of the sets."""
    drawn = [rng.permutation(len(sets[name].images))[:count] for name in names]
    return np.concatenate([sets[name].images[rows] for name, rows in zip(names, drawn, strict=True)])


def scores(model: Any, task: Task, bank: np.ndarray) -> dict[str, tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """Return for each rule the scores of listed, near and far pictures; high means "one of these"."""
    classes = embed_classes(model, {name: (name,) for name in task.classes}, TEMPLATE_SETS["photo"])
    ours = NoneOfThese.from_embeddings(classes, bank)

    def softmax(images: np.ndarray) -> np.ndarray:
        logits = model.scale * images @ classes.T
        return 1 / np.exp(logits - logits.max(axis=1, keepdims=True)).sum(axis=1)

    rules = {"largest softmax": softmax, "largest cosine": lambda x: (x @ classes.T).max(axis=1), "ours": ours.margin}
    return {name: (rule(task.listed), rule(task.near), rule(task.far)) for name, rule in rules.items()}


def auroc(high: np.ndarray, low: np.ndarray) -> float:
    """Return the probability that a random one of `high` exceeds a random one of `low` (ties count half)."""
    ordered = np.sort(low)
    below = np.searchsorted(ordered, high, "left") + np.searchsorted(ordered, high, "right")
    return float(below.mean() / 2 / len(low))


def pooled(rows: list[tuple[np.ndarray, np.ndarray, np.ndarray]], which: int, each: int = 50) -> np.ndarray:
    """Return `each` scores per task (drawn with replacement), so that every task counts alike."""
    rng = np.random.default_rng(0)
    return np.concatenate([rng.choice(row[which], each) for row in rows if len(row[which])])


def logistic(margin: np.ndarray, slope: float, offset: float) -> np.ndarray:
    """Return the probability of "none" of a margin, as `NoneOfThese.proba` does."""
    return np.asarray(0.5 * (1 - np.tanh(0.5 * slope * (margin - offset))))


def measure(found: list[tuple[Task, dict[str, Any]]], rule: str) -> dict[str, Any]:
    """Return a rule's row: one threshold for all tasks, as a user's folder has it."""
    rows = [scored[rule] for _, scored in found]
    listed, near, far = (pooled(rows, which) for which in range(3))
    keep_90 = np.quantile(listed, 0.1)
    row: dict[str, Any] = {
        "rule": rule,
        "AUROC far": auroc(listed, far),
        "AUROC near": auroc(listed, near),
        "far kept when 90 % of listed are": float((far >= keep_90).mean()),
    }
    if rule == "ours":
        none = [logistic(x, rejection.SLOPE, rejection.OFFSET) > 0.5 for x in (listed, near, far)]
        row |= {"false none": none[0].mean(), "near found": none[1].mean(), "far found": none[2].mean()}
    return row


def by_size(found: list[tuple[Task, dict[str, Any]]]) -> list[dict[str, Any]]:
    """Return the rates at one half for each number of listed classes, and for the wide ones."""
    rows = []
    for size in (*SIZES, "wide"):
        chosen = [s["ours"] for task, s in found if task.name.split("-")[-1] == str(size)]
        if not chosen:
            continue
        none = [logistic(pooled(chosen, which), rejection.SLOPE, rejection.OFFSET) > 0.5 for which in (0, 2)]
        rates = {"false none": none[0].mean(), "far found": none[1].mean()}
        rows.append({"listed": str(size), "tasks": len(chosen), **rates})
    return rows


def reliability(found: list[tuple[Task, dict[str, Any]]]) -> list[dict[str, Any]]:
    """Return what was said against what was so, half of the pictures being far ones."""
    rows = [scored["ours"] for _, scored in found]
    listed, far = pooled(rows, 0), pooled(rows, 2)
    said = logistic(np.concatenate([listed, far]), rejection.SLOPE, rejection.OFFSET)
    so = np.repeat([0.0, 1.0], [len(listed), len(far)])
    tenth = np.minimum((said * 10).astype(int), 9)
    return [
        {"said": said[tenth == t].mean(), "so": so[tenth == t].mean(), "pictures": int((tenth == t).sum())}
        for t in range(10) if (tenth == t).any()
    ]  # fmt: skip


def fit(found: list[tuple[Task, dict[str, Any]]]) -> tuple[float, float, float]:
    """Return (crowd, slope, offset) of least log loss, listed and far pictures being equally many."""
    sizes = np.repeat([len(task.classes) for task, _ in found], 50)
    rows = [scored["ours"] for _, scored in found]
    raw = [pooled(rows, which) + rejection.CROWD * np.log(sizes) for which in (0, 2)]
    best = (np.inf, 0.0, 0.0, 0.0)
    for crowd in np.arange(0, 1.01, 0.05):
        x = np.concatenate(raw) - crowd * np.log(np.tile(sizes, 2))
        y = np.repeat([0.0, 1.0], len(sizes))
        slope, offset = 1.0, float(np.median(x))
        for _ in range(50):  # Newton's method on logit = a - slope * x
            design = np.stack([np.ones_like(x), -x], axis=1)
            p = logistic(x, slope, offset)
            step = np.linalg.solve((design * (p * (1 - p))[:, None]).T @ design, design.T @ (y - p))
            a, slope = slope * offset + step[0], slope + step[1]
            offset = a / slope
        p = np.clip(logistic(x, slope, offset), 1e-9, 1 - 1e-9)
        loss = float(-(y * np.log(p) + (1 - y) * np.log(1 - p)).mean())
        best = min(best, (loss, float(crowd), float(slope), float(offset)))
    return best[1:]


def _plain(value: Any) -> Any:
    return round(float(value), 4) if isinstance(value, float | np.floating) else value


def main() -> None:
    """Measure, print and write `results/none_of_these.jsonl`."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", default="mini")
    parser.add_argument("--fit", action="store_true")
    arguments = parser.parse_args()
    model = wordsight.load(arguments.model)
    sets = read_sets(model)
    bank = embed_classes(model, {word: (word,) for word in rejection.bank_words()}, TEMPLATE_SETS["photo"])
    halves = [[(task, scores(model, task, bank)) for task in tasks(sets, names)] for names in HALVES]
    found = [pair for half in halves for pair in half]
    if arguments.fit:
        for name, pairs in (("all", found), ("first half", halves[0]), ("second half", halves[1])):
            crowd, slope, offset = fit([pair for pair in pairs if pair[0].name != "wide"])
            print(f"{name}: CROWD {crowd:.2f}  SLOPE {slope:.2f}  OFFSET {offset:.2f}")
    parts = {
        "rules": [measure(found, rule) for rule in ("largest softmax", "largest cosine", "ours")],
        "by number of classes": by_size(found),
        "reliability": reliability(found),
    }
    parts = {title: [{k: _plain(v) for k, v in row.items()} for row in rows] for title, rows in parts.items()}
    for title, rows in parts.items():
        print(f"\n{title}\n{table(rows)}")
    about = {"model": arguments.model, "fingerprint": model.fingerprint, "tasks": len(found)}
    path = write_rows("none_of_these", [about, *({"part": k, **row} for k, rows in parts.items() for row in rows)])
    print(f"\n{path}")


if __name__ == "__main__":
    main()
