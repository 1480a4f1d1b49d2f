"""A few-shot task: features of a pool to draw shots from and of a fixed test part, and the zero-shot classifier."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wordsight.errors import InputError
from wordsight.evaluate.datasets.labelled_set import LabelledSet
from wordsight.evaluate.datasets.request import split_kind
from wordsight.evaluate.embedder import ImageEmbedder, ImageTextEmbedder
from wordsight.evaluate.features import Features, embed_set
from wordsight.evaluate.fewshot.learned import Shots
from wordsight.evaluate.fewshot.shots import Count, Pool, divide
from wordsight.evaluate.zeroshot.run import score_classes
from wordsight.zeroshot.class_embeddings import Floats, embed_classes
from wordsight.zeroshot.templates import PHOTO

_COSINE_SCALE = 100.0  # of features without texts: shapes probabilities only (Radford et al. 2021, §2.5)


@dataclass(frozen=True)
class FewShotTask:
    """Features of the pool (P, D) and of the test part (M, D) of a set with K classes, in the same space.

    class_KD: class embeddings, None for features without texts. notes: what was left out. features: as embedded.
    """

    name: str
    model: str
    fingerprint: str
    pool: LabelledSet
    pool_PD: Floats
    test: LabelledSet
    test_MD: Floats
    class_KD: Floats | None
    scale: float
    templates: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    features: tuple[Features, ...] = ()

    @property
    def labels(self) -> Pool:
        """Labels of the pool."""
        return Pool(self.pool.labels, len(self.pool.classnames))

    @property
    def seconds(self) -> float:
        """Seconds that embedding took."""
        return sum(features.seconds for features in self.features)

    def shots(self, count: Count, seed: int) -> Shots:
        """Shots of a number and seed."""
        rows = self.labels.sample(count, seed)
        return self._as_shots(self.pool_PD[rows], self.pool.labels[rows], seed)

    def everything(self) -> Shots:
        """All images, those of the test part too: for a classifier that is kept, not for one that is measured."""
        labels = np.concatenate([self.pool.labels, self.test.labels])
        return self._as_shots(np.concatenate([self.pool_PD, self.test_MD]), labels, 0)

    def zero_shot_proba(self) -> NDArray[Any] | None:
        """Probabilities (M, K) of the zero-shot classifier on the test part, None without texts."""
        if self.class_KD is None:
            return None
        return score_classes(self.test_MD, self.class_KD, self.scale)

    def _as_shots(self, image_ND: NDArray[Any], label_N: NDArray[Any], seed: int) -> Shots:
        return Shots(image_ND, label_N, len(self.pool.classnames), self.class_KD, self.scale, seed)


def open_pool(
    source: str,
    data: LabelledSet,
    open_split: Callable[[str, Mapping[str, Any]], LabelledSet],
    options: Mapping[str, Any],
) -> LabelledSet | None:
    """The train split of the source of a test or validation split, to draw shots from; None where there is none.

    open_split: opens a source by options, of which "split" is set here.
    """
    if split_kind(data.split) not in ("test", "validation"):
        return None
    try:
        pool = open_split(source, {**options, "split": "train"})
    except InputError:
        return None
    if split_kind(pool.split) != "train":
        return None
    return pool


def prepare_task(
    model: ImageEmbedder,
    data: LabelledSet,
    *,
    pool: LabelledSet | None = None,
    templates: Sequence[str] = (PHOTO,),
    cache: bool = True,
    progress: Callable[[int], object] | None = None,
) -> FewShotTask:
    """Embed a set and divide it: half of each class to draw shots from, half to test on.

    pool: another set of the same classes to draw shots from, such as the train split; then all of `data` is tested on.
    templates: of the class embeddings, for models with texts. Images without a label, and classes without an image to
    learn from, are left out, and said in the notes.
    Raises: InputError for multi-label sets, for fewer than two classes, and where nothing is left to test on.
    """
    notes: list[str] = []
    parts = [_drop_unlabelled(part, notes) for part in (data, pool) if part is not None]
    measured = [embed_set(model, part, cache=cache, progress=progress) for part in parts]
    test, test_MD = measured[0].of(parts[0]), measured[0].image_MD
    if pool is None:
        pool_rows, test_rows = divide(test.labels)
        drawn, drawn_PD = test.take(pool_rows), test_MD[pool_rows]
        test, test_MD = test.take(test_rows), test_MD[test_rows]
    else:
        drawn, drawn_PD = _match_classes(measured[1].of(parts[1]), test.classnames), measured[1].image_MD
    drawn, test, kept_M = _keep_learnable(drawn, test, notes)
    class_KD, scale = embed_texts(model, drawn.classnames, templates, cache)
    return FewShotTask(
        name=data.name,
        model=model.name,
        fingerprint=model.fingerprint,
        pool=drawn,
        pool_PD=drawn_PD,
        test=test,
        test_MD=test_MD[kept_M],
        class_KD=class_KD,
        scale=scale,
        templates=tuple(templates),
        notes=tuple(notes),
        features=tuple(measured),
    )


def _drop_unlabelled(data: LabelledSet, notes: list[str]) -> LabelledSet:
    if data.is_multilabel:
        raise InputError(f"The images of {data.name!r} have several classes each; few-shot learning takes one class.")
    known = np.flatnonzero(data.labels >= 0)
    if len(known) == len(data.labels):
        return data
    if not len(known):
        raise InputError(f"No image of {data.name!r} has a label, so there is nothing to learn from or to test on.")
    notes.append(f"{len(data.labels) - len(known)} images of {data.name} have no label and are left out")
    return data.take(known)


def _match_classes(drawn: LabelledSet, classnames: Sequence[str]) -> LabelledSet:
    """The set to draw from with its classes in the order of the test set's."""
    if drawn.classnames == tuple(classnames):
        return drawn
    strange = sorted(set(drawn.classnames) - set(classnames))
    if strange:
        raise InputError(
            f"The set to draw shots from has the class {strange[0]!r}, which the test set does not have; both need "
            "the same class names."
        )
    place = {name: number for number, name in enumerate(classnames)}
    number_K = np.array([place[name] for name in drawn.classnames])
    return replace(drawn, labels=number_K[drawn.labels], classnames=tuple(classnames))


def _keep_learnable(
    drawn: LabelledSet, test: LabelledSet, notes: list[str]
) -> tuple[LabelledSet, LabelledSet, NDArray[np.intp]]:
    """Both parts with the classes only that have an image to learn from, and the rows that the test part keeps."""
    count_K = np.bincount(drawn.labels, minlength=len(drawn.classnames))
    kept_K = np.flatnonzero(count_K)
    if len(kept_K) < 2:
        names = ", ".join(repr(drawn.classnames[k]) for k in kept_K)
        raise InputError(
            f"{test.name!r} has images of {len(kept_K)} class ({names}), so there is nothing to tell apart; give two "
            "or more."
        )
    kept_M = np.flatnonzero(np.isin(test.labels, kept_K))
    if len(kept_K) == len(count_K):
        return drawn, test, kept_M
    missing = len(count_K) - len(kept_K)
    notes.append(f"{missing} of {len(count_K)} classes have no image to learn from and are left out")
    number_K = np.full(len(count_K), -1)
    number_K[kept_K] = np.arange(len(kept_K))
    classnames = tuple(drawn.classnames[k] for k in kept_K)
    test = test.take(kept_M)
    return (
        replace(drawn, labels=number_K[drawn.labels], classnames=classnames),
        replace(test, labels=number_K[test.labels], classnames=classnames),
        kept_M,
    )


def embed_texts(
    model: ImageEmbedder, classnames: Sequence[str], templates: Sequence[str], cache: bool = True
) -> tuple[Floats | None, float]:
    """Class embeddings (K, D) and the factor on cosines; None of a model that embeds images only."""
    if not isinstance(model, ImageTextEmbedder):
        return None, _COSINE_SCALE
    return embed_classes(model, {name: (name,) for name in classnames}, templates, cache=cache), model.scale
