"""`wordsight quantize`: make an int8 copy of a model, and measure it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from wordsight.cli._messages import SOME_SKIPPED, report_skips
from wordsight.cli._options import SpreadCommand

if TYPE_CHECKING:
    from wordsight.quantize import Quantized

EPILOG = """\b
Examples:
  wordsight quantize mini --calibrate photos/ -o mini-int8
  wordsight classify photos/ --classes cat dog --model mini-int8 --precision int8

The image tower's matrix products become int8; the text tower stays as it is. The f32 tensors stay in the folder, so
every precision remains available.

\b
Exit codes: 0 done; 1 done, but some images were skipped; 2 the command or an input is wrong.
"""


@click.command(cls=SpreadCommand, epilog=EPILOG)
@click.argument("model")
@click.option("--calibrate", required=True, metavar="IMAGES", help="Folder or pattern of images to "
              "calibrate with, similar to those you will use.")  # fmt: skip
@click.option("-o", "--output", metavar="DIR", help="Write to DIR, a new folder (default: the model's own wordsight "
              "folder).")  # fmt: skip
@click.option(
    "--samples", default=300, show_default=True, type=click.IntRange(1), help="Number of images to calibrate with."
)
@click.option("--classes", multiple=True, metavar="NAME...", help="Classes to compare zero-shot answers on.")
@click.pass_context
def command(
    ctx: click.Context, model: str, calibrate: str, output: str | None, samples: int, classes: tuple[str, ...]
) -> None:
    """Make an int8 copy of MODEL (a name, file or folder); report accuracy loss and speed-up.

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
    """Report on a copy: its place, the accuracy loss, the speed-up."""
    speeds = done.images_per_second
    lines = [
        f"{Path(done.folder)}: int8 image tower, calibrated on {done.calibrated} images",
        f"accuracy loss, on {done.held_out} other images, against f32:",
        f"  cosine     mean {done.cosine_mean:.4f}, lowest {done.cosine_min:.4f}",
        f"  zero-shot  {done.agreement:.1%} same best class, of {len(done.classes)}: {', '.join(done.classes)}",
        "speed-up, images per second, median of alternating runs:",
        *(f"  {name:<5} {speed:8.1f}  {speed / speeds['f32']:.2f} x f32" for name, speed in speeds.items()),
    ]
    return "\n".join(lines)
