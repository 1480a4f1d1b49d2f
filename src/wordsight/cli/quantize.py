"""`wordsight quantize`: make an int8 copy of a model."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from wordsight.cli._options import SOME_SKIPPED, SpreadCommand, report_skips

if TYPE_CHECKING:
    from wordsight.quantize import Quantized

EPILOG = """\b
Examples:
  wordsight quantize mini --calibrate photos/ -o mini-int8
  wordsight classify photos/ --classes cat dog --model mini-int8 --precision int8

The image tower's matrix products become int8; the text tower stays as it is. The f32 tensors stay in the folder, so
every precision can still be asked for.

\b
Exit codes: 0 done; 1 done, some images were skipped; 2 the call or an input is wrong.
"""


@click.command(cls=SpreadCommand, epilog=EPILOG)
@click.argument("model")
@click.option("--calibrate", required=True, metavar="DIR", help="Images like those to come: a folder or a pattern.")
@click.option("-o", "--output", metavar="OUT", help="A new folder; without it, the model's own wordsight folder.")
@click.option("--samples", default=300, show_default=True, type=click.IntRange(1), help="Images to calibrate with.")
@click.option("--classes", multiple=True, metavar="NAME...", help="Classes for the zero-shot agreement.")
@click.pass_context
def command(
    ctx: click.Context, model: str, calibrate: str, output: str | None, samples: int, classes: tuple[str, ...]
) -> None:
    """Make an int8 copy of MODEL (a name, file or folder), and say what it costs and what it gains.

    Needs the extra: pip install 'wordsight[quantize]'.
    """
    from wordsight.images.files import find_images
    from wordsight.quantize import quantize
    from wordsight.samples import DEMO_CLASSES

    images = find_images([calibrate])
    done = quantize(
        model,
        images,
        output,
        samples=samples,
        classes=classes or DEMO_CLASSES,
        progress=lambda step: click.echo(f"{step} …", err=True),
    )
    click.echo(render(done))
    report_skips(done.skipped, done.calibrated + done.held_out + len(done.skipped))
    ctx.exit(SOME_SKIPPED if done.skipped else 0)


def render(done: Quantized) -> str:
    """Return the report: where the copy is, what it costs, what it gains."""
    speeds = done.images_per_second
    lines = [
        f"{Path(done.folder)}: int8 image tower, calibrated on {done.calibrated} images",
        f"cost, on {done.held_out} other images, against f32:",
        f"  cosine     mean {done.cosine_mean:.4f}, least {done.cosine_min:.4f}",
        f"  zero-shot  {done.agreement:.1%} the same best class of {len(done.classes)}: {', '.join(done.classes)}",
        "gain, images per second, median of alternated runs:",
        *(f"  {name:<5} {speed:8.1f}  {speed / speeds['f32']:.2f} x f32" for name, speed in speeds.items()),
    ]
    return "\n".join(lines)
