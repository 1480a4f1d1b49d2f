"""Classification by a linear head: the classes are what it learnt from labelled images, instead of words."""

from __future__ import annotations

import os
from pathlib import Path

from wordsight.errors import InputError
from wordsight.zeroshot.image_classifier import Floats, ImageClassifier, ImageModel
from wordsight.zeroshot.linear_head import LinearHead


class HeadClassifier(ImageClassifier):
    """Sorts images into the classes of a linear head.

    model: a Model, or a name, file or folder that `wordsight.load` takes; the one whose embeddings the head was fitted
        on. head: a `LinearHead`, or the file of one.

    It answers as `Classifier` does: `predict`, `predict_proba`, `top_k`. There is no "none of these": the head was
    fitted on images of its classes alone, and its probabilities say which of them, not whether any. An image of
    something else gets the class that it is least unlike, at times with a high probability.
    Raises: InputError for a file that is not a head, and a head of another model.
    """

    def __init__(self, model: ImageModel | str | os.PathLike[str], head: LinearHead | str | os.PathLike[str]) -> None:
        if not isinstance(head, LinearHead):
            head = LinearHead.load(head)
        if isinstance(model, str | os.PathLike):
            from wordsight.model import load

            model = load(model if isinstance(model, str) else Path(model))
        if not callable(getattr(model, "embed_images", None)):
            raise InputError(f"The model is {model!r:.80}, expected a Model, or the name, file or folder of one.")
        head.check_model(model.fingerprint, str(getattr(getattr(model, "spec", None), "name", "this model")))
        self.model = model
        self.head = head
        self.labels = self.classnames = head.classnames

    def proba_of_embeddings(self, image_ND: Floats) -> Floats:
        """Probabilities of the classes, rows summing to 1, of images already embedded: (N, D) → (N, K)."""
        return self.head.proba_of_embeddings(image_ND)
