"""Report on a comparison: standings over datasets, each dataset, and what could not be compared."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np

from wordsight.evaluate.comparison.compare import Comparison, Pair, SetComparison
from wordsight.evaluate.comparison.standings import Standings
from wordsight.evaluate.comparison.words import describe_comparison, rounded
from wordsight.evaluate.report.row_charts import interval_chart
from wordsight.evaluate.report.sections import Chart, Report, Section, Table
from wordsight.evaluate.report.words import format_gain, format_points, list_names, list_some, percent
from wordsight.metrics import Estimate, adjust_holm

_CONFIDENT = 0.05


def build_report(comparison: Comparison, command: str) -> Report:
    """Report on a comparison."""
    sections = [*_standings_sections(comparison), *_sets_sections(comparison)]
    if notes := list(_notes(comparison)):
        sections.append(Section("Not compared", "\n".join(notes)))
    return Report(
        f"Comparison of {', '.join(comparison.labels)}",
        " ".join([describe_comparison(comparison), *comparison.remarks]),
        command,
        sections,
        comparison.to_dict(),
    )


def _standings_sections(comparison: Comparison) -> Iterator[Section]:
    (first, *more) = comparison.sets
    if comparison.across is not None:
        text = (
            f"Mean accuracy over the {len(comparison.common)} datasets that all have, equally weighted. "
            "Intervals of 95 % take these datasets as a sample of datasets like them"
        )
        if comparison.here is None:
            yield _standings_section("Over all datasets", f"{text}.", comparison.across)
        else:
            text += '; "these only" would change with other images, but not with other datasets.'
            yield _standings_section("Over all datasets", text, comparison.across, comparison.here)
    elif not more and first.standings is not None:
        text = (
            f"Accuracy on the {first.images:,} images{_in_groups(first)} of {first.dataset} that all have, with "
            "intervals of 95 %."
        )
        if first.pair is not None:
            text += f" {_describe_test(first, first.pair)}"
        yield _standings_section("Standings", text, first.standings)


def _in_groups(each: SetComparison) -> str:
    return f" in {each.groups:,} groups" if each.groups else ""


def _describe_test(each: SetComparison, pair: Pair) -> str:
    text = f"Only {each.labels[0]} is right about {pair.lost:,} of them, only {each.labels[1]} about {pair.gained:,}: "
    if pair.mcnemar is None:
        return f"{text}p = {pair.p:.2g} (Student's test, which counts the groups, not the images)."
    return f"{text}McNemar's p = {pair.mcnemar.mid:.2g} (mid-p), {pair.mcnemar.exact:.2g} (exact)."


def _standings_section(title: str, text: str, standings: Standings, here: Standings | None = None) -> Section:
    """Table of standings; with more than two contenders also of ranks, which two do not need."""
    many = len(standings.rows) > 2
    columns = ["Model", "Accuracy", "Behind the best"]
    if here is not None:
        columns.append("Behind, these only")
    if many:
        columns += ["Rank", "May be the best"]
        text += (
            " Ranks are those that a model may have; it may be the best where no other is certainly better. Ranks, and "
            "intervals of how far each is behind, hold for all models at once; the interval of an accuracy is its own."
        )
    behind_here = {row.label: row.behind for row in here.rows} if here is not None else {}
    rows = []
    for place, row in enumerate(standings.rows):
        cells = [row.label, f"{row.mean:.1%}", _behind(row.behind) if place else "–"]
        if here is not None:
            cells.append(_behind(behind_here[row.label]) if place else "–")
        if many:
            cells += [rank_range(row.ranks), "yes" if row.may_be_best else "no"]
        rows.append(cells)
    return Section(title, text, [Table(columns, rows), *_standings_charts(standings, many)])


def _standings_charts(standings: Standings, many: bool) -> Iterator[Chart]:
    yield interval_chart(
        {row.label: row.mean for row in standings.rows},
        caption="Accuracy with its interval of 95 %. Of models measured on the same images, intervals that overlap "
        "may belong to models that do differ: see how far each is behind.",
        title="accuracy",
    )
    if many:
        best = standings.rows[0].label
        yield interval_chart(
            {row.label: row.behind for row in standings.rows[1:]},
            caption=f"Points behind {best}, paired, all intervals at once of 95 %; at 0 nothing tells them apart.",
            title=f"behind {best}",
        )
        yield interval_chart(
            {row.label: Estimate(place, *row.ranks, row.mean.n) for place, row in enumerate(standings.rows, start=1)},
            caption="Rank by the mean, and the ranks that the models may have: with 95 %, all of them hold.",
            title="rank",
            unit="",
        )


def _sets_sections(comparison: Comparison) -> Iterator[Section]:
    if len(comparison.sets) < 2:
        return
    if len(comparison.labels) == 2:
        yield _pairs_section(comparison)
        return
    rows = []
    for each in comparison.sets:
        if each.standings is None:
            places = np.argsort([-mean.value for mean in each.accuracies], kind="stable")
            rows.append([each.dataset, "?", each.labels[places[0]], percent(each.accuracies[places[0]].value), "?"])
            continue
        best = each.standings.rows[0]
        tied = [name for name in each.standings.tied if name != best.label]
        rows.append(
            [each.dataset, f"{each.images:,}", best.label, f"{best.mean:.1%}", list_some(tied, 2) if tied else "–"]
        )
    table = Table(["Dataset", "Images", "Best", "Its accuracy", "May be the best too"], rows)
    yield Section("Each dataset", "Images that all have, paired.", [table])


def _pairs_section(comparison: Comparison) -> Section:
    first, second = comparison.labels
    paired = [(each, each.pair) for each in comparison.sets if each.pair is not None]
    adjusted = dict(zip([each.dataset for each, _ in paired], adjust_holm([pair.p for _, pair in paired]), strict=True))
    wins = {first: 0, second: 0}
    rows = []
    for each in comparison.sets:
        better, gain, needed, p = "", _signed(each), "?", "?"
        if each.pair is not None:
            p, needed = f"{each.pair.p:.2g}", f"{rounded(each.pair.needed):,}"
            if adjusted[each.dataset] < _CONFIDENT:
                better = second if each.pair.gain.value > 0 else first
                wins[better] += 1
        accuracies = [percent(mean.value) for mean in each.accuracies]
        images = f"{each.images:,}" if each.pair is not None else "?"
        rows.append([each.dataset, images, *accuracies, gain, p, needed, better or "–"])
    undecided = len(paired) - sum(wins.values())
    text = (
        f"{second} is better on {wins[second]} of {len(paired)} datasets, {first} on {wins[first]}; of {undecided} the "
        f"images do not tell ({_name_tests(comparison)}, with Holm's correction for the number of datasets). "
        f"Difference: points of {second} less those of {first}, each interval for its own dataset only. Needed: images "
        "at which a difference of this size is found four times of five."
    )
    if not paired:
        text = "Only accuracies are known, so that no dataset by itself tells whether they differ."
    columns = ["Dataset", "Images", first, second, "Gain", "p", "Needed", "Better"]
    parts: list[Table | Chart] = [Table(columns, rows)]
    if paired:
        parts.append(_gain_chart(comparison, {each.dataset: pair.gain for each, pair in paired}))
    return Section("Each dataset", text, parts)


def _name_tests(comparison: Comparison) -> str:
    if any(each.groups for each in comparison.sets):
        return "Student's test by groups of images"
    return "McNemar's mid-p test"


def _gain_chart(comparison: Comparison, gains: Mapping[str, Estimate]) -> Chart:
    first, second = comparison.labels
    ordered = dict(sorted(gains.items(), key=lambda item: -item[1].value))
    return interval_chart(
        ordered,
        caption=f"Accuracy of {second} less that of {first} on each dataset, paired by image, with intervals of 95 %.",
        title=f"{second} − {first}",
    )


def _notes(comparison: Comparison) -> Iterator[str]:
    for each in comparison.sets:
        for name, lacks in each.lacking.items():
            yield f"{each.dataset}: {lacks:,} images that others have are not in the predictions of {name}."
        if each.unlabelled:
            yield f"{each.dataset}: {each.unlabelled:,} images without a label."
        if 0 < len(each.unpaired) < len(each.labels):
            yield (
                f"{each.dataset}: of {list_names(each.unpaired)} only an accuracy is known, not on which images; it is "
                "not ranked."
            )
    for same in comparison.same_names:
        yield f"{same.other!r} is taken for the dataset {same.name!r}, by the end of its name; check that it is."
    for name, datasets in comparison.left_out.items():
        yield f"No result of {name} on {list_some(datasets)}."
    yield from (f"{each.path}: {each.reason}" for each in comparison.unread)


def rank_range(ranks: tuple[int, int]) -> str:
    """Ranks from first to last: "1–3", or "2"."""
    first, last = ranks
    return str(first) if first == last else f"{first}–{last}"


def _behind(gain: Estimate) -> str:
    return format_points(gain).replace(" points", "")


def _signed(each: SetComparison) -> str:
    """Second less first, in points with its interval, where that is known."""
    if each.pair is None:
        return f"{100 * (each.accuracies[1].value - each.accuracies[0].value):+.1f}"
    return format_gain(each.pair.gain)
