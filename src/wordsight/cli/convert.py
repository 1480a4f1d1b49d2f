"""`wordsight convert`: write a checkpoint in another layout."""

from __future__ import annotations

from pathlib import Path

import click


@click.command(name="convert")
@click.argument("source")
@click.argument("destination", type=click.Path(path_type=Path))
@click.option(
    "--to",
    "layout",
    required=True,
    type=click.Choice(["hf", "open_clip", "openai", "wordsight"]),
    help="hf, open_clip and wordsight make a folder, openai a .pt file.",
)
@click.option("--like", metavar="NAME", help="Which catalogued model an open_clip file without a configuration is.")
def command(source: str, destination: Path, layout: str, like: str | None) -> None:
    """Write the checkpoint SOURCE (a name, hf-hub:org/repo, a file or a folder) to DESTINATION in another layout.

    Every number is kept bit by bit; what a layout cannot hold is refused, and the fact is named.
    """
    from wordsight.cli._progress import download_progress
    from wordsight.weights.read import read_checkpoint
    from wordsight.weights.write import write_checkpoint

    with download_progress() as progress:
        checkpoint = read_checkpoint(source, like=like, progress=progress)
    write_checkpoint(checkpoint, destination, layout)  # type: ignore[arg-type]
    spec = checkpoint.spec
    click.echo(f"{destination}: {spec.name}, {len(checkpoint.tensors)} tensors, layout {layout}.")
    click.echo(f"fingerprint {checkpoint.fingerprint}")
