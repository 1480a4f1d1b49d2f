"""The sensitivity of one image to wordings as a report."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from wordsight.evaluate.prompts.sensitivity import Sensitivity, WordingScore
from wordsight.evaluate.report.row_charts import bar_chart
from wordsight.evaluate.report.sections import Chart, ImageTiles, Report, Section, Table
from wordsight.evaluate.report.words import percent

_SHOWN = 40  # wordings in a chart
_COUNTED = 5  # other classes, up to which those that no wording gives are named too


def build_sensitivity_report(seen: Sensitivity, command: str = "", *, charts: Sequence[Chart] = ()) -> Report:
    """Report of an image's scores by wording, the best first. charts: as `draw_wordings` gives it."""
    parts: list[Table | ImageTiles | Chart] = [_table(seen, _ordered(seen))]
    if charts:
        parts += [ImageTiles([(seen.image, seen.classes[seen.usual])]), *charts]
    section = Section("Wordings", _explain(seen), parts)
    return Report("How much the wording matters", _answer(seen), command, [section], seen.to_dict())


def draw_wordings(seen: Sensitivity) -> Chart:
    """Cosine of the image with each wording, the best first. Raises: MissingExtraError without matplotlib."""
    shown = _ordered(seen)[:_SHOWN]
    name = seen.classes[seen.usual]
    return bar_chart(
        [wording.texts[seen.usual] for wording in shown],
        [wording.cosine[seen.usual] for wording in shown],
        caption=f"Cosine of the image with each wording of {name!r}",
        title="cosine",
        unit="",
    )


def _ordered(seen: Sensitivity) -> list[WordingScore]:
    return sorted(seen.wordings, key=lambda wording: -wording.cosine[seen.usual])


def _answer(seen: Sensitivity) -> str:
    cosines = [wording.cosine[seen.usual] for wording in seen.wordings]
    probas = [wording.proba[seen.usual] for wording in seen.wordings]
    spread = f"the cosine runs from {min(cosines):.3f} to {max(cosines):.3f}"
    proba = f"the probability from {percent(min(probas), 0)} to {percent(max(probas), 0)}"
    count = len(seen.wordings)
    if len(seen.classes) == 1:
        return f"Over {count} wordings of {seen.classes[0]!r} {spread}, {proba}."
    usual = f"{count - len(seen.flipped)} of {count} wordings give {seen.classes[seen.usual]!r}"
    usual += _count_others(seen)
    return f"{usual}; of {seen.classes[seen.usual]!r} {spread}, {proba}."


def _count_others(seen: Sensitivity) -> str:
    """Number of wordings that give each other class: ", 4 'man', none 'dog'"; of many classes only those with one."""
    given = Counter(wording.best for wording in seen.flipped)
    others = [place for place in range(len(seen.classes)) if place != seen.usual]
    others.sort(key=lambda place: -given[place])
    if len(others) > _COUNTED:
        others = [place for place in others if given[place]]
    return "".join(f", {given[place] or 'none'} {seen.classes[place]!r}" for place in others)


def _explain(seen: Sensitivity) -> str:
    if len(seen.classes) == 1:
        return "Probability that the text is true of the image, judged against some 500 unrelated texts."
    return "Every class name is worded in the same way; probabilities are over the classes."


def _table(seen: Sensitivity, ordered: list[WordingScore]) -> Table:
    usual = seen.usual
    rows: list[tuple[str, ...]] = [
        (wording.texts[usual], wording.kind, f"{wording.cosine[usual]:.3f}", percent(wording.proba[usual], 0))
        for wording in ordered
    ]
    columns: tuple[str, ...] = ("wording", "varies", "cosine", "probability")
    if len(seen.classes) > 1:
        answers = [(seen.classes[wording.best], percent(wording.proba[wording.best], 0)) for wording in ordered]
        rows = [row + answer for row, answer in zip(rows, answers, strict=True)]
        columns += ("answer", "its probability")
    return Table(columns, rows)
