"""Report of predictions: the answer in words, then classes, confusions, groups, calibration and the worst errors."""

from __future__ import annotations

import os
import shlex
from collections.abc import Iterator, Sequence

import numpy as np

from wordsight.evaluate.datasets.label_order import LabelOrder
from wordsight.evaluate.datasets.labelled_set import LabelledSet
from wordsight.evaluate.predictions import Predictions
from wordsight.evaluate.report.line_charts import Series, line_chart
from wordsight.evaluate.report.matrix_charts import heat_map
from wordsight.evaluate.report.row_charts import bar_chart, interval_chart
from wordsight.evaluate.report.sections import Chart, ImageTiles, Report, Section, Table
from wordsight.evaluate.report.words import percent
from wordsight.evaluate.zeroshot.summary import FEW, ClassResult, Summary, known_labels
from wordsight.evaluate.zeroshot.words import (
    Evaluated,
    describe,
    describe_calibration,
    describe_confusions,
    describe_groups,
    interval,
)
from wordsight.metrics import confusion_matrix

_ERRORS = 24  # images of the most confident errors
_BARS = 30  # classes that a bar chart shows
_CELLS = 16  # classes that a confusion matrix shows


def build_report(evaluated: Evaluated, command: Sequence[str]) -> Report:
    """Report of one model on one set. command: arguments behind `wordsight`."""
    origin = evaluated.predictions.origin
    return Report(
        title=f"{origin.method.capitalize()} classification of {origin.dataset} by {origin.model}",
        answer=describe(evaluated),
        command=f"wordsight {shlex.join(command)}",
        sections=list(build_sections(evaluated)),
        data=evaluated.to_dict(),
    )


def build_sections(evaluated: Evaluated) -> Iterator[Section]:
    """Sections of a report on one model and one set."""
    summary, predictions = evaluated.summary, evaluated.predictions
    yield Section("Accuracy", parts=[Table(["measure", "value", "95 % interval"], list(_measures(summary)))])
    yield _classes_section(evaluated)
    if summary.label_order is not None and summary.label_order.is_suspicious:
        yield _names_section(summary.label_order)
    if summary.confusions:
        chart = _confusion_chart(predictions)
        yield Section("Confusions", describe_confusions(summary.confusions), [_confusion_table(summary), chart])
    for column in summary.groups:
        yield _group_section(summary, column)
    if summary.reliability is not None and predictions.origin.task == "zeroshot":
        yield Section("Calibration", describe_calibration(summary), [_reliability_chart(summary)])
    if evaluated.data is not None and (tiles := find_confident_errors(predictions, evaluated.data)).tiles:
        yield Section("Most confident errors", parts=[tiles])
    yield Section("This run", parts=[Table(["fact", "value"], list(_facts(predictions)))])


def find_confident_errors(predictions: Predictions, data: LabelledSet, *, most: int = _ERRORS) -> ImageTiles:
    """Images whose best class is wrong, the highest score first: errors of the model, or of the labels."""
    known = known_labels(predictions)
    wrong = known[~predictions.hits[known]]
    order = wrong[np.argsort(-predictions.score[wrong, 0], kind="stable")][:most]
    place_of = {key: place for place, key in enumerate(data.keys)}
    names = predictions.classnames
    tiles = []
    for i in order:
        score = predictions.score[i, 0]
        shown = f"{score:.2f}" if predictions.is_multilabel else percent(score, 0)
        text = f"“{names[predictions.top[i, 0]]}” {shown}; the label is {_label_text(predictions, i)}"
        image = data.images[place_of[predictions.keys[i]]]
        if not isinstance(image, str | os.PathLike):  # an image without a name of its own
            text += f" ({predictions.keys[i]})"
        tiles.append((image, text))
    return ImageTiles(tiles, f"{len(order)} of {len(wrong)} errors; some may be wrong labels")


def _measures(summary: Summary) -> Iterator[tuple[str, str, str]]:
    rows = {
        "top-1": summary.top1,
        "top-5": summary.top5 if len(summary.classes) > 5 else None,  # of five classes all are among the five best
        "mean per-class recall": summary.mean_recall,
        "mean average precision (mAP)": summary.mean_average_precision,
    }
    for name, estimate in rows.items():
        if estimate is not None:
            yield name, percent(estimate.value), interval(estimate)
    yield "chance level", percent(summary.chance), ""
    yield "always the most frequent class", percent(summary.commonest), ""


def _classes_section(evaluated: Evaluated) -> Section:
    """Classes by their recall, the least recognised first."""
    measured = [(each, each.recall) for each in evaluated.summary.classes if each.recall is not None]
    measured.sort(key=lambda pair: pair[1].value)
    measure = "average precision" if evaluated.predictions.is_multilabel else "recall"
    columns = ["class", "images", measure, "95 % interval", "most often taken for"]
    rows = [
        [each.name, str(each.n), percent(recall.value), interval(recall), _other(each)] for each, recall in measured
    ]
    if evaluated.predictions.is_multilabel:
        columns, rows = columns[:3], [row[:3] for row in rows]
    parts: list[Table | ImageTiles | Chart] = [Table(columns, rows)]
    if 1 < len(measured) <= _BARS:
        names, values = [each.name for each, _ in measured], [recall.value for _, recall in measured]
        lows, highs = [recall.low for _, recall in measured], [recall.high for _, recall in measured]
        parts.append(bar_chart(names, values, lows=lows, highs=highs, baseline=evaluated.summary.chance, title=measure,
                               caption=f"{measure.capitalize()} of each class; dashed: chance level"))  # fmt: skip
    empty = [each.name for each in evaluated.summary.classes if each.recall is None]
    text = f"Without images, and not measured: {', '.join(empty)}." if empty else ""
    return Section("By class", text, parts)


def _other(result: ClassResult) -> str:
    return f"{result.taken_for} ({result.taken})" if result.taken_for else ""


def _names_section(order: LabelOrder) -> Section:
    """Labels whose images look like another class."""
    rows = [
        [str(each.label), each.name, each.looks_like, str(each.count), str(each.hits), str(each.others)]
        for each in order.misnamed
    ]
    columns = ["label", "name", "looks like", "images", "given its name", "given the other"]
    return Section("Names that may belong to other labels", order.sentence, [Table(columns, rows)])


def _confusion_table(summary: Summary) -> Table:
    rows = [
        [pair.true, pair.guessed, str(pair.count), percent(pair.count / pair.n)] for pair in summary.confusions[:10]
    ]
    return Table(["true class", "taken for", "images", "of the class"], rows)


def _confusion_chart(predictions: Predictions) -> Chart:
    """Confusion matrix; of many classes only those with the most errors."""
    known = known_labels(predictions)
    names = predictions.classnames
    count_KK = confusion_matrix(predictions.labels[known], predictions.top[known, 0], len(names))
    caption = "Images by true class (rows) and predicted class (columns)"
    shown = np.arange(len(names))
    if len(names) > _CELLS:
        wrong_KK = count_KK - np.diag(np.diag(count_KK))
        shown = np.sort(np.argsort(-(wrong_KK.sum(axis=0) + wrong_KK.sum(axis=1)), kind="stable")[:_CELLS])
        caption += f", of the {_CELLS} classes with the most errors"
    shown_names = [names[k] for k in shown]
    return heat_map(count_KK[np.ix_(shown, shown)], shown_names, shown_names, row_title="true class",
                    column_title="predicted class", caption=caption)  # fmt: skip


def _group_section(summary: Summary, column: str) -> Section:
    groups = summary.groups[column]
    columns = [column, "images", "top-1", "95 % interval", "expected of its classes"]
    rows = [
        [group.name, str(group.accuracy.n), percent(group.accuracy.value), interval(group.accuracy),
         "" if group.expected is None else percent(group.expected)]
        for group in groups
    ]  # fmt: skip
    parts: list[Table | ImageTiles | Chart] = [Table(columns, rows)]
    if 1 < len(groups) <= _BARS:
        rows_by_name = {group.name: group.accuracy for group in groups}
        parts.append(interval_chart(rows_by_name, title="top-1", caption=f"Top-1 accuracy by {column}"))
    few = sum(group.accuracy.n < FEW for group in groups)
    note = f" {few} of the groups have fewer than {FEW} images." if few else ""
    return Section(f"By {column}", describe_groups(summary, column) + note, parts)


def _reliability_chart(summary: Summary) -> Chart:
    assert summary.reliability is not None
    bins = summary.reliability
    labels = [f"{100 * value:.0f}".replace("100", ">99") for value in bins.confidence_B]
    series = [
        Series("share that is right", bins.accuracy_B.tolist()),
        Series("mean probability", bins.confidence_B.tolist()),
    ]
    caption = "Right answers by the probability given; where both lines agree it can be believed"
    return line_chart(series, labels, x_title="mean probability of the bin (%)", y_title="images", caption=caption)


def _label_text(predictions: Predictions, place: int) -> str:
    if predictions.is_multilabel:
        own = [predictions.classnames[k] for k in np.flatnonzero(predictions.labels[place])]
        return ", ".join(f"“{name}”" for name in own) or "none"
    return f"“{predictions.classnames[predictions.labels[place]]}”"


def _facts(predictions: Predictions) -> Iterator[tuple[str, str]]:
    origin = predictions.origin
    templates = f"{len(origin.templates)}, such as {origin.templates[0]!r}" if origin.templates else "none"
    yield "model", f"{origin.model} ({origin.fingerprint[:12]}{', ' + origin.precision if origin.precision else ''})"
    yield "dataset", f"{origin.dataset}, {predictions.split} split ({origin.dataset_hash[:12]})"
    yield "templates", templates
    yield "version", f"wordsight {origin.version}"
    yield "seconds", ", ".join(f"{name} {value:.1f}" for name, value in origin.seconds.items())
