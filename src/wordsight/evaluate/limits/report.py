"""Report on what not to trust in a model: the verdicts, an overview with chance ticks, and images it fails on."""

from __future__ import annotations

from collections.abc import Sequence

from wordsight.evaluate.limits.measure import LimitResult, Limits
from wordsight.evaluate.report.line_charts import Series, line_chart
from wordsight.evaluate.report.row_charts import interval_chart
from wordsight.evaluate.report.sections import Chart, ImageTiles, Section, Table
from wordsight.evaluate.report.text import ROWS_SHOWN
from wordsight.evaluate.report.words import list_names, percent
from wordsight.metrics import Estimate

_METHOD = (
    "The images are drawn by the command, or are the bundled sample images; people answer all of these questions. "
    "Each question has two or more answers, each in several wordings whose embeddings are averaged. Every scene is "
    "drawn once for each answer, so that a liking for one of the sentences gains nothing. Intervals: 95 %, bootstrap "
    "by scene, at least as wide as Wilson's of as many answers as there are scenes. "
    '"control" is an easier question about the same images: where it is answered and the question is not, '
    'the drawing is not to blame. "compared" is the share right when an answer\'s scores are compared between the '
    "images of a scene, as a search does, instead of between answers."
)
_TESTS = ("test", "tests")
_AVOIDED = ("at chance", "misled", "hardly")
_CURVES = "Share of the sample photos recognised among 16 names, by level. Levels go from none to the strongest."


def answer_limits(limits: Limits) -> str:
    """Tests not to trust, to take with care and to rely on, in a sentence each."""
    asked, curves = _split_curves(limits)
    groups = (
        (f"Do not trust {limits.model} on {{}}.", [r for r in limits.results if r.verdict.kind in _AVOIDED]),
        ("With care: {}.", [r for r in limits.results if r.verdict.kind == "partly"]),
        ("Reliable: {}.", [r for r in asked if r.verdict.kind == "reliable"]),
        ("As good as on other photos: {}.", [r for r in curves if r.verdict.kind == "reliable"]),
        ("Not judged, as the drawings were not recognised: {}.", [r for r in asked if r.verdict.kind == "not seen"]),
        ("Not judged, as the photos were not recognised: {}.", [r for r in curves if r.verdict.kind == "not seen"]),
    )
    return " ".join(sentence.format(list_names([r.test.trust for r in group])) for sentence, group in groups if group)


def summarise_limits(limits: Limits) -> Section:
    """Section with a row for each test."""
    asked, curves = _split_curves(limits)
    parts = []
    if asked:
        rows = [
            (
                r.test.name,
                f"{r.accuracy:.0%}",
                percent(r.chance, 0),
                percent(r.control.value, 0),
                _show(r.compared),
                r.verdict.short,
            )
            for r in asked
        ]
        columns = ("test", "right", "chance", "control", "compared", "verdict")
        # a terminal shows the first rows of a table only, and each of these is what the command is for
        parts += [Table(columns, rows[i : i + ROWS_SHOWN]) for i in range(0, len(rows), ROWS_SHOWN)]
    if curves:
        curve_rows = [
            (r.test.name, f"{r.control:.0%}", f"{list(r.by_condition.values())[-1]:.0%}", r.verdict.short)
            for r in curves
        ]
        parts.append(Table(("photos", "as they are", "at the worst", "verdict"), curve_rows))
    number, questions = len(limits.results), sum(r.accuracy.n for r in limits.results)
    text = (
        f"{number} {_TESTS[number > 1]}, {questions:,} questions, seed {limits.seed}. control: an easier question "
        "about the same images, which shows that they are recognised. compared: share right when images are compared "
        "with each other, as a search does, instead of the answers."
    )
    return Section("What not to trust", text, parts)


def illustrate_limits(limits: Limits) -> list[Section]:
    """Sections with charts, and of each test that is not reliable some images it fails on."""
    asked, curves = _split_curves(limits)
    sections = [Section("How it was measured", _METHOD)]
    if asked:
        sections.append(Section("Overview", "", (_draw_overview(asked),)))
    if curves:
        sections.append(Section("Degraded photos", _CURVES, (_draw_curves(curves), _tabulate_conditions(curves))))
    return [*sections, *(_explain(result) for result in asked)]


def _split_curves(limits: Limits) -> tuple[list[LimitResult], list[LimitResult]]:
    """Questions, and degradations of photos."""
    asked = [r for r in limits.results if not r.test.is_curve]
    return asked, [r for r in limits.results if r.test.is_curve]


def _explain(result: LimitResult) -> Section:
    worst, best = result.by_wording
    text = (
        f"{result.verdict.words[:1].upper()}{result.verdict.words[1:]}. Right: {result.accuracy:.0%}, chance "
        f"{percent(result.chance, 0)}; with a single wording {percent(worst, 0)} to {percent(best, 0)}. Control, "
        f"{result.test.control}: {result.control:.0%}, chance {percent(result.control_chance, 0)}."
    )
    parts: list[Table | ImageTiles | Chart] = []
    if len(result.by_condition) > 1:
        parts.append(_tabulate_conditions([result]))
    if result.wrong and result.verdict.kind != "reliable":
        tiles = [(wrong.image, f"answered: {wrong.chosen}; true: {wrong.true}") for wrong in result.wrong]
        parts.append(ImageTiles(tiles, "Wrong answers"))
    return Section(result.test.title, text, parts)


def _tabulate_conditions(results: Sequence[LimitResult]) -> Table:
    rows = []
    for result in results:
        if result.test.is_curve:
            rows.append((result.test.name, "none", f"{result.control:.0%}"))
        rows += [(result.test.name, name, f"{estimate:.0%}") for name, estimate in result.by_condition.items()]
    return Table(("test", "condition", "right"), rows)


def _draw_overview(results: Sequence[LimitResult]) -> Chart:
    return interval_chart(
        {r.test.title: r.accuracy for r in results},
        chance={r.test.title: r.chance for r in results},
        caption="Share of right answers by test with 95 % intervals; ticks are the chance levels.",
        title="right answers",
    )


def _draw_curves(results: Sequence[LimitResult]) -> Chart:
    levels = max(len(r.by_condition) for r in results)
    series = []
    for r in results:
        values = [r.control.value, *(estimate.value for estimate in r.by_condition.values())]
        series.append(Series(r.test.name, [*values, *[float("nan")] * (levels + 1 - len(values))]))
    return line_chart(
        series,
        ["none", *(str(level) for level in range(1, levels + 1))],
        caption="Share of degraded photos recognised, by level of the degradation.",
        baselines={"chance": results[0].chance},
        x_title="level",
        y_title="recognised",
    )


def _show(estimate: Estimate | None) -> str:
    if estimate is None:
        return "–"
    return percent(estimate.value, 0)
