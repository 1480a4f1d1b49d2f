"""Report of few-shot curves: in words where zero-shot stands, a table, a chart, and the protocol of each method."""

from __future__ import annotations

import math

from wordsight.evaluate.fewshot.crossover import Crossover
from wordsight.evaluate.fewshot.curves import FewShotResult
from wordsight.evaluate.fewshot.methods import DEFAULT, METHODS, PUBLISHED, find_method
from wordsight.evaluate.fewshot.shots import ALL, Count
from wordsight.evaluate.fewshot.verdict import judge_gain
from wordsight.evaluate.report.drawn_chart import DrawnChart
from wordsight.evaluate.report.line_charts import Series, line_chart
from wordsight.evaluate.report.sections import Report, Section, Table
from wordsight.evaluate.report.words import format_gain, percent
from wordsight.metrics import Estimate

_MANY = 1000  # test images, from which on tenths of a percent say something


def build_report(result: FewShotResult, command: str, *, with_chart: bool = True) -> Report:
    """Report of the curves of one model on one set."""
    accuracy = Section("Accuracy by shots", _say_what_is_shown(result), [_tabulate(result)])
    if with_chart:
        accuracy = Section(accuracy.title, accuracy.text, [draw_curves(result), *accuracy.parts])
    sections = [accuracy]
    if result.crossovers:
        sections.append(_compare_with_zero_shot(result))
    sections.append(_list_protocols(result))
    if result.notes:
        sections.append(Section("Left out", ". ".join(map(_capitalise, result.notes)) + "."))
    title = f"Few-shot classification of {result.dataset} with {result.model}"
    return Report(title, answer_in_words(result), command, sections, result.to_dict())


def answer_in_words(result: FewShotResult) -> str:
    """Whether labelled images help by the first method that was asked for, and how many of them zero-shot is worth."""
    most = result.counts[-1]
    name = find_main(result)
    text = (
        f"With {_name_count(result, most)}, {name} is right on {result.accuracy[name][most]:.1%} of "
        f"{result.test_images:,} test images"
    )
    if result.zero_shot is None:
        return f"{text}.{_name_highest(result, name)}"
    reference = "probe"
    if reference not in result.crossovers:
        reference = name
    parts = [f"{text}, zero-shot on {result.zero_shot:.1%}.", judge_gain(result, name)]
    parts.append(f"{say_crossover(result, reference)}{_name_highest(result, name)}")
    return " ".join(parts)


def find_main(result: FewShotResult) -> str:
    """Method that the answer is about: the first that a head can hold, else the first that is not tuned on the test."""
    honest = [name for name in result.accuracy if name in METHODS] or list(result.accuracy)
    linear = [name for name in honest if name in METHODS and METHODS[name].is_linear]
    return (linear or honest)[0]


def _name_highest(result: FewShotResult, name: str) -> str:
    """Sentence on the method with the highest accuracy, where it is another: the test images chose it."""
    most = result.counts[-1]
    honest = [other for other in result.accuracy if other in METHODS]
    best = max(honest, key=lambda other: result.accuracy[other][most].value, default=name)
    if best == name or result.accuracy[best][most].value <= result.accuracy[name][most].value:
        return ""
    return (
        f" The highest of {len(honest)} methods is {best} ({percent(result.accuracy[best][most].value)}), but these "
        "test images chose it, which flatters it."
    )


def say_crossover(result: FewShotResult, method: str) -> str:
    """Sentence on the number of shots with which a method is as good as zero-shot."""
    crossing = result.crossovers[method]
    title, most = _title(method), result.counts[-1]
    if crossing.shots == 0:
        return f"The {title} is as good as zero-shot from {_name_count(result, result.counts[0])} on."
    if math.isinf(crossing.shots):
        doubt = ""
        if math.isfinite(crossing.low):
            doubt = f", though from {_number(crossing.low)} shots on that is within chance"
        return f"Zero-shot is better than the {title} even with {_name_count(result, most)}{doubt}."
    return f"Zero-shot equals a {_number(crossing.shots)}-shot {title} ({_say_range(result, crossing)})."


def draw_curves(result: FewShotResult) -> DrawnChart:
    """Lines of accuracy over the number of shots with their intervals, and zero-shot as a horizontal line."""
    series = [Series.from_estimates(name, list(by_count.values())) for name, by_count in result.accuracy.items()]
    baselines = {}
    if result.zero_shot is not None:
        baselines["zero-shot"] = result.zero_shot.value
    return line_chart(
        series,
        [str(count) for count in result.counts],
        caption=f"Accuracy on {result.dataset} by labelled images of each class, {result.model}",
        baselines=baselines,
        x_title="labelled images of each class",
        y_title="accuracy",
    )


def _say_what_is_shown(result: FewShotResult) -> str:
    text = f"Top-1 accuracy on {result.test_images:,} test images of {result.class_count} classes"
    drawn = [count for count in result.counts if count != ALL]
    if drawn:
        text += f", mean of {result.seeds} draw{'s' * (result.seeds > 1)} of the shots"
    text += ", with 95 % intervals over draws and test images."
    if ALL in result.counts:
        text += f" “{ALL}” is {_name_range(result)}, all that are not tested on: a single draw."
    return text


def _name_range(result: FewShotResult) -> str:
    """Images per class in words: "6 images per class", "4 to 12 images per class"."""
    least, most = result.range_of_shots
    if least == most:
        return f"{most} image{'s' * (most > 1)} per class"
    return f"{least:,} to {most:,} images per class"


def _tabulate(result: FewShotResult) -> Table:
    places = int(result.test_images >= _MANY and len(result.counts) < 6)
    rows = []
    if result.zero_shot is not None:
        rows.append(["zero-shot", *[_short(result.zero_shot, places)] * len(result.counts)])
    for name, by_count in result.accuracy.items():
        rows.append([name, *(_short(estimate, places) for estimate in by_count.values())])
    return Table(["Method", *map(_head, result.counts)], rows, "Accuracy in percent")


def _compare_with_zero_shot(result: FewShotResult) -> Section:
    first, last = result.counts[0], result.counts[-1]
    rows = []
    for name, gain in result.gains.items():
        rows.append([name, _say_worth(result, name), format_gain(gain[first]), format_gain(gain[last])])
    head = ["Method", "Zero-shot is worth", f"Gain, {_head(first)}", f"Gain, {_head(last)}"]
    text = (
        "How many images per class a method needs to be as good as zero-shot, and by how many points it is above or "
        "below zero-shot on the same images."
    )
    return Section("Against zero-shot", text, [Table(head, rows)])


def _say_worth(result: FewShotResult, name: str) -> str:
    """Cell of a crossover: "2.6 shots [1.2, 4.1]"."""
    crossing, first = result.crossovers[name], result.counts[0]
    most = _number(_as_number(result, result.counts[-1]))
    if crossing.shots == 0:
        worth = f"< {first} shot"
    elif math.isinf(crossing.shots):
        worth = f"> {most} shots"
    else:
        worth = f"{_number(crossing.shots)} shots"
    if crossing.low == crossing.high == crossing.shots:
        return worth
    low, high = _number(crossing.low), _number(crossing.high)
    if crossing.low == 0:
        low = f"< {first}"
    if math.isinf(crossing.high):
        high = f"> {most}"
    return f"{worth} [{low}, {high}]"


def _list_protocols(result: FewShotResult) -> Section:
    rows = []
    for name in result.accuracy:
        rows.append([name, find_method(name).protocol, f"{result.seconds[name]:.2g}"])
    text = (
        f"Without a reason for another, use {DEFAULT}: it needs no validation, and did well both where texts are good "
        "and where they are poor. On datasets that the bundled model has not seen, LP++ and a plain probe are as good "
        "or slightly better."
    )
    if any(name in PUBLISHED for name in result.accuracy):
        text += (
            " Methods “:published” are tuned on the very images that they are measured on, as the published code "
            "does: their figures are too high, and shown for that only."
        )
    return Section("How each method is fitted", text, [Table(["Method", "Protocol", "Seconds"], rows)])


def _short(estimate: Estimate, places: int) -> str:
    """Cell of an accuracy: "52 [42, 62]"."""
    return f"{100 * estimate.value:.{places}f} [{100 * estimate.low:.0f}, {100 * estimate.high:.0f}]"


def _as_number(result: FewShotResult, count: Count) -> float:
    if count == ALL:
        return result.mean_shots
    return float(count)


def _say_range(result: FewShotResult, crossing: Crossover) -> str:
    first, last = result.counts[0], result.counts[-1]
    low, high = _number(crossing.low), _number(crossing.high)
    if crossing.low == 0:
        low = f"fewer than {first}"
    if math.isinf(crossing.high):
        high = f"more than {_number(result.mean_shots) if last == ALL else last}"
    return f"{low} to {high}"


def _number(shots: float) -> str:
    if shots >= 10:
        return f"{shots:.0f}"
    return f"{shots:.1f}".removesuffix(".0")


def _name_count(result: FewShotResult, count: Count) -> str:
    if count == ALL:
        return f"all {_name_range(result)}"
    if int(count) == 1:
        return "1 image per class"
    return f"{count} images per class"


def _head(count: Count) -> str:
    if count == ALL:
        return "all"
    return f"{count} shot" + "s" * (count != 1)


def _title(name: str) -> str:
    return find_method(name).title


def _capitalise(note: str) -> str:
    return note[:1].upper() + note[1:]
