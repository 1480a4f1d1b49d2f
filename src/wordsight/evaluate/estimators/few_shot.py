"""Classifiers learnt from labelled images, as estimators: the linear probe, and every few-shot method."""

from __future__ import annotations

from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from wordsight.arguments import check_choice
from wordsight.errors import InputError
from wordsight.evaluate.estimators.base import EmbeddingClassifier
from wordsight.evaluate.estimators.class_words import WordedClassifier
from wordsight.evaluate.fewshot.learned import Shots
from wordsight.evaluate.fewshot.methods import DEFAULT, METHODS
from wordsight.evaluate.fewshot.probe import fit_path, fit_probe
from wordsight.zeroshot.linear_head import LinearHead
from wordsight.zeroshot.templates import Templates


class LinearProbe(EmbeddingClassifier):
    """Multinomial logistic regression with an L2 penalty: scikit-learn's `LogisticRegression`, and how C is chosen.

    C: inverse strength of the penalty; None: the one of 97 from 1e-6 to 1e6 that classifies a quarter of the images of
        each class best, which are held out for the choice and fitted in the end. model: for X that holds images.
    random_state: which images are held out.

    Source: Radford et al. 2021, appendix A.3.
    """

    _kind = "probe"

    def __init__(self, C: float | None = None, *, model: Any = None, random_state: int = 0) -> None:
        self.C = C
        self.model = model
        self.random_state = random_state

    def fit(self, X: Any, y: Any) -> Self:
        """Fit to images X and their labels y. Raises: InputError for one class only, and a C that is not positive."""
        if self.C is not None and not (isinstance(self.C, int | float) and 0 < self.C < float("inf")):
            raise InputError(f"C is {self.C!r}, expected a positive number, or None to choose it.")
        image_ND = self._embed(X, first=True)
        label_N = self._take_labels(y, len(image_ND))
        shots = Shots(image_ND, label_N, len(self.classes_), seed=_seed(self.random_state))
        if self.C is None:
            self.scorer_ = fit_probe(shots)
        else:
            self.scorer_ = fit_path(shots, [float(self.C)])[0]
        return self

    @property
    def coef_(self) -> Any:
        """Coefficients (K, D), a row for each class, also of two."""
        self._check_fitted()
        return self.scorer_.coefficient_KD  # type: ignore[attr-defined]

    @property
    def intercept_(self) -> Any:
        """Intercepts (K,)."""
        self._check_fitted()
        return self.scorer_.intercept_K  # type: ignore[attr-defined]


class FewShotClassifier(WordedClassifier):
    """Classifier learnt by a few-shot method from some images of each class, and from their words where it uses them.

    method: a name of `wordsight.evaluate.fewshot.methods.METHODS`. model, classnames, templates, class_embeddings: as
        of `ZeroShotClassifier`; methods without texts ("probe", "nearest-mean") do without. random_state: of all that a
        method draws.

    Embeddings are expected to have unit length, as models give them; for methods that are not linear in them, and so
    are never saved as a head that reads them as they are, they are brought to it. Papers are named in `METHODS`.
    """

    def __init__(
        self,
        method: str = DEFAULT,
        *,
        model: Any = None,
        classnames: Any = None,
        templates: Templates = "photo",
        class_embeddings: Any = None,
        random_state: int = 0,
    ) -> None:
        self.method = method
        self.model = model
        self.classnames = classnames
        self.templates = templates
        self.class_embeddings = class_embeddings
        self.random_state = random_state

    @property
    def _kind(self) -> str:  # type: ignore[override]
        return self.method

    @property
    def _poor_score(self) -> bool:  # type: ignore[override]
        """Methods that start from words do not recover from words that have nothing to do with the images."""
        return self.method in METHODS and METHODS[self.method].needs_texts

    def fit(self, X: Any, y: Any) -> Self:
        """Fit to images X and their labels y. Raises: InputError for an unknown method, one class, missing words."""
        check_choice("method", self.method, METHODS)
        method = METHODS[self.method]
        image_ND = self._embed(X, first=True)
        label_N = self._take_labels(y, len(image_ND))
        class_KD, scale = None, 1.0
        if method.needs_texts or self._knows_words:
            class_KD, scale = self._class_embeddings(image_ND.shape[1]), self._scale()
        shots = Shots(image_ND, label_N, len(self.classes_), class_KD, scale, _seed(self.random_state))
        self.scorer_ = method.fit(shots)
        return self

    def _embed(self, X: Any, *, first: bool) -> NDArray[Any]:
        image_ND = super()._embed(X, first=first)
        if METHODS[self.method].is_linear:
            return image_ND
        image_ND = image_ND.astype(np.float64)
        return np.asarray(image_ND / np.maximum(np.linalg.norm(image_ND, axis=1, keepdims=True), 1e-12))

    def _take_head(self, head: LinearHead) -> None:
        super()._take_head(head)
        if head.kind in METHODS:
            self.method = head.kind


def _seed(random_state: Any) -> int:
    if isinstance(random_state, bool) or not hasattr(random_state, "__index__") or random_state < 0:
        raise InputError(f"random_state is {random_state!r}, expected a whole number, 0 or more.")
    return int(random_state)
