"""`wordsight classify`: sort images by words, or by a linear head that was fitted to labelled images."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from click.core import ParameterSource

from wordsight.cli._classify import inputs
from wordsight.cli._classify.inputs import Page, Source
from wordsight.cli._messages import plain_warnings, report_skips, say
from wordsight.cli._options import SpreadCommand, html_option, json_lines_option, model_options
from wordsight.cli._progress import progress_bar

if TYPE_CHECKING:
    import numpy as np

    from wordsight.cli._classify.answers import ImageAnswer
    from wordsight.cli._classify.classes import Classes
    from wordsight.images.skipped import Skipped
    from wordsight.model import Model
    from wordsight.output.sorting import Sorter
    from wordsight.zeroshot.image_classifier import ImageClassifier

EPILOG = """\b
Examples:
  wordsight classify photos/ --classes cat dog "red coat"
  wordsight classify 'photos/**/*.jpg' --classes-file classes.txt --csv > answers.csv
  wordsight classify photos/ --classes cat cup --multi
  wordsight classify photos/ --classes-file classes.txt --together --html sorted.html
  wordsight classify photos/ --probe garments.safetensors --html sorted.html
  find . -name '*.png' -print0 | wordsight classify - -0 --classes diagram photo --json
  wordsight classify manual.pdf --classes "circuit diagram" "page of text"
  wordsight classify photos/ --classes invoice receipt --sort-into sorted --move
  wordsight classify --sort-into sorted --undo

Put PATHS before --classes, or after a lone "--". A class may have several wordings:
"invoices=a scanned invoice, a bill".

The answer is the most probable label, which may be "none of these" unless --no-none is given. The count per class is
printed to standard error at the end.

With --probe the classes are those that the probe learnt from labelled images. It always answers one of them: it has
seen no image of anything else.

\b
Exit codes: 0 all images classified; 1 some were skipped (listed on standard error) or could not be restored;
2 the command or an input is wrong; 3 no image could be read.
"""


@click.command(cls=SpreadCommand, epilog=EPILOG)
@click.argument("paths", nargs=-1)
@click.option("--classes", multiple=True, metavar="NAME...", help="Class names: one or more, up to the next option.")
@click.option("--classes-file", type=click.Path(dir_okay=False, path_type=Path), metavar="FILE",
              help="Read class names from FILE, one per line.")  # fmt: skip
@click.option("--probe", type=click.Path(dir_okay=False, path_type=Path), metavar="FILE",
              help="Take the classes from a linear head, fitted to labelled images, instead of words.")  # fmt: skip
@click.option("--templates", default="photo", show_default=True, metavar="TEMPLATES",
              help="Prompt templates: a built-in set, a template with {}, or a file.")  # fmt: skip
@click.option("--top", default=5, show_default=True, type=click.IntRange(1), help="Answers per image.")
@click.option("--none/--no-none", "none", default=True, show_default=True, help='Allow the answer "none of these".')
@click.option("--multi", is_flag=True, help="Judge each class independently: an image may have several classes, or "
              "none.")  # fmt: skip
@click.option("--together", is_flag=True, help="Judge all images jointly: more accurate for a few dozen images or "
              "more; answers come at the end.")  # fmt: skip
@click.option("--from-file", type=click.Path(dir_okay=False, allow_dash=True), metavar="FILE",
              help='Read image paths from FILE, one per line; "-" for standard input.')  # fmt: skip
@click.option("-0", "zero", is_flag=True, help="Paths that are read end with NUL (find -print0).")
@json_lines_option("image")
@click.option("--csv", "as_csv", is_flag=True, help="Print CSV with a header row and a column for each class.")
@html_option("Write a contact sheet to FILE, with a section for each class.")
@click.option("--sort-into", type=click.Path(path_type=Path), metavar="DIR", help="Put each image into DIR/<class>/.")
@click.option("--copy", "how", flag_value="copy", help="With --sort-into: copy the images (default).")
@click.option("--link", "how", flag_value="link", help="With --sort-into: make symbolic links.")
@click.option("--move", "how", flag_value="move", help="With --sort-into: move the images; --undo moves them back.")
@click.option("--sidecars", is_flag=True, help="With --sort-into: take along .xmp, .aae, .json, .mov and RAW files of "
              "the same name.")  # fmt: skip
@click.option("--undo", is_flag=True, help="With --sort-into: undo the sorting recorded in DIR.")
@model_options
@click.pass_context
def command(ctx: click.Context, /, paths: tuple[str, ...], **options: Any) -> None:
    """Sort images by words.

    PATHS are images, folders, patterns, PDF files, or "-" for paths on standard input. Answers are printed as soon as
    they are known, one line per image.
    """
    from wordsight.cli._classify import placing
    from wordsight.cli._classify.classes import read_classes

    if options["undo"]:
        ctx.exit(placing.undo_sorting(paths, options))
    inputs.check_conflicts(options)
    given = {name for name in options if ctx.get_parameter_source(name) is not ParameterSource.DEFAULT}
    classes = read_classes(paths, options, given)
    sorter = placing.make_sorter(classes, paths, options)
    sources = inputs.find_sources(paths, options)
    if sorter is not None:
        placing.check_sources(sorter, sources)

    from wordsight.cli._progress import download_progress
    from wordsight.model import load

    with download_progress() as progress:
        model = load(options["model_name"], backend=options["backend"], precision=options["precision"],
                     progress=progress)  # fmt: skip
    ctx.exit(_run(classes, model, sources, sorter, options))


def _run(
    classes: Classes, model: Model, sources: Sequence[Source], sorter: Sorter | None, options: dict[str, Any]
) -> int:
    """Classify, place and print image by image; return the exit code."""
    from wordsight.cli._classify import answers, contact_sheet, placing
    from wordsight.zeroshot.answer import NONE_LABEL

    with plain_warnings():
        classifier = classes.build(model)
    form = _output_form(options)
    labels = [*classifier.labels]
    if options["multi"]:
        labels.append(NONE_LABEL)
    render = answers.make_renderer(form, labels)
    tally = answers.Tally(labels, keep=options["html"] is not None)
    skips: list[Skipped] = []
    if form == "csv":
        click.echo(answers.csv_header(labels))
    stream = _answers(classifier, inputs.stream_embeddings(model, sources, exact=options["exact"]), options)
    with progress_bar(len(sources), "Sorting") as bar:
        for answer in placing.place_links_last(stream, sorter):
            if sorter is not None and isinstance(answer, answers.ImageAnswer):
                answer = placing.place(sorter, answer)
            if isinstance(answer, answers.ImageAnswer):
                tally.add(answer)
                bar.write(render(answer))
            else:
                skips.append(answer)
                if form == "json":
                    bar.write(json.dumps({"path": str(answer.item), "skipped": answer.reason}))
            bar.advance()
    done = len(sources) - len(skips)
    if options["html"]:
        contact_sheet.write_html(options["html"], tally, f"{answers.count_images(done)} sorted by {classes.title}")
    code = report_skips(skips, len(sources))
    if done:
        say(tally.summary(done))
        if sorter is not None:
            placing.report_placing(sorter, options["sort_into"])
    return code


def _output_form(options: dict[str, Any]) -> str:
    if options["as_csv"]:
        return "csv"
    if options["as_json"]:
        return "json"
    return "text"


def _answers(
    classifier: Any, stream: Iterator[tuple[Source, np.ndarray] | Skipped], options: dict[str, Any]
) -> Iterator[ImageAnswer | Skipped]:
    """Turn a stream of (source, embedding) and Skipped into answers, in order."""
    if not options["together"]:
        judge = classifier.proba_multi_of_embeddings if options["multi"] else classifier.proba_of_embeddings
        for entry in stream:
            yield _answer(classifier, entry[0], judge(entry[1][None]), options) if isinstance(entry, tuple) else entry
        return
    import numpy as np

    entries = list(stream)
    images = [entry for entry in entries if isinstance(entry, tuple)]
    if images:
        rows = iter(classifier.proba_together_of_embeddings(np.stack([embedding for _, embedding in images])))
    for entry in entries:
        yield _answer(classifier, entry[0], next(rows)[None], options) if isinstance(entry, tuple) else entry


def _answer(classifier: ImageClassifier, source: Source, proba_1K: np.ndarray, options: dict[str, Any]) -> ImageAnswer:
    from wordsight.cli._classify.answers import ImageAnswer

    answer = classifier.answer(proba_1K[0], top=options["top"], multi=options["multi"])
    if options["multi"]:
        none = float((1 - proba_1K).prod())
        answer = dataclasses.replace(answer, proba=(*answer.proba, none), none_proba=none)
    if isinstance(source, Page):
        return ImageAnswer(source.path, answer, source.number)
    return ImageAnswer(source, answer)
