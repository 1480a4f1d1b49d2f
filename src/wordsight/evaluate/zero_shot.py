"""How good a model is on held-out images, in training or finished: zero-shot accuracy, recall of retrieval.

Every figure is a share with a bootstrap 95 % interval over images or queries.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Collection, Sequence
from contextlib import AbstractContextManager
from typing import Any

import numpy as np
from torch import nn

from wordsight.errors import InputError
from wordsight.metrics import Estimate, bootstrap_hits
from wordsight.model import Model, unit_rows
from wordsight.spec import ModelSpec
from wordsight.text.tokenizer import Tokenizer
from wordsight.train.config import ZeroShotConfig
from wordsight.train.held_out import Pixels, find_labelled
from wordsight.train.in_training import InTraining
from wordsight.zeroshot.class_embeddings import embed_classes
from wordsight.zeroshot.templates import fill, resolve_templates

_PICTURES_AT_ONCE = 64
_SCORES = 1 << 24  # numbers of a matrix of cosines that are held at once

Autocast = Callable[[], AbstractContextManager[Any]]


class ZeroShot:
    """Zero-shot top-1 accuracy on the images of a config, for as many states of a model as wanted.

    The images are found when it is made, read at the first measuring and kept in memory as far as they fit.
    Raises: InputError as `held_out.find_labelled`, and for templates that are none.
    """

    def __init__(self, config: ZeroShotConfig, spec: ModelSpec, tokenizer: Tokenizer) -> None:
        self.config, self.spec, self.tokenizer = config, spec, tokenizer
        self.labelled = find_labelled(config)
        # one word is the name of a set, as in `--templates imagenet-80`
        self.templates = resolve_templates(config.templates[0] if len(config.templates) == 1 else config.templates)
        self.pixels = Pixels(self.labelled.images, spec.preprocess)

    @classmethod
    def of_model(cls, config: ZeroShotConfig, model: Model) -> ZeroShot:
        """Return what measures an opened model, and others of its preprocessing."""
        return cls(config, model.spec, model.tokenizer)

    def measure(self, network: nn.Module | Model, *, autocast: Autocast = contextlib.nullcontext) -> Estimate:
        """Return the share of images whose best-scoring class is theirs.

        network: one in training, which is left as it was (see `InTraining`), or an opened model.
        """
        return bootstrap_hits(self.hits(network, autocast=autocast))

    def hits(self, network: nn.Module | Model, *, autocast: Autocast = contextlib.nullcontext) -> np.ndarray:
        """Return whether each image that can be read is told rightly, (N,) bool."""
        labels = np.array(self.labelled.labels)
        with _asked(network, self.spec, self.tokenizer, autocast) as model:
            score = self._scorer(model)
            batches = self.pixels.batches(_PICTURES_AT_ONCE)
            parts = [score(pixels).argmax(axis=1) == labels[places] for places, pixels in batches]
        return np.concatenate(parts)

    def _scorer(self, model: InTraining | Model) -> Callable[[np.ndarray], np.ndarray]:
        """Return the function from pixels (B,S,S,3) to scores of the classes (B,K)."""
        names = self.labelled.names
        if isinstance(model, InTraining) and model.scores_texts:
            prompts = [prompt for name in names for prompt in fill(self.templates, name)]

            def of_prompts(pixels_BHWC: np.ndarray) -> np.ndarray:
                scores = model.score(pixels_BHWC, prompts).reshape(len(pixels_BHWC), len(names), -1)
                return np.asarray(scores.mean(axis=2))

            return of_prompts
        classes_KD = embed_classes(model, {name: (name,) for name in names}, self.templates, cache=False)
        return lambda pixels_BHWC: np.asarray(embed_pixels(model, pixels_BHWC) @ classes_KD.T)


def retrieval(
    network: nn.Module | Model,
    images: Sequence[Any],
    captions: Sequence[tuple[int, str]],
    *,
    spec: ModelSpec | None = None,
    tokenizer: Tokenizer | None = None,
    ks: Sequence[int] = (1, 5, 10),
    autocast: Autocast = contextlib.nullcontext,
) -> dict[str, Estimate]:
    """Return recall of texts → images and back, as "text→image R@10".

    captions: (place of the image in `images`, text). spec, tokenizer: needed for a network in training.
    Images that cannot be read are left out with their captions, with a warning.
    """
    if isinstance(network, Model):
        spec, tokenizer = network.spec, network.tokenizer
    if spec is None or tokenizer is None:
        raise InputError("retrieval() of a network in training needs its spec and its tokenizer; give both.")
    places: list[int] = []
    vectors = []
    with _asked(network, spec, tokenizer, autocast) as model:
        for some, pixels in Pixels(images, spec.preprocess).batches(_PICTURES_AT_ONCE):
            places += some
            vectors.append(embed_pixels(model, pixels))
        row_of = {place: row for row, place in enumerate(places)}
        asked = [(row_of[place], text) for place, text in captions if place in row_of]
        texts_QD = model.embed_texts([text for _, text in asked])
    images_ND = np.concatenate(vectors)
    own: list[list[int]] = [[] for _ in places]
    for query, (row, _) in enumerate(asked):
        own[row].append(query)
    with_text = [row for row, queries in enumerate(own) if queries]
    there = recall_at_k(texts_QD, images_ND, [[row] for row, _ in asked], ks)
    back = recall_at_k(images_ND[with_text], texts_QD, [own[row] for row in with_text], ks)
    return {f"text→image R@{k}": there[k] for k in ks} | {f"image→text R@{k}": back[k] for k in ks}


def recall_at_k(
    queries_QD: np.ndarray, gallery_ND: np.ndarray, positives: Sequence[Collection[int]], ks: Sequence[int] = (1, 5, 10)
) -> dict[int, Estimate]:
    """Return k → the share of queries with any of their positives among the k best-scoring rows of the gallery.

    A negative that scores as high as the best positive goes before it: where all vectors are the same, recall is 0.
    """
    if len(positives) != len(queries_QD) or not len(positives) or not all(len(own) for own in positives):
        raise InputError(f"{len(queries_QD)} queries have {len(positives)} sets of positives; each needs at least one.")
    ranks = []
    step = max(1, _SCORES // max(1, len(gallery_ND)))
    for start in range(0, len(queries_QD), step):
        scores_QN = queries_QD[start : start + step] @ gallery_ND.T
        for scores_N, own in zip(scores_QN, positives[start : start + step], strict=True):
            best = scores_N[list(own)].max()
            scores_N[list(own)] = -np.inf
            ranks.append(np.count_nonzero(scores_N >= best))
    return {k: bootstrap_hits(np.array(ranks) < k) for k in ks}


def embed_pixels(model: InTraining | Model, pixels_BHWC: np.ndarray) -> np.ndarray:
    """Return unit vectors (B,D) of uint8 pixels (B,S,S,3) as `held_out.Pixels` gives them."""
    if isinstance(model, InTraining):
        return model.embed_pixels(pixels_BHWC)
    return unit_rows(model.encoder.encode_images(pixels_BHWC), ["an image"] * len(pixels_BHWC))


@contextlib.contextmanager
def _asked(network: nn.Module | Model, spec: ModelSpec, tokenizer: Tokenizer, autocast: Autocast) -> Any:
    """Give what embeds: the opened model itself, or the network in eval mode."""
    if isinstance(network, Model):
        yield network
    else:
        with InTraining(network, spec, tokenizer, autocast=autocast) as model:
            yield model
