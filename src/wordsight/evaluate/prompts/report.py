"""The study of prompts on a set as a report."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from wordsight.evaluate.prompts.measured import Measured
from wordsight.evaluate.prompts.study import PromptStudy
from wordsight.evaluate.prompts.templates_scored import TemplateScore, TemplateScores
from wordsight.evaluate.report.row_charts import interval_chart
from wordsight.evaluate.report.sections import Chart, Report, Section, Table
from wordsight.evaluate.report.words import describe_gain, format_gain
from wordsight.metrics import Estimate

_SETS = "Prompt sets"
_SHOWN = 30  # templates in a chart
_NEAR = 0.95  # nearness of two names from which they are called alike
_LABEL_FREE = (
    "Corrections that see the images but no label. Equal priors suit collections whose classes are about equally "
    "frequent, as most benchmarks are and most folders are not. Priors by EM take the model's probabilities at their "
    "word: where these are vague, large classes swallow small ones."
)
_SENSE = "Try other wordings of these names with --rename 'NAME=WORDING', or a category for all with --kind."


def build_report(study: PromptStudy, command: str = "", *, charts: Mapping[str, Chart] | None = None) -> Report:
    """Report of a study: which prompts help, whether they are better than noise, and what labels are not needed for.

    charts: of the sections by their titles, as `draw_charts` gives them.
    """
    sections = [
        _prompt_sets(study),
        *(_templates(name, scores) for name, scores in study.templates.items()),
        *_pruned(study),
        *_control(study),
        *_long_texts(study),
        _label_free(study),
        *_names(study),
    ]
    drawn = charts or {}
    sections = [
        replace(section, parts=(*section.parts, drawn[section.title])) if section.title in drawn else section
        for section in sections
    ]
    return Report(f"Prompts on {study.dataset}", _answer(study), command, sections, study.to_dict())


def draw_charts(study: PromptStudy) -> dict[str, Chart]:
    """Accuracy of each prompt set, and of the templates of each. Raises: MissingExtraError without matplotlib."""
    charts: dict[str, Chart] = {
        _SETS: interval_chart(
            {each.name: each.accuracy for each in study.methods},
            caption="Accuracy of each prompt set, with 95 % intervals",
            title="accuracy",
        )
    }
    for name, scores in study.templates.items():
        charts[f"Templates of {name}"] = interval_chart(
            {score.template: score.alone for score in _ordered(scores)[:_SHOWN]},
            caption=f"Accuracy of the templates of {name}, each by itself",
            title="accuracy",
        )
    return charts


def _answer(study: PromptStudy) -> str:
    baseline, *others = study.methods
    measured = {each.name: each.gain for each in others if each.gain is not None}
    gains = {name: gain.widen(len(measured)) for name, gain in measured.items()}
    better = {name: gain for name, gain in gains.items() if gain.low > 0}
    worse = {name: gain for name, gain in gains.items() if gain.high < 0}
    lines = [f"{baseline.name} alone: {baseline.accuracy:.1%} of {study.images:,} images, {study.classes} classes."]
    if not gains:
        lines.append("No other prompt set was asked for.")
    elif not better and not worse:
        lines.append(_indifferent(gains, baseline.name))
    lines += [f"{describe_gain(gain, name, baseline.name)}." for name, gain in (better | worse).items()]
    if len(gains) > 1 and (better or worse):
        lines.append(f"These intervals hold for all {len(gains)} prompt sets at once.")
    lines += [result.answer for result in study.control]
    return " ".join(lines)


def _indifferent(gains: dict[str, Estimate], baseline: str) -> str:
    if len(gains) == 1:
        ((name, gain),) = gains.items()
        return f"{describe_gain(gain, name, baseline)}."
    return f"None of the {len(gains)} prompt sets can be told apart from it."


def _prompt_sets(study: PromptStudy) -> Section:
    rows = [
        (
            each.name,
            f"{each.accuracy:.1%}",
            format_gain(each.gain),
            f"{each.prompts:,}",
            _count(each.truncated),
        )
        for each in study.methods
    ]
    columns = ("prompts", "accuracy", "gain over the first", "number", "truncated")
    text = "The interval of each gain is for itself, not for all prompt sets at once." if len(rows) > 2 else ""
    return Section(_SETS, text, (Table(columns, rows),))


def _templates(name: str, scores: TemplateScores) -> Section:
    rows = [
        (score.template, f"{score.alone:.1%}", format_gain(score.contribution), "hurts" * score.hurts)
        for score in _ordered(scores)
    ]
    hurting = sum(score.hurts for score in scores.each)
    answer = describe_gain(scores.gain, f"the ensemble of {len(rows)}", "one of its templates drawn at random")
    text = (
        f"{answer[:1].upper()}{answer[1:]}. "
        f"The templates dispute {scores.disputed:.1%} of the images. "
        f"{hurting} of {len(rows)} seem to hurt the ensemble; about {len(rows) / 40:.1f} would by chance."
    )
    columns = ("template", "alone", "adds to the ensemble", "")
    return Section(f"Templates of {name}", text, (Table(columns, rows),))


def _ordered(scores: TemplateScores) -> list[TemplateScore]:
    return sorted(scores.each, key=lambda score: -score.alone.value)


def _pruned(study: PromptStudy) -> Iterator[Section]:
    if not study.pruned:
        return
    rows = [
        (
            name,
            f"{len(pruned.kept)} of {len(study.templates[name].each)}",
            f"{pruned.accuracy:.1%}",
            format_gain(pruned.gain),
            f"{100 * pruned.seen_gain:+.1f}",
            "; ".join(pruned.kept),
        )
        for name, pruned in study.pruned.items()
    ]
    folds = next(iter(study.pruned.values())).folds
    text = (
        f"Gain over all templates, each image judged by a choice made without it ({folds} folds). The gain on the very "
        "images of the choice is what one would hope for without this care."
    )
    columns = ("prompts", "kept", "accuracy", "gain", "gain where chosen", "templates chosen on all images")
    yield Section("Fewer templates", text, (Table(columns, rows),))


def _control(study: PromptStudy) -> Iterator[Section]:
    if not study.control:
        return
    accuracy = {each.name: each.accuracy for each in study.methods}
    rows = [
        (
            result.name,
            f"{accuracy[result.name]:.1%}",
            f"{result.accuracy:.1%}",
            format_gain(result.gain),
            _count(result.truncated),
        )
        for result in study.control
    ]
    text = (
        f"As many prompts of random words and characters, {study.control[0].seeds} seeds: what a prompt set gains "
        "over them is owed to its words, not to averaging."
    )
    columns = ("prompts", "accuracy", "random prompts", "gain over random", "random truncated")
    yield Section("Better than noise?", text, (Table(columns, rows),))


def _long_texts(study: PromptStudy) -> Iterator[Section]:
    if study.long_texts:
        text = "Prompts longer than the model's context, split at sentence ends and averaged, against truncated ones."
        yield Section("Long prompts", text, (_gains(study.long_texts),))


def _label_free(study: PromptStudy) -> Section:
    return Section("Without labels", _LABEL_FREE, (_gains(study.label_free),))


def _names(study: PromptStudy) -> Iterator[Section]:
    if study.naming:
        yield Section("Other wordings of the names", "", (_gains(study.naming),))
    if not study.confused:
        return
    rows = [
        (name.name, name.taken_by, f"{name.taken:.0%}", str(name.taken.n), _alike(name.nearness, name.same))
        for name in study.confused
    ]
    tables = [Table(("class", "taken by", "share of its images", "images", "the two names"), rows)]
    senses = [
        (name, str(number), sense.gloss) for name, own in study.senses.items() for number, sense in enumerate(own, 1)
    ]
    if senses:
        tables.append(Table(("name", "", "sense in WordNet"), senses, "Names among these that mean several things"))
    yield Section("Names that go wrong", _SENSE, tables)


def _gains(methods: Sequence[Measured]) -> Table:
    rows = [(each.name, f"{each.accuracy:.1%}", format_gain(each.gain), each.against or "") for each in methods]
    return Table(("method", "accuracy", "gain", "over"), rows)


def _count(number: int | None) -> str:
    if number is None:
        return "not known"
    return f"{number:,}"


def _alike(nearness: float, same: bool) -> str:
    if same:
        return "are one name"
    if nearness >= _NEAR:
        return "are alike to the model"
    return "differ to the model"
