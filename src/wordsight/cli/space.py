"""`wordsight space`: a Hugging Face Space of galleries."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import click

from wordsight.cli._messages import clean, plain_warnings, report_skips
from wordsight.cli._options import SpreadCommand
from wordsight.cli._serve.galleries import read_galleries
from wordsight.errors import MissingExtraError

EPILOG = """\b
Examples:
  wordsight space my-space --gallery photos/ --title "Our photos"
  wordsight space my-space --gallery shop manuals=pdf-index --images copy

Then put it online: make a Space (SDK: Gradio) on huggingface.co, clone it, run this command into the clone, and push.
Or try it here: python my-space/app.py

A Space is public unless you make it private. Its index holds no paths of this machine; thumbnails are 512 pixels
and without EXIF. With --images copy the files are published as they are, with what cameras write into them, such as
the place.
"""


class SpaceCommand(SpreadCommand):
    """`--gallery` takes all values up to the next option."""

    spread_option = "--gallery"


@click.command(cls=SpaceCommand, epilog=EPILOG)
@click.argument("folder", metavar="DIR", type=click.Path(path_type=Path))
@click.option("--gallery", "galleries", multiple=True, metavar="DIR...", help="Indexes to publish, or images to index: "
              "folders, tables, PDF files; NAME=DIR names one (default: your personal index).")  # fmt: skip
@click.option("--images", type=click.Choice(["thumbnails", "copy"]), default="thumbnails", show_default=True,
              help="What is published of images: thumbnails, or copies of the files.")  # fmt: skip
@click.option("--copy-model", "copy_models", is_flag=True, help="Put the model into the Space, in place of downloading "
              "it there by name.")  # fmt: skip
@click.option("--title", default="Image search", show_default=True, help="Title of the Space.")
@click.option("--emoji", default="🔎", show_default=True, help="Emoji of the Space.")
@click.option("--license", metavar="NAME", help="License of the images, such as cc-by-4.0.")
@click.option("--model", default="mini", show_default=True, help="Model of new indexes.")
def command(folder: Path, galleries: tuple[str, ...], model: str, **options: Any) -> None:
    """Write a Hugging Face Space of galleries into DIR: page, API, index and images."""
    try:
        from wordsight.serve.space.write import SpaceOptions, write_space
    except ModuleNotFoundError as error:
        raise MissingExtraError("wordsight space", error.name or "fastapi", "page") from None

    found = read_galleries(galleries, model)
    with plain_warnings():
        space = write_space(folder, found, SpaceOptions(**options), show_copied)
    report_skips(space.skipped, sum(space.galleries.values()) + len(space.skipped))
    for name, images in space.galleries.items():
        click.echo(clean(f"{name}: {images:,} images"))
    click.echo(clean(f"{folder}: {space.bytes / 1e6:,.0f} MB; try it: python {folder / 'app.py'}"))


def show_copied(done: int, total: int) -> None:
    """Write on standard error how many images were copied, on one line of a terminal."""
    if sys.stderr.isatty():
        end = "\n" if done == total else ""
        click.echo(f"\rcopied {done:,} of {total:,} images{end}", nl=False, err=True)
