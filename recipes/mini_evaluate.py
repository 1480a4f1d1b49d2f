"""The accuracy table of `mini`: zero-shot classes and retrieval on images that were never trained on.

Every figure has a bootstrap 95 % interval over images (classification) or queries (retrieval).
Prompts are plain: "a photo of a {}." for classes, the caption itself for retrieval.
"""

from __future__ import annotations

import dataclasses
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from mini_data import LearnImage
from mini_text import CLOTHES

from wordsight.metrics import Estimate, bootstrap_strata, estimate_share

CIFAR10 = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
PLAIN = "a photo of a {}."
EmbedTexts = Callable[[Sequence[str]], np.ndarray]


@dataclass(frozen=True)
class Figure:
    """One measured accuracy, as a share, with its interval."""

    task: str
    metric: str
    measured: Estimate


def figure(task: str, metric: str, hits: np.ndarray) -> Figure:
    """Mean of 0/1 hits with its interval."""
    return Figure(task, metric, estimate_share(hits))


def classify(images_ND: np.ndarray, labels: Sequence[str], names: Sequence[str], embed_texts: EmbedTexts) -> np.ndarray:
    """Whether each image's nearest class prompt is its label's."""
    classes_KD = embed_texts([PLAIN.format(n) for n in names])
    nearest = (images_ND @ classes_KD.T).argmax(axis=1)
    return np.array([names[k] for k in nearest]) == np.array(labels)


def ranks(images_ND: np.ndarray, captions: Sequence[tuple[int, str]], embed_texts: EmbedTexts) -> np.ndarray:
    """Rank (0 = first) of the right image for each (image row, caption)."""
    scores_QN = embed_texts([text for _, text in captions]) @ images_ND.T
    own = scores_QN[np.arange(len(captions)), [row for row, _ in captions]]
    return (scores_QN > own[:, None]).sum(axis=1)


def image_to_text(images_ND: np.ndarray, captions: Sequence[tuple[int, str]], embed_texts: EmbedTexts) -> np.ndarray:
    """Rank of the best right caption for each image."""
    scores_NQ = images_ND @ embed_texts([text for _, text in captions]).T
    right = np.array([row for row, _ in captions])[None, :] == np.arange(len(images_ND))[:, None]
    best = np.where(right, scores_NQ, -2).max(axis=1)
    return (scores_NQ > best[:, None]).sum(axis=1)


def table(images: Sequence[LearnImage], images_ND: np.ndarray, cifar_labels: Sequence[int], embed_texts: EmbedTexts,
          roles: tuple[str, ...] = ("measure",)) -> list[Figure]:  # fmt: skip
    """All figures; `images_ND[i]` is the unit embedding of `images[i]`."""
    rows: dict[str, list[int]] = defaultdict(list)
    for i, image in enumerate(images):
        if image.role in roles:
            rows[image.source].append(i)
    found: list[Figure] = []
    if "cifar10" in rows:
        labels = [CIFAR10[cifar_labels[int(images[i].path[6:])]] for i in rows["cifar10"]]
        found.append(figure("cifar10", "top-1", classify(images_ND[rows["cifar10"]], labels, CIFAR10, embed_texts)))
    if "clothing" in rows:
        labels = [CLOTHES.get(images[i].label, images[i].label) for i in rows["clothing"]]
        found.append(
            figure("clothing", "top-1", classify(images_ND[rows["clothing"]], labels, sorted(set(labels)), embed_texts))
        )
    if "fashion" in rows:
        found += _fashion(images, images_ND, rows["fashion"], embed_texts)
    for source in ("flickr8k-a", "flickr8k-train", "coco159", "stamps", "openclipart"):
        if source in rows:
            found += _retrieval(source, [images[i] for i in rows[source]], images_ND[rows[source]], embed_texts)
    sets = [s for s in rows if s.startswith("transfer/")]
    each = []
    for source in sorted(sets):
        labels = [images[i].label for i in rows[source]]
        if len(set(labels)) > 1:
            each.append(classify(images_ND[rows[source]], labels, sorted(set(labels)), embed_texts))
            found.append(figure(source, "top-1", each[-1]))
    if each:
        found.append(_mean_of_sets(each))
    return found


def _mean_of_sets(each: list[np.ndarray]) -> Figure:
    """Mean of the sets' accuracies; the interval resamples images within every set."""
    names = [number for number, hits in enumerate(each) for _ in hits]
    mean = dataclasses.replace(bootstrap_strata(np.concatenate(each), names), n=len(each))
    return Figure("transfer, mean of sets", "top-1", mean)


def _fashion(
    images: Sequence[LearnImage], images_ND: np.ndarray, rows: list[int], embed_texts: EmbedTexts
) -> list[Figure]:
    kinds = [images[i].label.split("|")[0].lower() for i in rows]
    top = [k for k, _ in Counter(kinds).most_common(20)]
    keep = [j for j, k in enumerate(kinds) if k in top]
    hits = classify(images_ND[[rows[j] for j in keep]], [kinds[j] for j in keep], sorted(top), embed_texts)
    colours = [images[i].label.split("|")[1] for i in rows]
    common = [c for c, _ in Counter(colours).most_common(12)]
    keep_c = [j for j, c in enumerate(colours) if c in common]
    hits_c = classify(images_ND[[rows[j] for j in keep_c]], [f"{colours[j]} garment" for j in keep_c],
                      [f"{c} garment" for c in sorted(common)], embed_texts)  # fmt: skip
    return [figure("fashion, type of 20", "top-1", hits), figure("fashion, colour of 12", "top-1", hits_c)]


def _retrieval(
    source: str, images: Sequence[LearnImage], images_ND: np.ndarray, embed_texts: EmbedTexts
) -> list[Figure]:
    captions = [(row, text) for row, image in enumerate(images)
                for text in (image.texts[:1] if source == "openclipart" else image.texts)]  # fmt: skip
    place = ranks(images_ND, captions, embed_texts)
    found = [figure(source, f"text→image R@{k}", place < k) for k in (1, 5, 10)]
    if source.startswith(("flickr", "coco")):
        back = image_to_text(images_ND, captions, embed_texts)
        found += [figure(source, f"image→text R@{k}", back < k) for k in (1, 5, 10)]
    return found
