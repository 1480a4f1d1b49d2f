"""A labelled set of trees, and models whose embeddings of its images are known."""

import numpy as np

from wordsight.evaluate.datasets.labelled_set import LabelledSet
from wordsight.zeroshot.class_embeddings import normalise_rows

NAMES = ("ash", "birch", "cedar")
WIDTH = 8


class ImagesOnly:
    """Embeds an array by its first numbers; their names play no part."""

    name, fingerprint = "images-only", "images"

    def stream_images(self, images):
        for image in images:
            vector = np.asarray(image, np.float32).ravel()[:WIDTH] - 128
            yield image, normalise_rows(vector[None])[0]


class WithTexts(ImagesOnly):
    """The same with texts: a name's embedding is a direction of its own."""

    name, fingerprint, scale, bias = "with-texts", "texts", 20.0, None

    def embed_texts(self, texts):
        return np.stack([direction(next(name for name in NAMES if name in text)) for text in texts])


def direction(name):
    return normalise_rows(np.random.default_rng(len(name)).normal(size=(1, WIDTH)))[0]


def make_set(each=(8, 8, 8), noise=0.6, seed=0, labels=None, **parts):
    rng = np.random.default_rng(seed)
    if labels is None:
        labels = np.repeat(np.arange(len(each)), each)
    vectors = np.stack([direction(NAMES[k]) for k in labels]) + noise * rng.normal(size=(len(labels), WIDTH))
    images = [np.clip(128 + 40 * v, 0, 255).astype(np.uint8).reshape(1, WIDTH, 1) for v in vectors]
    keys = tuple(f"{seed}-{i}" for i in range(len(images)))
    return LabelledSet("trees", images, keys, labels, NAMES, **parts)
