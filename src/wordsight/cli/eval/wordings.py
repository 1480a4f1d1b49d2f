"""`wordsight eval wordings`: how much the answer for one image depends on the wording."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Any

import click

from wordsight.cli._options import spread
from wordsight.cli.eval._options import check_report, model_option, one_json_option, record_command, report_option
from wordsight.errors import InputError

EPILOG = """\b
Examples:
  wordsight eval wordings bird.jpg --words bird "a bird" "a photo of a bird" sparrow
  wordsight eval wordings bird.jpg --classes bird
  wordsight eval wordings bird.jpg --classes bird dog plane --report wordings.html
  wordsight eval wordings bird.jpg --classes "bird = bird, small bird, songbird" dog --templates imagenet-80

--words scores texts as they are. --classes words each name in many ways: articles, number, case, punctuation,
templates, and the synonyms given after "="; of several classes it tells how often the answer changes.

\b
Exit codes: 0 measured; 2 the command or an input is wrong.
"""


class _SpreadWordings(click.Command):
    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Parse after spreading `--words` and `--classes`, which take all values up to the next option."""
        return super().parse_args(ctx, spread("--words", spread("--classes", args)))


@click.command(cls=_SpreadWordings, epilog=EPILOG)
@click.argument("image", type=click.Path(path_type=Path))
@click.option("--words", multiple=True, metavar="TEXT...", help="Wordings of one thing, scored as they are.")
@click.option("--classes", multiple=True, metavar="NAME...", help="Class names, each worded in many ways.")
@click.option("--templates", default="imagenet-7", show_default=True, metavar="TEMPLATES",
              help="With --classes: templates among the wordings.")  # fmt: skip
@model_option
@report_option
@one_json_option
@click.pass_context
def command(ctx: click.Context, /, image: Path, model: str, **options: Any) -> None:
    """Show how much the answer for one image depends on the wording."""
    from wordsight.cli.eval._results import deliver, open_text_model
    from wordsight.evaluate.prompts.sensitivity import measure_sensitivity
    from wordsight.evaluate.prompts.sensitivity_report import build_sensitivity_report, draw_wordings

    check_report(options["report"])
    classes, wordings = _read_wordings(options)
    seen = measure_sensitivity(open_text_model(model, options), image, classes, wordings)
    charts = []
    if options["report"]:
        charts = [draw_wordings(seen)]
    command_line = shlex.join(["wordsight", *record_command(ctx)])
    deliver(build_sensitivity_report(seen, command_line, charts=charts), options)


def _read_wordings(options: dict[str, Any]) -> tuple[tuple[str, ...], Any]:
    """Class names and their wordings, from --words or --classes."""
    from wordsight.evaluate.prompts.wordings import Wording, vary_names
    from wordsight.zeroshot.class_embeddings import parse_classes
    from wordsight.zeroshot.templates import resolve_templates

    words, classes = options["words"], options["classes"]
    if bool(words) == bool(classes):
        raise InputError('Give either --words, texts as they are, or --classes, names to be worded in many ways: '
                         '--words bird "a bird".')  # fmt: skip
    if any(not text.strip() for text in words):
        raise InputError("A text of --words is empty; give texts such as bird 'a bird'.")
    if words:
        return words[:1], [Wording("given", (text,)) for text in dict.fromkeys(words)]
    named = parse_classes(classes)
    synonyms = [[word for word in own if word != name] for name, own in named.items()]
    return tuple(named), vary_names(tuple(named), resolve_templates(options["templates"]), synonyms)
