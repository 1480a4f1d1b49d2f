"""Coverage of the 95 % intervals of `wordsight.metrics`, beside that of the methods they replace, by simulation.

    python benchmarks/interval_coverage.py            # ten minutes on 2 cores
    python benchmarks/interval_coverage.py --quick    # a smoke run

Samples are drawn from populations whose truth is known; a row tells how often the interval held it, and its mean width.
Of 2,000 samples the share of an exact 95 % interval is between 94.0 and 96.0 % in 19 of 20 rows.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator
from typing import Any

import harness
import numpy as np

from wordsight.metrics import (
    Estimate,
    bootstrap_clusters,
    bootstrap_difference,
    bootstrap_mean,
    bootstrap_strata,
    estimate_gain,
    estimate_lags,
    estimate_share,
    images_to_separate,
    mcnemar,
    measure_across_sets,
    measure_on_set,
    measure_on_sets,
    rank_intervals,
    tie_with_best,
)

DRAWS = 1000
Sample = Callable[[np.random.Generator], Any]
Method = Callable[[Any], tuple[float, float]]


def bounds(estimate: Estimate) -> tuple[float, float]:
    return estimate.low, estimate.high


def percentiles(resampled: np.ndarray) -> tuple[float, float]:
    """Plain percentile interval, as textbooks have it and as wordsight had it up to 0.6."""
    low, high = np.percentile(resampled, [2.5, 97.5])
    return float(low), float(high)


def resample_mean(values: np.ndarray) -> tuple[float, float]:
    rng = np.random.default_rng(0)
    return percentiles(values[rng.integers(len(values), size=(DRAWS, len(values)))].mean(axis=1))


def resample_strata(values_KN: np.ndarray) -> tuple[float, float]:
    rng = np.random.default_rng(0)
    n = values_KN.shape[1]
    return percentiles(np.mean([values[rng.integers(n, size=(DRAWS, n))].mean(axis=1) for values in values_KN], axis=0))


def clustered(rng: np.random.Generator, clusters: int) -> tuple[np.ndarray, np.ndarray]:
    """Values of images in clusters of 1 to 5; half of their variance is that of the clusters."""
    cluster_N = np.repeat(np.arange(clusters), rng.integers(1, 6, size=clusters))
    return rng.normal(size=clusters)[cluster_N] + rng.normal(size=len(cluster_N)), cluster_N


def hits_of_two(rng: np.random.Generator, n: int, gained: float, lost: float) -> tuple[np.ndarray, np.ndarray]:
    kind = rng.choice(3, size=n, p=[gained, lost, 1 - gained - lost])
    same = rng.random(n) < 0.7
    return np.where(kind == 2, same, kind == 1), np.where(kind == 2, same, kind == 0)


def single(rng_of: Callable[[int], np.random.Generator], runs: int) -> Iterator[dict[str, Any]]:
    """Rows of intervals of one figure: population, truth, sample, methods."""
    cases: list[tuple[str, float, Sample, dict[str, Method]]] = []
    for n in (10, 30, 100):
        methods: dict[str, Method] = {
            "bootstrap_mean": lambda x: bounds(bootstrap_mean(x)),
            "percentile": resample_mean,
        }
        cases.append((f"mean of {n} normal values", 0.0, lambda rng, n=n: rng.normal(size=n), methods))
        cases.append((f"mean of {n} average precisions", 2 / 3, lambda rng, n=n: rng.beta(2, 1, size=n), methods))
    for n in (20, 100, 400):
        for share in (0.5, 0.9, 0.97):
            methods = {"estimate_share": lambda x: bounds(estimate_share(x)),
                       "percentile": resample_mean}  # fmt: skip
            cases.append((f"share {share} of {n}", share, lambda rng, n=n, p=share: rng.random(n) < p, methods))
    for clusters in (15, 40, 150):
        methods = {"bootstrap_clusters": lambda x: bounds(bootstrap_clusters(x[0], x[1].tolist())),
                   "each image alone": lambda x: bounds(bootstrap_mean(x[0]))}  # fmt: skip
        cases.append((f"mean of {clusters} clusters", 0.0, lambda rng, g=clusters: clustered(rng, g), methods))
    for n in (5, 10, 30):
        class_N = np.repeat(np.arange(10), n).tolist()
        methods = {"bootstrap_strata": lambda x, of=class_N: bounds(bootstrap_strata(x.ravel(), of)),
                   "percentile": resample_strata}  # fmt: skip
        share_K1 = np.linspace(0.3, 0.95, 10)[:, None]
        cases.append((f"recall of 10 classes of {n}", float(share_K1.mean()),
                      lambda rng, n=n, p=share_K1: (rng.random((10, n)) < p).astype(float), methods))  # fmt: skip
    for n, gained, lost in ((30, 0.1, 0.05), (100, 0.05, 0.05), (200, 0.06, 0.02), (500, 0.2, 0.1)):
        methods = {"estimate_gain": lambda x: bounds(estimate_gain(*x)),
                   "bootstrap_difference": lambda x: bounds(bootstrap_difference(*x)),
                   "percentile": lambda x: resample_mean(x[1] * 1.0 - x[0])}  # fmt: skip
        cases.append((f"paired gain on {n}, {gained:.0%} gained, {lost:.0%} lost", gained - lost,
                      lambda rng, n=n, g=gained, c=lost: hits_of_two(rng, n, g, c), methods))  # fmt: skip
    for clusters in (20, 60):

        def paired(rng: np.random.Generator, g: int = clusters) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
            values_N, cluster_N = clustered(rng, g)
            return rng.normal(size=len(values_N)), values_N, cluster_N

        methods = {"bootstrap_difference": lambda x: bounds(bootstrap_difference(x[0], x[1], cluster_N=x[2].tolist()))}
        cases.append((f"paired difference of {clusters} clusters", 0.0, paired, methods))
    for case, truth, sample, methods in cases:
        samples = [sample(rng_of(run)) for run in range(runs)]
        for name, method in methods.items():
            yield tally("interval", case, name, [method(each) for each in samples], truth)


def tally(kind: str, case: str, method: str, intervals: list[tuple[float, float]], truth: float) -> dict[str, Any]:
    held = [low <= truth + 1e-12 and truth - 1e-12 <= high for low, high in intervals]
    width = float(np.mean([high - low for low, high in intervals]))
    return {"kind": kind, "case": case, "method": method, "samples": len(held), "held": float(np.mean(held)),
            "width": width}  # fmt: skip


def sets_of_hits(rng: np.random.Generator, sets: int, gain_M: np.ndarray, differing: float) -> list[np.ndarray]:
    """Hits (N, M) of models on sets of 20 to 300 images; sets differ, and so does each model's gain between them."""
    drawn = []
    for _ in range(sets):
        share_M = 0.55 + gain_M + 0.1 * rng.normal() + differing * rng.normal(size=len(gain_M))
        n = rng.integers(20, 300)
        common_N1 = rng.random((n, 1)) < 0.6  # of these images, all models are right about the same ones
        chance_NM = np.where(common_N1, rng.random((n, 1)), rng.random((n, len(gain_M))))
        drawn.append(chance_NM < np.clip(share_M, 0.05, 0.95))
    return drawn


def resample_sets(hits: list[np.ndarray], images: bool) -> tuple[float, float]:
    """Percentile interval of the gain of model 1 over model 0: sets resampled, and images within them if so asked."""
    rng = np.random.default_rng(0)
    chosen_DS = rng.integers(len(hits), size=(DRAWS, len(hits)))
    if not images:
        gain_S = np.array([(h[:, 1] * 1.0 - h[:, 0]).mean() for h in hits])
        return percentiles(gain_S[chosen_DS].mean(axis=1))
    gain_DS = np.empty((DRAWS, len(hits)))
    for number, h in enumerate(hits):
        change_N = h[:, 1] * 1.0 - h[:, 0]
        shares = [(change_N > 0).mean(), (change_N < 0).mean()]
        places = np.nonzero(chosen_DS == number)  # each time that a set is drawn, its images are drawn for themselves
        counts = rng.multinomial(len(h), [*shares, max(0.0, 1 - sum(shares))], len(places[0]))
        gain_DS[places] = (counts[:, 0] - counts[:, 1]) / len(h)
    return percentiles(gain_DS.mean(axis=1))


def two_levels(rng_of: Callable[[int], np.random.Generator], runs: int) -> Iterator[dict[str, Any]]:
    """Rows of the mean gain over sets, where sets are a sample of sets."""
    gain_M = np.array([0.0, 0.03])
    for sets in (4, 12, 49):
        for differing in (0.0, 0.02, 0.08):
            samples = [sets_of_hits(rng_of(run), sets, gain_M, differing) for run in range(runs)]
            case = f"gain over {sets} sets, gains differ by {differing}"
            measured = [[measure_on_set(h) for h in hits] for hits in samples]
            methods = {
                "measure_across_sets": [bounds(measure_across_sets(each).estimate_gain(0, 1)) for each in measured],
                "images alone varied": [bounds(measure_on_sets(each).estimate_gain(0, 1)) for each in measured],
                "sets resampled": [resample_sets(hits, False) for hits in samples],
                "sets and images resampled": [resample_sets(hits, True) for hits in samples],
            }
            yield from (tally("sets", case, name, intervals, 0.03) for name, intervals in methods.items())


def bootstrap_ranks(sets: list[Any], rng: np.random.Generator) -> np.ndarray:
    """Rank intervals (M, 2) as the percentiles of the ranks in resamples of the sets."""
    mean_SM = np.stack([each.mean_M for each in sets])
    drawn_DM = mean_SM[rng.integers(len(sets), size=(DRAWS, len(sets)))].mean(axis=1)
    ranks_DM = 1 + (drawn_DM[:, None, :] > drawn_DM[:, :, None]).sum(axis=2)
    return np.percentile(ranks_DM, [2.5, 97.5], axis=0, method="inverted_cdf").T


def ranks(rng_of: Callable[[int], np.random.Generator], runs: int) -> Iterator[dict[str, Any]]:
    """Rows of rank intervals and of groups tied with the best."""
    populations = {
        "6 models alike": np.zeros(6),
        "6 models a point apart": np.arange(6) * -0.01,
        "6 models 5 points apart": np.arange(6) * -0.05,
        "two best ones, four 5 points behind": np.array([0, -0.002, -0.05, -0.05, -0.05, -0.05]),
    }
    for case, gain_M in populations.items():
        first_M = 1 + (gain_M[None, :] > gain_M[:, None]).sum(axis=1)
        last_M = len(gain_M) - (gain_M[None, :] < gain_M[:, None]).sum(axis=1)
        for sets in (12, 49):
            held: dict[str, list[np.ndarray]] = {"rank_intervals": [], "bootstrap of ranks": []}
            widths: dict[str, list[float]] = {name: [] for name in held}
            best, sizes = [], []
            for run in range(runs):
                rng = rng_of(run)
                measured = [measure_on_set(h) for h in sets_of_hits(rng, sets, gain_M, 0.04)]
                means = measure_across_sets(measured)
                ours_M2 = rank_intervals(means, draws=2000)
                for name, ranks_M2 in (("rank_intervals", ours_M2),
                                       ("bootstrap of ranks", bootstrap_ranks(measured, rng))):  # fmt: skip
                    # a model that equals others has all of their ranks
                    held[name].append((ranks_M2[:, 0] <= first_M) & (last_M <= ranks_M2[:, 1]))
                    widths[name].append(float((ranks_M2[:, 1] - ranks_M2[:, 0]).mean()) + 1)
                tied_M = tie_with_best(ours_M2)
                best.append(tied_M[gain_M.argmax()])
                sizes.append(int(tied_M.sum()))
            for name in held:
                whole = np.mean([all_M.all() for all_M in held[name]])  # of tables, all ranks of which hold
                yield {"kind": "ranks", "case": f"{case}, {sets} sets", "method": name, "samples": runs,
                       "held": float(whole), "width": float(np.mean(widths[name]))}  # fmt: skip
            yield {"kind": "ranks", "case": f"{case}, {sets} sets", "method": "tie_with_best", "samples": runs,
                   "held": float(np.mean(best)), "width": float(np.mean(sizes))}  # fmt: skip


def lags(rng_of: Callable[[int], np.random.Generator], runs: int) -> Iterator[dict[str, Any]]:
    """Rows of tables of equal models, all of whose intervals of what they lack to the seemingly best one hold 0."""
    for models in (2, 5, 10):
        tables: dict[str, list[list[tuple[float, float]]]] = {"estimate_lags": [], "estimate_gain, best chosen": []}
        for run in range(runs):
            rng = rng_of(run)
            common_N1 = rng.random((500, 1)) < 0.5
            hit_NM = np.where(common_N1, rng.random((500, 1)), rng.random((500, models))) < 0.6
            means = measure_on_set(hit_NM)
            best = int(means.mean_M.argmax())
            others = [model for model in range(models) if model != best]
            ours = estimate_lags(means, draws=2000)
            tables["estimate_lags"].append([bounds(ours[model]) for model in others])
            tables["estimate_gain, best chosen"].append([bounds(means.estimate_gain(m, best)) for m in others])
        for name, intervals in tables.items():
            whole = np.mean([all(low <= 0 <= high for low, high in table) for table in intervals])
            width = np.mean([high - low for table in intervals for low, high in table])
            yield {"kind": "lags", "case": f"{models} equal models, 500 images", "method": name, "samples": runs,
                   "held": float(whole), "width": float(width)}  # fmt: skip


def powers(rng_of: Callable[[int], np.random.Generator], runs: int) -> Iterator[dict[str, Any]]:
    """Rows of the number of images that is said to separate two models: how often it does; 80 % is meant."""
    for gained, lost in ((0.05, 0.03), (0.12, 0.08), (0.2, 0.1), (0.06, 0.01)):
        n = images_to_separate(gained - lost, gained + lost)
        found_mid, found_gain = [], []
        for run in range(runs):
            pair = hits_of_two(rng_of(run), n, gained, lost)
            found_mid.append(mcnemar(*pair).mid < 0.05)
            found_gain.append(estimate_gain(*pair).low > 0)
        for name, found in (("McNemar mid-p", found_mid), ("estimate_gain above 0", found_gain)):
            yield {"kind": "power", "case": f"{gained:.0%} gained, {lost:.0%} lost: {n} images", "method": name,
                   "samples": runs, "held": float(np.mean(found)), "width": ""}  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="smoke run: 20 samples")
    runs = 20 if parser.parse_args().quick else 2000
    rows: list[dict[str, Any]] = []
    parts = ((single, runs), (two_levels, runs), (ranks, max(20, runs // 2)), (lags, runs), (powers, runs))
    for part, samples in parts:
        mine = []
        for row in part(lambda run: np.random.default_rng([7, run]), samples):
            mine.append(row)
            print(f"{row['held']:6.1%}  {row['method']:<34} {row['case']}", flush=True)
        rows += mine
    if runs == 2000:
        print(f"\nwritten: {harness.write_rows('interval_coverage', rows)}")


if __name__ == "__main__":
    main()
