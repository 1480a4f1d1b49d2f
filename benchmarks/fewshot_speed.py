"""Seconds of linear probes on cached features, beside scikit-learn and CLIP_benchmark's probe.

Features: 3,400 of 512 numbers and 10 classes, drawn around class means as CLIP's lie (cosines within a class about
0.7, across classes 0.5); half is the pool. Task: 1, 2, 4, 8 and 16 shots × 5 seeds × 7 values of C.

"wordsight": `fit_path`, each C started from the one before, to 1e-4 of the coefficients. "scikit-learn": the same fits
by `LogisticRegression`, defaults but for 1,000 iterations; its lbfgs ends at a gradient of 1e-4. "chosen": what a user
runs: C chosen on held-out shots by `fit_probe(shots, "grid")`, beside `LogisticRegressionCV(Cs=7 values, cv=4)`, both
for 4, 8 and 16 shots (below there is nothing to hold out). "CLIP_benchmark": its probe as its code describes it, AdamW
without weight decay on batches of 64 with a cosine schedule, 10 epochs at a rate of 0.1, rewritten here for a CPU; it
chooses nothing and makes one fit a number of shots and seed (its own also demands a GPU). Accuracy on the other half
is given for each, since a fast wrong answer is worth nothing.

    python benchmarks/fewshot_speed.py [--rounds 5]
"""

from __future__ import annotations

import argparse
import math
import warnings
from collections.abc import Callable, Iterator
from statistics import median
from typing import Any

import numpy as np
from harness import alternate, spread, table, write_rows

from wordsight.evaluate.fewshot import probe
from wordsight.evaluate.fewshot.learned import Shots
from wordsight.evaluate.fewshot.shots import Pool, divide
from wordsight.zeroshot.class_embeddings import normalise_rows

CLASSES, IMAGES, WIDTH = 10, 3400, 512
COUNTS, SEEDS, CS = (1, 2, 4, 8, 16), 5, probe.GRID
EPOCHS, RATE, BATCH = 10, 0.1, 64  # CLIP_benchmark's defaults

warnings.simplefilter("ignore")  # scikit-learn's, of fits that have not ended


def draw() -> tuple[np.ndarray, np.ndarray]:
    """Features (N, D) and labels (N,)."""
    rng = np.random.default_rng(0)
    common_D = rng.normal(size=WIDTH)
    mean_KD = common_D + 0.35 * rng.normal(size=(CLASSES, WIDTH))
    label_N = np.arange(IMAGES) % CLASSES
    noise_ND = rng.normal(size=(IMAGES, WIDTH)) * np.geomspace(1.6, 0.3, WIDTH)
    return normalise_rows(mean_KD[label_N] + 1.1 * noise_ND), label_N


IMAGE, LABEL = draw()
POOL, TEST = divide(LABEL)


def problems(counts: tuple[int, ...] = COUNTS) -> Iterator[Shots]:
    """Shots of each number and seed."""
    pool = Pool(LABEL[POOL], CLASSES)
    for count in counts:
        for seed in range(SEEDS):
            rows = POOL[pool.sample(count, seed)]
            yield Shots(IMAGE[rows], LABEL[rows], CLASSES, seed=seed)


def accuracy(score_MK: np.ndarray) -> float:
    """Share of the test half that is right."""
    return float((score_MK.argmax(axis=1) == LABEL[TEST]).mean())


def ours_path() -> list[float]:
    """All C of all problems."""
    return [accuracy(s.score(IMAGE[TEST])) for shots in problems() for s in probe.fit_path(shots, CS)]


def theirs_path() -> list[float]:
    """The same by scikit-learn."""
    from sklearn.linear_model import LogisticRegression

    found = []
    for shots in problems():
        for c in CS:
            model = LogisticRegression(C=c, max_iter=1000).fit(shots.image_ND, shots.label_N)
            found.append(accuracy(model.decision_function(IMAGE[TEST])))
    return found


def ours_chosen() -> list[float]:
    """C chosen on the held-out quarter."""
    return [accuracy(probe.fit_probe(shots, "grid").score(IMAGE[TEST])) for shots in problems((4, 8, 16))]


def theirs_chosen() -> list[float]:
    """C chosen by cross-validation in four parts."""
    from sklearn.linear_model import LogisticRegressionCV

    found = []
    for shots in problems((4, 8, 16)):
        model = LogisticRegressionCV(Cs=list(CS), cv=4, max_iter=1000, l1_ratios=(0,), use_legacy_attributes=False)
        found.append(accuracy(model.fit(shots.image_ND, shots.label_N).decision_function(IMAGE[TEST])))
    return found


def adam_probe() -> list[float]:
    """CLIP_benchmark's probe of each problem."""
    import torch

    torch.set_num_threads(1)
    found = []
    for shots in problems():
        torch.manual_seed(shots.seed)
        image, label = torch.from_numpy(np.asarray(shots.image_ND)), torch.from_numpy(shots.label_N)
        layer = torch.nn.Linear(WIDTH, CLASSES)
        optimiser = torch.optim.AdamW(layer.parameters(), lr=RATE, weight_decay=0)
        batches = math.ceil(len(label) / BATCH)
        for step in range(EPOCHS * batches):
            if step % batches == 0:
                order = torch.randperm(len(label))
            for part in optimiser.param_groups:
                part["lr"] = 0.5 * (1 + math.cos(math.pi * step / (EPOCHS * batches))) * RATE
            rows = order[step % batches * BATCH :][:BATCH]
            optimiser.zero_grad()
            torch.nn.functional.cross_entropy(layer(image[rows]), label[rows]).backward()
            optimiser.step()
        with torch.no_grad():
            found.append(accuracy(layer(torch.from_numpy(IMAGE[TEST])).numpy()))
    return found


CONTENDERS: dict[str, Callable[[], list[float]]] = {
    "wordsight, 7 C": ours_path,
    "scikit-learn, 7 C": theirs_path,
    "wordsight, C chosen": ours_chosen,
    "scikit-learn, LogisticRegressionCV": theirs_chosen,
    "CLIP_benchmark's probe": adam_probe,
}


def main() -> None:
    """Time the contenders in turns, and write the medians."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    accuracies = {name: float(np.mean(call())) for name, call in CONTENDERS.items()}
    seconds = alternate(CONTENDERS, options.rounds, warm_up=0)
    rows: list[dict[str, Any]] = [
        {"kind": "time", "contender": name, "seconds": round(median(times), 3), "spread": round(spread(times), 2),
         "mean_accuracy": round(accuracies[name], 4), "times": [round(time, 3) for time in times]}
        for name, times in seconds.items()
    ]  # fmt: skip
    print(table([{key: row[key] for key in ("contender", "seconds", "spread", "mean_accuracy")} for row in rows]))
    write_rows("fewshot_speed", rows)


if __name__ == "__main__":
    main()
