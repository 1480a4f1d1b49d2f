"""A model whose texts are known vectors: each word has a direction of its own, a text is the sum of its words'."""

import functools
import hashlib
from types import SimpleNamespace

import numpy as np

from wordsight.evaluate.datasets.labelled_set import LabelledSet
from wordsight.evaluate.features import Features

DIM = 64
CONTEXT = 8  # words that are read


class WordModel:
    """Bag of the first eight words; "images" are texts too."""

    name = fingerprint = "words"
    scale, bias = 20.0, None

    def __init__(self) -> None:
        self.texts_seen = []

    def embed_texts(self, texts):
        self.texts_seen += list(texts)
        return np.stack([embed_words(text) for text in texts])

    def stream_images(self, images):
        for image in images:
            yield image, embed_words(str(image))

    def tokenizer(self, texts):
        return SimpleNamespace(truncated=np.array([max(0, len(text.split()) - CONTEXT) for text in texts]))


def embed_words(text):
    """Unit vector of a text."""
    vector = np.sum([_direction(word.strip('.,!"').lower()) for word in text.split()[:CONTEXT]], axis=0)
    return (vector / np.linalg.norm(vector)).astype(np.float32)


def labelled_words(classnames, captions):
    """A set whose images are captions: class name → captions; and its features by `WordModel`."""
    pairs = [(caption, label) for label, name in enumerate(classnames) for caption in captions[name]]
    images = [caption for caption, _ in pairs]
    keys = tuple(str(number) for number in range(len(images)))
    data = LabelledSet("words", images, keys, np.array([label for _, label in pairs]), tuple(classnames))
    image_ND = np.stack([embed_words(caption) for caption in images])
    return data, Features(image_ND, np.arange(len(images)), (), 0.0)


@functools.cache
def _direction(word):
    seed = int.from_bytes(hashlib.blake2b(word.encode(), digest_size=4).digest(), "big")
    return np.random.default_rng(seed).normal(size=DIM)
