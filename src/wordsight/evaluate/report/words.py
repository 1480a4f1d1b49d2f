"""Figures and names in words, written alike in every report: shares, paired gains, lists of names."""

from __future__ import annotations

from collections.abc import Sequence

from wordsight.metrics import Estimate


def percent(share: float, places: int = 1) -> str:
    """Share in percent, such as "71.2 %"."""
    return f"{100 * share:.{places}f} %"


def format_gain(gain: Estimate | None) -> str:
    """Cell of a paired gain in percentage points with its interval: "+1.2 [−0.3, +2.7]"; a dash for None."""
    if gain is None:
        return "–"
    return f"{_signed(gain.value)} [{_signed(gain.low)}, {_signed(gain.high)}]"


def format_points(gain: Estimate) -> str:
    """Size of a gain with its interval, such as "1.8 points (0.6 to 3.1)"."""
    return f"{_plain(gain.value)} points ({_plain(gain.low)} to {_plain(gain.high)})"


def format_lead(gain: Estimate) -> str:
    """Gain with its direction, such as "0.4 points ahead (−1.1 to 1.9)"."""
    side = "behind" if gain.value < 0 else "ahead"
    if not round(100 * gain.value, 1):
        side = "apart"
    ends = gain.negate() if gain.value < 0 else gain
    return f"{_plain(ends.value)} points {side} ({_plain(ends.low)} to {_plain(ends.high)})"


def describe_gain(gain: Estimate, name: str, other: str, where: str = "") -> str:
    """Paired gain of one over another in words, without a full stop.

    "A is better than B by 1.8 points (0.6 to 3.1)", "A is worse than B by …", or "A and B cannot be told apart: A is
    0.4 points ahead (−1.1 to 1.9)" where the interval holds 0. where: put behind these words, such as "at k = 5".
    """
    at = f" {where}" if where else ""
    if gain.low > 0:
        return f"{name} is better than {other} by {format_points(gain)}{at}"
    if gain.high < 0:
        return f"{name} is worse than {other} by {format_points(gain.negate())}{at}"
    return f"{name} and {other} cannot be told apart{at}: {name} is {format_lead(gain)}"


def list_names(names: Sequence[str]) -> str:
    """Names in a row: "a, b and c"."""
    if len(names) < 2:
        return "".join(names)
    return f"{', '.join(names[:-1])} and {names[-1]}"


def list_some(names: Sequence[str], most: int = 5, *, total: int | None = None) -> str:
    """Names in a row, of more than `most` only the first and the number of the others: "a, b and 4 others".

    total: number of names where only some of them are given.
    """
    count = len(names) if total is None else total
    if count <= most and count == len(names):
        return list_names(names)
    shown = list(names[: max(most - 1, 1)])
    others = count - len(shown)
    return list_names([*shown, f"{others} other{'s' * (others != 1)}"])


def _signed(share: float) -> str:
    return f"{round(100 * share, 1) + 0.0:+.1f}".replace("-", "−")


def _plain(share: float) -> str:
    """Points with a minus sign that is not a hyphen; never "-0.0"."""
    return f"{round(100 * share, 1) + 0.0:.1f}".replace("-", "−")
