"""A comparison in words: who is better by how much, or how many images would tell."""

from __future__ import annotations

from collections.abc import Sequence

from wordsight.evaluate.comparison.compare import SMALLEST_GAIN, Comparison, SetComparison
from wordsight.evaluate.comparison.standings import Standings
from wordsight.evaluate.report.words import describe_gain, format_points, list_names, list_some, percent
from wordsight.metrics import Estimate, sets_to_separate


def describe_comparison(comparison: Comparison) -> str:
    """Answer in a few sentences: over all datasets where there are several, else on the one."""
    if comparison.across is not None:
        return _describe_over_sets(comparison, comparison.across)
    if len(comparison.sets) > 1:
        return (
            "No two datasets have results of all, so that there is no mean to compare; see each dataset below. "
            f"{describe_set(comparison.sets[0])}"
        )
    return describe_set(comparison.sets[0])


def describe_set(each: SetComparison) -> str:
    """Sentence on the contenders on one dataset."""
    if each.standings is None:
        figures = list_names(
            [f"{name} {percent(mean.value)}" for name, mean in zip(each.labels, each.accuracies, strict=True)]
        )
        if len(each.unpaired) == len(each.labels):
            return (
                f"On {each.dataset} only accuracies are known ({figures}), not the images behind them: nothing tells "
                "whether they differ by chance."
            )
        return (
            f"On {each.dataset} nothing tells whether {figures} differ by chance: of {list_names(each.unpaired)} only "
            "an accuracy is known, not on which images."
        )
    on = f"on these {each.images:,} images of {each.dataset}"
    if each.pair is None:
        return f"{_describe_many(each.standings, on)}{_name_unpaired(each)}"
    first, second = each.labels
    gain = each.pair.gain
    if gain.high < 0:
        return f"{describe_gain(gain.negate(), first, second, on)}."
    if gain.low > 0:
        return f"{describe_gain(gain, second, first, on)}."
    if not each.pair.gained + each.pair.lost:
        return f"{first} and {second} are right about the same images: nothing tells them apart {on}."
    size = f"a difference of {abs(100 * gain.value):.1f} points"
    if not gain.value:
        size = f"a difference of {100 * SMALLEST_GAIN:.0f} point"
    return (
        f"{describe_gain(gain, second, first, on)}. About {rounded(each.pair.needed):,} images would be needed for "
        f"{size}."
    )


def _describe_over_sets(comparison: Comparison, across: Standings) -> str:
    datasets = len(comparison.common)
    over = f"on average over {datasets} datasets"
    if len(across.rows) > 2:
        answer = _describe_many(across, over)
    else:
        best, other = across.rows
        if _is_unknown(other.behind):
            return (
                f"{best.label} is {100 * other.behind.value:.1f} points ahead of {other.label} on each of {datasets} "
                "datasets. Only accuracies are known, and nothing tells whether they are that alike by chance."
            )
        answer = f"{describe_gain(other.behind, best.label, other.label, over)}."
        if other.behind.low <= 0 < other.behind.value:
            needed = sets_to_separate(other.behind)
            answer += f" About {rounded(needed):,} datasets like these would be needed for a difference so small."
    if comparison.here is None:
        return f"{answer} Of some only accuracies are known, so that they are paired by dataset, not by image."
    if len(across.rows) > 2:
        if comparison.here.tied == across.tied:
            return f"{answer} The same holds for exactly these datasets, with other images of them."
        here = f"On exactly these datasets, with other images of them: {_describe_many(comparison.here, 'there')}"
    else:
        behind = next(row.behind for row in comparison.here.rows if row.label == across.rows[1].label)
        here = f"On exactly these datasets, with other images of them, the difference is {format_points(behind)}."
    return f"{answer} {here}"


def _describe_many(standings: Standings, where: str) -> str:
    best, *others = standings.rows
    tied = standings.tied
    if len(tied) == 1:
        second = others[0]
        return f"{best.label} is the best {where}: {second.label}, the next, is {format_points(second.behind)} behind."
    behind = [row.label for row in others if not row.may_be_best]
    if not behind:
        return (
            f"Any of the {len(standings.rows)} may be the best {where}: none can be told from {best.label}, whose "
            f"accuracy is the highest ({percent(best.mean.value)})."
        )
    return (
        f"{best.label} has the highest accuracy {where} ({percent(best.mean.value)}), but cannot be told from "
        f"{list_some(tied[1:], 3)}; {list_some(behind, 3)} {_is_are(behind)} behind."
    )


def rounded(number: float) -> int:
    """Number to two digits, as what is about so much."""
    return int(float(f"{number:.2g}"))


def _is_unknown(gain: Estimate) -> bool:
    """Whether the interval is all that a difference can be."""
    return gain.low <= -1 and gain.high >= 1


def _is_are(names: Sequence[str]) -> str:
    return "is" if len(names) == 1 else "are"


def _name_unpaired(each: SetComparison) -> str:
    if not each.unpaired:
        return ""
    accuracy_of = dict(zip(each.labels, each.accuracies, strict=True))
    figures = [f"{name} ({percent(accuracy_of[name].value)})" for name in each.unpaired]
    return f" Not ranked: {list_names(figures)}, of which only an accuracy is known, not on which images."
