"""Images as browsers get them: pixels alone, scaled down, as WebP or JPEG."""

from __future__ import annotations

import io

from PIL import Image

_QUALITY = 82


def encode_image(image: Image.Image, side: int, kind: str) -> bytes:
    """Pixels of an upright RGB image without its metadata, the longer side at most so many pixels.

    kind: "JPEG" or "WEBP".
    """
    image.thumbnail((side, side), Image.Resampling.LANCZOS)
    file = io.BytesIO()
    bare = Image.frombytes("RGB", image.size, image.convert("RGB").tobytes())
    bare.save(file, kind, quality=_QUALITY)
    return file.getvalue()
