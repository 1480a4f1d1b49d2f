"""`wordsight tune`: tune the text/image fusion weight of an index on judged queries."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import click

from wordsight.cli._messages import plain_warnings, say
from wordsight.cli._options import index_model_option, index_option, json_option
from wordsight.errors import InputError

if TYPE_CHECKING:
    from wordsight.metrics import Estimate
    from wordsight.search.fusion import Fusion
    from wordsight.search.tune import Tuned

SHOWN = 5  # ids of a list
NOT_TUNED = "Not tuned: wherever images came with texts, texts and visual similarity have equal weight."
RESET = "Tuning removed: texts and visual similarity have equal weight again."


@click.command()
@click.argument("queries", required=False, type=click.Path(path_type=Path), metavar="[QUERIES.tsv]")
@index_option()
@click.option("--status", is_flag=True, help="Show the current tuning of the index and its figures.")
@click.option("--reset", is_flag=True, help="Remove the tuning: equal weights again.")
@click.option("--seed", default=0, show_default=True, type=click.IntRange(0), help="Random seed of folds and "
              "resampling.")  # fmt: skip
@json_option()
@index_model_option
def command(
    queries: Path | None,
    location: str | None,
    status: bool,
    reset: bool,
    seed: int,
    as_json: bool,
    model_name: str | None,
) -> None:
    """Tune the text/image fusion weight of an index on your own judged queries.

    Each line of QUERIES.tsv is a query, a tab, and the id or path of an image that answers it. A query with several
    answers takes several lines: list all correct answers, or the figures are too low. Later searches of the index use
    the tuned weight. A few queries change it little; a single mode is chosen only where it is significantly better.
    """
    if bool(queries) + status + reset != 1:
        raise InputError("Give exactly one of QUERIES.tsv, --status and --reset.")
    from wordsight.search import tune
    from wordsight.search.judged import read_judged

    judged = []
    if queries:
        judged = read_judged(queries)

    from wordsight.cli._progress import download_progress
    from wordsight.gallery import Gallery

    with (
        download_progress() as progress,
        Gallery.open(location, model=model_name, download=progress) as gallery,
        plain_warnings(),
    ):
        if status:
            click.echo(_render(tune.read_tuning(gallery.index), as_json=as_json))
            return
        if reset:
            tune.reset(gallery.index)
            click.echo("{}" if as_json else RESET)
            return
        tuned = tune.tune(gallery.index, gallery.model, judged, seed=seed)
    click.echo(_render(tuned, as_json=as_json))
    for warning in _warnings(tuned):
        say(warning)


def _render(chosen: Tuned | Fusion | None, *, as_json: bool) -> str:
    """The choice as text or JSON."""
    from wordsight.search.tune import Tuned

    if as_json:
        return json.dumps(chosen.to_dict() if chosen is not None else {})
    if chosen is None:
        return NOT_TUNED
    if isinstance(chosen, Tuned):
        return as_text(chosen)
    return f"Chosen by an older version: {describe(chosen)}."


def as_text(tuned: Tuned) -> str:
    """Table of figures, and the choice in words."""
    head = f"{'':12}  {'nDCG@10':^20}  {'recall@10':^20}  {'hit rate@10':^20}".rstrip()
    lines = [
        f"{one.mode:12}  {_interval(one.ndcg):20}  {_interval(one.recall):20}  {_interval(one.hit_rate):20}".rstrip()
        for one in tuned.figures
    ]
    gain = f"gain of hybrid over the best single mode, nDCG@10: {_interval(tuned.gain, '+')}"
    return "\n".join([head, *lines, "", gain, _verdict(tuned), f"{tuned.queries} queries; 95 % intervals."])


def _verdict(tuned: Tuned) -> str:
    choice = f"Chosen: {describe(tuned.fusion)}"
    if not tuned.hybrid:
        other = {"text": "Visual similarity", "vector": "Text"}[tuned.fusion.method]
        return (
            f"{choice}, significantly better than any mixture. {other} is no longer used; --by both searches both, "
            "--reset removes the tuning."
        )
    if tuned.gain.low > 0:
        return f"{choice}."
    return f"{choice}. There are too few queries to show that this is better than a single mode."


def _warnings(tuned: Tuned) -> list[str]:
    """Warnings to read before trusting the figures."""
    lines = []
    if tuned.unknown:
        names = ", ".join(tuned.unknown[:SHOWN])
        if len(tuned.unknown) > SHOWN:
            names += f" … and {len(tuned.unknown) - SHOWN} more"
        lines.append(f"{len(tuned.unknown)} answers are not in the index and were left out: {names}")
    if tuned.partial:
        examples = "; ".join(f"{query!r}: {id}" for query, id in tuned.unjudged.examples[:3])
        lines.append(
            f"{tuned.unjudged.singles} of {tuned.queries} queries list only one answer, and for {tuned.unjudged.above} "
            f"of them another image ranks first ({examples}). If these are correct too, list them; without them the "
            "figures are too low, and the weight may be wrong."
        )
    return lines


def describe(fusion: Fusion) -> str:
    """A fusion in words: "0.30 × visual similarity + 0.70 × text"."""
    if fusion.method == "both":
        return f"{fusion.alpha:.2f} × visual similarity + {1 - fusion.alpha:.2f} × text"
    return {"text": "text only", "vector": "visual similarity only"}[fusion.method]


def _interval(one: Estimate, sign: str = "") -> str:
    return f"{one:{sign}.3f}"
