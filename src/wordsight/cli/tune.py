"""`wordsight tune`: judged queries → the weights of words and looks, noted in the index."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import click

from wordsight.cli._options import index_option, plain_warnings
from wordsight.errors import InputError

if TYPE_CHECKING:
    from wordsight.metrics import Estimate
    from wordsight.search.fusion import Fusion
    from wordsight.search.tune import Tuned

SHOWN = 5  # ids of a list
NOT_TUNED = "Not tuned: words and looks count alike wherever images came with texts of their own."
RESET = "What was chosen is removed: words and looks count alike again."


@click.command()
@click.argument("queries", required=False, type=click.Path(path_type=Path), metavar="[QUERIES.tsv]")
@index_option()
@click.option("--status", is_flag=True, help="Show what was chosen for the index, and by which figures.")
@click.option("--reset", is_flag=True, help="Remove what was chosen: words and looks count alike again.")
@click.option("--seed", default=0, show_default=True, type=click.IntRange(0), help="Of folds and resampling.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object.")
@click.option("--model", "model_name", metavar="MODEL", help="Where the index's model is now, if it was moved.")
def command(
    queries: Path | None,
    location: str | None,
    status: bool,
    reset: bool,
    seed: int,
    as_json: bool,
    model_name: str | None,
) -> None:
    """Choose the weights of words and looks on your own judged queries.

    Each line of QUERIES.tsv is a query, a tab, and the id or path of an image that answers it; several answers take
    several lines: list all that are right, or the figures are too low. Searches of the index then use what is chosen.
    Few queries move the weights little; one side alone is chosen only where it is better beyond doubt.
    """
    if bool(queries) + status + reset != 1:
        raise InputError("Name a file of queries, or --status, or --reset: one of the three.")
    from wordsight.search import tune
    from wordsight.search.judged import read_judged

    judged = read_judged(queries) if queries else []

    from wordsight.cli._progress import download_progress
    from wordsight.gallery import Gallery

    with (
        download_progress() as progress,
        Gallery.open(location, model=model_name, download=progress) as gallery,
        plain_warnings(),
    ):
        if status:
            click.echo(_status(tune.read_tuning(gallery.index), as_json))
            return
        if reset:
            tune.reset(gallery.index)
            click.echo("{}" if as_json else RESET)
            return
        tuned = tune.tune(gallery.index, gallery.model, judged, seed=seed)
    click.echo(json.dumps(tuned.to_dict()) if as_json else as_text(tuned))
    for line in _doubts(tuned):
        click.echo(f"wordsight: {line}", err=True)


def _status(chosen: Tuned | Fusion | None, as_json: bool) -> str:
    from wordsight.search.tune import Tuned

    if chosen is None:
        return "{}" if as_json else NOT_TUNED
    if isinstance(chosen, Tuned):
        return json.dumps(chosen.to_dict()) if as_json else as_text(chosen)
    return json.dumps(chosen.to_dict()) if as_json else f"Chosen by an older version: {named(chosen)}."


def as_text(tuned: Tuned) -> str:
    """Return the table of figures, and the choice in words."""
    head = f"{'':12}  {'nDCG@10':^20}  {'recall@10':^20}  {'hit rate@10':^20}".rstrip()
    lines = [
        f"{one.mode:12}  {_shown(one.ndcg):20}  {_shown(one.recall):20}  {_shown(one.hit_rate):20}".rstrip()
        for one in tuned.figures
    ]
    gain = f"hybrid minus the better single mode, nDCG@10: {_shown(tuned.gain, '+')}"
    return "\n".join([head, *lines, "", gain, _verdict(tuned), f"{tuned.queries} queries; intervals of 95 %."])


def _verdict(tuned: Tuned) -> str:
    if not tuned.hybrid:
        side = "the texts" if tuned.fusion.method == "text" else "what images look like"
        other = "What images look like" if tuned.fusion.method == "text" else "Texts"
        return (
            f"Chosen: {side} alone, which is better than any mixture by more than chance. {other} no longer counts; "
            "--by both searches both, --reset forgets the choice."
        )
    if tuned.gain.low > 0:
        return f"Chosen: {named(tuned.fusion)}."
    return f"Chosen: {named(tuned.fusion)}; whether that is better than one side alone, these queries cannot tell."


def _doubts(tuned: Tuned) -> list[str]:
    """Return what a person should know before trusting the figures."""
    lines = []
    if tuned.unknown:
        more = f" … and {len(tuned.unknown) - SHOWN} more" if len(tuned.unknown) > SHOWN else ""
        names = ", ".join(tuned.unknown[:SHOWN])
        lines.append(f"{len(tuned.unknown)} answers are not in the index and were left out: {names}{more}")
    if tuned.partial:
        examples = "; ".join(f"{query!r}: {id}" for query, id in tuned.unjudged.examples[:3])
        lines.append(
            f"{tuned.unjudged.singles} of {tuned.queries} queries list one answer only, and for {tuned.unjudged.above} "
            f"of them another image comes first ({examples}). If these are right too, list them: the figures are too "
            "low, and the weights may be wrong."
        )
    return lines


def named(fusion: Fusion) -> str:
    """Return how a fusion weighs both sides, in words."""
    if fusion.method == "both":
        return f"{fusion.alpha:.2f} × what images show + {1 - fusion.alpha:.2f} × texts"
    return {"text": "the texts alone", "vector": "what images show alone"}[fusion.method]


def _shown(one: Estimate, sign: str = "") -> str:
    return f"{one:{sign}.3f}"
