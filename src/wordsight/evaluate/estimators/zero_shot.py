"""Zero-shot classification as an estimator: nothing is learnt from images."""

from __future__ import annotations

from typing import Any, Self

import numpy as np

from wordsight.evaluate.estimators.class_words import WordedClassifier
from wordsight.evaluate.fewshot.learned import LinearScorer
from wordsight.zeroshot.templates import Templates


class ZeroShotClassifier(WordedClassifier):
    """Zero-shot classifier: the class whose words are nearest to the image.

    model: a Model or its name, for the embeddings of words, and of images where X holds images. classnames: names, or a
        mapping label → name or wordings ({0: "cat", 1: ["dog", "puppy"]}); without it the labels of `fit` are the
        names. templates: as of `wordsight.Classifier`. class_embeddings: (K, D) in the order of `classnames` or of the
        sorted labels, or a mapping label → vector; then no model is needed, and scores are 100 times the cosines. Where
        labels are numbered before they come here (`cross_val_predict` of probabilities) take the sorted order.

    `fit` learns nothing from images; it takes the classes from `classnames`, or from y. Probabilities are a softmax,
    also of SigLIP models. Source: Radford et al. 2021, §3.1.
    """

    _kind = "zero-shot"
    _poor_score = True

    def __init__(
        self,
        model: Any = None,
        *,
        classnames: Any = None,
        templates: Templates = "photo",
        class_embeddings: Any = None,
    ) -> None:
        self.model = model
        self.classnames = classnames
        self.templates = templates
        self.class_embeddings = class_embeddings

    def fit(self, X: Any, y: Any = None) -> Self:
        """Embed the classes. X: of the images of y; only its width counts. y: needed where there are no classnames.

        Raises: InputError for labels without words, and embeddings of another width than the classes'.
        """
        image_ND = self._embed(X, first=True)
        if y is None and self.classnames is not None:
            self.classes_ = np.unique(np.asarray(list(self.classnames)))
        else:
            self._take_labels(y, len(image_ND))
            self._add_classnames()
        class_KD = self._class_embeddings(image_ND.shape[1])
        scale = self._scale()
        self.scorer_ = LinearScorer(scale * class_KD.astype(np.float64), np.zeros(len(class_KD)), {"scale": scale})
        return self

    def _add_classnames(self) -> None:
        """Add the classes that have a name but no image: zero-shot answers them too."""
        if self.classnames is not None:
            known = np.asarray(list(self.classnames))
            self._check_known(dict.fromkeys(known.tolist()), "classnames")
            self.classes_ = np.unique(known)
