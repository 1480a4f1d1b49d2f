"""Calibration of the threshold of an index: on named images, or once on images of its own."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from wordsight.cli._messages import say
from wordsight.errors import InputError, StoreError

if TYPE_CHECKING:
    from wordsight.duplicates.threshold import LearntThreshold
    from wordsight.gallery import Gallery

LEARNT_FROM = 200  # images in an index from which on a sample of them is large enough


def calibrate(gallery: Gallery, paths: Sequence[str]) -> None:
    """Calibrate on the images that are named, or once on the index's own images where it has enough of them."""
    from wordsight.duplicates.groups import read_threshold
    from wordsight.duplicates.threshold import learn

    if paths:
        from wordsight.images.files import find_images

        images = find_images(paths)
        say(_report(learn(gallery.index, gallery.model, images)))
    elif len(gallery) >= LEARNT_FROM and read_threshold(gallery.index) is None:
        say("calibrating the threshold on copies of your images (once) …")
        try:
            say(_report(learn(gallery.index, gallery.model)))
        except (InputError, StoreError) as error:  # no readable file, no model, an index that cannot be written
            say(f"calibration failed; using the default threshold. {error}")


def _report(learnt: LearntThreshold) -> str:
    """The threshold, the share of copies found of each kind, and the precision of these figures."""
    from wordsight.metrics import widest_margin

    width = max(map(len, learnt.recall))
    lines = [
        f"threshold calibrated on {learnt.images} images, each copied in {len(learnt.recall)} ways; pixels are "
        f"compared from a cosine of {learnt.candidates:.3f}.",
        f"Share of these copies that are found (in parentheses by cosine only, from {learnt.alone:.3f}, as with "
        "--no-check):",
        *(
            f"  {kind:{width}}  {share:4.0%}  ({learnt.recall_alone[kind]:.0%})"
            for kind, share in learnt.recall.items()
        ),
        f"Each figure is based on {learnt.images} copies: for similar images it may be off by "
        f"{widest_margin(learnt.images):.0%} either way.",
    ]
    return "\n".join(lines)
