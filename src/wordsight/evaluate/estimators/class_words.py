"""Class embeddings of estimators: from words by a model, or as they are given."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wordsight.errors import InputError
from wordsight.evaluate.estimators.arrays import ArrayError
from wordsight.evaluate.estimators.base import EmbeddingClassifier
from wordsight.zeroshot.class_embeddings import embed_classes, normalise_rows
from wordsight.zeroshot.templates import Templates, resolve_templates

SCALE = 100.0  # of cosines, without a model: where OpenAI's CLIP ended (Radford et al. 2021, §2.5)


class WordedClassifier(EmbeddingClassifier):
    """Base of the estimators that know their classes by words, or by embeddings of words."""

    classnames: Any = None
    templates: Templates = "photo"
    class_embeddings: Any = None

    @property
    def _knows_words(self) -> bool:
        return self.class_embeddings is not None or self.model is not None

    def _scale(self) -> float:
        """Factor on cosines."""
        if self.model is None:
            return SCALE
        return float(self._open_model().scale)

    def _class_embeddings(self, width: int) -> NDArray[Any]:
        """Unit embeddings (K, D) of `classes_`. Raises: InputError for classes without words or vector."""
        if self.class_embeddings is not None:
            class_KD = self._given_embeddings()
        elif self.model is None:
            raise InputError(
                f"{type(self).__name__} needs embeddings of its classes; give a model (model='mini'), or "
                "class_embeddings."
            )
        else:
            words = self._wordings()
            class_KD = embed_classes(
                self._open_model(), {str(label): words[label] for label in self.classes_.tolist()},
                resolve_templates(self.templates),
            )  # fmt: skip
        if class_KD.shape[1] != width:
            raise ArrayError(
                f"The class embeddings have {class_KD.shape[1]} numbers each, those of images {width}; both must be of "
                "the same model."
            )
        return class_KD

    def _wordings(self) -> dict[Any, tuple[str, ...]]:
        """Label → wordings, of the labels that have words."""
        given = self.classnames
        if given is None:
            given = self.classes_.tolist()
        if not isinstance(given, Mapping):
            given = {name: name for name in given}
        wordings = {label: (words,) if isinstance(words, str) else words for label, words in given.items()}
        wordings = {label: (str(words),) if np.isscalar(words) else tuple(words) for label, words in wordings.items()}
        self._check_known(wordings, "classnames")
        return wordings

    def _given_embeddings(self) -> NDArray[Any]:
        given = self.class_embeddings
        if not isinstance(given, Mapping):
            labels = self.classes_.tolist()
            if self.classnames is not None:
                labels = list(self.classnames)
            if np.ndim(given) != 2 or len(given) != len(labels):
                raise ArrayError(
                    f"The class embeddings have the shape {np.shape(given)}, expected (K, D) with a row for each of "
                    f"the {len(labels)} classes."
                )
            given = dict(zip(labels, given, strict=True))
        self._check_known(given, "class_embeddings")
        return normalise_rows(np.stack([np.asarray(given[label], np.float64) for label in self.classes_.tolist()]))

    def _check_known(self, known: Mapping[Any, Any], where: str) -> None:
        missing = [label for label in self.classes_.tolist() if label not in known]
        if missing:
            shown = ", ".join(map(repr, missing[:5])) + ", …" * (len(missing) > 5)
            raise ArrayError(
                f"{len(missing)} of the {len(self.classes_)} labels are not among the {len(known)} of {where}: {shown}."
            )
