"""Few-shot curves: accuracy of methods by the number of shots, beside zero-shot, and where they cross."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

import wordsight
from wordsight.errors import InputError
from wordsight.evaluate.fewshot.crossover import Crossover, find_crossover
from wordsight.evaluate.fewshot.methods import Method, find_method, fit_method
from wordsight.evaluate.fewshot.shots import ALL, Count, parse_shots
from wordsight.evaluate.fewshot.task import FewShotTask
from wordsight.evaluate.predictions import Origin, Predictions
from wordsight.evaluate.report.words import list_names
from wordsight.metrics import CrossedDraws, Estimate, estimate_runs, estimate_runs_gain
from wordsight.zeroshot.logistic import softmax

SHOTS: tuple[Count, ...] = (1, 2, 4, 8, 16, ALL)
SEEDS = 5
ZERO_SHOT = "zero-shot"


@dataclass(frozen=True)
class Run:
    """One classifier: a method, a number of shots, a seed. predictions: on the test part."""

    method: str
    count: Count
    seed: int
    predictions: Predictions
    facts: Mapping[str, Any]
    seconds: float


@dataclass(frozen=True)
class FewShotResult:
    """Curves of one model on one set.

    accuracy: method → number of shots → top-1 accuracy, over seeds and test images. gains: the same less zero-shot,
    paired. mean_shots, range_of_shots: images per class that "all" stands for. zero_shot, crossovers: none for features
    without texts.
    """

    dataset: str
    model: str
    class_count: int
    test_images: int
    seeds: int
    mean_shots: float
    range_of_shots: tuple[int, int]
    zero_shot: Estimate | None
    accuracy: Mapping[str, Mapping[Count, Estimate]]
    gains: Mapping[str, Mapping[Count, Estimate]]
    crossovers: Mapping[str, Crossover]
    seconds: Mapping[str, float]
    notes: tuple[str, ...]

    @property
    def counts(self) -> tuple[Count, ...]:
        """Numbers of shots that were measured."""
        return tuple(next(iter(self.accuracy.values())))

    def to_dict(self) -> dict[str, Any]:
        """Fields by name, as JSON holds them."""
        zero_shot = None
        if self.zero_shot is not None:
            zero_shot = self.zero_shot.to_dict()
        return {
            "dataset": self.dataset,
            "model": self.model,
            "classes": self.class_count,
            "test_images": self.test_images,
            "seeds": self.seeds,
            "mean_images_per_class": self.mean_shots,
            "images_per_class": list(self.range_of_shots),
            "zero_shot": zero_shot,
            "accuracy": _by_text(self.accuracy),
            "gain_over_zero_shot": _by_text(self.gains),
            "crossover": {name: crossover.to_dict() for name, crossover in self.crossovers.items()},
            "seconds": dict(self.seconds),
            "notes": list(self.notes),
        }


def plan_counts(task: FewShotTask, shots: Sequence[Count], notes: list[str]) -> list[Count]:
    """Numbers of shots that the pool has images for; the others go into the notes.

    Raises: InputError where none is left.
    """
    wanted = parse_shots(shots)
    largest = task.labels.largest
    kept = [count for count in wanted if count == ALL or int(count) <= largest]
    if not kept:
        raise InputError(
            f"{', '.join(map(str, wanted))} shots per class are asked for, but no class of {task.name!r} has more than "
            f"{largest} images to draw from; ask for fewer, or for {ALL!r}."
        )
    dropped = [str(count) for count in wanted if count not in kept]
    if dropped:
        notes.append(f"{list_names(dropped)} shots left out: more shots than images ({largest} a class at most)")
    for count in kept:
        smaller = task.labels.count_smaller(0 if count == ALL else int(count))
        if smaller:
            of = f"{smaller} of {task.labels.class_count} classes"
            notes.append(f"{count} shots: {of} have fewer images and give all they have")
    return kept


def plan_methods(task: FewShotTask, methods: Sequence[str], notes: list[str]) -> list[str]:
    """Methods that these features allow; those that need texts go into the notes where there are none.

    Raises: InputError for an unknown method, and where none is left.
    """
    kept: list[str] = []
    dropped: list[str] = []
    for name in dict.fromkeys(methods):
        method = find_method(name)
        needs_texts = not isinstance(method, Method) or method.needs_texts
        (dropped if needs_texts and task.class_KD is None else kept).append(name)
    if not kept:
        raise InputError(
            f"{task.model!r} embeds images only, but {list_names(dropped)} start from texts; use 'probe' or "
            "'nearest-mean'."
        )
    if dropped:
        notes.append(f"{list_names(dropped)} left out: they start from texts, and {task.model} embeds images only")
    return kept


def list_seeds(count: Count, seeds: int, first_seed: int = 0) -> range:
    """Seeds of the draws of a number of shots; one of all images, which every seed draws alike."""
    if count == ALL:
        return range(first_seed, first_seed + 1)
    return range(first_seed, first_seed + seeds)


def count_fits(methods: Sequence[str], counts: Sequence[Count], seeds: int) -> int:
    """Number of classifiers that `run_methods` fits."""
    return len(methods) * sum(len(list_seeds(count, seeds)) for count in counts)


def run_methods(
    task: FewShotTask,
    methods: Sequence[str],
    counts: Sequence[Count],
    seeds: int = SEEDS,
    *,
    first_seed: int = 0,
    command: Sequence[str] = (),
    progress: Callable[[int], object] | None = None,
) -> list[Run]:
    """Fit each method for each number of shots and seed, and predict the test part.

    All images of the pool are the same for every seed, so that they are fitted once. progress: called with 1 per fit.
    """
    runs: list[Run] = []
    for name in methods:
        for count in counts:
            for seed in list_seeds(count, seeds, first_seed):
                runs.append(fit_run(task, name, count, seed, command))
                if progress is not None:
                    progress(1)
    return runs


def fit_run(task: FewShotTask, method: str, count: Count, seed: int, command: Sequence[str] = ()) -> Run:
    """Fit a method once, and predict the test part."""
    started = time.perf_counter()
    scorer = fit_method(method, task.shots(count, seed), task.test_MD, task.test.labels)
    seconds = time.perf_counter() - started
    origin = describe_origin(task, f"{method} {count} shots seed {seed}", command, {"fit": seconds})
    predictions = Predictions.from_scores(origin, task.test, softmax(scorer.score(task.test_MD)))
    return Run(method, count, seed, predictions, scorer.facts, seconds)


def describe_origin(task: FewShotTask, method: str, command: Sequence[str], seconds: Mapping[str, float]) -> Origin:
    """Origin of predictions on the test part of a task."""
    return Origin(
        task="fewshot",
        dataset=task.name,
        dataset_hash=task.test.content_hash,
        model=task.model,
        fingerprint=task.fingerprint,
        version=wordsight.__version__,
        method=method,
        learnt_from=task.pool.content_hash,
        templates=task.templates,
        command=tuple(command),
        seconds=dict(seconds),
    )


def predict_zero_shot(task: FewShotTask, command: Sequence[str] = ()) -> Predictions | None:
    """Predictions of the zero-shot classifier on the test part, None for features without texts."""
    proba_MK = task.zero_shot_proba()
    if proba_MK is None:
        return None
    return Predictions.from_scores(describe_origin(task, ZERO_SHOT, command, {}), task.test, proba_MK)


def summarise(
    task: FewShotTask, runs: Sequence[Run], zero_shot: Predictions | None, notes: Sequence[str] = (), *, seed: int = 0
) -> FewShotResult:
    """Curves of runs, with intervals over seeds and test images. seed: of the draws behind the crossovers."""
    hits = _stack_hits(runs)
    seeds = max(len(hits_SM) for by_count in hits.values() for hits_SM in by_count.values())
    accuracy = {name: {n: estimate_runs(rows) for n, rows in by_count.items()} for name, by_count in hits.items()}
    gains: dict[str, dict[Count, Estimate]] = {}
    crossovers: dict[str, Crossover] = {}
    base = None
    if zero_shot is not None:
        base_M = zero_shot.hits.astype(np.float64)
        base = estimate_runs(base_M)
        draws = CrossedDraws.draw(seeds, len(task.test.images), seed=seed)
        for name, by_count in hits.items():
            gains[name] = {count: estimate_runs_gain(base_M, rows) for count, rows in by_count.items()}
            crossovers[name] = find_crossover(by_count, base_M, task.labels.mean, draws)
    seconds: dict[str, float] = {"embed": task.seconds}
    for run in runs:
        seconds[run.method] = seconds.get(run.method, 0.0) + run.seconds
    return FewShotResult(
        dataset=task.name,
        model=task.model,
        class_count=len(task.test.classnames),
        test_images=len(task.test.images),
        seeds=seeds,
        mean_shots=task.labels.mean,
        range_of_shots=(task.labels.smallest, task.labels.largest),
        zero_shot=base,
        accuracy=accuracy,
        gains=gains,
        crossovers=crossovers,
        seconds=seconds,
        notes=(*task.notes, *notes),
    )


def _stack_hits(runs: Sequence[Run]) -> dict[str, dict[Count, NDArray[np.float64]]]:
    """Hits (S, M) by method and number of shots."""
    rows: dict[str, dict[Count, list[NDArray[np.bool_]]]] = {}
    for run in runs:
        rows.setdefault(run.method, {}).setdefault(run.count, []).append(run.predictions.hits)
    return {
        name: {count: np.stack(hits).astype(np.float64) for count, hits in by_count.items()}
        for name, by_count in rows.items()
    }


def _by_text(figures: Mapping[str, Mapping[Count, Estimate]]) -> dict[str, dict[str, Any]]:
    return {name: {str(n): e.to_dict() for n, e in by_count.items()} for name, by_count in figures.items()}
