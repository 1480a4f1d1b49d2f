"""Constants of `wordsight/zeroshot/none_of_these.py` (and of independent classes), fitted on *learn* data.

Tasks of listed classes are drawn from labelled sets that the bundled model learnt from, and from the classes that
captions name: 526 Flickr photos that were held out of its training count for one half, COCO and Flickr photos that
were not for one quarter each. None of the sets that `none_of_these.py` measures on is read.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from zlib import crc32

import caption_classes
import numpy as np

from wordsight.zeroshot import none_of_these
from wordsight.zeroshot.class_embeddings import embed_classes
from wordsight.zeroshot.none_of_these import Bank
from wordsight.zeroshot.templates import TEMPLATE_SETS

SIZES = (1, 2, 4, 10, 30, 60)
CAPTION_SIZES = (1, 1, 2, 2, 4, 4, 10, 10, 25)
DRAWS, CAPTION_DRAWS = 4, 150
EACH = 40  # images of each kind and task
HELD_OUT = 0.07  # share of the Flickr photos that the bundled model was not trained on (recipes/mini_data.py)
# in nearly all collections: every second list of classes without one is left out
COMMON = {"dog", "man", "child", "woman", "car", "snow", "street", "beach"}
WEIGHTS = {"sets": 1.0, "held out": 1.0, "flickr": 0.5, "coco": 0.5}
# share of the images that an independent class is true of, where nothing is known about the collection
PREVALENCE = 0.1


@dataclass
class Drawn:
    """Listed classes with images (N, D) that show one of them and images that show none."""

    classes: tuple[str, ...]
    listed: np.ndarray
    out: np.ndarray


@dataclass
class Captioned:
    """Images (N, D), and where each of `CLASSES` is true and false of them, (N, K)."""

    images: np.ndarray
    true: np.ndarray
    false: np.ndarray


def read_learn_sets(model: Any, data: Path) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Set → (embeddings, labels) of the transfer sets whose role is "learn" and that have several classes."""
    rows = [line.split("|") for line in (data / "transfer" / "README.md").read_text(encoding="utf-8").splitlines()]
    learn = {row[1].strip() for row in rows if len(row) > 3 and row[2].strip() == "learn"}
    files: dict[str, list[tuple[Path, str]]] = {}
    with open(data / "transfer" / "labels.tsv", encoding="utf-8", newline="") as file:
        for name, image, label in csv.reader(file, delimiter="\t"):
            if name in learn:
                files.setdefault(name, []).append((data / "transfer" / name / image, label))
    return {
        name: (model.embed_images([path for path, _ in rows]), np.array([label for _, label in rows]))
        for name, rows in files.items()
        if len({label for _, label in rows}) > 1
    }


def read_captioned(model: Any, data: Path) -> dict[str, Captioned]:
    """Captioned photos: held out of training, and 2,000 of Flickr and all of COCO that were not."""
    found = {}
    for name, folder in (("held out", "flickr8k-train"), ("flickr", "flickr8k-train"), ("coco", "coco3k7")):
        captions = caption_classes.read_captions(data / folder / "captions.tsv")
        files = sorted(file for file in captions if (data / folder / "images" / file).exists())
        if folder == "flickr8k-train":
            files = [f for f in files if (crc32(f.encode()) / 2**32 < HELD_OUT) == (name == "held out")][:2000]
        images = model.embed_images([data / folder / "images" / file for file in files])
        found[name] = Captioned(images, *caption_classes.truths([captions[file] for file in files]))
    return found


def set_tasks(sets: dict[str, tuple[np.ndarray, np.ndarray]]) -> Iterator[Drawn]:
    """Yield DRAWS tasks for each set and number of listed classes; six images of each other set show none."""
    rng = np.random.default_rng(0)
    for name, (images, labels) in sets.items():
        classes = np.unique(labels)
        for size in [size for size in SIZES if size < len(classes)]:
            for _ in range(DRAWS):
                listed = tuple(map(str, rng.choice(classes, size, replace=False)))
                others = [x[rng.permutation(len(x))[:6]] for other, (x, _) in sets.items() if other != name]
                yield Drawn(listed, images[np.isin(labels, listed)], np.concatenate(others))


def caption_tasks(photos: Captioned) -> Iterator[Drawn]:
    """Yield tasks of randomly chosen classes; images that the captions leave uncertain are in none of them."""
    rng = np.random.default_rng(0)
    names = list(caption_classes.CLASSES)
    for _ in range(CAPTION_DRAWS):
        chosen = rng.choice(len(names), rng.choice(CAPTION_SIZES), replace=False)
        if rng.random() < 0.5 and not COMMON & {names[i] for i in chosen}:
            continue
        listed, out = photos.true[:, chosen].any(axis=1), photos.false[:, chosen].all(axis=1)
        if min(listed.sum(), out.sum()) >= 5:
            yield Drawn(tuple(names[i] for i in chosen), photos.images[listed], photos.images[out])


def fit(model: Any, data: Path) -> dict[str, float]:
    """Constants of `wordsight/zeroshot/none_of_these.py` by name; SHARPNESS is the best of several."""
    bank = Bank.of(embed(model, none_of_these.bank_words()))
    captioned = read_captioned(model, data)
    tasks = {"sets": list(set_tasks(read_learn_sets(model, data)))}
    tasks |= {name: list(caption_tasks(photos)) for name, photos in captioned.items()}
    best: tuple[float, dict[str, float]] = (np.inf, {})
    for sharpness in (1.0, 1.2, 1.4, 1.6):
        x, y, weight = _none_table(model, bank, tasks, sharpness)
        loss, (slope, crowd, offset) = logistic_fit(x, y, weight)
        print(f"sharpness {sharpness}: log loss {loss:.4f}")
        none = {"SHARPNESS": sharpness, "SLOPE": slope, "CROWD": -crowd, "OFFSET": offset}
        best = min(best, (loss, none), key=lambda pair: pair[0])
    classes = embed(model, tuple(caption_classes.CLASSES))
    parts = [_relevance_table(bank.against(classes).t_norms(photos.images)[0], photos, WEIGHTS[name])
             for name, photos in captioned.items()]  # fmt: skip
    x, y, weight = (np.concatenate(column) for column in zip(*parts, strict=True))
    _, (slope, offset) = logistic_fit(x[:, None], y, weight)
    return best[1] | {"TEXT_SLOPE": slope, "TEXT_OFFSET": offset}


def embed(model: Any, names: tuple[str, ...]) -> np.ndarray:
    """Class embeddings (K, D) in the default template."""
    return embed_classes(model, {name: (name,) for name in names}, TEMPLATE_SETS["photo"])


def _none_table(
    model: Any, bank: Bank, tasks: dict[str, list[Drawn]], sharpness: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Evidence and log of the number of classes (N, 2), whether an image shows one (N,), and weights (N,)."""
    rng = np.random.default_rng(0)
    rows = []
    kept, none_of_these.SHARPNESS = none_of_these.SHARPNESS, sharpness
    for name, drawn in tasks.items():
        for task in drawn:
            judge = bank.against(embed(model, task.classes))
            for images, shows in ((task.listed, 1.0), (task.out, 0.0)):
                evidence = judge.evidence(images[rng.choice(len(images), EACH)])
                size = np.full(EACH, np.log(len(task.classes)))
                weight = np.full(EACH, WEIGHTS[name] / len(drawn))
                rows.append((np.stack([evidence, size], axis=1), np.full(EACH, shows), weight))
    none_of_these.SHARPNESS = kept
    x, y, weight = (np.concatenate(column) for column in zip(*rows, strict=True))
    return x, y, weight


def _relevance_table(t_norm_NK: np.ndarray, photos: Captioned, weight: float) -> tuple[np.ndarray, ...]:
    """t_norm, truth and weight of the pairs that captions decide, a share PREVALENCE of them true."""
    certain = (photos.true | photos.false) & (photos.true.sum(axis=0) >= 5)
    t_norm, true = t_norm_NK[certain], photos.true[certain]
    share = np.where(true, PREVALENCE / true.sum(), (1 - PREVALENCE) / (~true).sum())
    return t_norm, true.astype(float), weight * share


def logistic_fit(x: np.ndarray, y: np.ndarray, weight: np.ndarray) -> tuple[float, list[float]]:
    """Weighted log loss and the coefficients, the intercept last, by Newton's method. x: (N, F)."""
    design = np.concatenate([x, np.ones((len(x), 1))], axis=1)
    weight = weight / weight.sum()
    coefficients = np.zeros(design.shape[1])
    for _ in range(50):
        p = 0.5 * (1 + np.tanh(0.5 * design @ coefficients))
        hessian = (design * (weight * p * (1 - p))[:, None]).T @ design + 1e-9 * np.eye(len(coefficients))
        coefficients += np.linalg.solve(hessian, design.T @ (weight * (y - p)))
    p = np.clip(0.5 * (1 + np.tanh(0.5 * design @ coefficients)), 1e-9, 1 - 1e-9)
    return float(-(weight * (y * np.log(p) + (1 - y) * np.log(1 - p))).sum()), [float(c) for c in coefficients]
