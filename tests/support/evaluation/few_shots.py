"""Features of a few labelled images, drawn around the embeddings of their classes."""

import numpy as np

from wordsight.evaluate.fewshot.learned import Shots
from wordsight.zeroshot.class_embeddings import normalise_rows


def draw_shots(classes=4, each=6, width=12, noise=0.6, seed=0, texts=True):
    """Shots of `classes` × `each` images; each image is its class's embedding with noise, of unit length."""
    rng = np.random.default_rng(seed)
    class_KD = normalise_rows(rng.normal(size=(classes, width)))
    label_N = np.repeat(np.arange(classes), each)
    image_ND = normalise_rows(class_KD[label_N] + noise * rng.normal(size=(len(label_N), width)))
    return Shots(image_ND, label_N, classes, class_KD if texts else None, scale=20.0)
