"""`wordsight classify`: sort images by words."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from wordsight.cli import _classify_inputs as inputs
from wordsight.cli._classify_inputs import Page, Source
from wordsight.cli._options import DONE, SpreadCommand, model_options, plain_warnings, progress_bar, report_skips
from wordsight.errors import InputError

if TYPE_CHECKING:
    import numpy as np

    from wordsight.cli._classify_output import Answer
    from wordsight.images.skipped import Skipped
    from wordsight.model import Model
    from wordsight.output.sorting import Sorter
    from wordsight.zeroshot.classifier import Classifier

EPILOG = """\b
Examples:
  wordsight classify photos/ --classes cat dog "red coat"
  wordsight classify 'photos/**/*.jpg' --classes-file classes.txt --csv > answers.csv
  wordsight classify photos/ --classes cat cup --multi
  wordsight classify photos/ --classes-file classes.txt --together --html sorted.html
  find . -name '*.png' -print0 | wordsight classify - -0 --classes diagram photo --json
  wordsight classify manual.pdf --classes "circuit diagram" "page of text"
  wordsight classify photos/ --classes invoice receipt --sort-into sorted --move
  wordsight classify --sort-into sorted --undo

Paths come before --classes, or after a lone "--". A class may have wordings of its own:
"invoices=a scanned invoice, a bill".

The answer is the most probable label; "none of these" is one of them unless --no-none is given. The count per class
goes to standard error at the end.

\b
Exit codes: 0 all images done; 1 some were skipped (listed on standard error), or not all could be undone;
2 the call or an input is wrong; 3 no image could be read.
"""


@click.command(cls=SpreadCommand, epilog=EPILOG)
@click.argument("paths", nargs=-1)
@click.option("--classes", multiple=True, metavar="NAME...", help="The classes, one or more, up to the next option.")
@click.option("--classes-file", type=click.Path(dir_okay=False, path_type=Path), help="A file with one class per line.")
@click.option("--templates", default="photo", show_default=True, help="A built-in set, a template with {}, or a file.")
@click.option("--top", default=5, show_default=True, type=click.IntRange(1), help="How many answers per image.")
@click.option("--none/--no-none", "none", default=True, show_default=True, help='Allow the answer "none of these".')
@click.option("--multi", is_flag=True, help="Judge each class by itself: an image may show several, or none.")
@click.option("--together", is_flag=True, help="Judge all images jointly: more accurate from some dozens on; "
              "answers come at the end.")  # fmt: skip
@click.option("--from-file", type=click.Path(dir_okay=False, allow_dash=True), metavar="FILE",
              help='Read the names of images from FILE, one a line; "-" is standard input.')  # fmt: skip
@click.option("-0", "zero", is_flag=True, help="Names that are read end with NUL (find -print0).")
@click.option("--json", "as_json", is_flag=True, help="One JSON object per image and line.")
@click.option("--csv", "as_csv", is_flag=True, help="CSV with a header row and a column for each class.")
@click.option("--html", type=click.Path(dir_okay=False, path_type=Path), metavar="FILE",
              help="Write a contact sheet with a section for each class.")  # fmt: skip
@click.option("--sort-into", type=click.Path(path_type=Path), metavar="DIR", help="Put each image into DIR/<class>/.")
@click.option("--copy", "how", flag_value="copy", help="With --sort-into: copy (the default).")
@click.option("--link", "how", flag_value="link", help="With --sort-into: make symbolic links.")
@click.option("--move", "how", flag_value="move", help="With --sort-into: move; --undo reverses it.")
@click.option("--sidecars", is_flag=True, help="With --sort-into: take along .xmp, .aae, .json, .mov and RAW files of "
              "the same name.")  # fmt: skip
@click.option("--undo", is_flag=True, help="With --sort-into DIR: put all back as DIR's listing says.")
@model_options
@click.pass_context
def command(ctx: click.Context, /, paths: tuple[str, ...], **said: Any) -> None:
    """Sort images by words: PATHS are images, folders, patterns, PDF files, or "-" for names on standard input.

    Answers go to standard output as soon as they are known, one line per image.
    """
    from wordsight.zeroshot.templates import resolve_templates

    if said["undo"]:
        ctx.exit(_undo(paths, said))
    inputs.check_conflicts(said)
    wordings = inputs.wordings(paths, said)
    resolve_templates(said["templates"])
    sorter = _sorter(tuple(wordings), paths, said)
    sources = inputs.sources(paths, said)
    if sorter is not None:
        if pages := [source for source in sources if isinstance(source, Page)]:
            raise InputError(
                f"{str(pages[0])!r} is a page, which --sort-into cannot place; use --csv, --json or --html."
            )
        sorter.check([source for source in sources if isinstance(source, Path)])
        if sorter.how == "move":  # read links while their images are still there
            sources.sort(key=lambda source: isinstance(source, Path) and not source.is_symlink())

    from wordsight.cli._progress import download_progress
    from wordsight.model import load
    from wordsight.zeroshot.classifier import Classifier

    with download_progress() as progress:
        model = load(said["model_name"], backend=said["backend"], precision=said["precision"], progress=progress)
    with plain_warnings():
        none = said["none"] and not said["multi"]
        classifier = Classifier(model, wordings, templates=said["templates"], none=none)
        if none or said["multi"]:
            _ = classifier.judge  # embeds the bank, which may warn too
    ctx.exit(_run(classifier, model, sources, sorter, said))


def _run(
    classifier: Classifier, model: Model, sources: Sequence[Source], sorter: Sorter | None, said: dict[str, Any]
) -> int:
    """Answer, place and print image by image; return the exit code."""
    from wordsight.cli import _classify_output as output

    form = "csv" if said["as_csv"] else "json" if said["as_json"] else None
    render = output.renderer(form, classifier.labels)
    tally = output.Tally(classifier.labels, keep=said["html"] is not None)
    skips: list[Skipped] = []
    if form == "csv":
        click.echo(output.csv_heading(classifier.labels))
    with progress_bar(len(sources), "Sorting") as bar:

        def finish(answer: Answer | Skipped) -> None:
            if sorter is not None and isinstance(answer, output.Answer):
                answer = _placed(sorter, answer)
            if isinstance(answer, output.Answer):
                tally.add(answer)
                bar.say(render(answer))
            else:
                skips.append(answer)
                if form == "json":
                    bar.say(json.dumps({"path": str(answer.item), "skipped": answer.reason}))

        for answer in _links_last(_answers(classifier, inputs.embedded(model, sources, said["exact"]), said), sorter):
            finish(answer)
            bar.advance()
    if said["html"]:
        output.write_html(said["html"], tally, f"{len(sources) - len(skips)} images sorted by words")
    code = report_skips(skips, len(sources))
    if len(skips) < len(sources):
        click.echo(f"wordsight: {tally.summary(len(sources) - len(skips))}", err=True)
    if sorter is not None and sorter.left_behind:
        click.echo(f"wordsight: {len(sorter.left_behind)} files that belong to moved images stay where they were (such "
                   f"as {str(sorter.left_behind[0])!r}); --sidecars takes them along", err=True)  # fmt: skip
    return code


def _links_last(answers: Iterator[Answer | Skipped], sorter: Sorter | None) -> Iterator[Answer | Skipped]:
    """Yield the answers, those of links that are to be moved after all others: where these lead is known then."""
    from wordsight.cli._classify_output import Answer

    links: list[Answer] = []
    for answer in answers:
        if sorter is not None and sorter.how == "move" and isinstance(answer, Answer) and answer.path.is_symlink():
            links.append(answer)
        else:
            yield answer
    yield from links


def _answers(
    classifier: Classifier, stream: Iterator[tuple[Source, np.ndarray] | Skipped], said: dict[str, Any]
) -> Iterator[Answer | Skipped]:
    """Turn a stream of (source, embedding) and Skipped into answers, in order."""
    if not said["together"]:
        judge = classifier.proba_multi_of_embeddings if said["multi"] else classifier.proba_of_embeddings
        for entry in stream:
            yield _answer(classifier, entry[0], judge(entry[1][None]), said) if isinstance(entry, tuple) else entry
        return
    import numpy as np

    entries = list(stream)
    images = [entry for entry in entries if isinstance(entry, tuple)]
    if images:
        rows = iter(classifier.proba_together_of_embeddings(np.stack([embedding for _, embedding in images])))
    for entry in entries:
        yield _answer(classifier, entry[0], next(rows)[None], said) if isinstance(entry, tuple) else entry


def _answer(classifier: Classifier, source: Source, proba_1K: np.ndarray, said: dict[str, Any]) -> Answer:
    from wordsight.cli._classify_output import NONE_LABEL, Answer

    ranked = classifier.rank(proba_1K, len(classifier.labels))[0]
    chosen = ranked[:1]
    if said["multi"]:
        chosen = [(name, p) for name, p in ranked if p > 0.5] or [(NONE_LABEL, float((1 - proba_1K).prod()))]
    path, page = (source.path, source.number) if isinstance(source, Page) else (source, None)
    return Answer(path, chosen, ranked[: said["top"]], [float(p) for p in proba_1K[0]], page)


def _sorter(names: tuple[str, ...], paths: Sequence[str], said: dict[str, Any]) -> Sorter | None:
    """Return what places the images, checked against the inputs; None without --sort-into."""
    if said["sort_into"] is None:
        return None
    from wordsight.output.sorting import Sorter
    from wordsight.zeroshot.answer import NONE_LABEL

    labels = {name: name for name in names} | ({NONE_LABEL: "none"} if said["none"] or said["multi"] else {})
    sorter = Sorter(said["sort_into"], labels, said["how"] or "copy", sidecars=said["sidecars"])
    sorter.check(Path(path) for path in paths if path != "-")
    return sorter


def _placed(sorter: Sorter, answer: Answer) -> Answer | Skipped:
    """Put one image into its folder, or into each of its folders, and return its answer; a failure is one more skip."""
    from wordsight.images.skipped import Skipped

    for label, probability in answer.chosen:
        try:
            sorter.place(answer.path, label, probability)
        except OSError as error:
            return Skipped(answer.path, f"could not be put into the folder of {label!r} ({error.strerror or error})")
    return answer


def _undo(paths: Sequence[str], said: dict[str, Any]) -> int:
    """Reverse a sorting, say what was done, and return the exit code."""
    from wordsight.output.sorting_undo import undo

    if said["sort_into"] is None:
        raise InputError("--undo says what to do, but not where; add --sort-into DIR, the folder that was sorted into.")
    if paths or said["classes"] or said["classes_file"]:
        raise InputError("--undo takes only --sort-into DIR; everything that the listing there names is put back.")
    done = undo(said["sort_into"])
    click.echo(f"{done.moved_back} files moved back, {done.removed} copies and links removed.")
    for path, reason in done.kept:
        click.echo(f"wordsight: {path} stays: {reason}", err=True)
    return 1 if done.kept else DONE
