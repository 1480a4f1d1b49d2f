"""Report of several models on several sets: one table, and which differences are real."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Sequence

import numpy as np

from wordsight.evaluate.report.charts import interval_chart
from wordsight.evaluate.report.sections import Report, Section, Table
from wordsight.evaluate.zeroshot.report import Evaluated, build_report, build_sections, describe
from wordsight.evaluate.zeroshot.summary import known_labels
from wordsight.metrics import Estimate, estimate_gain

_DETAILED = 6  # results whose own sections a report holds; all of them are in the files


def build_overview(evaluated: Sequence[Evaluated], command: Sequence[str]) -> Report:
    """Report of any number of results; of a single one its own. command: arguments behind `wordsight`."""
    if len(evaluated) == 1:
        return build_report(evaluated[0], command)
    by_set: dict[str, list[Evaluated]] = {}
    for each in evaluated:
        by_set.setdefault(each.predictions.origin.dataset, []).append(each)
    differences = [sentence for results in by_set.values() for sentence in compare_on_set(results)]
    sections = [_table_section(by_set)]
    if len(by_set) > 1 and differences:
        sections.append(Section("Differences", "\n".join(differences)))
    if len(evaluated) <= _DETAILED:
        sections += [section for each in evaluated for section in _own_sections(each)]
    models = len({each.predictions.origin.model for each in evaluated})
    return Report(
        title=f"Zero-shot classification of {_count(len(by_set), 'dataset')} by {_count(models, 'model')}",
        answer="\n".join(_describe_all(by_set, differences)),
        command=f"wordsight {shlex.join(command)}",
        sections=sections,
        data={"results": [each.to_dict() for each in evaluated], "differences": differences},
    )


def compare_on_set(results: Sequence[Evaluated]) -> Iterator[str]:
    """Difference of the best model of a set to each other one, in words; images that both have read are compared.

    Of multi-label sets nothing is said: their measure is not a share of images.
    """
    ordered = sorted(results, key=lambda each: -each.summary.main.value)
    best = ordered[0]
    for other in ordered[1:]:
        if best.predictions.is_multilabel:
            continue
        gain = estimate_gain(*_common_hits(other, best))
        names = best.predictions.origin.model, other.predictions.origin.model
        yield f"{best.predictions.origin.dataset}: {describe_gain(*names, gain)}"


def describe_gain(better: str, worse: str, gain: Estimate) -> str:
    """A difference in accuracy in words: "B is better than A by 1.8 points (0.6 to 3.1)."."""
    points = f"{100 * gain.value:.1f} points ({100 * gain.low:.1f} to {100 * gain.high:.1f})"
    if gain.low > 0:
        return f"{better} is better than {worse} by {points}."
    return f"{better} and {worse} cannot be told apart on these {gain.n} images: {points}."


def _common_hits(first: Evaluated, second: Evaluated) -> tuple[np.ndarray, np.ndarray]:
    """Hits of two models on the images that both have, in one order."""
    hits_by_key = []
    for each in (first, second):
        known = known_labels(each.predictions)
        hits = each.predictions.hits[known].tolist()
        hits_by_key.append(dict(zip((each.predictions.keys[i] for i in known), hits, strict=True)))
    common = [key for key in hits_by_key[0] if key in hits_by_key[1]]
    return np.array([hits_by_key[0][key] for key in common]), np.array([hits_by_key[1][key] for key in common])


def _describe_all(by_set: dict[str, list[Evaluated]], differences: Sequence[str]) -> Iterator[str]:
    """Of one set the best result and the differences to it; of several sets the mean of each model."""
    if len(by_set) == 1:
        (results,) = by_set.values()
        best = max(results, key=lambda each: each.summary.main.value)
        yield describe(best).splitlines()[0]
        yield from differences
        return
    by_model: dict[str, dict[str, float]] = {}
    for name, results in by_set.items():
        for each in results:
            by_model.setdefault(each.predictions.origin.model, {})[name] = each.summary.main.value
    for model, values in by_model.items():
        worst, best_set = min(values, key=values.__getitem__), max(values, key=values.__getitem__)
        yield (
            f"{model}: {100 * np.mean(list(values.values())):.1f} % in the mean of {len(values)} datasets, from "
            f"{100 * values[worst]:.1f} % ({worst}) to {100 * values[best_set]:.1f} % ({best_set})."
        )


def _table_section(by_set: dict[str, list[Evaluated]]) -> Section:
    rows, intervals, chance = [], {}, {}
    for name, results in by_set.items():
        for each in results:
            summary, model = each.summary, each.predictions.origin.model
            counts = [str(summary.n), str(len(summary.classes)), f"{100 * summary.chance:.1f} %"]
            rows.append([name, model, f"{summary.main:.1%}", summary.main_name, *counts])
            row_name = f"{name}, {model}" if len(results) > 1 else name
            intervals[row_name], chance[row_name] = summary.main, summary.chance
    columns = ["dataset", "model", "accuracy [95 %]", "measure", "images", "classes", "chance"]
    chart = interval_chart(intervals, chance=chance, title="accuracy", caption="Accuracy with 95 % intervals")
    return Section("Accuracy", parts=[Table(columns, rows), chart])


def _own_sections(each: Evaluated) -> Iterator[Section]:
    origin = each.predictions.origin
    for section in build_sections(each):
        title = f"{origin.model} on {origin.dataset}: {section.title.lower()}"
        yield Section(title, section.text, section.parts, detail=True)


def _count(n: int, noun: str) -> str:
    return f"{n} {noun}{'s' * (n != 1)}"
