"""Checks of what estimators are given, with the errors and words that scikit-learn and its users expect.

Written out, since scikit-learn is not needed to run the estimators. Where it is in use, its own classes of errors and
warnings are bases of ours.
"""

from __future__ import annotations

import functools
import sys
import warnings
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wordsight.errors import InputError, WordsightWarning


class ArrayError(InputError, ValueError):
    """An array that an estimator cannot work with; a ValueError too, as of scikit-learn's estimators."""


class ArrayTypeError(InputError, TypeError):
    """Something that is not an array of numbers."""


def not_fitted(estimator: Any) -> InputError:
    """Error of an estimator that is asked before `fit`: scikit-learn's NotFittedError too, where that is loaded."""
    name = type(estimator).__name__
    error: InputError = _joined("NotFittedError", ArrayError)(
        f"This {name} instance is not fitted yet; call 'fit' with labelled images, or load one, before this method."
    )
    return error


def is_embeddings(X: Any) -> bool:
    """Whether X is numbers, instead of paths or images."""
    if hasattr(X, "toarray") or hasattr(X, "columns"):  # sparse, a DataFrame
        return True
    if isinstance(X, np.ndarray) and X.dtype.kind not in "OUS":
        return X.ndim <= 2
    first = next(iter(X), None) if isinstance(X, list | tuple | np.ndarray) else None
    return not isinstance(first, str | bytes) and (np.isscalar(first) or np.ndim(first) == 1)  # type: ignore[arg-type]


def check_embeddings(X: Any, estimator: Any) -> NDArray[Any]:
    """Finite floats (N, D) of at least one image and one feature: float32 as it is, all else as float64.

    Raises: ArrayError, ArrayTypeError.
    """
    if hasattr(X, "toarray"):
        raise ArrayTypeError(
            "The embeddings are a sparse matrix, but dense data is required; use X.toarray() to convert it."
        )
    array = np.asarray(X)
    if array.dtype.kind == "c":
        raise ArrayError(f"Complex data not supported; the embeddings are of type {array.dtype}, expected floats.")
    if array.dtype != np.float32:
        array = _to_float(array)
    if array.ndim != 2:
        raise ArrayError(
            f"Expected a 2D array of embeddings (N, D), got one of shape {array.shape}. Reshape your data either using "
            "array.reshape(-1, 1) if your data has a single feature or array.reshape(1, -1) if it contains a single "
            "sample."
        )
    rows, width = array.shape
    for count, unit in ((rows, "sample"), (width, "feature")):
        if not count:
            raise ArrayError(
                f"Found array with 0 {unit}(s) (shape={array.shape}) while a minimum of 1 is required by "
                f"{type(estimator).__name__}."
            )
    _check_finite("X", array)
    return array


def _to_float(array: NDArray[Any]) -> NDArray[np.float64]:
    try:
        return array.astype(np.float64)
    except TypeError as error:
        raise ArrayTypeError(
            f"The embeddings are no numbers: {error}; argument must be a string or a number."
        ) from error
    except ValueError as error:
        raise ArrayError(f"Embeddings are no numbers: {error}; expected floats (N, D).") from error


def _check_finite(name: str, array: NDArray[Any]) -> None:
    if np.isnan(array).any():
        raise ArrayError(f"Input {name} contains NaN.")
    if not np.isfinite(array).all():
        raise ArrayError(f"Input {name} contains infinity or a value too large for {array.dtype!r}.")


def check_labels(y: Any, count: int) -> NDArray[Any]:
    """Labels (N,) of count images: texts, whole numbers or bools. Raises: ArrayError."""
    if y is None:
        raise ArrayError(
            "The classifier requires y to be passed, but the target y is None; give a label for each image."
        )
    labels = np.asarray(y)
    if labels.ndim == 2 and labels.shape[1] == 1:
        warnings.warn(
            "A column-vector y was passed when a 1d array was expected. Please change the shape of y to (n_samples,), "
            "for example using ravel().",
            _joined("DataConversionWarning", WordsightWarning),
            stacklevel=4,
        )
        labels = labels[:, 0]
    if labels.ndim != 1:
        raise ArrayError(f"y should be a 1d array, got an array of shape {labels.shape} instead; one label per image.")
    if len(labels) != count:
        raise ArrayError(
            f"Found input variables with inconsistent numbers of samples: {[count, len(labels)]}; one label per image."
        )
    if labels.dtype.kind == "f":
        _check_finite("y", labels)
        if (labels != np.floor(labels)).any():
            raise ArrayError("Unknown label type: continuous. Labels are names or whole numbers of classes.")
    if labels.dtype.kind == "O":
        kinds = {type(label) for label in labels}
        if any(isinstance(label, float) and not np.isfinite(label) for label in labels):
            raise ArrayError("Input y contains NaN.")
        if len(kinds) > 1 and any(issubclass(kind, str) for kind in kinds):
            names = ", ".join(sorted(kind.__name__ for kind in kinds))
            raise ArrayTypeError(f"The labels are of mixed types ({names}); make all of them texts.")
    return labels


def check_width(width: int, estimator: Any) -> None:
    """Raise ArrayError for embeddings of another width than those of `fit`."""
    if width != estimator.n_features_in_:
        raise ArrayError(
            f"X has {width} features, but {type(estimator).__name__} is expecting {estimator.n_features_in_} features "
            "as input; use embeddings of the model that it was fitted with."
        )


def feature_names(X: Any) -> NDArray[Any] | None:
    """Names of a DataFrame's columns, or None of anything else and of columns that are not all texts."""
    columns = getattr(X, "columns", None)
    if columns is None or not len(columns):
        return None
    names = np.asarray(columns, dtype=object)
    kinds = {isinstance(name, str) for name in names}
    if kinds == {True}:
        return names
    if len(kinds) == 2:
        raise ArrayTypeError(
            "Feature names are only supported if all input features have string names, but the columns of X are of "
            "mixed types; convert them: X.columns = X.columns.astype(str)."
        )
    return None


def check_feature_names(X: Any, estimator: Any) -> None:
    """Compare the columns of a DataFrame with those of `fit`. Raises: ArrayError for others, or in another order."""
    fitted, seen = getattr(estimator, "feature_names_in_", None), feature_names(X)
    name = type(estimator).__name__
    if fitted is None and seen is not None:
        _warn(f"X has feature names, but {name} was fitted without feature names")
    elif fitted is not None and seen is None:
        _warn(f"X does not have valid feature names, but {name} was fitted with feature names")
    elif fitted is not None and seen is not None and not np.array_equal(fitted, seen):
        message = "The feature names should match those that were passed during fit.\n"
        unexpected, missing = sorted(set(seen) - set(fitted)), sorted(set(fitted) - set(seen))
        message += _list_names("Feature names unseen at fit time:\n", unexpected)
        message += _list_names("Feature names seen at fit time, yet now missing:\n", missing)
        if not unexpected and not missing:
            message += "Feature names must be in the same order as they were in fit.\n"
        raise ArrayError(message)


def _list_names(heading: str, names: list[str]) -> str:
    if not names:
        return ""
    return heading + "".join(f"- {name}\n" for name in names[:5]) + "- ...\n" * (len(names) > 5)


def _warn(message: str) -> None:
    warnings.warn(message, FeatureNamesWarning, stacklevel=5)


class FeatureNamesWarning(WordsightWarning):
    """A DataFrame was given to an estimator that was fitted on an array, or the other way round."""


def _joined(name: str, base: type) -> Any:
    """Class that is also scikit-learn's of that name, where scikit-learn is loaded; `base` where it is not."""
    loaded = sys.modules.get("sklearn.exceptions")
    if loaded is None:
        return base
    return _make_joined(name, base, getattr(loaded, name))


@functools.cache
def _make_joined(name: str, base: type, theirs: type) -> type:
    return type(name, (base, theirs), {"__module__": __name__, "__doc__": base.__doc__})
