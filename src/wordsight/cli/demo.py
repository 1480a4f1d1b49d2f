"""`wordsight demo`: sort the bundled images with the bundled model, and find some of them by words."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from collections.abc import Sequence

    from wordsight.model import Model
    from wordsight.output.contact_sheet import Tile

SEARCHES = ("a cup of coffee", "a cat", "a fruit", "a dog playing the piano")


@click.command()
@click.option("--out", default="wordsight-demo", type=click.Path(file_okay=False, path_type=Path), show_default=True,
              metavar="DIR", help="Write the contact sheet to DIR.")  # fmt: skip
def command(out: Path) -> None:
    """Sort the bundled images with the bundled model, offline, and write a contact sheet as PNG and HTML.

    Then search them by words, if the extra for searching is installed.
    """
    from wordsight.model import load
    from wordsight.output.contact_sheet import Tile, render_html, write_sheet
    from wordsight.output.contact_sheet_png import render_png
    from wordsight.samples import DEMO_CLASSES, sample_images
    from wordsight.zeroshot.classifier import Classifier

    start = time.perf_counter()
    images = sample_images()
    model = load("mini")
    classifier = Classifier(model, DEMO_CLASSES, none=True)
    tiles = [Tile(path, ranked) for path, ranked in zip(images, classifier.top_k(images, 3), strict=True)]
    seconds = time.perf_counter() - start
    _print_table(tiles)

    title = f"{len(images)} images sorted by words"
    subtitle = "wordsight demo · " + " · ".join(DEMO_CLASSES)
    out.mkdir(parents=True, exist_ok=True)
    png, page = out / "contact-sheet.png", out / "contact-sheet.html"
    render_png(tiles, title, subtitle).save(png)
    write_sheet(page, render_html(tiles, title, subtitle))
    click.echo(f"\n{len(images)} images, {len(DEMO_CLASSES)} classes, {seconds:.1f} s, no downloads.")
    click.echo("Mistakes are due to the small bundled model; docs/models/mini.md lists its weaknesses.")
    click.echo(f"Contact sheet: {page} and {png.name}")
    _search(model, images[0].parent, out / "index")
    click.echo("\nYour own: wordsight classify PATH/TO/IMAGES --classes cat dog 'red coat'")
    click.echo('          wordsight index PATH/TO/IMAGES; wordsight search "a red coat"')


def _search(model: Model, folder: Path, index: Path) -> None:
    """Index the images and print the results of some searches."""
    from wordsight.errors import MissingExtraError
    from wordsight.gallery import Gallery

    click.echo()
    try:
        with Gallery.create(index, model=model) as gallery:
            gallery.add(folder)
            for words in SEARCHES:
                hits = gallery.search(words, 3)
                found = ", ".join(f"{hit.path.name} {hit.proba:.0%}" for hit in hits if hit.likely)
                nearest = f"nothing is likely to match (nearest: {hits[0].path.name} {hits[0].proba:.0%})"
                click.echo(f"search {words!r}: {found or nearest}")
    except MissingExtraError as error:
        click.echo(f"search: {error}")


def _print_table(tiles: Sequence[Tile]) -> None:
    """Print a row per image: file, best answer, its probability as a bar, the next answers."""
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    from wordsight.zeroshot.answer import NONE_LABEL

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("image", no_wrap=True, min_width=max(len(tile.image.name) for tile in tiles))
    table.add_column("answer", no_wrap=True, min_width=max(len(tile.ranked[0][0]) for tile in tiles))
    table.add_column("", no_wrap=True, min_width=15)
    table.add_column("then", no_wrap=True)
    for tile in tiles:
        (label, proba), *others = tile.ranked
        style = "bold green"
        if label == NONE_LABEL:
            style = "yellow"
        then = ", ".join(f"{name} {p:.0%}" for name, p in others if p >= 0.01)
        bar = Text.assemble(f"{proba:4.0%} ", ("█" * round(10 * proba), "blue"))
        table.add_row(tile.image.name, Text(label, style), bar, Text(then, "dim"))
    Console().print(table)
