"""`wordsight classify`: sort pictures by words."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from wordsight.cli._options import SpreadCommand, listed, model_options, plain_warnings, progress_bar, report_skips
from wordsight.errors import InputError

if TYPE_CHECKING:
    from wordsight.images import Skipped
    from wordsight.sorting import Sorter
    from wordsight.zeroshot import Classifier

Ranked = list[tuple[str, float]]
Answer = tuple[Path, Ranked, float | None]  # the picture, its labels best first, the probability of none
Render = Callable[[Path, Ranked, float | None], str]

EPILOG = """\b
Examples:
  wordsight classify photos/ --classes cat dog "red coat"
  wordsight classify 'photos/**/*.jpg' --classes-file classes.txt --none --csv > answers.csv
  find . -name '*.png' | wordsight classify - --classes diagram photo screenshot --json
  wordsight classify photos/ --classes invoice receipt --none --sort-into sorted --move

Paths come before --classes, or after a lone "--". A class may have wordings of its own:
"invoices=a scanned invoice, a bill".

\b
Exit codes: 0 all pictures done; 1 some were skipped (listed on standard error);
2 the call or an input is wrong; 3 no picture could be read.
"""


@click.command(cls=SpreadCommand, epilog=EPILOG)
@click.argument("paths", nargs=-1)
@click.option("--classes", multiple=True, metavar="NAME...", help="The classes, one or more, up to the next option.")
@click.option("--classes-file", type=click.Path(dir_okay=False, path_type=Path), help="A file with one class per line.")
@click.option("--templates", default="photo", show_default=True, help="A built-in set, a template with {}, or a file.")
@click.option("--top", default=5, show_default=True, type=click.IntRange(1), help="How many answers per picture.")
@click.option("--none", "none", is_flag=True, help='Allow the answer "none of these".')
@click.option("--json", "form", flag_value="json", help="One JSON object per picture and line.")
@click.option("--csv", "form", flag_value="csv", help="A table with a heading.")
@click.option("--sort-into", type=click.Path(path_type=Path), metavar="DIR", help="Put each picture into DIR/<class>/.")
@click.option("--copy", "how", flag_value="copy", help="With --sort-into: copy (the default).")
@click.option("--link", "how", flag_value="link", help="With --sort-into: make symbolic links.")
@click.option("--move", "how", flag_value="move", help="With --sort-into: move; the listing there tells the way back.")
@model_options
@click.pass_context
def command(
    ctx: click.Context,
    paths: tuple[str, ...],
    classes: tuple[str, ...],
    classes_file: Path | None,
    templates: str,
    top: int,
    none: bool,
    form: str | None,
    sort_into: Path | None,
    how: str | None,
    model_name: str,
    backend: str,
    precision: str,
    exact: bool,
) -> None:
    """Sort pictures by words: PATHS are pictures, folders, patterns, or "-" for a list on standard input.

    Answers go to standard output as soon as they are known, one line per picture.
    """
    from wordsight.sources import find_pictures
    from wordsight.templates import resolve_templates

    wordings = _wordings(paths, classes, classes_file)
    resolve_templates(templates)
    if how and not sort_into:
        raise InputError(f"--{how} says how to sort, but not where; add --sort-into DIR.")
    sorter = _sorter(sort_into, tuple(wordings), how or "copy", none, paths)
    pictures = find_pictures(paths, listed())
    if sorter is not None:
        sorter.check(pictures)

    from wordsight.cli.progress import download_progress
    from wordsight.model import load
    from wordsight.zeroshot import Classifier

    with download_progress() as progress:
        model = load(model_name, backend=backend, precision=precision, progress=progress)
    with plain_warnings():
        classifier = Classifier(model, wordings, templates=templates, none=none)
    if form == "csv":
        click.echo(_csv_heading(min(top, len(classifier.labels)), none))
    render: Render = {"json": _as_json, "csv": _as_csv}.get(form or "", _as_text(classifier.labels))
    skips: list[Skipped] = []
    with progress_bar(len(pictures), "Sorting") as bar:
        for answer in _answers(classifier, model.stream_images(pictures, exact=exact), top):
            if sorter is not None and isinstance(answer, tuple):
                answer = _placed(sorter, answer)
            if isinstance(answer, tuple):
                bar.say(render(*answer))
            else:
                skips.append(answer)
                if form == "json":
                    bar.say(json.dumps({"path": str(answer.item), "skipped": answer.reason}))
            bar.advance()
    ctx.exit(report_skips(skips, len(pictures)))


def _wordings(paths: Sequence[str], classes: Sequence[str], file: Path | None) -> dict[str, tuple[str, ...]]:
    """Return class → wordings from --classes or --classes-file."""
    from wordsight.class_embeddings import parse_classes

    if classes and file:
        raise InputError("Both --classes and --classes-file are given; use one of the two.")
    if not classes and file is None:
        raise InputError("No classes are given; add --classes cat dog … or --classes-file FILE.")
    if not paths:
        taken = [name for name in classes if name == "-" or Path(name).exists()]
        hint = f" ({taken[-1]!r} was read as a class; put paths before --classes, or after '--')" if taken else ""
        raise InputError(f"No pictures are given; name files, folders or patterns before the options.{hint}")
    if file is None:
        return parse_classes(classes)
    try:
        return parse_classes(file.read_text(encoding="utf-8-sig").splitlines())
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"The class file {str(file)!r} cannot be read ({error}); expected UTF-8 text.") from error


def _sorter(folder: Path | None, names: tuple[str, ...], how: Any, none: bool, paths: Sequence[str]) -> Sorter | None:
    """Return what places the pictures, checked against the inputs; None without --sort-into."""
    if folder is None:
        return None
    from wordsight.sorting import Sorter
    from wordsight.zeroshot import NONE_LABEL

    sorter = Sorter(folder, {name: name for name in names} | ({NONE_LABEL: "none"} if none else {}), how)
    sorter.check(Path(path) for path in paths if path != "-")
    return sorter


def _answers(classifier: Classifier, stream: Iterator[Any], top: int) -> Iterator[Answer | Skipped]:
    """Turn a stream of (path, embedding) and Skipped into answers, in order."""
    for entry in stream:
        if isinstance(entry, tuple):
            path, embedding_D = entry
            proba_1K = classifier.proba_of_embeddings(embedding_D[None])
            yield path, classifier.rank(proba_1K, top)[0], None if classifier.none is None else float(proba_1K[0, -1])
        else:
            yield entry


def _as_text(labels: Sequence[str]) -> Render:
    """Return a renderer: "  97 % cat      photos/a.jpg   (dog 2 %)"."""
    from wordsight.images import source_name

    width = min(max(map(len, labels)), 30)

    def render(path: Path, ranked: Ranked, _: float | None) -> str:
        (label, proba), *others = ranked
        more = "  ".join(f"{name} {p:.0%}" for name, p in others if p >= 0.01)
        return f"{proba:6.1%}  {label:<{width}}  {source_name(path)}" + (f"  ({more})" if more else "")

    return render


def _as_json(path: Path, ranked: Ranked, p_none: float | None) -> str:
    top = [{"label": label, "probability": round(p, 6)} for label, p in ranked]
    answer: dict[str, Any] = {"path": str(path), **top[0], "top": top}
    if p_none is not None:
        answer["none_probability"] = round(p_none, 6)
    return json.dumps(answer)


def _csv_heading(top: int, none: bool) -> str:
    pairs = [f"{name}{'' if i == 1 else f'_{i}'}" for i in range(1, top + 1) for name in ("label", "probability")]
    return _csv_row(["path", *pairs, *(["none_probability"] if none else [])])


def _as_csv(path: Path, ranked: Ranked, p_none: float | None) -> str:
    from wordsight.images import recorded_path

    cells = [cell for label, p in ranked for cell in (label, f"{p:.6f}")]
    return _csv_row([recorded_path(path), *cells, *([] if p_none is None else [f"{p_none:.6f}"])])


def _csv_row(cells: Sequence[str]) -> str:
    line = io.StringIO()
    csv.writer(line, lineterminator="").writerow(cells)
    return line.getvalue()


def _placed(sorter: Sorter, answer: Answer) -> Answer | Skipped:
    """Put one picture into its folder and return its answer; a failure is one more skip."""
    from wordsight.images import Skipped

    path, ranked, _ = answer
    try:
        sorter.place(path, *ranked[0])
    except OSError as error:
        return Skipped(path, f"could not be put into the folder of {ranked[0][0]!r} ({error.strerror or error})")
    return answer
