"""`wordsight embed`: write the embeddings of images to a file."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from wordsight.cli._messages import NOTHING_READ, report_skips
from wordsight.cli._options import model_options, read_stdin_paths
from wordsight.cli._progress import progress_bar

if TYPE_CHECKING:
    from wordsight.images.skipped import Skipped

EPILOG = """\b
Examples:
  wordsight embed photos/ -o photos.npy        (also writes photos.paths.txt and photos.model.json)
  wordsight embed photos/ -o photos.parquet    (columns path and embedding; the model is in the metadata)

\b
Exit codes: 0 all images embedded; 1 some were skipped (listed on standard error; they have no row);
2 the command or an input is wrong; 3 no image could be read, and nothing was written.
"""


@click.command(epilog=EPILOG)
@click.argument("paths", nargs=-1, required=True)
@click.option("-o", "--output", required=True, type=click.Path(path_type=Path), metavar="FILE",
              help="Write to FILE, .npy or .parquet.")  # fmt: skip
@click.option("--force", is_flag=True, help="Overwrite FILE.")
@model_options
@click.pass_context
def command(ctx: click.Context, /, paths: tuple[str, ...], output: Path, force: bool, **options: Any) -> None:
    """Write the embeddings of images to a file: a unit-length float32 vector per image, in the order found.

    PATHS are images, folders, patterns, or "-" for paths on standard input. FILE appears only when it is complete.
    """
    from wordsight.images.files import find_images
    from wordsight.output.embedding_files import check_destination, open_writer

    check_destination(output, force=force)
    images = find_images(paths, read_stdin_paths())

    from wordsight.cli._progress import download_progress
    from wordsight.model import load

    with download_progress() as progress:
        model = load(options["model_name"], backend=options["backend"], precision=options["precision"],
                     progress=progress)  # fmt: skip
    about = {"model": model.spec.name, "fingerprint": model.fingerprint}
    skips: list[Skipped] = []
    with (
        open_writer(output, model.spec.embed_dim, about, force=force) as writer,
        progress_bar(len(images), "Embedding") as bar,
    ):
        for entry in model.stream_images(images, exact=options["exact"]):
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
