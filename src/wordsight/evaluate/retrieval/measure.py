"""Retrieval of images by texts and of texts by images: recall at k of both kinds, with intervals over images."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable, Collection, Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from wordsight.errors import InputError
from wordsight.evaluate.embedder import Embedder, ImageTextEmbedder
from wordsight.evaluate.features import Features, embed_set
from wordsight.evaluate.held_out.pixels import IMAGES_AT_ONCE, Pixels
from wordsight.evaluate.result_files import split_model
from wordsight.evaluate.retrieval.captioned import CaptionedSet
from wordsight.evaluate.retrieval.ranks import Ranks, rank_positives
from wordsight.metrics import (
    Estimate,
    bootstrap_statistic,
    estimate_clustered,
    estimate_clustered_gain,
    estimate_share,
)
from wordsight.spec import Preprocess

KS = (1, 5, 10)
_FAILURES = 8  # kept to be shown


@dataclass(frozen=True, eq=False)
class Direction:
    """Retrieval in one direction. image_Q: place of the image of each query, by which queries are resampled.

    hit: share of queries with any answer among the first k; true: mean share of a query's answers among the first k.
    median_rank: of the best answer, 1 for the first. chance: hit recall of a random ranking.
    """

    ranks: Ranks
    image_Q: np.ndarray
    gallery: int
    hit: Mapping[int, Estimate]
    true: Mapping[int, Estimate]
    median_rank: Estimate
    chance: Mapping[int, float]

    def to_dict(self) -> dict[str, Any]:
        """Figures by name."""
        figures: dict[str, Any] = {"queries": len(self.image_Q), "gallery": self.gallery}
        for k in self.hit:
            figures[f"hit_recall@{k}"] = self.hit[k].to_dict()
            figures[f"true_recall@{k}"] = self.true[k].to_dict()
            figures[f"chance@{k}"] = self.chance[k]
        return figures | {"median_rank": self.median_rank.to_dict()}


@dataclass(frozen=True)
class Failure:
    """A caption whose image came late: its rank (0 for the first), and the place of the image that came first."""

    text: str
    place: int
    rank: int
    first: int


@dataclass(frozen=True, kw_only=True, eq=False)
class Retrieval:
    """Retrieval by a model on a captioned set, in both directions.

    shared: captions that several images have; each of these images then counts as an answer to it. published: the
    figures under CLIP_benchmark's names and by its count, in which only a caption's own image is an answer.
    """

    data: CaptionedSet
    model: str
    fingerprint: str
    text_to_image: Direction
    image_to_text: Direction
    shared: int
    published: Mapping[str, float]
    failures: tuple[Failure, ...]
    features: Features
    seconds: Mapping[str, float] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """Figures by name, CLIP_benchmark's among them."""
        model, pretrained = split_model(self.model)
        return {
            "dataset": self.data.name,
            "dataset_hash": self.data.content_hash,
            "task": "zeroshot_retrieval",
            "model": model,
            "pretrained": pretrained,
            "language": "en",
            "fingerprint": self.fingerprint,
            "metrics": dict(self.published),
            "text_to_image": self.text_to_image.to_dict(),
            "image_to_text": self.image_to_text.to_dict(),
            "shared_captions": self.shared,
            "skipped_images": len(self.features.skipped),
            "seconds": dict(self.seconds),
        }


def evaluate_retrieval(
    model: ImageTextEmbedder,
    data: CaptionedSet,
    *,
    ks: Sequence[int] = KS,
    seed: int = 0,
    cache: bool = True,
    progress: Callable[[int], object] | None = None,
) -> Retrieval:
    """Recall of texts → images and back of a model on a captioned set; image features are kept as by `embed_set`.

    Images that cannot be read are left out with their captions. Raises: InputError where none is left.
    """
    features = embed_set(model, data.without_captions, cache=cache, progress=progress)
    pairs = [(row, text) for row, place in enumerate(features.places) for text in data.captions[place]]
    started = time.perf_counter()
    text_QD = model.embed_texts([text for _, text in pairs])
    embedded = time.perf_counter()
    there, back = measure_embeddings(features.image_MD, text_QD, pairs, ks=ks, seed=seed)
    shared = _count_shared(pairs)
    published = {
        **{f"image_retrieval_recall@{k}": there.hit[k].value for k in ks},
        **{f"text_retrieval_recall@{k}": back.hit[k].value for k in ks},
    }
    if shared:
        published = count_as_clip_benchmark(features.image_MD, text_QD, [row for row, _ in pairs], ks)
    seconds = {"images": features.seconds, "texts": embedded - started, "ranking": time.perf_counter() - embedded}
    return Retrieval(
        data=data, model=model.name, fingerprint=model.fingerprint, text_to_image=there, image_to_text=back,
        shared=shared, published=published, features=features, seconds=seconds,
        failures=_find_failures(features.image_MD, text_QD, pairs, there, features.places),
    )  # fmt: skip


def measure_retrieval(
    model: Embedder,
    images: Sequence[Any],
    captions: Sequence[tuple[int, str]],
    preprocess: Preprocess,
    *,
    ks: Sequence[int] = KS,
) -> dict[str, Estimate]:
    """Hit recall of texts → images and back, as "text→image R@10", of a model that takes pixels (in training).

    captions: (place of the image in `images`, text). preprocess: of the model's spec.
    Images that cannot be read are left out with their captions, with a warning.
    """
    places: list[int] = []
    vectors = []
    for some, pixels in Pixels(images, preprocess).batches(IMAGES_AT_ONCE):
        places += some
        vectors.append(model.embed_pixels(pixels))
    row_of = {place: row for row, place in enumerate(places)}
    pairs = [(row_of[place], text) for place, text in captions if place in row_of]
    text_QD = model.embed_texts([text for _, text in pairs])
    there, back = measure_embeddings(np.concatenate(vectors), text_QD, pairs, ks=ks)
    return {f"text→image R@{k}": there.hit[k] for k in ks} | {f"image→text R@{k}": back.hit[k] for k in ks}


def measure_embeddings(
    image_ND: np.ndarray,
    text_QD: np.ndarray,
    pairs: Sequence[tuple[int, str]],
    *,
    ks: Sequence[int] = KS,
    seed: int = 0,
) -> tuple[Direction, Direction]:
    """Texts → images and images → texts, by unit embeddings.

    pairs: (row of its image, text) of each of the Q texts. Equal texts, but for case and white space, are one caption
    of all their images: each of these is an answer to it, and it is an answer to each. Images without a text are in
    the gallery only.
    """
    images_of: defaultdict[str, list[int]] = defaultdict(list)
    texts_of: defaultdict[str, list[int]] = defaultdict(list)
    own: defaultdict[int, set[str]] = defaultdict(set)
    for query, (row, text) in enumerate(pairs):
        words = _words(text)
        if row not in images_of[words]:
            images_of[words].append(row)
        texts_of[words].append(query)
        own[row].add(words)
    asked = sorted(own)
    answers = [[query for words in sorted(own[row]) for query in texts_of[words]] for row in asked]
    forth = rank_positives(text_QD, image_ND, [images_of[_words(text)] for _, text in pairs])
    there = _direction(forth, np.array([row for row, _ in pairs]), len(image_ND), ks, seed)
    back = _direction(rank_positives(image_ND[asked], text_QD, answers), np.array(asked), len(text_QD), ks, seed)
    return there, back


def count_as_clip_benchmark(
    image_ND: np.ndarray, text_QD: np.ndarray, image_Q: Sequence[int], ks: Sequence[int] = KS
) -> dict[str, float]:
    """Recalls by CLIP_benchmark's names: only a text's own image answers it, however many have the same text.

    image_Q: row of the image of each text. Source: LAION's CLIP_benchmark, `metrics/zeroshot_retrieval.py`.
    """
    own: defaultdict[int, list[int]] = defaultdict(list)
    for query, row in enumerate(image_Q):
        own[row].append(query)
    there = rank_positives(text_QD, image_ND, [[row] for row in image_Q])
    back = rank_positives(image_ND[list(own)], text_QD, list(own.values()))
    return {
        **{f"image_retrieval_recall@{k}": float(there.hit_recall(k).mean()) for k in ks},
        **{f"text_retrieval_recall@{k}": float(back.hit_recall(k).mean()) for k in ks},
    }


def estimate_recall(
    queries_QD: np.ndarray, gallery_ND: np.ndarray, positives: Sequence[Collection[int]], ks: Sequence[int] = KS
) -> dict[int, Estimate]:
    """Share of queries with any of their positives among the k best-scoring rows of the gallery, by k.

    Papers call it R@k; `metrics.hit_rate_at_k` is the same of a ranking.
    """
    ranks = rank_positives(queries_QD, gallery_ND, positives)
    return {k: estimate_share(ranks.hit_recall(k)) for k in ks}


def compare_recall(
    before: Retrieval, after: Retrieval, k: int, *, direction: str = "text_to_image", seed: int = 0
) -> Estimate:
    """Difference of hit recall at k, after less before, on the same dataset: images are resampled for both together.

    Raises: InputError for results on different sets, or with other unreadable images.
    """
    one, other = getattr(before, direction), getattr(after, direction)
    if before.data.content_hash != after.data.content_hash or not np.array_equal(one.image_Q, other.image_Q):
        raise InputError(
            f"The results of {before.model!r} and {after.model!r} are on different images; measure both on the same "
            "dataset."
        )
    hits = one.ranks.hit_recall(k), other.ranks.hit_recall(k)
    return estimate_clustered_gain(*hits, one.image_Q.tolist(), seed=seed)


def _words(text: str) -> str:
    """Text by which captions are the same."""
    return " ".join(text.split()).casefold()


def _count_shared(pairs: Sequence[tuple[int, str]]) -> int:
    """Number of texts that several images have."""
    images_of: defaultdict[str, set[int]] = defaultdict(set)
    for row, text in pairs:
        images_of[_words(text)].add(row)
    return sum(len(rows) > 1 for rows in images_of.values())


def _direction(ranks: Ranks, image_Q: np.ndarray, gallery: int, ks: Sequence[int], seed: int) -> Direction:
    clusters: list[Hashable] = image_Q.tolist()
    best_Q = ranks.best_Q + 1
    answers_Q = np.array([len(own) for own in ranks.answers])
    return Direction(
        ranks,
        image_Q,
        gallery,
        hit={k: estimate_clustered(ranks.hit_recall(k), clusters, seed=seed) for k in ks},
        true={k: estimate_clustered(ranks.true_recall(k), clusters, seed=seed) for k in ks},
        median_rank=bootstrap_statistic(lambda rows: float(np.median(best_Q[rows])), len(best_Q), clusters, seed=seed),
        chance={k: float(_chance_hits(answers_Q, gallery, k).mean()) for k in ks},
    )


def _chance_hits(answers_Q: np.ndarray, gallery: int, k: int) -> np.ndarray:
    """Probability that k items drawn from the gallery hold any of the answers, (Q,)."""
    missed_Q = np.ones(len(answers_Q))
    for drawn in range(min(k, gallery)):
        missed_Q *= np.maximum(gallery - answers_Q - drawn, 0) / (gallery - drawn)
    return np.asarray(1 - missed_Q)


def _find_failures(
    image_ND: np.ndarray, text_QD: np.ndarray, pairs: Sequence[tuple[int, str]], there: Direction, places: np.ndarray
) -> tuple[Failure, ...]:
    """Captions whose image comes last, one of each image."""
    found: dict[int, Failure] = {}
    best_Q = there.ranks.best_Q
    for query in np.argsort(-best_Q, kind="stable"):
        row, text = pairs[query]
        if best_Q[query] == 0 or len(found) == _FAILURES:
            break
        if row not in found:
            first = int(np.argmax(image_ND @ text_QD[query]))
            found[row] = Failure(text, int(places[row]), int(best_Q[query]), int(places[first]))
    return tuple(found.values())
