"""`wordsight convert`: convert a checkpoint to another layout."""

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
    help="Layout of DESTINATION: a folder for hf, open_clip and wordsight, a .pt file for openai.",
)
@click.option("--like", metavar="NAME", help="Known model whose configuration an open_clip file without one shares.")
def command(source: str, destination: Path, layout: str, like: str | None) -> None:
    """Convert the checkpoint SOURCE to another layout and write it to DESTINATION.

    SOURCE is a name, hf-hub:org/repo, a file or a folder. Tensors stay bit-identical. A checkpoint that the layout
    cannot hold is rejected, with the reason.
    """
    from wordsight.cli._messages import clean
    from wordsight.cli._progress import download_progress
    from wordsight.weights.read import read_checkpoint
    from wordsight.weights.write import write_checkpoint

    with download_progress() as progress:
        checkpoint = read_checkpoint(source, like=like, progress=progress)
    write_checkpoint(checkpoint, destination, layout)  # type: ignore[arg-type]
    name = clean(checkpoint.spec.name)
    click.echo(f"{destination}: {name}, {len(checkpoint.tensors)} tensors, layout {layout}.")
    click.echo(f"fingerprint {checkpoint.fingerprint}")
