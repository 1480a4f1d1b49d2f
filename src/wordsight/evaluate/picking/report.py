"""Report on a picking: which candidate to take, all figures, and the trade-off as a chart."""

from __future__ import annotations

from wordsight.evaluate.picking.pick import Candidate, Picking
from wordsight.evaluate.report.scatter_charts import Point, scatter_chart
from wordsight.evaluate.report.sections import Chart, Report, Section, Table
from wordsight.evaluate.report.words import format_lead, format_points, percent

ALIKE = 0.01  # a loss of a point at most is as good
_CLEARLY_FASTER = 1.05  # rounds of the same candidate differ by some percent


def build_report(picking: Picking, command: str) -> Report:
    """Report on a picking."""
    text = (
        f"Zero-shot accuracy on {picking.images:,} images of {picking.dataset} with intervals of 95 %; images per "
        "second from files to embeddings, the median of rounds in which the candidates took turns, each in a fresh "
        "process, with the slowest and the fastest; the most memory of such a process; seconds until the first image. "
        "A good trade is one that no other candidate beats in accuracy and in speed."
    )
    sections = [Section("Candidates", text, [_table(picking), _chart(picking)])]
    if picking.unavailable:
        reasons = "\n".join(f"{each.label}: {each.reason}" for each in picking.unavailable)
        sections.append(Section("Not available here", reasons))
    return Report(f"Models for {picking.dataset}", describe_picking(picking), command, sections, picking.to_dict())


def describe_picking(picking: Picking) -> str:
    """Advice in a sentence or two: what to take, and what it costs and gains against the most accurate."""
    advised, best = picking.find(picking.advised), picking.candidates[0]
    if len(picking.candidates) == 1:
        return (
            f"Only {best.label} can be measured here: {percent(best.accuracy.value)} of {picking.images:,} images, "
            f"{best.images_per_second:.1f} images/s."
        )
    if advised.label == best.label:
        return f"Take {best.label}: none is more accurate, and {_describe_fastest(picking, best)}"
    row = next(row for row in picking.standings.rows if row.label == advised.label)
    faster = _faster(advised, best)
    against = format_lead(row.behind.negate())
    if row.behind.high <= ALIKE:
        return f"{advised.label} is as good as {best.label} and {faster}: take it. It is {against}."
    return (
        f"Take {advised.label}: it is {faster} and cannot be told from {best.label}, the most accurate, on these "
        f"{picking.images:,} images: {against}. If a loss of up to {100 * row.behind.high:.1f} points would matter, "
        "measure more images."
    )


def _describe_fastest(picking: Picking, best: Candidate) -> str:
    fastest = max(picking.candidates, key=lambda each: each.images_per_second)
    if fastest.label == best.label:
        return "none is faster."
    row = next(row for row in picking.standings.rows if row.label == fastest.label)
    return f"{fastest.label}, the fastest, is {_faster(fastest, best)} but loses {format_points(row.behind)}."


def _faster(one: Candidate, other: Candidate) -> str:
    ratio = one.images_per_second / other.images_per_second
    if ratio < _CLEARLY_FASTER:
        return "about as fast"
    return f"{ratio:.1f} times as fast"


def _table(picking: Picking) -> Table:
    slowest = min(each.images_per_second for each in picking.candidates)
    rows = [
        [
            each.label,
            f"{each.accuracy:.1%}",
            f"{each.images_per_second:.1f} ({each.slowest:.1f}–{each.fastest:.1f})",
            f"{each.images_per_second / slowest:.2f}×",
            "?" if each.peak_bytes is None else f"{each.peak_bytes / 2**20:,.0f} MiB",
            f"{each.start_seconds:.1f} s",
            _verdict(each, picking.advised),
        ]
        for each in picking.candidates
    ]
    return Table(["Candidate", "Accuracy", "Images/s", "Speed", "Memory", "Start", "Verdict"], rows)


def _verdict(each: Candidate, advised: str) -> str:
    if each.label == advised:
        return "take"
    return "a good trade" if each.best_trade else "–"


def _chart(picking: Picking) -> Chart:
    points_of = [
        Point(each.label, each.images_per_second, each.accuracy.value, each.accuracy.low, each.accuracy.high)
        for each in picking.candidates
    ]
    return scatter_chart(
        points_of,
        caption="Accuracy over images per second; the line connects the best trade-offs.",
        front=[each.label for each in picking.candidates if each.best_trade],
        x_title="images per second",
        y_title="accuracy",
    )
