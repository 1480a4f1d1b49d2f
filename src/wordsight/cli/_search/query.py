"""The query on the command line: words, images and weights in the order in which they were given."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from wordsight.cli._redaction import redact
from wordsight.errors import ImageError, InputError

if TYPE_CHECKING:
    from wordsight.search.query_parts import QueryPart
    from wordsight.zeroshot.linear_head import LinearHead

TERMS = ("words", "image", "no_words", "no_image", "class_name", "weight")
TITLE = 100  # characters of a term that are repeated to the user
ORDER = "wordsight.search.order"  # in click's meta: the terms' options as they were given, each as often as it was

PAGE = re.compile(r"(?P<file>.+\.pdf)(#page=(?P<number>\d+))?", re.IGNORECASE | re.DOTALL)

# kind of a term by its option
_KINDS = {"words": "text", "image": "image", "no_words": "text", "no_image": "image", "class_name": "class"}

Term = tuple[str, str, float]  # "text", "image" or "class", what was typed, weight


class SearchCommand(click.Command):
    """A command that remembers in which order the terms of the query were given."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Parse words as values of an option among others; keep the order in `ctx.meta`."""
        args = join_words(args, self.params)
        _, _, order = self.make_parser(ctx).parse_args(args=list(args))
        ctx.meta[ORDER] = [param.name for param in order if param.name in TERMS]
        return super().parse_args(ctx, args)


def join_words(args: Sequence[str], params: Sequence[click.Parameter]) -> list[str]:
    """Arguments with adjacent words as one `--words=…`; after "--" all are words."""
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


def read_terms(order: Sequence[str], given: Mapping[str, Sequence[Any]]) -> list[Term]:
    """Terms of the query with their weights. Raises: InputError for weights that follow none, and for no terms."""
    values = {name: iter(given[name]) for name in given}
    terms: list[Term] = []
    weighed = True
    for name in order:
        value = next(values[name])
        if name != "weight":
            terms.append((_KINDS[name], value, _default_weight(name)))
            weighed = False
            continue
        if weighed:
            raise InputError(
                f"--weight {value:g} does not follow a term of the query; put it right after the words, --image, "
                "--not, --not-image or --class that it is for."
            )
        if not value > 0:
            raise InputError(f"--weight is {value:g}, expected more than 0; to exclude something, use --not.")
        kind, text, weight = terms[-1]
        terms[-1] = (kind, text, math.copysign(value, weight))
        weighed = True
    if not terms:
        raise InputError('The query is empty; give some words, as in wordsight search "a red car", or --image FILE, or '
                         "--probe FILE --class NAME.")  # fmt: skip
    return terms


def _default_weight(name: str) -> float:
    if not name.startswith("no_"):
        return 1.0
    from wordsight.search.query_parts import NOT_WEIGHT  # with NumPy, which --help does without

    return NOT_WEIGHT


def title(terms: Sequence[Term]) -> str:
    """The query in one line: "red coat + 0.5 × pool.jpg − fruit"."""
    line = ""
    for kind, value, weight in terms:
        name = value
        if kind == "class":
            name = f"class {value}"
        elif kind == "image":
            name = redact(value).rpartition("/")[2] or value
        if len(name) > TITLE:
            name = f"{name[: TITLE - 1]}…"
        if weight < 0:
            line += " − "
        elif line:
            line += " + "
        if abs(weight) != 1:
            line += f"{abs(weight):g} × "
        line += name
    return line.strip()


def read_head(probe: Path | None, terms: Sequence[Term]) -> LinearHead | None:
    """Linear head of --probe, None without one. Raises: InputError for --class without it, and it without --class."""
    asked = any(kind == "class" for kind, _, _ in terms)
    if probe is None:
        if asked:
            raise InputError("--class names a class of a probe; add --probe FILE.")
        return None
    from wordsight.zeroshot.linear_head import LinearHead

    head = LinearHead.load(probe)
    if not asked:
        raise InputError(
            f"--probe needs the class to look for; add --class NAME, one of: {', '.join(head.classnames)}."
        )
    return head


def make_parts(terms: Sequence[Term], head: LinearHead | None = None) -> Iterator[QueryPart]:
    """Parts of the query; an image given by its URL is fetched, a page of a PDF is rendered. head: of the classes."""
    from wordsight.search.query_parts import QueryPart

    for kind, value, weight in terms:
        if kind == "text":
            yield QueryPart("text", value, weight)
            continue
        if kind == "class":
            from wordsight.search.head_class import HeadClass

            assert head is not None
            yield QueryPart("class", HeadClass(head, value), weight)
            continue
        try:
            yield QueryPart("image", _read_image(value), weight)
        except ImageError as error:
            raise ImageError(f"{value}: {' '.join(str(error).split())}") from error


def _read_image(value: str) -> Any:
    """Image at a URL, a page of a PDF, or a path that is read later."""
    from wordsight.ingest.urls import fetch, is_url

    if is_url(value):
        from wordsight.images.decode import read_image

        return read_image(fetch(value))
    if page := PAGE.fullmatch(value):
        from wordsight.ingest.pdf import Document

        return Document(page["file"]).render(int(page["number"] or 1))
    return Path(value)
