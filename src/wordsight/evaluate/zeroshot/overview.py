"""Report of several models on several sets: one table, and which differences are real."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from wordsight.evaluate.comparison.compare import Comparison, compare_results
from wordsight.evaluate.comparison.results import Result
from wordsight.evaluate.comparison.words import describe_comparison, describe_set
from wordsight.evaluate.report.row_charts import interval_chart
from wordsight.evaluate.report.sections import Report, Section, Table
from wordsight.evaluate.report.words import percent
from wordsight.evaluate.zeroshot.report import build_report, build_sections
from wordsight.evaluate.zeroshot.words import Evaluated, describe

_DETAILED = 6  # results whose own sections a report holds; all of them are in the files


def build_overview(evaluated: Sequence[Evaluated], command: Sequence[str], *, seed: int = 0) -> Report:
    """Report of any number of results; of a single one its own.

    command: arguments behind `wordsight`. seed: of the ranks of several models.
    """
    if len(evaluated) == 1:
        return build_report(evaluated[0], command)
    by_set: dict[str, list[Evaluated]] = {}
    for each in evaluated:
        by_set.setdefault(each.predictions.origin.dataset, []).append(each)
    comparison = compare_models(evaluated, seed=seed)
    sections = [_table_section(by_set)]
    if comparison is not None and len(by_set) > 1:
        sections.append(Section("Differences on each dataset", "\n".join(map(describe_set, comparison.sets))))
    if len(evaluated) <= _DETAILED:
        sections += [section for each in evaluated for section in _own_sections(each)]
    models = len({each.predictions.origin.model for each in evaluated})
    return Report(
        title=f"Zero-shot classification of {_count(len(by_set), 'dataset')} by {_count(models, 'model')}",
        answer="\n".join(_describe_all(by_set, comparison)),
        command=f"wordsight {shlex.join(command)}",
        sections=sections,
        data={"results": [each.to_dict() for each in evaluated], "comparison": comparison},
    )


def compare_models(evaluated: Sequence[Evaluated], *, seed: int = 0) -> Comparison | None:
    """Comparison of the models, image by image; None of one model, and of multi-label sets, which have no hits."""
    results = [
        Result(origin.dataset, origin.model, origin.method, Path(), "", origin.precision, "", each.predictions)
        for each in evaluated
        if not each.predictions.is_multilabel
        for origin in [each.predictions.origin]
    ]
    if len({result.model for result in results}) < 2:
        return None
    return compare_results(results, seed=seed)


def _describe_all(by_set: dict[str, list[Evaluated]], comparison: Comparison | None) -> Iterator[str]:
    """Of one set the best result, of several sets the mean of each model; then which differences are real."""
    if len(by_set) == 1:
        (results,) = by_set.values()
        best = max(results, key=lambda each: each.summary.main.value)
        yield describe(best).splitlines()[0]
    else:
        yield from _describe_means(by_set)
    if comparison is not None:
        yield describe_comparison(comparison)


def _describe_means(by_set: dict[str, list[Evaluated]]) -> Iterator[str]:
    """Mean of each model over the sets, and its range."""
    by_model: dict[str, dict[str, float]] = {}
    for name, results in by_set.items():
        for each in results:
            by_model.setdefault(each.predictions.origin.model, {})[name] = each.summary.main.value
    for model, values in by_model.items():
        worst, best_set = min(values, key=values.__getitem__), max(values, key=values.__getitem__)
        yield (
            f"{model}: {percent(float(np.mean(list(values.values()))))} on average over {len(values)} datasets, from "
            f"{percent(values[worst])} ({worst}) to {percent(values[best_set])} ({best_set})."
        )


def _table_section(by_set: dict[str, list[Evaluated]]) -> Section:
    rows, intervals, chance = [], {}, {}
    for name, results in by_set.items():
        for each in results:
            summary, model = each.summary, each.predictions.origin.model
            counts = [str(summary.n), str(len(summary.classes)), percent(summary.chance)]
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
