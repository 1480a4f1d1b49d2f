"""Comparison of contenders on each dataset, and over all datasets that they have in common."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from wordsight.errors import InputError
from wordsight.evaluate.comparison.pairing import PairedHits, pair_predictions
from wordsight.evaluate.comparison.results import Result, SameDataset, Unread, label_results, name_datasets
from wordsight.evaluate.comparison.standings import Standings, bound
from wordsight.metrics import (
    Estimate,
    JointMeans,
    PairedTest,
    estimate_share,
    images_to_separate,
    mcnemar,
    measure_across_sets,
    measure_on_set,
    measure_on_sets,
)

SMALLEST_GAIN = 0.01  # what is worth telling apart where no difference was seen


@dataclass(frozen=True)
class Pair:
    """Two contenders on one dataset: the second's gain, a test of it, and the images that its size would need.

    gained, lost: images that only the second, only the first has right. p: McNemar's mid-p or, where images are in
    groups, which that test does not know, Student's of the groups. needed: images at which this gain, or one of a
    point where there is none, is found four times of five.
    """

    gain: Estimate
    gained: int
    lost: int
    p: float
    mcnemar: PairedTest | None
    needed: int

    def to_dict(self) -> dict[str, Any]:
        """Fields by name, as JSON holds them."""
        return {
            "gain": self.gain.to_dict(),
            "gained": self.gained,
            "lost": self.lost,
            "p": self.p,
            "mcnemar": self.mcnemar and self.mcnemar.to_dict(),
            "images_needed": self.needed,
        }


@dataclass(frozen=True)
class SetComparison:
    """Contenders on one dataset.

    images: that all contenders with predictions have. groups: of images that are drawn together, 0 where each is drawn
    by itself. unpaired: contenders of which only an accuracy is known, not on which images; it has no interval and no
    place in the standings. standings: of the others, None where there are not two. pair: of two contenders that are
    paired.
    """

    dataset: str
    labels: tuple[str, ...]
    accuracies: tuple[Estimate, ...]
    images: int
    standings: Standings | None
    lacking: Mapping[str, int]
    unlabelled: int = 0
    unpaired: tuple[str, ...] = ()
    pair: Pair | None = None
    groups: int = 0

    def to_dict(self) -> dict[str, Any]:
        """Fields by name, as JSON holds them."""
        accuracies = {name: each.to_dict() for name, each in zip(self.labels, self.accuracies, strict=True)}
        for name in self.unpaired:
            accuracies[name] |= {"low": None, "high": None}
        return {
            "dataset": self.dataset,
            "images": self.images,
            "groups": self.groups,
            "accuracy": accuracies,
            "standings": self.standings and self.standings.to_dict(),
            "pair": self.pair and self.pair.to_dict(),
            "lacking": dict(self.lacking),
            "unlabelled": self.unlabelled,
            "unpaired": list(self.unpaired),
        }


@dataclass(frozen=True)
class Comparison:
    """Contenders on all datasets.

    common: datasets that all contenders have. across: over these as a sample of datasets; here: on just these, which
    needs all images of all; both None for a single dataset. left_out: contender → datasets that it lacks. remarks: on
    what was chosen to be compared.
    """

    labels: tuple[str, ...]
    sets: tuple[SetComparison, ...]
    common: tuple[str, ...]
    across: Standings | None
    here: Standings | None
    left_out: Mapping[str, tuple[str, ...]]
    unread: tuple[Unread, ...]
    same_names: tuple[SameDataset, ...] = ()
    remarks: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """Fields by name, as JSON holds them."""
        return {
            "contenders": list(self.labels),
            "sets": [each.to_dict() for each in self.sets],
            "common_sets": list(self.common),
            "across_sets": self.across and self.across.to_dict(),
            "on_these_sets": self.here and self.here.to_dict(),
            "lacking_sets": {name: list(sets) for name, sets in self.left_out.items()},
            "same_names": [each.to_dict() for each in self.same_names],
            "unread": [{"path": str(each.path), "reason": each.reason} for each in self.unread],
            "remarks": list(self.remarks),
        }


def compare_results(
    results: Sequence[Result],
    unread: Sequence[Unread] = (),
    *,
    remarks: Sequence[str] = (),
    cluster: str = "",
    seed: int = 0,
) -> Comparison:
    """Compare the models, or methods, of results that `find_results` or `choose_results` found.

    cluster: column of the images' groups, such as the film of a frame, that are drawn together.
    Raises: InputError for fewer than two contenders, none on a common dataset, and as `pair_predictions`.
    """
    results, same_names = name_datasets(results)
    labels = label_results(results)
    names = tuple(dict.fromkeys(labels))
    by_set: dict[str, dict[str, Result]] = {}
    for label, result in zip(labels, results, strict=True):
        by_set.setdefault(result.dataset, {})[label] = result
    if len(names) < 2:
        said = f"There are only results of {names[0]!r}; a comparison needs two models or methods."
        raise InputError(" ".join([said, *remarks, *_list_unread(unread)]))
    measured = [
        _compare_on_set(dataset, {name: found[name] for name in names if name in found}, cluster, seed)
        for dataset, found in by_set.items()
        if len(found) > 1
    ]
    if not measured:
        has = "; ".join(f"{dataset}: {', '.join(found)}" for dataset, found in by_set.items())
        said = f"No two contenders have results on the same dataset ({has}); measure them on one."
        raise InputError(" ".join([said, *_list_unread(unread)]))
    whole = [(means, each) for each, means in measured if each.labels == names]
    across = here = None
    if len(whole) > 1:
        means = [each for each, _ in whole if each is not None]
        figures = [[each.value for each in one.accuracies] for known, one in whole if known is None]
        across = Standings.rank(names, measure_across_sets(means, figures), seed)
        if not figures:
            here = Standings.rank(names, measure_on_sets(means), seed)
    lacks = {name: tuple(dataset for dataset, found in by_set.items() if name not in found) for name in names}
    return Comparison(
        names,
        tuple(each for each, _ in measured),
        tuple(each.dataset for _, each in whole),
        across,
        here,
        {name: datasets for name, datasets in lacks.items() if datasets},
        tuple(unread),
        tuple(same_names),
        tuple(remarks),
    )


def _list_unread(unread: Sequence[Unread]) -> list[str]:
    """Sentences on files that could not be read, behind a message that they may explain."""
    return [f"Not compared: {str(each.path)!r} ({each.reason.rstrip('.')})." for each in unread[:3]]


def _compare_on_set(
    dataset: str, found: Mapping[str, Result], cluster: str, seed: int
) -> tuple[SetComparison, JointMeans | None]:
    """Comparison on one set, and the means behind it: None where of any only a figure is known, not on which images."""
    labels = tuple(found)
    known = {name: each.predictions for name, each in found.items() if each.predictions is not None}
    figures = {
        name: Estimate(each.accuracy, each.accuracy, each.accuracy, 0)
        for name, each in found.items()
        if each.predictions is None
    }
    if not known:
        return SetComparison(dataset, labels, tuple(figures.values()), 0, None, {}, 0, labels), None
    paired = pair_predictions(dataset, known, cluster)
    means = measure_on_set(paired.hit_NM, paired.cluster_N)
    shares, groups = [estimate_share(hit_N) for hit_N in paired.hit_NM.T], 0
    if paired.cluster_N is not None:  # Wilson's interval knows no groups
        shares, groups = [bound(means.estimate(place)) for place in range(len(known))], means.n
    accuracy_of = figures | dict(zip(known, shares, strict=True))
    standings = pair = None
    if len(known) > 1:
        standings = Standings.rank(tuple(known), means, seed, shares=shares)
    if len(labels) == len(known) == 2:
        pair = _compare_pair(paired, means)
    comparison = SetComparison(
        dataset=dataset,
        labels=labels,
        accuracies=tuple(accuracy_of[name] for name in labels),
        images=len(paired.hit_NM),
        standings=standings,
        lacking=paired.lacking,
        unlabelled=paired.unlabelled,
        unpaired=tuple(figures),
        pair=pair,
        groups=groups,
    )
    return comparison, None if figures else means


def _compare_pair(paired: PairedHits, means: JointMeans) -> Pair:
    test = mcnemar(paired.hit_NM[:, 0], paired.hit_NM[:, 1])
    n = len(paired.hit_NM)
    gain = means.estimate_gain(0, 1)
    discordance = (test.gained + test.lost + 1) / (n + 2)  # with one image of doubt, as the gain's interval
    size = abs(gain.value) or min(SMALLEST_GAIN, discordance)
    needed = images_to_separate(size, max(discordance, size))
    if paired.cluster_N is None:
        return Pair(gain, test.gained, test.lost, test.mid, test, needed)
    alone = measure_on_set(paired.hit_NM)
    needed = round(needed * max(1.0, (means.error_MM[0, 1] / alone.error_MM[0, 1]) ** 2))  # images alike tell less
    return Pair(gain, test.gained, test.lost, means.p_value(0, 1), None, needed)
