"""`wordsight search`: find images by words, by example, or by both."""

from __future__ import annotations

import contextlib
import math
import os
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from wordsight.cli._options import DONE, index_option, plain_warnings
from wordsight.errors import ImageError, InputError

if TYPE_CHECKING:
    from wordsight.gallery import Gallery
    from wordsight.search.hits import Hits
    from wordsight.search.query import Part

NO_MATCH = 1
PARTS = ("words", "image", "no_words", "no_image", "weight")
TITLE = 100  # characters of a part that are repeated to the user
ORDER = "wordsight.search.order"  # in click's meta: the parts' options as they were given, each as often as it was

PAGE = re.compile(r"(?P<file>.+\.pdf)(#page=(?P<number>\d+))?", re.IGNORECASE | re.DOTALL)

EPILOG = """\b
Examples:
  wordsight search red winter coat
  wordsight search "golden retriever" --image pool.jpg --not fruit
  wordsight search --image dress.jpg --weight 2 "in green" --where "price < 50 and gender = 'Women'"
  wordsight search "circuit diagram" --in drawings-index --html found.html --open
  wordsight search --image manual.pdf#page=12 --whiten --in drawings-index
  wordsight search sunset -k 100 -f -0 | xargs -0 cp -t sunsets/

Words that stand next to each other are one text; texts and images add up. --weight W makes the part named just before
it count W times as much as the others: words, --image, --not or --not-image. Else wanted parts count 1, unwanted ones
one half.

The percentage is the probability that an image answers the query, whatever else the index holds. The best -k are always
shown, in that order; those below one half, which probably do not answer, stand below a line. --likely leaves them out.

\b
Exit codes: 0 found likely ones; 1 none is likely; 2 the call or an input is wrong, or there is no index.
"""


class SearchCommand(click.Command):
    """A command that remembers in which order the parts of the query were given."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Parse words as values of an option among others; keep the order in `ctx.meta`."""
        args = with_words(args, self.params)
        _, _, order = self.make_parser(ctx).parse_args(args=list(args))
        ctx.meta[ORDER] = [param.name for param in order if param.name in PARTS]
        return super().parse_args(ctx, args)


@click.command(cls=SearchCommand, epilog=EPILOG, options_metavar="[WORDS]... [OPTIONS]")
@click.option("--words", multiple=True, hidden=True)
@click.option("--image", multiple=True, metavar="FILE|URL", help="Query image, or a page: FILE.pdf#page=3.")
@click.option("--not", "no_words", multiple=True, metavar="WORDS", help="Text to exclude (negative query).")
@click.option("--not-image", "no_image", multiple=True, metavar="FILE|URL", help="Negative example image.")
@click.option("--weight", multiple=True, type=float, metavar="W", help="Weight of the preceding query term.")
@index_option()
@click.option("--where", metavar="SQL", help='Filter by an SQL condition: "width > 1000 and page = 1".')
@click.option("-k", default=10, show_default=True, type=click.IntRange(1), help="How many results a page has.")
@click.option("--page", default=1, show_default=True, type=click.IntRange(1), help="The page of results.")
@click.option("--by", default="auto", show_default=True, type=click.Choice(["auto", "vector", "text", "both"]),
              help="By visual similarity, by the texts that came with images, or both.")  # fmt: skip
@click.option("--likely", is_flag=True, help="Leave out what probably does not answer.")
@click.option("--copies", is_flag=True, help="Show near copies each by itself, not as one.")
@click.option("--show", metavar="COLUMNS", help="The columns to show, in this order: name,price.")
@click.option("--all", is_flag=True, hidden=True)  # what has become the default
@click.option("--whiten", is_flag=True, help="Leave out what all images share (with --image, for drawings).")
@click.option("--json", "form", flag_value="json", help="One JSON object per result and line.")
@click.option("-f", "--files", "form", flag_value="files", help="Plain paths, one a line.")
@click.option("-0", "zero", is_flag=True, help="With -f: end paths with NUL, for xargs -0.")
@click.option("--thumbnails/--no-thumbnails", default=None, help="Show images in the terminal (if not said: where it "
              "can).")  # fmt: skip
@click.option("--html", type=click.Path(dir_okay=False, path_type=Path), metavar="FILE", help="Write a contact sheet.")
@click.option("--open", "show_file", is_flag=True, help="Open the contact sheet, or the best result, in its viewer.")
@click.option("--model", "model_name", metavar="MODEL", help="Where the index's model is now, if it was moved.")
@click.option("--backend", default="auto", show_default=True, help="auto, openvino, torch or reference.")
@click.option("--precision", default="auto", show_default=True, help="auto, f32, bf16 or int8.")
@click.pass_context
def command(ctx: click.Context, /, location: str | None, form: str | None, **said: Any) -> None:
    """Find images by WORDS, by images to be like, or by both, in what `wordsight index` has read."""
    from wordsight.cli import _results as results

    if said["zero"] and form != "files":
        raise InputError("-0 ends plain paths with NUL; add -f.")
    if said["html"] and said["html"].suffix.lower() not in (".html", ".htm"):
        raise InputError(f"--html is {str(said['html'])!r}, where the contact sheet would be; end its name in .html.")
    asked = list(bound(ctx.meta[ORDER], {name: said[name] for name in PARTS}))
    for kind, value, _ in asked:
        if kind == "text" and os.path.isfile(value):
            click.echo(f"wordsight: {value!r} is searched as words; for images like that file: --image", err=True)
    with _gallery(location, said["model_name"], said["backend"], said["precision"]) as gallery:
        parts = [_part(*one) for one in asked]
        first = 1 + (said["page"] - 1) * said["k"]
        hits = _find(gallery, parts, said, first)
        if form == "files":
            results.write_paths(hits, b"\0" if said["zero"] else b"\n")
        elif form == "json":
            results.write_json(hits, first=first)
        else:
            results.write_table(hits, gallery.index, first=first, ask=said["thumbnails"], show=said["show"])
        if said["html"] and hits:
            results.write_html(said["html"], hits, gallery, parts, title(asked), said["show"])
    click.echo(f"wordsight: {summary(title(asked), hits, said)}", err=True)
    if said["show_file"] and hits:
        results.open_in_viewer(said["html"] or results.place_of(hits[0]))
    ctx.exit(DONE if hits and hits.likely else NO_MATCH)


def with_words(args: Sequence[str], params: Sequence[click.Parameter]) -> list[str]:
    """Return `args` with words that stand next to each other as one `--words=…`; after "--" all are words."""
    takes_value = {
        name for param in params if isinstance(param, click.Option) and not param.is_flag for name in param.opts
    }
    given: list[str] = []
    words: list[str] = []
    rest = iter(args)

    def end_words() -> None:
        if words:
            given.append(f"--words={' '.join(words)}")
            words.clear()

    for arg in rest:
        if arg == "--":
            words.extend(rest)
        elif arg.startswith("-") and arg != "-":
            end_words()
            given.append(arg)
            cluster = not arg.startswith("--") and f"-{arg[1]}" not in takes_value  # -fk 5
            if arg in takes_value or (cluster and f"-{arg[-1]}" in takes_value):
                given.extend(value for value in [next(rest, None)] if value is not None)
        else:
            words.append(arg)
    end_words()
    return given


Asked = tuple[str, str, float]  # "text" or "image", what was typed, weight


def bound(order: Sequence[str], given: dict[str, Sequence[Any]]) -> Iterator[Asked]:
    """Yield the parts of the query with their weights. Raises: InputError for weights of nothing, and no parts."""
    values = {name: iter(given[name]) for name in given}
    parts: list[Asked] = []
    weighed = True
    for name in order:
        value = next(values[name])
        if name == "weight":
            if weighed:
                raise InputError(
                    f"--weight {value:g} does not follow a part of the query; put it right after the words, --image, "
                    "--not or --not-image that it is for."
                )
            if not value > 0:
                raise InputError(f"--weight is {value:g}, expected more than 0; for what is not wanted use --not.")
            kind, what, weight = parts[-1]
            parts[-1] = (kind, what, math.copysign(value, weight))
            weighed = True
        else:
            weight = 1.0
            if name.startswith("no_"):
                from wordsight.search.query_parts import NOT_WEIGHT  # with NumPy, which --help does without

                weight = NOT_WEIGHT
            parts.append(("image" if "image" in name else "text", value, weight))
            weighed = False
    if not parts:
        raise InputError('Nothing is asked for; give some words, as in wordsight search "a red car", or --image FILE.')
    yield from parts


def title(asked: Sequence[Asked]) -> str:
    """Return the query in one line: "red coat + 0.5 × pool.jpg − fruit"."""
    line = ""
    for kind, value, weight in asked:
        name = value.rpartition("/")[2] or value if kind == "image" else value
        name = name if len(name) <= TITLE else f"{name[: TITLE - 1]}…"
        sign = " − " if weight < 0 else " + " if line else ""
        line += sign + (f"{abs(weight):g} × " if abs(weight) != 1 else "") + name
    return line.strip()


def _part(kind: str, value: str, weight: float) -> Part:
    """Return a part of the query; an image given by its address is fetched here, a page of a PDF is rendered."""
    from wordsight.search.query import Part

    if kind == "text":
        return Part("text", value, weight)
    from wordsight.ingest.urls import fetch, is_address

    try:
        if is_address(value):
            from wordsight.images.decode import read_image

            return Part("image", read_image(fetch(value)), weight)
        if page := PAGE.fullmatch(value):
            from wordsight.ingest.pdf import Document

            return Part("image", Document(page["file"]).render(int(page["number"] or 1)), weight)
    except ImageError as error:
        raise ImageError(f"{value}: {' '.join(str(error).split())}") from error
    return Part("image", Path(value), weight)


def _find(gallery: Gallery, parts: Sequence[Part], said: dict[str, Any], first: int) -> Hits:
    """Return the page of results that begins with the one of this number, counted from 1."""
    from wordsight.search.query import Query

    with plain_warnings():
        return gallery.search(
            Query(tuple(parts)),
            said["k"],
            offset=first - 1,
            where=said["where"],
            by=said["by"],
            likely=said["likely"],
            whiten=said["whiten"],
            fold=not said["copies"],
        )


def summary(asked: str, hits: Hits, said: dict[str, Any]) -> str:
    """Return how many likely results there are, and how to see more of them."""
    where = f" where {said['where']}" if said["where"] else ""
    if not hits and said["page"] > 1:
        return f"there are no results on page {said['page']}; see an earlier page, or a larger -k."
    guesses = _guesses(hits)
    if not hits and not where and not said["likely"] and said["by"] != "text":
        return "the index is empty; put images into it with: wordsight index SOURCE"
    if not hits.likely:
        nearest = "" if said["likely"] or not hits else "; the nearest are shown"
        nothing = "" if hits or said["likely"] else ": nothing to compare with"
        return f"nothing here is likely to match {asked!r}{where}{nearest}{nothing}.{guesses}"
    shown = sum(one.likely for hit in hits for one in (hit, *hit.copies))
    total = f"{'at least ' if hits.at_least else ''}{hits.likely:,} likely match{'es' if hits.likely != 1 else ''}"
    folded = sum(len(hit.copies) for hit in hits)
    full = len(hits) == said["k"] and hits[-1].likely
    more = f"; --page {said['page'] + 1} shows more" if full and hits.likely > said["page"] * said["k"] + folded else ""
    return f"{shown} of {total}{where}{more}.{guesses}"


def _guesses(hits: Hits) -> str:
    """Return which words were read as others, where no text of the index holds them."""
    words = hits[0].words if hits else ()
    read = [f"{word.text!r} as {', '.join(word.guesses[:3])}" for word in words if word.guesses]
    return f" Read {'; '.join(read)}." if read else ""


@contextlib.contextmanager
def _gallery(location: str | None, model: str | None, backend: str, precision: str) -> Iterator[Gallery]:
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
            Gallery.open(location, model=model, backend=backend, precision=precision, download=download)
        )
