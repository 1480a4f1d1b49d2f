"""Examination of a set's labels with a model: likely errors, and how far to trust them on this very set."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from wordsight.errors import InputError
from wordsight.evaluate.data_quality.label_errors import (
    METHODS,
    LabelErrors,
    Suspect,
    Trust,
    count_confusions,
    estimate_proba,
    find_label_errors,
    measure_trust,
    select_known,
)
from wordsight.evaluate.datasets.labelled_set import LabelledSet
from wordsight.evaluate.embedder import ImageEmbedder, ImageTextEmbedder
from wordsight.evaluate.features import Features, embed_set
from wordsight.evaluate.report.sections import ImageTiles, Report, Section, Table
from wordsight.evaluate.report.words import percent
from wordsight.evaluate.zeroshot.run import choose_templates, embed_names

_TILES = 40
_ROWS = 200


@dataclass(frozen=True, eq=False)
class Examination:
    """Likely label errors of a set. data: the images that were judged, to which rows of suspects point.

    trust: measured by changing labels on purpose; None where no class has an image to spare.
    """

    data: LabelledSet
    model: str
    fingerprint: str
    method: str
    errors: LabelErrors
    classnames: tuple[str, ...]
    trust: Trust | None
    notes: tuple[str, ...]
    features: Features

    @property
    def metrics(self) -> dict[str, float]:
        """Main figures by name."""
        return {"suspects": len(self.errors.suspects), "estimated_error_share": self.errors.share}

    def to_dict(self) -> dict[str, Any]:
        """Figures and suspects by name."""
        trust = None
        if self.trust is not None:
            trust = self.trust.to_dict()
        return {
            "dataset": self.data.name,
            "dataset_hash": self.data.content_hash,
            "model": self.model,
            "fingerprint": self.fingerprint,
            "method": self.method,
            "images": len(self.data.images),
            **self.metrics,
            "trust": trust,
            "notes": list(self.notes),
            "likely_errors": [self._plain(suspect) for suspect in self.errors.suspects],
        }

    def _plain(self, suspect: Suspect) -> dict[str, Any]:
        return {
            "key": self.data.keys[suspect.row],
            "given": self.classnames[suspect.given],
            "likely": self.classnames[suspect.likely],
            "given_probability": suspect.given_proba,
            "likely_probability": suspect.likely_proba,
        }


def examine_labels(
    model: ImageEmbedder,
    data: LabelledSet,
    *,
    method: str | None = None,
    seed: int = 0,
    cache: bool = True,
    progress: Callable[[int], object] | None = None,
) -> Examination:
    """Find likely label errors of a set by confident learning.

    method: of `METHODS`; None takes "prior-probe" of a model that knows words, else "probe".
    Raises: InputError for a multi-label set, fewer than two classes of two images, another method, and one that needs
        words of a model that knows none.
    """
    knows_words = isinstance(model, ImageTextEmbedder)
    if method is None:
        method = "prior-probe" if knows_words else "probe"
    if method not in METHODS:
        raise InputError(f"The method is {method!r}, expected one of {', '.join(METHODS)}.")
    if method != "probe" and not knows_words:
        raise InputError(
            f"The method {method!r} needs a model that knows words, but {model.name!r} does not; use 'probe'."
        )
    select_known(data)  # refuses what cannot be examined before anything is embedded
    features = embed_set(model, data, cache=cache, progress=progress)
    readable = features.of(data)
    rows, label_N, kept, notes = select_known(readable)
    names = tuple(data.classnames[k] for k in kept)
    options: dict[str, Any] = {"method": method}
    if isinstance(model, ImageTextEmbedder):
        texts_KD = embed_names(model, names, choose_templates(data, None), cache=cache)
        options |= {"class_KD": texts_KD, "scale": model.scale}
    image_ND = features.image_MD[rows]
    proba_NK = estimate_proba(image_ND, label_N, len(kept), seed=seed, **options)
    errors = find_label_errors(proba_NK, label_N)
    trust = None
    if np.bincount(label_N).max() > 2:
        trust = measure_trust(image_ND, label_N, len(kept), seed=seed, **options)
    return Examination(
        readable.take(rows), model.name, model.fingerprint, method, errors, names, trust, tuple(notes), features
    )


def build_report(result: Examination, command: str) -> Report:
    """Report with the likely errors as a table and as images, likeliest first."""
    suspects = result.errors.suspects
    sections = [Section("How far to trust this", _explain(result))]
    if suspects:
        confused = count_confusions(result.errors, result.classnames)
        rows = [[given, likely, str(n)] for (given, likely), n in confused.items()]
        sections += [
            Section("Classes", "", [Table(["labelled", "looks like", "images"], rows)]),
            Section(
                "Likely errors",
                "Likeliest first; all are in the JSON.",
                [_table(result, suspects), show_suspects(result)],
            ),
        ]
    return Report(f"Labels of {result.data.name}", _answer(result), command, sections, result.to_dict())


def _answer(result: Examination) -> str:
    n, found = len(result.data.images), len(result.errors.suspects)
    if not found:
        return f"None of the {n:,} labels of {result.data.name} looks wrong to {result.model}."
    answer = f"{found:,} of the {n:,} labels of {result.data.name} look wrong to {result.model} ({percent(found / n)})."
    if result.trust is not None:
        answer += f" Of labels that were changed on purpose it finds {result.trust.recall:.0%}"
        if result.trust.first is not None:
            answer += f", and of as many first suspects {result.trust.first:.0%} are changed ones"
        answer += ": look at the first ones yourself before changing any."
    return answer


def _explain(result: Examination) -> str:
    methods = {
        "prior-probe": "a linear probe that is pulled towards the zero-shot classifier, fitted without the image",
        "probe": "a linear probe fitted without the image",
        "zero-shot": "the zero-shot classifier",
    }
    lines = [
        f"The probabilities are those of {methods[result.method]}. An image is a suspect if another class has a higher "
        "probability than its own, and at least the mean that it has for images labelled with it (confident learning)."
    ]
    if result.trust is not None and result.trust.precision is not None:
        lines.append(
            f"With {percent(result.trust.changed, 0)} of the labels changed at random, in {result.trust.draws} draws: "
            f"{result.trust.precision:.0%} of the suspects are changed ones, where labels that are wrong to begin with "
            "count against it."
        )
    lines.append(
        f"Estimated share of wrong labels: {percent(result.errors.share)}, which includes the model's own mistakes."
    )
    return "\n".join([*lines, *result.notes])


def _table(result: Examination, suspects: Sequence[Suspect]) -> Table:
    rows = [
        [result.data.keys[each.row], f"{result.classnames[each.given]} ({percent(each.given_proba, 0)})",
         f"{result.classnames[each.likely]} ({percent(each.likely_proba, 0)})"]
        for each in suspects[:_ROWS]
    ]  # fmt: skip
    return Table(["image", "labelled", "looks like"], rows)


def show_suspects(result: Examination) -> ImageTiles:
    """The likeliest errors as images."""
    tiles = []
    for each in result.errors.suspects[:_TILES]:
        given, likely = result.classnames[each.given], result.classnames[each.likely]
        text = f"labelled {given}\nlooks like {likely} ({percent(each.likely_proba, 0)})"
        image = result.data.images[each.row]
        if not isinstance(image, str | os.PathLike):
            text = f"{result.data.keys[each.row]}\n{text}"
        tiles.append((image, text))
    return ImageTiles(tiles, "Images with a likely wrong label")
