"""`wordsight embed`: write the embeddings of images to a file."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from wordsight.cli._options import NOTHING_READ, listed, model_options, progress_bar, report_skips

if TYPE_CHECKING:
    from wordsight.images.skipped import Skipped

EPILOG = """\b
Examples:
  wordsight embed photos/ -o photos.npy        (and photos.paths.txt, photos.model.json)
  wordsight embed photos/ -o photos.parquet    (columns path, embedding; the model in the metadata)

\b
Exit codes: 0 all images done; 1 some were skipped (listed on standard error; they have no row);
2 the call or an input is wrong; 3 no image could be read, and nothing was written.
"""


@click.command(epilog=EPILOG)
@click.argument("paths", nargs=-1, required=True)
@click.option("-o", "--output", required=True, type=click.Path(path_type=Path), help="A .npy or .parquet file.")
@click.option("--force", is_flag=True, help="Overwrite the output.")
@model_options
@click.pass_context
def command(
    ctx: click.Context,
    paths: tuple[str, ...],
    output: Path,
    force: bool,
    model_name: str,
    backend: str,
    precision: str,
    exact: bool,
) -> None:
    """Write one unit-length float32 vector per image, in the order found.

    PATHS are images, folders, patterns, or "-" for a list on standard input. The output appears only when complete.
    """
    from wordsight.images.files import find_images
    from wordsight.output.embedding_files import check_destination, open_writer

    check_destination(output, force=force)
    images = find_images(paths, listed())

    from wordsight.cli._progress import download_progress
    from wordsight.model import load

    with download_progress() as progress:
        model = load(model_name, backend=backend, precision=precision, progress=progress)
    about = {"model": model.spec.name, "fingerprint": model.fingerprint}
    skips: list[Skipped] = []
    with (
        open_writer(output, model.spec.embed_dim, about, force=force) as writer,
        progress_bar(len(images), "Embedding") as bar,
    ):
        for entry in model.stream_images(images, exact=exact):
            if isinstance(entry, tuple):
                writer.add(*entry)
            else:
                skips.append(entry)
            bar.advance()
        if (code := report_skips(skips, len(images))) != NOTHING_READ:
            written = writer.commit()
            names = ", ".join(map(str, written))
            click.echo(f"{len(images) - len(skips)} × {model.spec.embed_dim} → {names}", err=True)
    ctx.exit(code)
