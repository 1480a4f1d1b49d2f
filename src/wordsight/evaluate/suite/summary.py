"""Figures of a suite: each set, means over sets with intervals, zero-shot against the probe, mean curves."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from wordsight.evaluate.fewshot.shots import ALL, Count
from wordsight.evaluate.suite.cell import NO_SHOTS, PROBE_ALL, Cell, Measure
from wordsight.metrics import (
    Estimate,
    JointMeans,
    estimate_gain,
    estimate_runs,
    measure_across_sets,
    measure_on_set,
    measure_on_sets,
)

ALL_SETS = "all sets"
FEWEST_SETS = 5  # below which the spread of sets is hardly known: of two, an interval of the mean is ±100 points


@dataclass(frozen=True)
class SetResult:
    """A model on a set: accuracy by measure, and zero-shot less probe with all images, where both are."""

    dataset: str
    model: str
    group: str
    class_count: int
    test_images: int
    accuracy: Mapping[Measure, Estimate]
    gap: Estimate | None
    notes: tuple[str, ...]

    def to_dict(self) -> dict[str, Any]:
        """Fields by name, as JSON holds them."""
        return {
            "dataset": self.dataset,
            "model": self.model,
            "group": self.group,
            "classes": self.class_count,
            "test_images": self.test_images,
            "accuracy": _by_text(self.accuracy),
            "zero_shot_minus_probe": _as_dict(self.gap),
            "notes": list(self.notes),
        }


@dataclass(frozen=True)
class MeanResult:
    """A model over the sets of a group that have all of its measures: zero-shot, and the probe with all images.

    Intervals are of sets like these: other sets, and other images of each, would give others. Of fewer than
    `FEWEST_SETS` they are of these sets only, with other images of them.
    """

    model: str
    group: str
    sets: int
    accuracy: Mapping[Measure, Estimate]
    gap: Estimate | None

    @property
    def of_these_only(self) -> bool:
        """Whether the intervals say nothing of other sets."""
        return self.sets < FEWEST_SETS

    def to_dict(self) -> dict[str, Any]:
        """Fields by name, as JSON holds them."""
        return {
            "model": self.model,
            "group": self.group,
            "sets": self.sets,
            "intervals_of_these_sets_only": self.of_these_only,
            "accuracy": _by_text(self.accuracy),
            "zero_shot_minus_probe": _as_dict(self.gap),
        }


@dataclass(frozen=True)
class SuiteResult:
    """Figures of all cells. curves: mean over the sets that have every number of shots in them.

    left_out: (dataset, reason) of sets that nothing could be measured on.
    """

    sets: tuple[SetResult, ...]
    means: tuple[MeanResult, ...]
    curves: tuple[MeanResult, ...]
    left_out: tuple[tuple[str, str], ...] = field(default=())

    @property
    def models(self) -> tuple[str, ...]:
        """Models, in the order measured."""
        return tuple(dict.fromkeys(each.model for each in self.sets))

    def to_dict(self) -> dict[str, Any]:
        """Fields by name, as JSON holds them."""
        return {
            "sets": [each.to_dict() for each in self.sets],
            "means": [each.to_dict() for each in self.means],
            "curves": [each.to_dict() for each in self.curves],
            "left_out": [{"dataset": name, "reason": reason} for name, reason in self.left_out],
        }


def summarise_suite(
    cells: Sequence[Cell], *, groups: Mapping[str, str] | None = None, left_out: Sequence[tuple[str, str]] = ()
) -> SuiteResult:
    """Figures of cells. groups: set → group, whose means are given apart, such as "seen in training"."""
    groups = groups or {}
    sets = tuple(_summarise_set(cell, groups.get(cell.dataset, "")) for cell in cells)
    means: list[MeanResult] = []
    curves: list[MeanResult] = []
    for model in dict.fromkeys(cell.model for cell in cells):
        own = [cell for cell in cells if cell.model == model]
        names = [ALL_SETS, *sorted({groups[cell.dataset] for cell in own if cell.dataset in groups})]
        for group in names:
            members = [cell for cell in own if group in (ALL_SETS, groups.get(cell.dataset))]
            means += _average(members, model, group, [NO_SHOTS, PROBE_ALL])
            curves += _average(members, model, group, find_curve_measures(members))
    return SuiteResult(sets, tuple(means), tuple(curves), tuple(left_out))


def find_curve_measures(cells: Sequence[Cell]) -> list[Measure]:
    """Measures of a mean curve: the numbers of shots that at least half of the sets with any have, for all methods."""
    able = [cell for cell in cells if any(count not in (0, ALL) for _, count in cell.hits)]
    held: dict[Measure, int] = {}
    for cell in able:
        for measure in cell.hits:
            held[measure] = held.get(measure, 0) + 1
    return [measure for measure, sets in held.items() if 2 * sets >= len(able) and measure.shots != ALL]


def _summarise_set(cell: Cell, group: str) -> SetResult:
    accuracy = {measure: estimate_runs(hit_SM) for measure, hit_SM in cell.hits.items()}
    gap = None
    if NO_SHOTS in cell.hits and PROBE_ALL in cell.hits:
        gap = estimate_gain(cell.hits[PROBE_ALL][0], cell.hits[NO_SHOTS][0])
    return SetResult(
        dataset=cell.dataset,
        model=cell.model,
        group=group,
        class_count=cell.class_count,
        test_images=cell.test_images,
        accuracy=accuracy,
        gap=gap,
        notes=cell.notes,
    )


def _average(cells: Sequence[Cell], model: str, group: str, measures: Sequence[Measure]) -> list[MeanResult]:
    """Means over the cells that have all of the measures; none of fewer than two."""
    measures = [measure for measure in measures if any(measure in cell.hits for cell in cells)]
    able = [cell for cell in cells if all(measure in cell.hits for measure in measures)]
    if len(able) < 2 or not measures:
        return []
    each = [measure_on_set(np.stack([cell.share(measure) for measure in measures], axis=1)) for cell in able]
    joint = measure_across_sets(each) if len(each) >= FEWEST_SETS else measure_on_sets(each)
    places = {measure: place for place, measure in enumerate(measures)}
    accuracy = {measure: _bound(joint.estimate(place), 0.0) for measure, place in places.items()}
    return [MeanResult(model, group, len(able), accuracy, _find_gap(joint, places))]


def _find_gap(joint: JointMeans, places: Mapping[Measure, int]) -> Estimate | None:
    """Zero-shot less probe with all images."""
    if NO_SHOTS not in places or PROBE_ALL not in places:
        return None
    return _bound(joint.estimate_gain(places[PROBE_ALL], places[NO_SHOTS]), -1.0)


def _bound(estimate: Estimate, least: float) -> Estimate:
    """Estimate whose interval ends where values do: at `least` and 1."""
    return replace(estimate, low=max(least, estimate.low), high=min(1.0, estimate.high))


def name_measure(measure: Measure) -> str:
    """Measure as results name it: "zero-shot", "probe all", "prior-probe 4"."""
    name, count = measure
    if count == 0:
        return name
    return f"{name} {count}"


def list_counts(result: MeanResult, method: str) -> list[Count]:
    """Numbers of shots of a method in a mean curve."""
    return [count for name, count in result.accuracy if name == method]


def _by_text(accuracy: Mapping[Measure, Estimate]) -> dict[str, Any]:
    return {name_measure(measure): estimate.to_dict() for measure, estimate in accuracy.items()}


def _as_dict(estimate: Estimate | None) -> dict[str, Any] | None:
    if estimate is None:
        return None
    return estimate.to_dict()
