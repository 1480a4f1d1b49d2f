"""Shared by the tests of indexing: a model that is quick and plain, and folders of small images."""

from __future__ import annotations

import dataclasses

import numpy as np
import random_models
from PIL import Image

from wordsight.checkpoint import Checkpoint
from wordsight.model import Model

DIM = 8
SPEC = random_models.spec_of(
    random_models.vit(), random_models.text(context_length=16, vocab_size=49408), eos_id=49407, embed_dim=DIM
)
SPEC = dataclasses.replace(SPEC, tokenizer=dataclasses.replace(SPEC.tokenizer, bos_id=49406))


class MeanColours:
    """An encoder whose answer is plain: mean red, green and blue, a 1, and zeros. `seen` counts images."""

    backend, precision = "reference", "f32"

    def __init__(self):
        self.seen = 0

    def encode_images(self, pixels_BHWC):
        self.seen += len(pixels_BHWC)
        features = np.zeros((len(pixels_BHWC), DIM), np.float32)
        features[:, :3] = pixels_BHWC.mean((1, 2)) / 255
        features[:, 3] = 1
        return features

    def encode_texts(self, tokens_BT):
        features = np.zeros((len(tokens_BT), DIM), np.float32)
        features[:, 0] = 1
        return features


def colour_model(logit_scale=2.6592):
    """A model with no towers; another `logit_scale` gives another fingerprint."""
    spec = dataclasses.replace(SPEC, logit_scale=logit_scale)
    return Model(Checkpoint(spec, {}), MeanColours())


def colour(n):
    return (n % 256, n // 256 % 256, 77)


def vector_of(rgb):
    """The vector that the model gives to an image of one colour."""
    vector = np.zeros(DIM)
    vector[:4] = [*(np.array(rgb) / 255), 1]
    return vector / np.linalg.norm(vector)


def write_images(folder, numbers, suffix=".png", size=(24, 16)):
    """Write images 000.png, 001.png, …, each of its own colour; return their paths."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = [folder / f"{n:03}{suffix}" for n in numbers]
    for n, path in zip(numbers, paths, strict=True):
        Image.new("RGB", size, colour(n)).save(path)
    return paths
