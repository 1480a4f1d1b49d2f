"""A model of known geometry: it sees nothing but how red, green and blue an image is, and knows those three words.

Directions 0, 1, 2 are the colours; direction 3 is shared by all images, 4 by all texts (the gap between the two that
real models have); every other word has a direction of its own, and images have a little noise.
"""

from __future__ import annotations

import hashlib
from pathlib import Path
from types import SimpleNamespace

import numpy as np
from PIL import Image

from wordsight.errors import ImageError
from wordsight.images.decode import read_image
from wordsight.images.skipped import Skipped
from wordsight.spec import Preprocess

DIM = 256
COLOURS = ("red", "green", "blue")


class ColourModel:
    fingerprint = "colour"
    spec = SimpleNamespace(name="colour", embed_dim=DIM, preprocess=Preprocess(image_size=32))

    loaded_from = None

    def __init__(self, scale: float = 50.0, bias: float | None = None) -> None:
        self.scale, self.bias = scale, bias
        self.texts_seen: list[str] = []

    def embed_texts(self, texts):
        self.texts_seen += texts
        return np.stack([self._text(text) for text in texts]).astype(np.float32)

    def embed_images(self, images, *, exact=False):
        return np.stack([self._image(image) for image in images]).astype(np.float32)

    def stream_images(self, images, *, exact=False):
        for image in images:
            try:
                yield image, self._image(image).astype(np.float32)
            except ImageError as error:
                yield Skipped(image, str(error))

    def _text(self, text):
        vector = 0.3 * noise(text)
        vector[4] += 0.5
        for i, colour in enumerate(COLOURS):
            if colour in text.split() or f"{colour}." in text.split():
                vector[i] += 1
        return vector / np.linalg.norm(vector)

    def _image(self, image):
        pixels = np.asarray(read_image(image, at_least=None), dtype=np.float64) / 255
        vector = 0.3 * noise(pixels.tobytes())
        vector[:3] += pixels.mean(axis=(0, 1))
        vector[3] += 0.5
        return vector / np.linalg.norm(vector)


def noise(seed):
    """A unit vector outside the first five directions, the same for the same seed."""
    data = seed.encode() if isinstance(seed, str) else seed
    numbers = np.random.default_rng(int.from_bytes(hashlib.sha256(data).digest()[:8])).standard_normal(DIM)
    numbers[:5] = 0
    return numbers / np.linalg.norm(numbers)


def image(colour, size=(8, 8)):
    return Image.new("RGB", size, colour)


def write_images(folder: Path, names) -> None:
    """Write one image for each name; its colour is the name's part before the first dash or dot."""
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        image(path.name.split(".")[0].split("-")[0]).save(path)
