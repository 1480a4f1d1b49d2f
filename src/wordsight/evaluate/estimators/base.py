"""The interface of scikit-learn's classifiers, over a classifier that is linear in embeddings or scores them."""

from __future__ import annotations

import inspect
import os
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from wordsight.arguments import check_choice
from wordsight.errors import InputError
from wordsight.evaluate.estimators.arrays import (
    ArrayError,
    check_embeddings,
    check_feature_names,
    check_labels,
    check_width,
    feature_names,
    is_embeddings,
    not_fitted,
)
from wordsight.evaluate.fewshot.learned import LinearScorer, Scorer
from wordsight.zeroshot.linear_head import Fact, LinearHead
from wordsight.zeroshot.logistic import softmax

_LABELS = "labels"  # fact of a head: of which type its class names are
_TYPES = {"str": str, "int": int, "bool": lambda text: text == "True", "float": float}


class EmbeddingClassifier:
    """Base of the estimators: subclasses say how `fit` finds a `Scorer`, and have parameters that `__init__` stores.

    X is an array of embeddings (N, D) as a model gives them; with a model among the parameters it may be images too:
    paths, PIL images, encoded bytes, arrays (N, H, W, 3). y is a label for each: texts, whole numbers or bools.

    After `fit`: `classes_` (K,), sorted; `n_features_in_`, D; `scorer_`, what was learnt; of a DataFrame
    `feature_names_in_`. Pickled or saved (`save`), it answers the same.
    """

    model: Any = None
    classes_: NDArray[Any]
    n_features_in_: int
    scorer_: Scorer
    fingerprint_: str
    _kind = ""  # of the head that it is saved as
    _poor_score = False

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """Parameters of the constructor by name. deep: there are no estimators among them."""
        return {name: getattr(self, name) for name in self._names()}

    def set_params(self, **params: Any) -> Self:
        """Set parameters by name. Raises: InputError for another name, with the closest ones."""
        for name, value in params.items():
            check_choice(f"The parameter of {type(self).__name__}", name, self._names())
            setattr(self, name, value)
        return self

    def __repr__(self) -> str:
        """The class with the parameters that are not the defaults."""
        defaults = inspect.signature(type(self).__init__).parameters
        shown = [
            f"{name}={value!r:.80}"
            for name, value in self.get_params().items()
            if value is not defaults[name].default and repr(value) != repr(defaults[name].default)
        ]
        return f"{type(self).__name__}({', '.join(shown)})"

    def predict(self, X: Any) -> NDArray[Any]:
        """Most probable class of each image, (N,)."""
        return self.pick_classes(self._scores(X))

    def predict_proba(self, X: Any) -> NDArray[np.float64]:
        """Probability of each class, (N, K) in the order of `classes_`; rows sum to 1."""
        return softmax(self._scores(X))

    def decision_function(self, X: Any) -> NDArray[np.float64]:
        """Scores before the softmax, (N, K); of two classes the second's less the first's, (N,)."""
        score_NK = self._scores(X)
        if score_NK.shape[1] == 2:
            return np.asarray(score_NK[:, 1] - score_NK[:, 0])
        return score_NK

    def score(self, X: Any, y: Any, sample_weight: Any = None) -> float:
        """Share of images whose most probable class is their label; with weights, their share of the weight."""
        hits = self.predict(X) == check_labels(y, len(X))
        return float(np.average(hits, weights=sample_weight))

    def pick_classes(self, score_NK: NDArray[Any]) -> NDArray[Any]:
        """Class with the highest of each row's scores."""
        return np.asarray(self.classes_[score_NK.argmax(axis=1)])

    def to_head(self) -> LinearHead:
        """Linear head of what was learnt, for `wordsight classify --probe` and search.

        Raises: InputError for a method that is not linear in the embeddings, and class names that no head can hold.
        """
        self._check_fitted()
        if not isinstance(self.scorer_, LinearScorer):
            raise InputError(
                f"{self!r} is not linear in the embeddings, so no linear head can hold it; pickle it, or use another "
                "method."
            )
        facts: dict[str, Fact] = {name: value for name, value in self.scorer_.facts.items() if _is_plain(value)}
        if self.classes_.dtype.kind != "U":
            facts[_LABELS] = type(self.classes_[:1].tolist()[0]).__name__
        if isinstance(self.model, str):
            facts["model"] = self.model
        names = tuple(str(label) for label in self.classes_.tolist())
        return LinearHead(
            self._kind, names, self.scorer_.coefficient_KD, self.scorer_.intercept_K, self.fingerprint_, facts
        )

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write what was learnt as a linear head, one safetensors file without any pickle. Raises: as `to_head`."""
        self.to_head().save(path)

    @classmethod
    def load(cls, path: str | os.PathLike[str], **params: Any) -> Self:
        """Fitted estimator of a linear head that `save` or `wordsight eval fewshot --save` wrote.

        params: of the constructor; with model=… it answers images, which must be the model that the head was fitted
        with. Raises: as `LinearHead.load`.
        """
        head = LinearHead.load(path)
        made = cls(**params)
        made._take_head(head)
        return made

    def _take_head(self, head: LinearHead) -> None:
        facts = dict(head.facts)
        kind = facts.pop(_LABELS, "str")
        if not isinstance(kind, str) or kind not in _TYPES:
            raise InputError(f"The labels of the head are of type {kind!r}, expected one of {', '.join(_TYPES)}.")
        try:
            self.classes_ = np.array([_TYPES[kind](name) for name in head.classnames])  # type: ignore[operator]
        except ValueError as error:
            raise InputError(f"The class names of the head are not all of type {kind}: {error}.") from error
        self.n_features_in_ = head.dim
        self.scorer_ = LinearScorer(head.coefficient_KD.astype(np.float64), head.intercept_K.astype(np.float64), facts)
        self.fingerprint_ = head.fingerprint

    def _embed(self, X: Any, *, first: bool) -> NDArray[Any]:
        """Embeddings of X, checked; first: in `fit`, which takes down what later calls are compared with."""
        if self.model is not None and not is_embeddings(X):
            if not first:
                self._check_model()
            X = self._open_model().embed_images(X)
        if first:
            names = feature_names(X)
            if names is not None:
                self.feature_names_in_ = names
            elif hasattr(self, "feature_names_in_"):
                del self.feature_names_in_
        else:
            check_feature_names(X, self)
        image_ND = check_embeddings(X, self)
        if first:
            self.n_features_in_ = image_ND.shape[1]
            self.fingerprint_ = ""
            if self.model is not None:
                self.fingerprint_ = self._open_model().fingerprint
        check_width(image_ND.shape[1], self)
        return image_ND

    def _check_model(self) -> None:
        """Raise ArrayError where the model is not the one of `fit`."""
        seen = self._open_model().fingerprint
        if self.fingerprint_ not in ("", seen):
            raise ArrayError(
                f"The {type(self).__name__} was fitted on embeddings of another model ({self.fingerprint_[:12]}) than "
                f"{self.model!r:.80} ({seen[:12]}); set that model, or fit again."
            )

    def _open_model(self) -> Any:
        """The model among the parameters, loaded where it is a name."""
        if isinstance(self.model, str | os.PathLike):
            return open_once(os.fspath(self.model))
        return self.model

    def _take_labels(self, y: Any, count: int) -> NDArray[np.int64]:
        """Number of each image's class, with the classes in `classes_`. Raises: ArrayError for one class only."""
        self.classes_, label_N = np.unique(check_labels(y, count), return_inverse=True)
        if len(self.classes_) < 2:
            raise ArrayError(
                f"The labels hold one class only, {self.classes_.tolist()[0]!r}, so there is nothing to tell apart; "
                "give images of two or more classes."
            )
        return np.asarray(label_N, np.int64)

    def _scores(self, X: Any) -> NDArray[np.float64]:
        self._check_fitted()
        return np.asarray(self.scorer_.score(self._embed(X, first=False).astype(np.float64)), np.float64)

    def _check_fitted(self) -> None:
        if not hasattr(self, "scorer_"):
            raise not_fitted(self)

    def _names(self) -> list[str]:
        return sorted(name for name in inspect.signature(type(self).__init__).parameters if name != "self")

    def __sklearn_is_fitted__(self) -> bool:
        return hasattr(self, "scorer_")

    def __sklearn_tags__(self) -> Any:
        """Tags that scikit-learn asks of an estimator; only it calls this, so that it is there to import."""
        from sklearn.utils import ClassifierTags, InputTags, Tags, TargetTags

        return Tags(
            estimator_type="classifier",
            target_tags=TargetTags(required=True),
            classifier_tags=ClassifierTags(poor_score=self._poor_score),
            input_tags=InputTags(string=self.model is not None),
        )


def open_once(name: str) -> Any:
    """Model of a name, loaded once in a process."""
    from wordsight.model import load

    if name not in _models:
        _models.clear()
        _models[name] = load(name)
    return _models[name]


_models: dict[str, Any] = {}


def _is_plain(value: Any) -> bool:
    return isinstance(value, str | int | float | bool | None)
