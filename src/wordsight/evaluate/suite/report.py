"""Report of a suite: where zero-shot beats the probe, the mean curve, and a table of all sets."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Sequence
from pathlib import Path

from wordsight.evaluate.fewshot.curves import ZERO_SHOT
from wordsight.evaluate.report.drawn_chart import DrawnChart
from wordsight.evaluate.report.line_charts import Series, line_chart
from wordsight.evaluate.report.row_charts import bar_chart
from wordsight.evaluate.report.sections import Report, Section, Table
from wordsight.evaluate.report.words import format_gain, percent
from wordsight.evaluate.suite.cell import NO_SHOTS, PROBE, PROBE_ALL, Measure
from wordsight.evaluate.suite.summary import ALL_SETS, FEWEST_SETS, MeanResult, SetResult, SuiteResult, list_counts
from wordsight.metrics import Estimate


def build_suite_report(result: SuiteResult, command: str) -> Report:
    """Report of models on many sets."""
    names = len({each.dataset for each in result.sets})
    sections = [_tabulate_means(result)] if result.means else []
    for model in result.models:
        own = [each for each in result.sets if each.model == model]
        sections += _describe_model(model, own, [curve for curve in result.curves if curve.model == model])
    if missing := _tell_left_out(result):
        sections.append(Section("Left out", "\n".join(missing)))
    title = f"{names} datasets × {len(result.models)} model{'s' * (len(result.models) > 1)}"
    return Report(title, "\n".join(answer_suite(result)), command, sections, result.to_dict())


def answer_suite(result: SuiteResult) -> Iterator[str]:
    """A sentence on each model: its mean, or its figures on the one dataset; and on datasets too small to tell."""
    for each in result.sets:
        if not any(mean.model == each.model for mean in result.means):
            yield _answer_one(each)
    for mean in result.means:
        if mean.group != ALL_SETS:
            continue
        only = " (intervals: of these only)" if mean.of_these_only else ""
        text = f"{mean.model}, mean of {mean.sets} datasets{only}: "
        parts = [f"{_title(m)} {estimate:.1%}" for m, estimate in mean.accuracy.items()]
        yield text + ", ".join(parts) + _say_gap(mean, [s for s in result.sets if s.model == mean.model]) + "."
        groups = [other for other in result.means if other.model == mean.model and other.group != ALL_SETS]
        if groups:
            yield f"Of these, {'; '.join(map(_say_group, groups))}."
    few = {each.dataset: each for each in result.sets if each.test_images < each.class_count}
    for each in few.values():
        yield (
            f"{each.dataset} is tested on only {each.test_images} images of {each.class_count} classes, which tells "
            "little: not even every class has an image; raise --limit where it is given."
        )


def _say_group(mean: MeanResult) -> str:
    figures = ", ".join(f"{_title(m).lower()} {percent(estimate.value)}" for m, estimate in mean.accuracy.items())
    return f"{mean.sets} {mean.group}: {figures}"


def _answer_one(each: SetResult) -> str:
    parts = [f"{_title(m)} {each.accuracy[m]:.1%}" for m in (NO_SHOTS, PROBE_ALL) if m in each.accuracy]
    gap = ""
    if each.gap is not None:
        gap = f"; zero-shot less probe {format_gain(each.gap)} points"
    return f"{each.model} on {each.dataset} ({each.test_images:,} images tested): {', '.join(parts)}{gap}."


def draw_gaps(sets: Sequence[SetResult], model: str) -> DrawnChart:
    """Bars of zero-shot less probe for each set, the best for zero-shot on top (Radford et al. 2021, figure 5)."""
    ordered = sorted((each for each in sets if each.gap is not None), key=lambda each: -_value(each.gap))
    gaps = [each.gap for each in ordered if each.gap is not None]
    return bar_chart(
        [f"{each.dataset} ({each.class_count})" for each in ordered],
        [gap.value for gap in gaps],
        lows=[gap.low for gap in gaps],
        highs=[gap.high for gap in gaps],
        caption=f"Zero-shot less linear probe on each dataset (number of classes), {model}, with 95 % intervals",
        title="zero-shot less probe",
    )


def draw_mean_curve(curve: MeanResult) -> DrawnChart:
    """Mean accuracy over sets by the number of shots, and zero-shot as a line (Radford et al. 2021, figure 6)."""
    methods = list(dict.fromkeys(name for name, count in curve.accuracy if count != 0))
    counts = list_counts(curve, methods[0])
    series = [
        Series.from_estimates(name, [curve.accuracy[Measure(name, count)] for count in counts]) for name in methods
    ]
    baselines = {}
    if NO_SHOTS in curve.accuracy:
        baselines[ZERO_SHOT] = curve.accuracy[NO_SHOTS].value
    return line_chart(
        series,
        [str(count) for count in counts],
        baselines=baselines,
        caption=f"Mean accuracy over {curve.sets} datasets ({curve.group}) by labelled images per class, {curve.model}",
        x_title="labelled images of each class",
        y_title="mean accuracy",
    )


def write_charts(result: SuiteResult, folder: Path) -> list[Path]:
    """Write the charts of each model into a folder, as PNG and SVG; returns the PNG files."""
    from wordsight.evaluate.result_folder import folder_name

    written: list[Path] = []
    for model in result.models:
        own = [each for each in result.sets if each.model == model]
        charts: dict[str, DrawnChart] = {}
        if any(each.gap is not None for each in own):
            charts["gaps"] = draw_gaps(own, model)
        for curve in result.curves:
            if curve.model == model:
                charts[f"curve-{curve.group.replace(' ', '-')}"] = draw_mean_curve(curve)
        for name, chart in charts.items():
            written.append(chart.write_files(folder / f"suite-{folder_name(f'{model}-{name}')}"))
    return written


def write_figures(result: SuiteResult, path: Path) -> Path:
    """Write every figure of every dataset as CSV, a line for each model, method and number of shots; returns the path.

    Columns: set, model, method, shots (0 for zero-shot, "all"), value, low, high, n; shares of 0 to 1.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["set", "model", "method", "shots", "value", "low", "high", "n"])
        for each in result.sets:
            for (method, count), found in each.accuracy.items():
                figures = [f"{number:.6f}" for number in (found.value, found.low, found.high)]
                writer.writerow([each.dataset, each.model, method, count, *figures, found.n])
    return path


def _describe_model(model: str, sets: Sequence[SetResult], curves: Sequence[MeanResult]) -> Iterator[Section]:
    parts: list[DrawnChart | Table] = []
    if any(each.gap is not None for each in sets):
        parts.append(draw_gaps(sets, model))
    text = (
        "Sorted by zero-shot less probe; a dash where a dataset has too few images. Images: those that are tested on, "
        "by zero-shot too, so that it differs from `wordsight eval zeroshot`, which takes all images: where a dataset "
        "has no train split, half of each class is kept to learn from."
    )
    yield Section(f"Datasets: {model}", text, [*parts, _tabulate_sets(sets)])
    for curve in curves:
        title = f"Mean curve: {model}, {curve.group}"
        yield Section(title, _say_curve(curve), [draw_mean_curve(curve), _tabulate_curve(curve)])


def _tabulate_means(result: SuiteResult) -> Section:
    rows = []
    for mean in result.means:
        cells = [_cell(mean.accuracy.get(measure)) for measure in (NO_SHOTS, PROBE_ALL)]
        rows.append([mean.model, mean.group, str(mean.sets), *cells, format_gain(mean.gap)])
    head = ["Model", "Datasets", "Number", "Zero-shot", "Probe, all", "Zero-shot less probe"]
    text = (
        "Datasets are equally weighted; those without both measures are not in the mean. Intervals are those of other "
        f"datasets like these; of fewer than {FEWEST_SETS}, of these only, with other images. Whether one model is "
        "better than another is for `wordsight eval compare --task suite` to say, on the predictions written here."
    )
    return Section("Mean over datasets", text, [Table(head, rows)])


def _tabulate_sets(sets: Sequence[SetResult]) -> Table:
    """Table of the main measures of each set: zero-shot, probe with all images, and two numbers of shots."""
    there = dict.fromkeys(measure for each in sets for measure in each.accuracy)
    few = [measure for measure in there if measure.method != PROBE and measure.shots in (1, 4)]
    measures: list[Measure] = [NO_SHOTS, PROBE_ALL, *few]
    ordered = sorted(sets, key=lambda each: (each.gap is None, -_value(each.gap)))
    rows = []
    for each in ordered:
        figures = [_short(each.accuracy.get(measure)) for measure in measures]
        rows.append([each.dataset, str(each.class_count), str(each.test_images), *figures, format_gain(each.gap)])
    head = ["Dataset", "Classes", "Images tested", "Zero-shot", "Probe", *(f"{n} shot{'s' * (n != 1)}" for _, n in few)]
    methods = ", ".join(dict.fromkeys(name for name, _ in few))
    caption = "Accuracy in percent; the probe learns from all images of the pool"
    if methods:
        caption += f", {methods} from a few"
    return Table([*head, "Zero-shot less probe"], rows, caption)


def _tabulate_curve(curve: MeanResult) -> Table:
    methods = list(dict.fromkeys(name for name, count in curve.accuracy if count != 0))
    counts = list_counts(curve, methods[0])
    rows = [[name, *(_cell(curve.accuracy[Measure(name, count)]) for count in counts)] for name in methods]
    if NO_SHOTS in curve.accuracy:
        rows.insert(0, [ZERO_SHOT, *[_cell(curve.accuracy[NO_SHOTS])] * len(counts)])
    return Table(["Method", *(f"{count} shot{'s' * (count != 1)}" for count in counts)], rows)


def _say_curve(curve: MeanResult) -> str:
    """Sentence on the fewest shots with which each method beats zero-shot on the mean of the sets."""
    if NO_SHOTS not in curve.accuracy:
        return f"Mean of the {curve.sets} datasets with enough images."
    base = curve.accuracy[NO_SHOTS].value
    sentences = []
    for method in dict.fromkeys(name for name, count in curve.accuracy if count != 0):
        counts = list_counts(curve, method)
        first = next((count for count in counts if curve.accuracy[Measure(method, count)].value >= base), None)
        if first is None:
            sentences.append(f"{method} is below zero-shot up to {counts[-1]} shots")
        else:
            sentences.append(f"{method} is as good as zero-shot from {first} shot{'s' * (first != 1)} on")
    return f"Mean of the {curve.sets} datasets with enough images: {'; '.join(sentences)}."


def _say_gap(mean: MeanResult, sets: Sequence[SetResult]) -> str:
    if mean.gap is None:
        return ""
    gaps = [each.gap for each in sets if each.gap is not None]
    ahead, behind = sum(gap.low > 0 for gap in gaps), sum(gap.high < 0 for gap in gaps)
    return (
        f"; zero-shot less probe {format_gain(mean.gap)} points. Zero-shot is clearly better on {ahead} of {len(gaps)} "
        f"datasets, the probe on {behind}"
    )


def _tell_left_out(result: SuiteResult) -> list[str]:
    lines = [f"{name}: {reason}" for name, reason in result.left_out]
    told: dict[str, list[str]] = {}
    for each in result.sets:
        for note in each.notes:
            told.setdefault(note, []).append(each.dataset)
    return lines + [f"{', '.join(dict.fromkeys(names))}: {note}." for note, names in told.items()]


def _title(measure: Measure) -> str:
    name, count = measure
    if count == 0:
        return "Zero-shot"
    return f"{name}, {count}"


def _short(estimate: Estimate | None) -> str:
    if estimate is None:
        return "–"
    return f"{100 * estimate.value:.0f}"


def _cell(estimate: Estimate | None) -> str:
    if estimate is None:
        return "–"
    return f"{100 * estimate.value:.1f} [{100 * max(0.0, estimate.low):.0f}, {100 * min(1.0, estimate.high):.0f}]"


def _value(estimate: Estimate | None) -> float:
    if estimate is None:
        return 0.0
    return estimate.value
