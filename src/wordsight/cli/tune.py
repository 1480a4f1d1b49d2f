"""`wordsight tune`: judged queries → how words and pictures are weighed, noted in the index."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import click

from wordsight.cli._options import index_option, plain_warnings

if TYPE_CHECKING:
    from wordsight.search.fusion import Fusion
    from wordsight.search.tune import Estimate, Tuned


@click.command()
@click.argument("queries", type=click.Path(path_type=Path), metavar="QUERIES.tsv")
@index_option()
@click.option("--seed", default=0, show_default=True, type=click.IntRange(0), help="Of folds and resampling.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object.")
@click.option("--model", "model_name", metavar="MODEL", help="Where the index's model is now, if it was moved.")
def command(queries: Path, location: str | None, seed: int, as_json: bool, model_name: str | None) -> None:
    """Choose how words and pictures are weighed, on your own judged queries.

    Each line of QUERIES.tsv is a query, a tab, and the id or path of a picture that answers it; several answers take
    several lines. Searches of the index then go by what is chosen.
    """
    from wordsight.search.tune import read_judged, tune

    judged = read_judged(queries)

    from wordsight.cli.progress import download_progress
    from wordsight.search.gallery import Gallery

    with (
        download_progress() as progress,
        Gallery.open(location, model=model_name, download=progress) as gallery,
        plain_warnings(),
    ):
        tuned = tune(gallery.index, gallery.model, judged, seed=seed)
    click.echo(json.dumps(tuned.as_dict()) if as_json else as_text(tuned))


def as_text(tuned: Tuned) -> str:
    """Return the table of figures, and the choice in words."""
    head = f"{'':12}  {'nDCG@10':^19}  {'recall@10':^19}"
    lines = [f"{one.way:12}  {_shown(one.ndcg):19}  {_shown(one.recall):19}".rstrip() for one in tuned.figures]
    gain = f"hybrid less the better side, nDCG@10: {_shown(tuned.gain, '+')}"
    return "\n".join([head, *lines, "", gain, _verdict(tuned), f"{tuned.queries} queries; intervals of 95 %."])


def _verdict(tuned: Tuned) -> str:
    if tuned.hybrid:
        return f"Chosen: hybrid, {_named(tuned.fusion)}."
    side = "the texts" if tuned.fusion.way == "text" else "what pictures look like"
    return (
        f"Chosen: {side} alone; hybrid ({_named(tuned.best)} at best) is not better by more than these queries can "
        "tell."
    )


def _named(fusion: Fusion) -> str:
    if fusion.way == "rank":
        return "by reciprocal ranks"
    return f"{fusion.alpha:.2f} × what pictures look like + {1 - fusion.alpha:.2f} × texts"


def _shown(one: Estimate, sign: str = "") -> str:
    return f"{one.mean:{sign}.3f} [{one.low:{sign}.3f}, {one.high:{sign}.3f}]"
