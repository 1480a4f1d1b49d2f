"""Sensitivity of the answer for one image to the wording."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from wordsight.errors import InputError
from wordsight.evaluate.embedder import ImageTextEmbedder
from wordsight.evaluate.prompts.wordings import Wording
from wordsight.images.skipped import Skipped
from wordsight.zeroshot.class_embeddings import Floats, embed_classes
from wordsight.zeroshot.logistic import softmax
from wordsight.zeroshot.none_of_these import Bank, bank_words
from wordsight.zeroshot.templates import TEMPLATE_SETS


@dataclass(frozen=True)
class WordingScore:
    """One wording of an image's text: cosine, and the probability that the text is true of the image.

    Of several classes the cosine and probabilities are those of each (K): `proba` sums to 1 over the classes.
    """

    kind: str
    texts: tuple[str, ...]
    cosine: tuple[float, ...]
    proba: tuple[float, ...]

    @property
    def best(self) -> int:
        """Number of the class that the image gets."""
        return int(np.argmax(self.cosine))

    def to_dict(self) -> dict[str, Any]:
        """Fields by name, as JSON holds them."""
        return {
            "kind": self.kind,
            "texts": list(self.texts),
            "cosine": list(self.cosine),
            "proba": list(self.proba),
            "best": self.best,
        }


@dataclass(frozen=True)
class Sensitivity:
    """Scores of one image for several wordings of the same class names, the first being the plain names.

    classes: names of the K classes. `proba` is over the classes where there are several, else that of the text being
    true by itself, judged against unrelated texts.
    """

    image: str
    model: str
    classes: tuple[str, ...]
    wordings: tuple[WordingScore, ...]

    @property
    def spread(self) -> float:
        """Largest less smallest cosine of the image with the class that most wordings give."""
        cosines = [wording.cosine[self.usual] for wording in self.wordings]
        return max(cosines) - min(cosines)

    @property
    def usual(self) -> int:
        """Class that most wordings give."""
        return Counter(wording.best for wording in self.wordings).most_common(1)[0][0]

    @property
    def flipped(self) -> tuple[WordingScore, ...]:
        """Wordings whose class is another than most give."""
        return tuple(wording for wording in self.wordings if wording.best != self.usual)

    def to_dict(self) -> dict[str, Any]:
        """Fields by name, as JSON holds them."""
        return {
            "image": self.image,
            "model": self.model,
            "classes": list(self.classes),
            "spread": self.spread,
            "usual": self.classes[self.usual],
            "flipped": len(self.flipped),
            "wordings": [wording.to_dict() for wording in self.wordings],
        }


def measure_sensitivity(
    model: ImageTextEmbedder, image: Any, classes: Sequence[str], wordings: Sequence[Wording]
) -> Sensitivity:
    """Score one image for wordings of K classes.

    Raises: InputError for an image that cannot be read, and for no wordings.
    """
    if not wordings:
        raise InputError("No wording is given; give words such as 'bird' 'a bird' 'a photo of a bird'.")
    image_D = _embed_image(model, image)
    flat = [text for wording in wordings for text in wording.texts]
    vectors_VKD = model.embed_texts(flat).reshape(len(wordings), len(classes), -1)
    bank = None if len(classes) > 1 else Bank.of(_embed_bank(model))
    scores = score_wordings(image_D, wordings, vectors_VKD, scale=model.scale, bank=bank)
    return Sensitivity(str(image), model.name, tuple(classes), scores)


def score_wordings(
    image_D: Floats, wordings: Sequence[Wording], vectors_VKD: Floats, *, scale: float, bank: Bank | None = None
) -> tuple[WordingScore, ...]:
    """Scores of an image for V wordings of K classes, all embedded; bank: of unrelated prompts, needed for one class.

    Probabilities of several classes are the softmax over them; of one, as `classify --multi` judges it.
    """
    cosine_VK = vectors_VKD @ image_D
    if bank is None:
        proba_VK = softmax(scale * cosine_VK.astype(np.float64))
    else:
        proba_VK = bank.against(vectors_VKD[:, 0]).independent_proba(image_D[None])[0][:, None]
    return tuple(
        WordingScore(wording.kind, wording.texts, tuple(map(float, cosine_K)), tuple(map(float, proba_K)))
        for wording, cosine_K, proba_K in zip(wordings, cosine_VK, proba_VK, strict=True)
    )


def _embed_image(model: ImageTextEmbedder, image: Any) -> Floats:
    (answer,) = model.stream_images([image])
    if isinstance(answer, Skipped):
        raise InputError(f"The image {str(image)!r} cannot be read: {answer.reason}.")
    vector_D: Floats = answer[1]
    return vector_D


def _embed_bank(model: ImageTextEmbedder) -> Floats:
    return embed_classes(model, {word: (word,) for word in bank_words()}, TEMPLATE_SETS["photo"])
