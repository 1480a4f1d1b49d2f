"""Report on compositional pairs: scores by kind beside their chance level, and the clearest failures."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from wordsight.evaluate.compositional.measure import ALL, CHANCE, PairScores
from wordsight.evaluate.report.names import name_briefly
from wordsight.evaluate.report.sections import Chart, ImageTiles, Report, Section, Table
from wordsight.evaluate.report.words import format_gain, percent
from wordsight.metrics import Estimate, estimate_clustered_gain

FEWEST_TO_JUDGE = 10  # tests, below which nothing is said to be above or below chance
_FAILURES = 6  # shown of each model


def build_report(results: Sequence[PairScores], command: str, *, charts: Sequence[Chart] = (), seed: int = 0) -> Report:
    """Report on one set by one model or more. charts: as `draw_charts` makes them."""
    figures: dict[str, Any] = {"results": [result.to_dict() for result in results]}
    results = name_briefly(results)
    first = results[0]
    sections = [Section("Scores", _explain(first), [_table(result) for result in results] + list(charts))]
    if len(results) > 1:
        sections.append(_differences(results, seed))
    sections += [_failures(result) for result in results]
    if first.data.left_out:
        shown = "\n".join(first.data.left_out[:20])
        sections.append(Section("Left out", f"{len(first.data.left_out)} rows could not be read as tests:\n{shown}"))
    answer = " ".join(_answer(result) for result in results)
    return Report(f"Compositional pairs of {first.data.name}", answer, command, sections, figures)


def draw_charts(results: Sequence[PairScores]) -> list[Chart]:
    """Scores by kind with their chance level, a chart for each model. Raises: MissingExtraError without matplotlib."""
    from wordsight.evaluate.report.row_charts import interval_chart

    charts: list[Chart] = []
    for result in name_briefly(results):
        chance = CHANCE[result.data.form]
        rows = {
            _row_name(kind, score, len(chance)): (estimate, chance[score])
            for kind, scores in result.by_kind.items()
            for score, estimate in scores.items()
        }
        estimates = {name: estimate for name, (estimate, _) in rows.items()}
        levels = {name: level for name, (_, level) in rows.items()}
        caption = f"{result.model}: share of tests passed by kind, with 95 % intervals and chance level"
        charts.append(interval_chart(estimates, caption=caption, chance=levels, title="tests passed"))
    return charts


def _row_name(kind: str, score: str, scores: int) -> str:
    if scores == 1:
        return kind
    return f"{kind}: {score}"


def judge_against_chance(estimate: Estimate, chance: float) -> str:
    """Words for where an estimate's interval lies: "above chance", "below chance", "as chance".

    "too few tests" of fewer than `FEWEST_TO_JUDGE`, of which a few answers decide.
    """
    if estimate.n < FEWEST_TO_JUDGE:
        return "too few tests"
    if estimate.low > chance:
        return "above chance"
    if estimate.high < chance:
        return "below chance"
    return "as chance"


def _answer(result: PairScores) -> str:
    overall = result.by_kind.get(ALL) or next(iter(result.by_kind.values()))
    chance = CHANCE[result.data.form]
    score = list(overall)[-1]
    estimate = overall[score]
    judged = {
        "above chance": "above",
        "below chance": "below",
        "as chance": "not told apart from",
        "too few tests": "too few to compare with",
    }
    text = (
        f"{result.model} passes {estimate:.1%} of the {estimate.n:,} tests of {result.data.name}"
        f"{_by_group(result)}, {judged[judge_against_chance(estimate, chance[score])]} the chance level of "
        f"{percent(chance[score])}."
    )
    guessed = [
        kind
        for kind, scores in result.by_kind.items()
        if kind != ALL and _judge(result, kind, scores[score], chance[score]) in ("below chance", "as chance")
    ]
    if guessed and ALL in result.by_kind:
        text += f" Kinds in which it does not do better than chance: {', '.join(guessed)}."
    return text


def _judge(result: PairScores, kind: str, estimate: Estimate, chance: float) -> str:
    """As `judge_against_chance`; kinds are judged with intervals that hold for all kinds at once."""
    if kind != ALL:
        estimate = estimate.widen(sum(name != ALL for name in result.by_kind))
    return judge_against_chance(estimate, chance)


def _by_group(result: PairScores) -> str:
    return " by group score" if result.data.form == "two images" else ""


def _explain(result: PairScores) -> str:
    if result.data.form == "one image":
        return "Share of tests in which the image scores higher with the right caption than with the wrong one."
    return (
        "Two images, two captions of nearly the same words. Text: both images score higher with their own caption; "
        "image: both captions with their own image; group: both."
    )


def _table(result: PairScores) -> Table:
    chance = CHANCE[result.data.form]
    rows = []
    for kind, scores in result.by_kind.items():
        last = list(chance)[-1]
        judged = _judge(result, kind, scores[last], chance[last])
        cells = [f"{scores[score]:.1%}" for score in chance]
        rows.append([kind, f"{next(iter(scores.values())).n:,}", *cells, judged])
    rows.append(["chance level", "–", *(percent(level) for level in chance.values()), "–"])
    last = list(chance)[-1]
    columns = ["kind", "tests", *chance, last if len(chance) == 1 else f"{last} score"]
    columns[-1] = f"{columns[-1]} is"
    return Table(columns, rows, result.model)


def _differences(results: Sequence[PairScores], seed: int) -> Section:
    first = results[0]
    rows = []
    for other in results[1:]:
        if [item.images for item in other.items] != [item.images for item in first.items]:
            continue
        cells = []
        for score, hit_N in other.hits.items():
            images = [item.images[0] for item in first.items]
            cells.append(format_gain(estimate_clustered_gain(first.hits[score], hit_N, images, seed=seed)))
        rows.append([other.model, *cells])
    text = f"Points by which each model is above {first.model}, on the same tests, resampled together. "
    text += "Each interval is for itself, not for all of them at once."
    return Section("Gains", text, [Table(["model", *first.hits], rows)])


def _failures(result: PairScores) -> Section:
    """The tests that go wrong most clearly, one of each image."""
    tiles: list[tuple[Any, str]] = []
    seen: set[int] = set()
    margin_N = _margins(result.cosine)
    for row in np.argsort(margin_N, kind="stable"):
        item = result.items[row]
        if margin_N[row] > 0 or len(seen) == _FAILURES:
            break
        if item.images[0] not in seen:
            seen.add(item.images[0])
            tiles += _failure_tiles(result, int(row))
    if not tiles:
        return Section(f"Failures of {result.model}", "None.")
    caption = "The tests that go wrong most clearly, one of each image, with cosines"
    return Section(f"Failures of {result.model}", "", [ImageTiles(tiles, caption)])


def _margins(cosine_NIT: np.ndarray) -> np.ndarray:
    """Lead of the worst right pair over the best wrong one, (N,)."""
    if cosine_NIT.shape[1] == 1:
        return np.asarray(cosine_NIT[:, 0, 0] - cosine_NIT[:, 0, 1])
    right_N = cosine_NIT[:, [0, 1], [0, 1]].min(axis=1)
    return np.asarray(right_N - cosine_NIT[:, [0, 1], [1, 0]].max(axis=1))


def _failure_tiles(result: PairScores, row: int) -> list[tuple[Any, str]]:
    """Images of a failed test with its texts and their cosines."""
    item, cosine_IT = result.items[row], result.cosine[row]
    images = [result.data.images[place] for place in item.images]
    if result.data.form == "one image":
        right, wrong = cosine_IT[0]
        return [(images[0], f"{item.kind}: took “{item.texts[1]}” ({wrong:.3f}) for “{item.texts[0]}” ({right:.3f})")]
    tiles = []
    for n, image in enumerate(images):
        own, other = cosine_IT[n, n], cosine_IT[n, 1 - n]
        tiles.append((image, f"{item.kind}: “{item.texts[n]}” {own:.3f}, “{item.texts[1 - n]}” {other:.3f}"))
    return tiles
