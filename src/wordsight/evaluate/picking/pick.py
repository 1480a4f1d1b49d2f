"""Candidates measured side by side: accuracy on all images, then speed and memory in alternating fresh processes."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

from wordsight.errors import InputError
from wordsight.evaluate.comparison.pairing import pair_predictions
from wordsight.evaluate.comparison.standings import Standings
from wordsight.evaluate.datasets.labelled_set import LabelledSet
from wordsight.evaluate.picking.worker import Request, run_candidate
from wordsight.evaluate.predictions import Predictions, read_predictions
from wordsight.evaluate.report.names import shorten_names
from wordsight.metrics import Estimate, estimate_share, measure_on_set
from wordsight.zeroshot.templates import Templates

PRECISIONS = ("f32", "bf16", "int8")
ROUNDS = 3  # fresh processes for each candidate's speed, in turns
TIMED = 128  # images of a round
_FEWEST = 32  # images of a round where the set has fewer: they are taken again


@dataclass(frozen=True)
class Candidate:
    """A model at a precision, measured.

    images_per_second: median of the rounds, from files to embeddings; slowest, fastest: of the rounds. start_seconds:
    from a loaded program to the first image and text. peak_bytes: memory; None where the system does not tell it.
    best_trade: whether no other candidate is both as accurate and as fast, and better in one of them.
    """

    label: str
    model: str
    precision: str
    accuracy: Estimate
    images_per_second: float
    slowest: float
    fastest: float
    start_seconds: float
    peak_bytes: int | None
    best_trade: bool

    def to_dict(self) -> dict[str, Any]:
        """Fields by name, as JSON holds them."""
        return {**vars(self), "accuracy": self.accuracy.to_dict()}


@dataclass(frozen=True)
class Unavailable:
    """A candidate that cannot be measured here, with the reason."""

    label: str
    reason: str


@dataclass(frozen=True)
class Picking:
    """Candidates on one set, the most accurate first, and those that are not available.

    standings: of their accuracy, paired. advised: label of the fastest of those that may be the most accurate.
    """

    dataset: str
    images: int
    candidates: tuple[Candidate, ...]
    unavailable: tuple[Unavailable, ...]
    standings: Standings
    advised: str

    def find(self, label: str) -> Candidate:
        """Candidate of a label."""
        return next(each for each in self.candidates if each.label == label)

    def to_dict(self) -> dict[str, Any]:
        """Fields by name, as JSON holds them."""
        return {
            "dataset": self.dataset,
            "images": self.images,
            "advised": self.advised,
            "candidates": [each.to_dict() for each in self.candidates],
            "standings": self.standings.to_dict(),
            "unavailable": [vars(each) for each in self.unavailable],
        }


def pick(
    data: LabelledSet,
    models: Sequence[str],
    precisions: Sequence[str] = PRECISIONS,
    *,
    backend: str = "auto",
    templates: Templates | None = None,
    rounds: int = ROUNDS,
    seed: int = 0,
    progress: Callable[[str], object] | None = None,
) -> Picking:
    """Measure each model at each precision on a set: zero-shot accuracy, images per second, memory.

    Every candidate is measured in processes of its own: first all images for its accuracy, whose features are cached,
    then `rounds` times some of them for its speed, each round in the other order. progress: takes a line per step.
    Raises: InputError where no candidate can be measured, with their reasons.
    """
    tell = progress or (lambda _: None)
    names = [
        (f"{label} {precision}", model, precision)
        for label, model in zip(shorten_names(models), models, strict=True)
        for precision in precisions
    ]
    unavailable: list[Unavailable] = []
    figures: dict[str, list[dict[str, Any]]] = {}
    predictions = {}
    with tempfile.TemporaryDirectory(prefix="wordsight-pick-") as temporary:
        folder = Path(temporary)
        for number, (label, model, precision) in enumerate(names):
            tell(f"{label}: accuracy on {len(data.images):,} images")
            path = folder / f"{number}.parquet"
            answer = run_candidate(Request(model, precision, backend, data, templates, predictions=path), folder)
            if "failed" in answer:
                unavailable.append(Unavailable(label, answer["failed"]))
            else:
                predictions[label] = read_predictions(path)
        timed = _choose_timed(len(data.images))
        for turn, label, model, precision in _take_turns(names, rounds):
            if label not in predictions:
                continue
            tell(f"{label}: speed, round {turn + 1} of {rounds}")
            answer = run_candidate(Request(model, precision, backend, data, templates, timed), folder)
            if "failed" in answer:
                unavailable.append(Unavailable(label, answer["failed"]))
                del predictions[label]
            else:
                figures.setdefault(label, []).append(answer)
    if not predictions:
        reasons = " ".join(f"{each.label}: {each.reason}" for each in unavailable)
        raise InputError(f"No candidate can be measured. {reasons}")
    return _conclude(data.name, predictions, [name for name in names if name[0] in predictions], figures,
                     unavailable=unavailable, seed=seed)  # fmt: skip


def _conclude(
    dataset: str,
    predictions: Mapping[str, Predictions],
    names: Sequence[tuple[str, str, str]],
    figures: Mapping[str, list[dict[str, Any]]],
    *,
    unavailable: Sequence[Unavailable],
    seed: int,
) -> Picking:
    """Candidates that were measured, paired on their common images, with the advice."""
    hits = pair_predictions(dataset, predictions)
    shares = [estimate_share(hit_N) for hit_N in hits.hit_NM.T]
    standings = Standings.rank(tuple(predictions), measure_on_set(hits.hit_NM), seed, shares=shares)
    candidates = _mark_trades([_summarise(name, figures[name[0]], standings) for name in names])
    return Picking(
        dataset,
        len(hits.hit_NM),
        tuple(sorted(candidates, key=lambda each: (-each.accuracy.value, -each.images_per_second))),
        tuple(unavailable),
        standings,
        _advise(candidates, standings),
    )


def _choose_timed(n: int) -> tuple[int, ...]:
    """Images to time, spread evenly over the set; of a small set some several times."""
    spread = np.unique(np.linspace(0, n - 1, min(n, TIMED)).round().astype(int))
    return tuple(np.resize(spread, max(len(spread), _FEWEST)).tolist())


def _take_turns(names: Sequence[tuple[str, str, str]], rounds: int) -> Iterator[tuple[int, str, str, str]]:
    """Candidates of each round, every second round backwards."""
    for turn in range(rounds):
        yield from ((turn, *name) for name in (names[::-1] if turn % 2 else names))


def _summarise(name: tuple[str, str, str], rounds: Sequence[dict[str, Any]], standings: Standings) -> Candidate:
    label, model, precision = name
    speeds = [each["images"] / each["seconds"] for each in rounds]
    peaks = [each["peak_bytes"] for each in rounds if each["peak_bytes"] is not None]
    accuracy = next(row.mean for row in standings.rows if row.label == label)
    return Candidate(
        label=label,
        model=model,
        precision=precision,
        accuracy=accuracy,
        images_per_second=median(speeds),
        slowest=min(speeds),
        fastest=max(speeds),
        start_seconds=median(each["start_seconds"] for each in rounds),
        peak_bytes=int(median(peaks)) if peaks else None,
        best_trade=False,
    )


def _mark_trades(candidates: Sequence[Candidate]) -> list[Candidate]:
    """Candidates, those marked that no other is better than: the Pareto front of accuracy and speed."""
    from dataclasses import replace

    def beats(other: Candidate, one: Candidate) -> bool:
        mine = (one.accuracy.value, one.images_per_second)
        theirs = (other.accuracy.value, other.images_per_second)
        return theirs != mine and all(a >= b for a, b in zip(theirs, mine, strict=True))

    return [replace(one, best_trade=not any(beats(other, one) for other in candidates)) for one in candidates]


def _advise(candidates: Sequence[Candidate], standings: Standings) -> str:
    """Fastest of those that may be the most accurate."""
    tied = [each for each in candidates if each.label in standings.tied]
    return max(tied, key=lambda each: each.images_per_second).label
