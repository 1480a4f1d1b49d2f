"""`wordsight eval limits`: what not to trust in a model, on images that are drawn by the command."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from wordsight.cli.eval import _options
from wordsight.cli.eval._results import deliver, image_progress, open_model, open_text_model
from wordsight.errors import InputError

if TYPE_CHECKING:
    from wordsight.evaluate.limits.findings import Findings

EPILOG = """\b
Examples:
  wordsight eval limits
  wordsight eval limits --model ViT-B-32/openai --report limits.html
  wordsight eval limits --tests counting --tests negation --json
  wordsight eval limits --tests none --people portraits/

Languages, with names and emoji images of npm, which are unpacked by yourself:

\b
  npm pack cldr-annotations-full emoji-datasource-google
  wordsight eval limits --languages cldr/package --images emoji/package
  npm pack i18n-iso-countries
  wordsight eval limits --languages i18n/package --images emoji/package

The tests draw their images; nothing is downloaded.

\b
Exit codes: 0 measured; 2 the command or an input is wrong.
"""


@click.command(epilog=EPILOG)
@click.option("--tests", multiple=True, metavar="NAME", help='Run this test only; repeatable. "none": no test.')
@click.option("--languages", type=click.Path(path_type=Path), metavar="FOLDER", help="Measure the languages for which "
              "FOLDER has names: of emoji (CLDR's annotations) or of countries (i18n-iso-countries).")  # fmt: skip
@click.option("--images", type=click.Path(path_type=Path), metavar="FOLDER", help="Images of emoji or flags for "
              "--languages: npm emoji-datasource-*, or a folder of files named by code points or country codes."
              )  # fmt: skip
@click.option("--limit", type=click.IntRange(2), default=300, show_default=True, metavar="N",
              help="Names that are used of each language.")  # fmt: skip
@click.option("--people", type=click.Path(path_type=Path), metavar="FOLDER", help="Measure whether portraits are "
              "grouped by person: FOLDER has a folder for each person. Only with their consent.")  # fmt: skip
@_options.model_option
@_options.seed_option
@_options.one_json_option
@_options.report_option
@click.pass_context
def command(ctx: click.Context, /, **options: Any) -> None:
    """Show what not to trust in a model: counts, positions, negation, text in images, languages, ….

    Each test stands beside its chance level and an easier control question about the same images.
    """
    from wordsight.evaluate.limits.findings import build_report

    _options.check_report(options["report"])
    findings = _measure(options)
    command_line = "wordsight " + shlex.join(_options.record_command(ctx))
    written = None
    if options["report"]:
        written = build_report(findings, command_line)
    deliver(build_report(findings, command_line, illustrated=False), options, written=written)


def _measure(options: Mapping[str, Any]) -> Findings:
    """Measure what the options ask for; input is checked before the model is loaded."""
    from wordsight.evaluate.limits.catalogue import pick_tests
    from wordsight.evaluate.limits.findings import Findings
    from wordsight.evaluate.limits.language_files import read_images, read_names
    from wordsight.evaluate.limits.languages import measure_languages
    from wordsight.evaluate.limits.measure import measure_limits
    from wordsight.evaluate.limits.people import measure_people

    if options["people"] is not None:
        _options.check_packages("--people", "scipy")
    tests = () if options["tests"] == ("none",) else pick_tests(options["tests"])
    names = images = None
    if (options["languages"] is None) != (options["images"] is None):
        raise InputError("--languages and --images go together: names in many languages, and the images they are of.")
    if options["languages"] is not None:
        names = read_names(options["languages"])
        images = read_images(options["images"], names.kind, names.by_language.get("en", {}))
    if not tests and names is None and options["people"] is None:
        raise InputError("With --tests none there is nothing to measure; add --languages or --people.")
    limits = languages = people = None
    if not tests and names is None:  # portraits need no words
        people = measure_people(open_model(options["model"], options), options["people"], seed=options["seed"])
        return Findings(people.model, people=people)
    model = open_text_model(options["model"], options)
    if tests:
        with image_progress(len(tests), "Testing") as advance:
            limits = measure_limits(model, tests, seed=options["seed"], progress=_advance(advance))
    if names is not None and images is not None:
        with image_progress(len(names.by_language), "Languages") as advance:
            languages = measure_languages(model, names, images, limit=options["limit"], seed=options["seed"],
                                          progress=_advance(advance))  # fmt: skip
    if options["people"] is not None:
        people = measure_people(model, options["people"], seed=options["seed"])
    return Findings(model.name, limits, languages, people)


def _advance(advance: Callable[[int], object] | None) -> Callable[[object], object] | None:
    return None if advance is None else lambda _: advance(1)
