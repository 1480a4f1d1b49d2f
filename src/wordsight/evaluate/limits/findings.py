"""All that `wordsight eval limits` found, as one report: tests, languages, people."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from wordsight.evaluate.limits.languages import LanguageResult, Languages
from wordsight.evaluate.limits.measure import Limits
from wordsight.evaluate.limits.people import NOTE, PeopleResult
from wordsight.evaluate.limits.report import answer_limits, illustrate_limits, summarise_limits
from wordsight.evaluate.report.row_charts import interval_chart
from wordsight.evaluate.report.sections import ImageTiles, Report, Section, Table
from wordsight.evaluate.report.words import list_some, percent

_DRAWN = 30  # languages in the chart
_NAMED = 12  # languages in the answer
_LANGUAGES_TEXT = (
    "Each image is to be matched with its own name among all names in that language. top-1: its name is the best; "
    "recall@5: it is among the five best. own: recall@5 of the names without a word that is spelled nearly as in "
    "English, by which the verdict is given; a language works if the lower end of that interval is half of the recall "
    "in English or more; the interval of the recall in English itself is left out of account. "
    "A model that was trained on these images finds them better than others of the kind."
)


@dataclass(frozen=True)
class Findings:
    """Parts that were measured; the others are None."""

    model: str
    limits: Limits | None = None
    languages: Languages | None = None
    people: PeopleResult | None = None

    def to_dict(self) -> dict[str, Any]:
        """Fields as JSON holds them."""
        parts = {"limits": self.limits, "languages": self.languages, "people": self.people}
        return {"model": self.model} | {name: part.to_dict() for name, part in parts.items() if part is not None}


def build_report(findings: Findings, command: str, *, illustrated: bool = True) -> Report:
    """Report of all findings. illustrated: with charts and images, which need the package matplotlib."""
    answers = []
    sections: list[Section] = []
    if findings.limits is not None:
        answers.append(answer_limits(findings.limits))
        sections.append(summarise_limits(findings.limits))
    if findings.languages is not None:
        answers.append(answer_languages(findings.languages))
        sections.append(_tabulate_languages(findings.languages, illustrated))
    if findings.people is not None:
        answers.append(answer_people(findings.people))
        sections += _explain_people(findings.people, illustrated)
    if findings.limits is not None and illustrated:
        sections += illustrate_limits(findings.limits)
    title = f"What not to trust in {findings.model}"
    return Report(title, "\n".join(answers), command, sections, findings.to_dict())


def answer_languages(languages: Languages) -> str:
    """Languages that work and that do not, in words."""
    english = languages.english
    if english.kind != "works":
        return (
            f"Languages cannot be judged: {languages.model} hardly knows these images by their English names "
            f"(recall@5 {english.recall5:.0%}, chance {percent(english.chance5, 0)})."
        )
    groups = {kind: [r for r in languages.results if r.kind == kind] for kind in ("works", "partly", "does not")}
    words = {"works": "Works", "partly": "Works in part", "does not": "Does not work"}
    return " ".join(f"{words[kind]}: {_list_names(group)}." for kind, group in groups.items() if group)


def answer_people(people: PeopleResult) -> str:
    """Whether portraits are grouped by person, against chance, with the note on consent in short."""
    compared = "no better than chance"
    if people.kmeans.low > people.chance_high:
        compared = "better than chance"
    return (
        f"{people.n} portraits of {len(people.people)} people: {people.kmeans:.0%} are grouped with their person, "
        f"{compared} ({percent(people.chance, 0)} on average). Do not use it to identify people: see the note below."
    )


def _list_names(results: list[LanguageResult]) -> str:
    named = [r.name for r in results if r.name != r.code]
    return list_some(named, _NAMED, total=len(results))


def _tabulate_languages(languages: Languages, illustrated: bool) -> Section:
    rows = [
        (
            f"{r.name} ({r.code})" if r.name != r.code else r.code,
            f"{r.top1:.0%}",
            f"{r.recall5:.0%}",
            "–" if r.own is None else f"{r.own:.0%}",
            str(r.top1.n),
            percent(r.chance5),
            r.kind,
        )
        for r in languages.results
    ]
    columns = ("language", "top-1", "recall@5", "own", "names", "chance@5", "verdict")
    parts: list[Any] = [Table(columns, rows)]
    if illustrated:
        drawn = {r.name: r for r in languages.results[:_DRAWN]}
        chart = interval_chart(
            {name: r.recall5 for name, r in drawn.items()},
            chance={name: r.chance5 for name, r in drawn.items()},
            caption=f"Recall@5 of names in the {len(drawn)} best languages; ticks are the chance levels.",
            title="recall@5",
        )
        parts.insert(0, chart)
    text = _LANGUAGES_TEXT
    if languages.left_out:
        text += f" Left out for want of names: {', '.join(languages.left_out)}."
    return Section(f"Languages, by names of {_KINDS[languages.of]}", text, parts)


_KINDS = {"emoji": "emoji", "country": "flags"}


def _explain_people(people: PeopleResult, illustrated: bool) -> Iterator[Section]:
    rows = [
        ("k-means", f"{people.kmeans:.0%}", percent(people.chance, 0)),
        ("average linkage", f"{people.linkage:.0%}", percent(people.chance, 0)),
        ("nearest portrait", f"{people.nearest:.0%}", percent(people.nearest_chance, 0)),
    ]
    table = Table(("grouped by", "with the same person", "chance"), rows)
    text = (
        f"{people.n} portraits of {len(people.people)} people, as many clusters as people, matched one to one. "
        f"Adjusted Rand index of k-means: {people.adjusted_rand:.2f} (1: equal, 0: random). Chance of clusters: labels "
        f"in random order, 95 % of them below {percent(people.chance_high, 0)}. Intervals are of portraits of these "
        "people, not of other people."
    )
    parts: list[Any] = [table]
    if illustrated and people.mixed:
        parts.append(ImageTiles(people.mixed, "Grouped with other people"))
    yield Section("People", text, parts)
    yield Section("Consent and limits", NOTE)
