"""A comparison in words: who is better by how much, or how many images would tell."""

from __future__ import annotations

from collections.abc import Sequence

from wordsight.evaluate.comparison.compare import SMALLEST_GAIN, Comparison, SetComparison
from wordsight.evaluate.comparison.standings import Standings
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
        figures = and_list(
            [f"{name} {percent(mean.value)}" for name, mean in zip(each.labels, each.accuracies, strict=True)]
        )
        return (
            f"On {each.dataset} only accuracies are known ({figures}), not the images behind them: nothing tells "
            "whether they differ by chance."
        )
    on = f"on these {each.images:,} images of {each.dataset}"
    if each.pair is None:
        return f"{_describe_many(each.standings, on)}{_name_unpaired(each.unpaired)}"
    first, second = each.labels
    gain = each.pair.gain
    if gain.low > 0:
        return f"{second} is better than {first} by {points(gain)} {on}."
    if gain.high < 0:
        return f"{first} is better than {second} by {points(negate(gain))} {on}."
    if not each.pair.gained + each.pair.lost:
        return f"{first} and {second} are right about the same images: nothing tells them apart {on}."
    size = f"a difference of {abs(100 * gain.value):.1f} points"
    if not gain.value:
        size = f"a difference of {100 * SMALLEST_GAIN:.0f} point"
    return (
        f"{first} and {second} cannot be told apart {on}: {second} is {lead(gain)}. About "
        f"{rounded(each.pair.needed):,} images would be needed for {size}."
    )


def _describe_over_sets(comparison: Comparison, across: Standings) -> str:
    datasets = len(comparison.common)
    over = f"in the mean over {datasets} datasets"
    if len(across.rows) > 2:
        answer = _describe_many(across, over)
    else:
        best, other = across.rows
        if other.behind.low > 0:
            answer = f"{best.label} is better than {other.label} by {points(other.behind)} {over}."
        else:
            answer = (
                f"{best.label} and {other.label} cannot be told apart {over}: {best.label} is {lead(other.behind)}."
            )
            if other.behind.value > 0 and not _is_unknown(other.behind):
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
        here = f"On exactly these datasets, with other images of them, the difference is {points(behind)}."
    return f"{answer} {here}"


def _describe_many(standings: Standings, where: str) -> str:
    best, *others = standings.rows
    tied = standings.tied
    if len(tied) == 1:
        return f"{best.label} is the best {where}: {others[0].label}, the next, is {points(others[0].behind)} behind."
    behind = [row.label for row in others if not row.may_be_best]
    if not behind:
        return (
            f"Any of the {len(standings.rows)} may be the best {where}: none can be told from {best.label}, whose "
            f"accuracy is the highest ({percent(best.mean.value)})."
        )
    return (
        f"{best.label} has the highest accuracy {where} ({percent(best.mean.value)}), but cannot be told from "
        f"{name_some(tied[1:])}; {name_some(behind)} {_is_are(behind)} behind."
    )


def points(gain: Estimate) -> str:
    """Difference with its interval, such as "1.8 points (0.6 to 3.1)"."""
    return f"{100 * gain.value:.1f} points ({_range(gain)})"


def percent(share: float) -> str:
    """Share in percent, such as "86.6 %"."""
    return f"{100 * share:.1f} %"


def negate(gain: Estimate) -> Estimate:
    """Difference seen from the other side."""
    return Estimate(-gain.value, -gain.high, -gain.low, gain.n)


def rounded(number: float) -> int:
    """Number to two digits, as what is about so much."""
    return int(float(f"{number:.2g}"))


def and_list(names: Sequence[str]) -> str:
    """Names in a row: "a, b and c"."""
    if len(names) == 1:
        return names[0]
    return f"{', '.join(names[:-1])} and {names[-1]}"


def name_some(names: Sequence[str], most: int = 3) -> str:
    """Names in a row, of many only the first and the number of the others."""
    if len(names) <= most:
        return and_list(names)
    return f"{', '.join(names[: most - 1])} and {len(names) - most + 1} others"


def lead(gain: Estimate) -> str:
    """Difference in words, such as "0.4 points ahead (−1.1 to 1.9)"."""
    side = "behind" if gain.value < 0 else "ahead"
    if not round(100 * gain.value, 1):
        side = "apart"
    ends = negate(gain) if gain.value < 0 else gain
    return f"{100 * ends.value:.1f} points {side} ({_range(ends)})"


def _range(gain: Estimate) -> str:
    if _is_unknown(gain):
        return "interval not known: the difference is the same on each dataset"
    return f"{_plain(gain.low)} to {_plain(gain.high)}"


def _is_unknown(gain: Estimate) -> bool:
    """Whether the interval is all that a difference can be."""
    return gain.low <= -1 and gain.high >= 1


def _plain(share: float) -> str:
    """Points with a minus sign that is not a hyphen; never "-0.0"."""
    return f"{round(100 * share, 1) + 0.0:.1f}".replace("-", "−")


def _is_are(names: Sequence[str]) -> str:
    return "is" if len(names) == 1 else "are"


def _name_unpaired(names: Sequence[str]) -> str:
    if not names:
        return ""
    return f" Of {and_list(names)} only the accuracy is known: compared without pairing, which tells less."
