"""Zero-shot accuracy on labelled images: each goes to the class whose prompts are nearest."""

from __future__ import annotations

from collections.abc import Callable
from typing import cast

import numpy as np

from wordsight.errors import InputError
from wordsight.evaluate.datasets.labelled_set import LabelledSet, rename_classes
from wordsight.evaluate.datasets.opening import open_set
from wordsight.evaluate.embedder import Embedder, TextScorer
from wordsight.evaluate.held_out.config import ZeroShotConfig
from wordsight.evaluate.held_out.pixels import IMAGES_AT_ONCE, Pixels
from wordsight.metrics import Estimate, estimate_share, rank_labels
from wordsight.spec import Preprocess
from wordsight.zeroshot.class_embeddings import embed_classes
from wordsight.zeroshot.templates import fill, resolve_templates


def open_held_out(config: ZeroShotConfig) -> LabelledSet:
    """Labelled images that a config names, with the names it gives to their classes.

    Raises: InputError as `open_set`, for a set in which images have several classes, and for a name in `classes` that
    no class has.
    """
    try:
        data = open_set(
            config.images, image_column=config.image_column, class_column=config.class_column, limit=config.limit
        )
    except InputError as error:
        message = str(error).replace("--image-column", "zero_shot.image_column")
        raise InputError(message.replace("--class-column", "zero_shot.class_column")) from error
    if data.is_multilabel:
        raise InputError(
            f"The images of {config.images!r} have several classes each, of which zero-shot accuracy knows one; name "
            "a dataset of one class per image."
        )
    return rename_classes(data, config.classes, "zero_shot.classes")


class ZeroShot:
    """Zero-shot top-1 accuracy on the images of a config, for any number of models that share a preprocessing.

    The images are found at construction, read at the first measuring and kept in memory as far as they fit.
    Raises: InputError as `open_set`, for a set in which images have several classes, for a name in `classes` that no
    class has, and for templates without a place for the name.
    """

    def __init__(self, config: ZeroShotConfig, preprocess: Preprocess) -> None:
        self.config = config
        self.data = open_held_out(config)
        # one word is the name of a set, as in `--templates imagenet-80`
        self.templates = resolve_templates(config.templates[0] if len(config.templates) == 1 else config.templates)
        self.pixels = Pixels(self.data.images, preprocess)

    def measure(self, model: Embedder | TextScorer) -> Estimate:
        """Share of images whose best-scoring class is theirs."""
        return estimate_share(self.find_hits(model))

    def find_hits(self, model: Embedder | TextScorer) -> np.ndarray:
        """Whether each image that can be read is classified correctly, (N,) bool."""
        label_N = self.data.labels
        score = self._build_scorer(model)
        batches = self.pixels.batches(IMAGES_AT_ONCE)
        return np.concatenate([rank_labels(score(pixels), label_N[places]) < 1 for places, pixels in batches])

    def _build_scorer(self, model: Embedder | TextScorer) -> Callable[[np.ndarray], np.ndarray]:
        """Build the function from pixels (B,S,S,3) to scores of the classes (B,K)."""
        names = self.data.classnames
        if isinstance(model, TextScorer) and model.scores_texts:
            scorer: TextScorer = model
            prompts = [prompt for name in names for prompt in fill(self.templates, name)]

            def score_prompts(pixels_BHWC: np.ndarray) -> np.ndarray:
                scores = scorer.score(pixels_BHWC, prompts).reshape(len(pixels_BHWC), len(names), -1)
                return np.asarray(scores.mean(axis=2))

            return score_prompts
        embedder = cast(Embedder, model)
        classes_KD = embed_classes(embedder, {name: (name,) for name in names}, self.templates, cache=False)
        return lambda pixels_BHWC: np.asarray(embedder.embed_pixels(pixels_BHWC) @ classes_KD.T)
