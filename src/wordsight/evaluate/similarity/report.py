"""Report on search by example: measures by class, what models differ by, and the queries one wins or loses by most."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from wordsight.evaluate.report.sections import Chart, ImageTiles, Report, Section, Table
from wordsight.evaluate.report.sheets import write_contact_sheet
from wordsight.evaluate.report.words import describe_gain, format_gain, percent
from wordsight.evaluate.similarity.measure import Similarity, class_words, compare_similarity

_CASES = 3  # wins, and losses, shown of each comparison
_RESULTS = 3  # first results shown of each model


@dataclass(frozen=True)
class Case:
    """A query that one model answers much better than another. row: of the query among those asked."""

    row: int
    better: Similarity
    worse: Similarity

    @property
    def words(self) -> str:
        """Query and both average precisions."""
        first, second = (result.values["mAP"][self.row] for result in (self.better, self.worse))
        name = self.better.classes[self.row]
        return f"{name}: average precision {first:.2f} by {self.better.short}, {second:.2f} by {self.worse.short}"


def build_report(
    results: Sequence[Similarity], command: str, *, charts: Sequence[Chart] = (), cases: Sequence[Section] = ()
) -> Report:
    """Report on one set by one model or more; the first is compared with each other one.

    charts, cases: as `draw_charts` and `illustrate_cases` make them.
    """
    first = results[0]
    sections = [
        Section("All queries", _explain(first), [_overall(results), *charts]),
        Section("By class", "Mean average precision of the queries of each class.", [_by_class(results)]),
    ]
    for other in results[1:]:
        sections.append(_compare(first, other))
    sections += cases
    figures: dict[str, Any] = {"results": [result.to_dict() for result in results]}
    figures["gains"] = {
        other.model: {name: compare_similarity(other, first, name).to_dict() for name in first.values}
        for other in results[1:]
    }
    return Report(f"Search by example on {first.data.name}", _answer(results), command, sections, figures)


def draw_charts(results: Sequence[Similarity]) -> list[Chart]:
    """Mean average precision of each model with its chance level. Raises: MissingExtraError without matplotlib."""
    from wordsight.evaluate.report.row_charts import interval_chart

    rows = {result.short: result.overall["mAP"] for result in results}
    chance = {result.short: result.chance["mAP"] for result in results}
    caption = "Mean average precision with 95 % intervals over queries, and that of a random ranking"
    return [interval_chart(rows, caption=caption, chance=chance, title="mAP")]


def find_cases(first: Similarity, other: Similarity) -> list[Case]:
    """Queries that the first model wins by most, then those that it loses by most, each of another class if it can."""
    gain_Q = first.values["mAP"] - other.values["mAP"]
    cases: list[Case] = []
    for better, worse, order in ((first, other, np.argsort(-gain_Q)), (other, first, np.argsort(gain_Q))):
        chosen: list[int] = []
        seen: set[str] = set()
        for row in order:
            won = better.values["mAP"][row] > worse.values["mAP"][row]
            if won and first.classes[row] not in seen and len(chosen) < _CASES:
                chosen.append(int(row))
                seen.add(first.classes[row])
        cases += [Case(row, better, worse) for row in chosen]
    return cases


def write_cases_sheet(path: Path, results: Sequence[Similarity]) -> None:
    """Write wins and losses of the first model as one PNG: each query with the first results of both models."""
    first = results[0]
    parts = [_sheet_tiles(case) for other in results[1:] for case in find_cases(first, other)]
    names = ", ".join(result.short for result in results[1:])
    title = f"{first.short} against {names}"
    write_contact_sheet(path, parts, title, f"{first.data.name}: queries won and lost by most")


def _sheet_tiles(case: Case) -> ImageTiles:
    """Two rows of four: the query and the first results of the better model, then of the worse."""
    tiles: list[tuple[Any, str]] = []
    for result in (case.better, case.worse):
        precision = result.values["mAP"][case.row]
        query = result.data.images[int(result.asked[case.row])]
        shown = _results(case, result)
        tiles.append((query, f"query: {result.classes[case.row]}\n{result.short}: {precision:.2f}"))
        tiles += [(result.data.images[row], words) for row, words in shown]
        tiles += [(Image.new("RGB", (8, 8), "white"), "")] * (_RESULTS - len(shown))
    return ImageTiles(tiles, case.words)


def _results(case: Case, result: Similarity) -> list[tuple[int, str]]:
    """Rows of a model's first results, each with its class and whether it is right."""
    own = set(result.classes[case.row].split(", "))
    found = []
    for rank, row in enumerate(result.first[case.row][:_RESULTS], 1):
        if row >= 0:
            name = class_words(result.data, int(row))
            mark = "right" if own & set(name.split(", ")) else "wrong"
            found.append((int(row), f"{rank}. {mark}: {name}"))
    return found


def _answer(results: Sequence[Similarity]) -> str:
    first = results[0]
    text = (
        f"With {first.short}, an image of {first.data.name} finds the others of its class with a mean average "
        f"precision of {first.overall['mAP']:.1%} (a random ranking: {percent(first.chance['mAP'])})."
    )
    for other in results[1:]:
        text += f" {describe_gain(compare_similarity(other, first).widen(len(results) - 1), first.short, other.short)}."
    if len(results) > 2:
        text += f" These intervals hold for all {len(results) - 1} comparisons at once."
    return text


def _explain(result: Similarity) -> str:
    text = (
        f"Each of the {len(result.asked):,} images that have an answer asks once and ranks all "
        "others; those of its class are the answers. In brackets: 95 % intervals, queries resampled"
    )
    if result.apart is None:
        return f"{text}."
    groups = len(set(result.clusters))
    return (
        f"{text} by {result.apart}, of which there are {groups:,}. Images of the same {result.apart} are left out of "
        "each other's rankings."
    )


def _overall(results: Sequence[Similarity]) -> Table:
    names = list(results[0].values)
    rows = []
    for result in results:
        rows.append([result.short, *(f"{result.overall[name]:.1%}" for name in names),
                     f"{result.over_classes['mAP']:.1%}"])  # fmt: skip
    rows.append(["random ranking", *(percent(results[0].chance[name]) for name in names), "–"])
    return Table(["model", *names, "mAP, mean of classes"], rows)


def _by_class(results: Sequence[Similarity]) -> Table:
    first = results[0]
    rows = []
    for name in sorted(first.by_class, key=lambda name: -first.by_class[name]["mAP"].value):
        cells = [f"{result.by_class[name]['mAP']:.1%}" for result in results]
        rows.append([name, f"{first.by_class[name]['mAP'].n:,}", *cells])
    return Table(["class", "queries", *(result.short for result in results)], rows)


def _compare(first: Similarity, other: Similarity) -> Section:
    rows = []
    for name in first.values:
        rows.append([name, format_gain(compare_similarity(other, first, name))])
    won, lost = (int((sign * (first.values["mAP"] - other.values["mAP"]) > 0).sum()) for sign in (1, -1))
    text = (
        f"{first.short} ranks better for {won:,} queries, {other.short} for {lost:,}, of {len(first.asked):,}, which "
        "are resampled together for the intervals."
    )
    cases = find_cases(first, other)
    named = [
        [first.data.keys[first.asked[case.row]], first.classes[case.row],
         *(f"{result.values['mAP'][case.row]:.2f}" for result in (first, other))]
        for case in cases
    ]  # fmt: skip
    parts: list[Table | ImageTiles | Chart] = [
        Table(["measure", f"points above {other.short}"], rows),
        Table(["query", "class", first.short, other.short], named, "Largest gains and losses, average precision"),
    ]
    return Section(f"{first.short} against {other.short}", text, parts)


def illustrate_cases(results: Sequence[Similarity]) -> list[Section]:
    """Queries that the first model wins or loses by most, as images with the first results of both models."""
    first = results[0]
    return [
        Section(
            f"{first.short} and {other.short}: queries won and lost by most",
            "Each query, then the first results of the better model, then those of the other.",
            [_case_tiles(case) for case in find_cases(first, other)],
        )
        for other in results[1:]
    ]


def _case_tiles(case: Case) -> ImageTiles:
    data = case.better.data
    tiles: list[tuple[Any, str]] = [(data.images[int(case.better.asked[case.row])], "query")]
    for result in (case.better, case.worse):
        tiles += [(data.images[row], f"{result.short} {words}") for row, words in _results(case, result)]
    return ImageTiles(tiles, case.words)
