"""`wordsight search`: find images by words, by example, or both."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from wordsight.cli._messages import DONE, plain_warnings, say
from wordsight.cli._options import (
    backend_options,
    check_html,
    check_path_options,
    html_option,
    index_model_option,
    index_option,
    json_lines_option,
    path_end,
    path_options,
)
from wordsight.cli._search.query import ORDER, TERMS, SearchCommand, make_parts, read_head, read_terms, title

if TYPE_CHECKING:
    from wordsight.gallery import Gallery
    from wordsight.search.hits import Hits
    from wordsight.search.query_parts import QueryPart

NO_MATCH = 1

EPILOG = """\b
Examples:
  wordsight search red winter coat
  wordsight search "golden retriever" --image pool.jpg --not fruit
  wordsight search --image dress.jpg --weight 2 "in green" --where "price < 50 and gender = 'Women'"
  wordsight search "circuit diagram" --in drawings-index --html found.html --open
  wordsight search --image manual.pdf#page=12 --whiten --in drawings-index
  wordsight search --probe garments.safetensors --class dress --where "price < 50"
  wordsight search sunset -k 100 -f -0 | xargs -0 cp -t sunsets/

Adjacent words are one term. Terms add up: words, --image, and, to exclude, --not and --not-image. --weight W sets the
weight of the preceding term; the default is 1, and 0.5 for --not and --not-image.

--probe and --class rank by the probability that a probe gives to one of its classes, beside other terms if there are
any.

The percentage is the probability that an image answers the query. The best -k results are always shown, in that order;
those below 50 % follow below a line. They are often right where the query is a phrase. --likely hides them.

\b
Exit codes: 0 likely matches found; 1 none found; 2 the command or an input is wrong, or there is no index.
"""


@click.command(cls=SearchCommand, epilog=EPILOG, options_metavar="[WORDS]... [OPTIONS]")
@click.option("--words", multiple=True, hidden=True)
@click.option("--image", multiple=True, metavar="FILE|URL", help="Query image, or a page of a PDF: FILE.pdf#page=3.")
@click.option("--not", "no_words", multiple=True, metavar="WORDS", help="Text to exclude (negative query).")
@click.option("--not-image", "no_image", multiple=True, metavar="FILE|URL", help="Negative example image.")
@click.option("--probe", type=click.Path(dir_okay=False, path_type=Path), metavar="FILE",
              help="Linear head, fitted to labelled images, whose class to look for.")  # fmt: skip
@click.option("--class", "class_name", multiple=True, metavar="NAME", help="Class of the probe to look for.")
@click.option("--weight", multiple=True, type=float, metavar="W", help="Weight of the preceding query term.")
@index_option()
@click.option("--where", metavar="SQL", help='Filter by an SQL condition, such as "width > 1000 and page = 1".')
@click.option("-k", default=10, show_default=True, type=click.IntRange(1), help="Results per page.")
@click.option("--page", default=1, show_default=True, type=click.IntRange(1), help="Page of results.")
@click.option("--by", default="auto", show_default=True, type=click.Choice(["auto", "vector", "text", "both"]),
              help="Search by visual similarity (vector), by the texts that came with images, or both.")  # fmt: skip
@click.option("--likely", is_flag=True, help="Show likely results only.")
@click.option("--copies", is_flag=True, help="Show near copies as results of their own.")
@click.option("--show", metavar="COLUMNS", help="Columns to show, in this order: name,price.")
@click.option("--all", is_flag=True, hidden=True)  # what has become the default
@click.option("--whiten", is_flag=True, help="Ignore what all images have in common (with --image, for drawings).")
@json_lines_option("result")
@path_options("Print plain paths, one per line.")
@click.option("--thumbnails/--no-thumbnails", default=None, help="Show images in the terminal (default: if it can).")
@html_option()
@click.option("--open", "open_result", is_flag=True, help="Open the contact sheet, or the best result, in its viewer.")
@index_model_option
@backend_options
@click.pass_context
def command(ctx: click.Context, /, **options: Any) -> None:
    """Find images by WORDS, by example images, or both, in an index made by `wordsight index`."""
    from wordsight.cli._search import cells, output
    from wordsight.cli._search.summary import summary

    check_path_options(options)
    check_html(options["html"])
    terms = read_terms(ctx.meta[ORDER], {name: options[name] for name in TERMS})
    for kind, value, _ in terms:
        if kind == "text" and os.path.isfile(value):
            say(f"{value!r} is searched as words; to search by the image of that name, use --image")
    head = read_head(options["probe"], terms)
    query = title(terms)
    with _open(options) as gallery:
        parts = list(make_parts(terms, head))
        hits = _find(gallery, parts, options)
        _write(hits, gallery, options)
        if options["html"] and hits:
            output.write_html(options["html"], hits, gallery, parts, query, options["show"])
        said = summary(query, hits, gallery, options)
    say(said)
    if options["open_result"] and hits:
        output.open_in_viewer(options["html"] or cells.place(hits[0]))
    ctx.exit(DONE if hits and hits.likely else NO_MATCH)


def _first_rank(options: dict[str, Any]) -> int:
    """Rank of the first result of the page, counted from 1."""
    first: int = 1 + (options["page"] - 1) * options["k"]
    return first


def _find(gallery: Gallery, parts: Sequence[QueryPart], options: dict[str, Any]) -> Hits:
    """The page of results."""
    from wordsight.search.query_parts import Query

    with plain_warnings():
        return gallery.search(
            Query(tuple(parts)),
            options["k"],
            offset=_first_rank(options) - 1,
            where=options["where"],
            by=options["by"],
            likely=options["likely"],
            whiten=options["whiten"],
            fold=not options["copies"],
        )


def _write(hits: Hits, gallery: Gallery, options: dict[str, Any]) -> None:
    """Print the results in the form asked for."""
    from wordsight.cli._search import output

    first = _first_rank(options)
    if options["files"]:
        output.write_paths(hits, path_end(options))
    elif options["as_json"]:
        output.write_json(hits, first=first)
    else:
        from wordsight.cli._search.thumbnails import write_results

        write_results(hits, gallery.index, first=first, thumbnails=options["thumbnails"], show=options["show"])


@contextlib.contextmanager
def _open(options: dict[str, Any]) -> Iterator[Gallery]:
    """Open the index; its model is loaded when first needed, with a bar where it must be downloaded."""
    from wordsight.gallery import Gallery

    with contextlib.ExitStack() as stack:
        bars: list[Any] = []

        def download(done: int, total: int) -> None:
            if not bars:
                from wordsight.cli._progress import download_progress  # rich: 0.1 s that most searches do without

                bars.append(stack.enter_context(download_progress()))
            bars[0](done, total)

        yield stack.enter_context(
            Gallery.open(
                options["location"],
                model=options["model_name"],
                backend=options["backend"],
                precision=options["precision"],
                download=download,
            )
        )
