"""Models of known abilities, which answer questions of limits without seeing the images."""

import hashlib
from pathlib import Path

import numpy as np
from PIL import Image

DIM = 512


def direction(seed):
    """A unit vector (D,), the same for the same text or bytes; two of them are nearly at right angles."""
    data = seed.encode() if isinstance(seed, str) else seed
    numbers = np.random.default_rng(int.from_bytes(hashlib.sha256(data).digest()[:8])).standard_normal(DIM)
    return (numbers / np.linalg.norm(numbers)).astype(np.float32)


class GuessingModel:
    """Images and texts have nothing to do with each other."""

    name = "guessing"
    fingerprint = "guessing"
    scale, bias = 100.0, None

    def embed_texts(self, texts):
        return np.stack([direction(text) for text in texts])

    def embed_image(self, image):
        if isinstance(image, str | Path):
            image = Image.open(image)
        return direction(np.asarray(image).tobytes())

    def stream_images(self, images):
        for image in images:
            yield image, self.embed_image(image)


class OracleModel(GuessingModel):
    """Knows the truth of each question that it is told of; an image is near the true answers to its questions."""

    name = "oracle"
    fingerprint = "oracle"

    def __init__(self, questions):
        self.true = {}
        for question in questions:
            self.add(question.image, question.choices[question.answer])
            if question.control:
                self.add(question.image, question.control[0])
            if question.control_image is not None:
                self.add(question.control_image, question.choices[question.answer])

    def add(self, image, texts):
        self.true.setdefault(image.tobytes(), set()).update(texts)

    def embed_image(self, image):
        vector = sum(direction(text) for text in self.true[np.asarray(image).tobytes()])
        return vector / np.linalg.norm(vector)
