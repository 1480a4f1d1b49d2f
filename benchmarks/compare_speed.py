"""Comparison of 10 models on 49 datasets: our joint draws beside a bootstrap of sets and images, same hits.

    python benchmarks/compare_speed.py            # a minute on 2 cores
    python benchmarks/compare_speed.py --quick    # a smoke run

Hits are made up; files are written first and read in the timed part, as `wordsight eval compare` does. The bootstrap is
2,000 draws, vectorised over images and models; the loop is the same, a draw at a time, as scripts mostly do it. Neither
gives rank intervals that hold (see interval_coverage.py): they are here for the time alone.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path
from statistics import median
from typing import Any

import harness
import numpy as np

from wordsight.evaluate.comparison.compare import compare_results
from wordsight.evaluate.comparison.report import build_report
from wordsight.evaluate.comparison.results import find_results
from wordsight.evaluate.predictions import Origin, Predictions, write_predictions
from wordsight.metrics import measure_across_sets, measure_on_set, rank_intervals

MODELS, SETS, DRAWS = 10, 49, 2000
CLASSES = tuple(f"class {number}" for number in range(10))


def make_hits(sets: int, images: int) -> list[np.ndarray]:
    """Hits (N, M) of each set."""
    rng = np.random.default_rng(0)
    share_SM = 0.6 + 0.1 * rng.normal(size=(sets, 1)) + 0.02 * rng.normal(size=(sets, MODELS))
    return [rng.random((images, MODELS)) < share_M for share_M in share_SM]


def write_all(folder: Path, hits: list[np.ndarray]) -> None:
    rng = np.random.default_rng(1)
    for number, hit_NM in enumerate(hits):
        n = len(hit_NM)
        label_N = rng.integers(len(CLASSES), size=n)
        keys = tuple(f"{place}.jpg" for place in range(n))
        for model in range(MODELS):
            top = np.stack([np.where(hit_NM[:, model], label_N, (label_N + 1) % len(CLASSES))] * 5, axis=1)
            origin = Origin(task="zeroshot", dataset=f"set {number}", dataset_hash="x", model=f"model {model}",
                            fingerprint="", version="", method="zero-shot")  # fmt: skip
            predictions = Predictions(origin, keys, label_N, CLASSES, top, np.full(top.shape, 0.2))
            write_predictions(folder / f"set-{number}" / f"model-{model}" / "predictions.parquet", predictions)


def ours(hits: list[np.ndarray]) -> object:
    """Standings over sets as the command computes them, of hits in memory."""
    return rank_intervals(measure_across_sets([measure_on_set(h) for h in hits]), draws=DRAWS)


def resampled(hits: list[np.ndarray]) -> object:
    """Means of 2,000 resamples of sets, and of images within them, all at once for each set."""
    rng = np.random.default_rng(0)
    chosen_DS = rng.integers(len(hits), size=(DRAWS, len(hits)))
    mean_DSM = np.empty((DRAWS, len(hits), MODELS))
    for number, hit_NM in enumerate(hits):
        places = np.nonzero(chosen_DS == number)
        count_PN = rng.multinomial(len(hit_NM), np.full(len(hit_NM), 1 / len(hit_NM)), len(places[0]))
        mean_DSM[places] = count_PN @ hit_NM.astype(np.float64) / len(hit_NM)
    return np.percentile(mean_DSM.mean(axis=1), [2.5, 97.5], axis=0)


def looped(hits: list[np.ndarray]) -> object:
    """The same, a draw at a time."""
    rng = np.random.default_rng(0)
    means = []
    for _ in range(DRAWS):
        chosen = [hits[place] for place in rng.integers(len(hits), size=len(hits))]
        means.append(np.mean([h[rng.integers(len(h), size=len(h))].mean(axis=0) for h in chosen], axis=0))
    return np.percentile(means, [2.5, 97.5], axis=0)


def from_files(folder: Path) -> object:
    results, unread = find_results([folder])
    return build_report(compare_results(results, unread), "")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="smoke run: 3 sets of 50 images")
    quick = parser.parse_args().quick
    rows: list[dict[str, Any]] = []
    for images in (50,) if quick else (140, 1000):
        hits = make_hits(3 if quick else SETS, images)
        with tempfile.TemporaryDirectory() as temporary:
            folder = Path(temporary)
            write_all(folder, hits)
            seconds = harness.alternate(
                {
                    "eval compare, from files to report": lambda folder=folder: from_files(folder),
                    "ranks over sets, hits in memory": lambda hits=hits: ours(hits),
                    "bootstrap of sets and images, vectorised": lambda hits=hits: resampled(hits),
                    "bootstrap of sets and images, a loop": lambda hits=hits: looped(hits),
                },
                1 if quick else 3,
                warm_up=0 if quick else 1,
            )
        for method, times in seconds.items():
            rows.append({"kind": "compare", "models": MODELS, "sets": len(hits), "images_per_set": images,
                         "method": method, "seconds": median(times), "spread": harness.spread(times),
                         "times": times})  # fmt: skip
        columns = ("method", "images_per_set", "seconds", "spread")
        print(harness.table([{name: row[name] for name in columns} for row in rows]), flush=True)
    if not quick:
        print(f"\nwritten: {harness.write_rows('compare_speed', rows)}")


if __name__ == "__main__":
    main()
