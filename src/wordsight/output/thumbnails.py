"""Thumbnails of contact sheets: an image scaled to fit, as pixels or as a data: URL."""

from __future__ import annotations

import base64
import io
from pathlib import Path
from typing import TypeAlias

from PIL import Image

from wordsight.errors import ImageError
from wordsight.images.decode import read_image

Source: TypeAlias = Path | bytes | Image.Image  # what cannot be read shows as an empty ground

GROUND = "#e7e9ed"  # colour of what cannot be read


def scale_thumbnail(source: Source, box: tuple[int, int]) -> Image.Image:
    """The image scaled to fit `box`; small images are enlarged at most twice."""
    try:
        image = read_image(source, at_least=max(box))
    except ImageError:  # moved or damaged since it was found: the answer stays an answer
        image = Image.new("RGB", box, GROUND)
    factor = min(box[0] / image.width, box[1] / image.height, 2.0)
    size = (max(1, round(image.width * factor)), max(1, round(image.height * factor)))
    return image.resize(size, Image.Resampling.LANCZOS)


def thumbnail_url(image: Source, box: tuple[int, int]) -> str:
    """data: URL of an image scaled to fit `box`."""
    file = io.BytesIO()
    scale_thumbnail(image, box).save(file, "JPEG", quality=82, optimize=True)
    return "data:image/jpeg;base64," + base64.b64encode(file.getvalue()).decode()
