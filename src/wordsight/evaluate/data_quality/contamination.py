"""Contamination: images of a test set, or copies of them, among training images, and accuracy with and without them.

Candidates are near by the model's vectors; the pixels decide, as for `wordsight duplicates`.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wordsight.duplicates.miniature import Miniature
from wordsight.duplicates.similarity import compare_images
from wordsight.errors import ImageError
from wordsight.evaluate.data_quality.training_images import TrainingImages
from wordsight.evaluate.datasets.labelled_set import LabelledSet
from wordsight.evaluate.features import Features
from wordsight.evaluate.report.sections import ImageTiles, Report, Section, Table
from wordsight.evaluate.report.words import format_gain, percent
from wordsight.metrics import Estimate, bootstrap_statistic, estimate_share
from wordsight.metrics.hits import bound_of_none

NEIGHBOURS = 5  # training images whose pixels are compared with a test image's, at most
_SCORES = 1 << 24  # cosines that are held at once
_TILES = 20
_ROWS = 200
_Floats = NDArray[np.float32]


@dataclass(frozen=True)
class Match:
    """A test image and the training image that it is a copy of: their rows, and the cosine of their vectors."""

    row: int
    trained: int
    cosine: float


@dataclass(frozen=True, eq=False)
class Contamination:
    """Copies of the N images of a test set among training images. data: the images that can be read.

    share: of test images that have a copy. whole, clean, copied: accuracy on all images, on those without a copy and
    on those with one; gain: whole less clean, resampled together; None where nothing is known of hits, or where all or
    none are copies.
    """

    data: LabelledSet
    trained: TrainingImages
    model: str
    fingerprint: str
    matches: tuple[Match, ...]
    share: Estimate
    whole: Estimate | None
    clean: Estimate | None
    copied: Estimate | None
    gain: Estimate | None
    features: Features

    @property
    def same_images(self) -> bool:
        """Whether the training images are the very files of the test set."""
        keys = {os.path.realpath(image) for image in self.data.images if isinstance(image, str)}
        files = {os.path.realpath(name) for name in self.trained.names}
        return len(keys) == len(self.data.images) and keys == files

    def to_dict(self) -> dict[str, Any]:
        """Figures and matches by name."""

        def plain(estimate: Estimate | None) -> dict[str, Any] | None:
            return estimate.to_dict() if estimate is not None else None

        return {
            "dataset": self.data.name,
            "dataset_hash": self.data.content_hash,
            "model": self.model,
            "fingerprint": self.fingerprint,
            "images": len(self.data.images),
            "training_images": len(self.trained.names),
            "share": self.share.to_dict(),
            "accuracy": plain(self.whole),
            "accuracy_clean": plain(self.clean),
            "accuracy_copies": plain(self.copied),
            "gain_by_copies": plain(self.gain),
            "same_images": self.same_images,
            "matches": [
                {"key": self.data.keys[one.row], "training": self.trained.names[one.trained], "cosine": one.cosine}
                for one in self.matches
            ],
        }


def find_contamination(
    data: LabelledSet,
    features: Features,
    trained: TrainingImages,
    *,
    model: str,
    fingerprint: str,
    hit_N: NDArray[Any] | None = None,
    seed: int = 0,
) -> Contamination:
    """Copies of a test set's images among training images, both embedded by one model.

    data: of which row i of the features is image i. hit_N: whether each image is classified correctly, by that model
    or any other, NaN where its class is not known.
    """
    matches = tuple(_match(data, features.image_MD, trained))
    copied_N = np.zeros(len(data.images), np.bool_)
    copied_N[[match.row for match in matches]] = True
    whole = clean = copied = gain = None
    if hit_N is not None:
        known_N = np.isfinite(hit_N)
        hit_N, marked_N = np.asarray(hit_N)[known_N].astype(float), copied_N[known_N]
        if len(hit_N):
            whole = estimate_share(hit_N)
        if marked_N.any() and not marked_N.all():
            clean, copied = estimate_share(hit_N[~marked_N]), estimate_share(hit_N[marked_N])
            gain = bootstrap_statistic(lambda rows: _gain(hit_N[rows], marked_N[rows]), len(hit_N), seed=seed)
    share = estimate_share(copied_N)
    return Contamination(data, trained, model, fingerprint, matches, share, whole, clean, copied, gain, features)


def _gain(hit_N: NDArray[Any], copied_N: NDArray[Any]) -> float:
    """Accuracy on all images less that on those without a copy."""
    if copied_N.all():
        return 0.0
    return float(hit_N.mean() - hit_N[~copied_N].mean())


def _match(data: LabelledSet, image_ND: _Floats, trained: TrainingImages) -> list[Match]:
    found: list[Match] = []
    step = max(1, _SCORES // max(1, len(trained.names)))
    for start in range(0, len(image_ND), step):
        cosine_BN = image_ND[start : start + step] @ trained.vectors_ND.T
        for offset, cosine_N in enumerate(cosine_BN):
            nearest = np.argsort(-cosine_N, kind="stable")[:NEIGHBOURS]
            near = [int(place) for place in nearest if cosine_N[place] >= trained.candidates]
            place = _find_copy(data.images[start + offset], near, trained)
            if place is not None:
                found.append(Match(start + offset, place, float(cosine_N[place])))
    return found


def _find_copy(image: Any, near: Sequence[int], trained: TrainingImages) -> int | None:
    """First of some training images that is a copy of an image, or None."""
    if not near:
        return None
    try:
        asked = Miniature.of(image)
    except ImageError:
        return None
    for place in near:
        try:
            if compare_images(asked, Miniature(trained.read(place))).same:
                return place
        except ImageError:
            continue
    return None


def build_report(result: Contamination, command: str) -> Report:
    """Report with the share of copies, accuracy with and without them, and the matches to be looked at."""
    sections = []
    if result.whole is not None:
        sections.append(_accuracy(result))
    if result.matches:
        rows = [
            [result.data.keys[one.row], result.trained.names[one.trained], f"{one.cosine:.3f}"]
            for one in result.matches[:_ROWS]
        ]
        table = Table(["test image", "training image", "cosine"], rows)
        sections.append(Section("Matches", "All are in the JSON.", [table, show_matches(result)]))
    answer = _answer(result)
    return Report(f"Contamination of {result.data.name}", answer, command, sections, result.to_dict())


def show_matches(result: Contamination) -> ImageTiles:
    """Each test image beside its copy among the training images."""
    tiles: list[tuple[Any, str]] = []
    for match in result.matches[:_TILES]:
        tiles.append((result.data.images[match.row], f"test\n{result.data.keys[match.row]}"))
        tiles.append((result.trained.read(match.trained), f"training, cosine {match.cosine:.3f}"))
    return ImageTiles(tiles, "Test images beside their copies among the training images")


def _answer(result: Contamination) -> str:
    n, found, name = len(result.data.images), len(result.matches), result.data.name
    if result.same_images:
        return (
            f"The training images are the {n:,} files of {name} themselves, so that all are copies; name the images "
            "that the model was trained on."
        )
    among = f"the {len(result.trained.names):,} training images"
    if not found:
        return (
            f"None of the {n:,} images of {name} has a copy among {among}. With 95 % confidence fewer than "
            f"{percent(bound_of_none(n))} of such images have one that can be found."
        )
    answer = f"{found:,} of the {n:,} images of {name} have a copy among {among}: {result.share:.1%}."
    if result.gain is None or result.clean is None or result.whole is None:
        return answer
    gain = result.gain
    points = f"{format_gain(gain)} points"
    shown, change = (gain, "lower") if gain.value > 0 else (gain.negate(), "higher")
    answer += f" Accuracy is {result.whole:.1%} on all images and {result.clean:.1%} without the copies"
    if gain.low <= 0 <= gain.high:
        return f"{answer}; that the copies change it cannot be shown ({points})."
    sizes = f"{100 * shown.value:.1f} points [{100 * shown.low:.1f}, {100 * shown.high:.1f}]"
    return f"{answer}: {sizes} {change} without them."


def _accuracy(result: Contamination) -> Section:
    parts = {"all images": result.whole, "without copies": result.clean, "copies": result.copied}
    rows = [[name, f"{each.n:,}", f"{each:.1%}"] for name, each in parts.items() if each is not None]
    return Section("Accuracy", "", [Table(["images", "number", "accuracy"], rows)])
