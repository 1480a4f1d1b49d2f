"""One cell of a suite: a model on a set, by zero-shot and by few-shot methods; kept on disk run by run."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import astuple, dataclass, field, replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

import wordsight
from wordsight.errors import InputError
from wordsight.evaluate.datasets.labelled_set import LabelledSet
from wordsight.evaluate.embedder import ImageEmbedder, ImageTextEmbedder
from wordsight.evaluate.features import Features, embed_set
from wordsight.evaluate.fewshot.curves import (
    ZERO_SHOT,
    describe_origin,
    fit_run,
    list_seeds,
    plan_methods,
    predict_zero_shot,
)
from wordsight.evaluate.fewshot.methods import DEFAULT
from wordsight.evaluate.fewshot.shots import ALL, Count
from wordsight.evaluate.fewshot.task import FewShotTask, embed_texts, prepare_task
from wordsight.evaluate.predictions import Origin, Predictions, read_predictions, write_predictions
from wordsight.evaluate.result_folder import result_folder, run_name
from wordsight.evaluate.zeroshot.run import score_classes
from wordsight.zeroshot.templates import PHOTO

TASK = "suite"  # its own name: the sets that `wordsight eval fewshot` tests on are chosen apart
PROBE = "probe"
SHOTS: tuple[Count, ...] = (1, 2, 4, 8, 16)
SEEDS = 3


class Measure(NamedTuple):
    """A method with a number of shots; zero-shot has 0."""

    method: str
    shots: Count


NO_SHOTS, PROBE_ALL = Measure(ZERO_SHOT, 0), Measure(PROBE, ALL)


@dataclass(frozen=True)
class Plan:
    """Measurements that a suite makes of each model on each set.

    methods: with the numbers of shots in `shots`, as far as a set has images, and each with all images of its pool.
    out: folder where predictions are written, and found again by a second run. command: recorded in them.
    """

    out: Path
    methods: tuple[str, ...] = (PROBE, DEFAULT)
    shots: tuple[Count, ...] = SHOTS
    seeds: int = SEEDS
    first_seed: int = 0
    command: tuple[str, ...] = ()


@dataclass(frozen=True)
class Cell:
    """Results of a model on a set. hits: measure → whether each seed's run was right on each test image, (S, M).

    class_count, test_images: of the set as it was tested. notes: measures that its images do not allow, and why.
    """

    dataset: str
    model: str
    class_count: int
    test_images: int
    hits: dict[Measure, NDArray[np.float64]]
    notes: tuple[str, ...] = ()
    features: tuple[Features, ...] = field(default=(), repr=False)
    reused: int = 0

    def share(self, measure: Measure) -> NDArray[np.float64]:
        """Share of the seeds that were right on each test image, (M,)."""
        return np.asarray(self.hits[measure].mean(axis=0))


def measure_cell(
    model: ImageEmbedder,
    data: LabelledSet,
    plan: Plan,
    *,
    pool: LabelledSet | None = None,
    templates: Sequence[str] = (PHOTO,),
    progress: Callable[[int], object] | None = None,
) -> Cell:
    """Measure a model on a set, reading what an earlier run has written.

    A set with one image per class is measured by zero-shot only, on all of its images.
    Raises: InputError for a set that nothing can be measured on, such as one with one class.
    """
    if pool is None and not data.is_multilabel and np.bincount(data.labels[data.labels >= 0], minlength=1).max() == 1:
        return _measure_single_images(model, data, plan, templates, progress)
    task = prepare_task(model, data, pool=pool, templates=templates, progress=progress)
    folder = result_folder(plan.out, data.name, model.name) / "suite"
    notes: list[str] = list(task.notes)
    hits: dict[Measure, NDArray[np.float64]] = {}
    reused = 0
    zero_shot = predict_zero_shot(task, plan.command)
    if zero_shot is not None:
        zero_shot = _as_suite(zero_shot)
        write_predictions(folder / f"{ZERO_SHOT}.parquet", zero_shot)
        hits[NO_SHOTS] = zero_shot.hits[None].astype(np.float64)
    for name in plan_methods(task, plan.methods, notes):
        for count in (*_allowed(task, plan), ALL):
            rows = []
            measure = Measure(name, count)
            for seed in list_seeds(count, plan.seeds, plan.first_seed):
                predictions, found = _read_or_fit(folder, task, measure, seed=seed, command=plan.command)
                rows.append(predictions.hits)
                reused += found
            hits[measure] = np.stack(rows).astype(np.float64)
    return Cell(
        data.name,
        model.name,
        len(task.test.classnames),
        len(task.test.images),
        hits,
        tuple(notes),
        task.features,
        reused,
    )


def _allowed(task: FewShotTask, plan: Plan) -> list[Count]:
    """Numbers of shots that every class but the smallest tenth has images for, which makes sets comparable."""
    count_K = np.bincount(task.pool.labels, minlength=len(task.pool.classnames))
    return [count for count in plan.shots if int(count) <= np.quantile(count_K, 0.1, method="lower")]


def _read_or_fit(
    folder: Path, task: FewShotTask, measure: Measure, *, seed: int, command: tuple[str, ...]
) -> tuple[Predictions, bool]:
    """Predictions of one run, and whether they were there already."""
    name, count = measure
    path = folder / f"{run_name(name, count, seed)}.parquet"
    if path.exists():
        try:
            there = read_predictions(path)
        except InputError:
            there = None
        wanted = replace(describe_origin(task, f"{name} {count} shots seed {seed}", (), {}), task=TASK)
        if there is not None and _identity(there.origin) == _identity(wanted):
            return there, True
    predictions = _as_suite(fit_run(task, name, count, seed, command).predictions)
    write_predictions(path, predictions)
    return predictions, False


def _as_suite(predictions: Predictions) -> Predictions:
    return replace(predictions, origin=replace(predictions.origin, task=TASK))


def _identity(origin: Origin) -> tuple[object, ...]:
    """Identity of a run: all of its origin but the names, the command and the time."""
    return astuple(replace(origin, dataset="", model="", precision="", command=(), seconds={}))


def _measure_single_images(
    model: ImageEmbedder,
    data: LabelledSet,
    plan: Plan,
    templates: Sequence[str],
    progress: Callable[[int], object] | None,
) -> Cell:
    """Zero-shot on all images of a set that has one image of each class."""
    note = "one image per class, so that nothing is left to learn from: zero-shot only, on all images"
    if not isinstance(model, ImageTextEmbedder):
        raise InputError(f"{data.name!r} has one image per class, and {model.name} embeds images only.")
    features = embed_set(model, data, progress=progress)
    there = features.of(data)
    class_KD, scale = embed_texts(model, data.classnames, templates)
    assert class_KD is not None
    origin = Origin(
        task=TASK,
        dataset=data.name,
        dataset_hash=there.content_hash,
        model=model.name,
        fingerprint=model.fingerprint,
        version=wordsight.__version__,
        method=ZERO_SHOT,
        templates=tuple(templates),
        command=plan.command,
    )
    predictions = Predictions.from_scores(origin, there, score_classes(features.image_MD, class_KD, scale))
    write_predictions(result_folder(plan.out, data.name, model.name) / "suite" / f"{ZERO_SHOT}.parquet", predictions)
    hits: dict[Measure, NDArray[np.float64]] = {NO_SHOTS: predictions.hits[None].astype(np.float64)}
    return Cell(data.name, model.name, len(data.classnames), len(there.images), hits, (note,), (features,))
