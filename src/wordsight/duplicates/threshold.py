"""Threshold of near duplicates: the cosine from which two images may be copies, learnt on known copies.

Copies as people make them (smaller, re-encoded, cropped, mirrored, brighter, framed, marked, several of these) are made
of a sample of the user's own images and embedded beside what lies nearest to each in the collection.
"""

from __future__ import annotations

import io
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from PIL import Image, ImageDraw, ImageEnhance, ImageFont, ImageOps

from wordsight.duplicates.miniature import READ_AT_LEAST, Miniature
from wordsight.duplicates.similarity import compare_images
from wordsight.errors import ImageError, InputError
from wordsight.images.decode import read_image
from wordsight.images.inputs import ImageSource
from wordsight.index import Index, Match
from wordsight.index.base import Floats, Note, check_model
from wordsight.model import Model
from wordsight.row_images import row_image

NOTE = "duplicates"  # the index's note of this
IMAGES = 40  # of a sample: 720 copies are embedded, some seconds
_LONGEST = 640  # pixels of the images that copies are made of
_LEAST_SIDE = 96  # copies are not made smaller than a thumbnail
_NEIGHBOURS = 12
_RECALL = 0.98  # share of the copies that shall be candidates
_SAFE = 0.9  # the cosine that decides alone is no lower, however few or different the images
_FALSE = 0.01  # share of images that may have a look-alike above the cosine that decides alone
_CANDIDATES = 10  # neighbours of an image whose pixels are compared, at most, for 4 of 5 images


def _jpeg(image: Image.Image, quality: int) -> Image.Image:
    file = io.BytesIO()
    image.save(file, "JPEG", quality=quality)
    return Image.open(file)


def _webp(image: Image.Image, quality: int) -> Image.Image:
    file = io.BytesIO()
    image.save(file, "WEBP", quality=quality)
    return Image.open(file)


def _crop(image: Image.Image, share: float, rng: random.Random) -> Image.Image:
    """Cut away a share of both sides, more from one end than from the other."""
    width, height = (max(1, round(side * (1 - share))) for side in image.size)
    left, top = rng.randint(0, image.width - width), rng.randint(0, image.height - height)
    return image.crop((left, top, left + width, top + height))


def _scale(image: Image.Image, factor: float) -> Image.Image:
    factor = max(factor, min(1.0, _LEAST_SIDE / min(image.size)))
    size = (max(1, round(image.width * factor)), max(1, round(image.height * factor)))
    return image.resize(size, Image.Resampling.LANCZOS)


def _mix(image: Image.Image, rng: random.Random) -> Image.Image:
    brighter = ImageEnhance.Brightness(image).enhance(rng.choice((0.9, 1.1)))
    return _jpeg(_scale(_crop(brighter, 0.07, rng), 0.5), 60)


def _mark(image: Image.Image) -> Image.Image:
    """Write a name into a corner, half transparent, as photographers do."""
    over = Image.new("RGBA", image.size)
    place = round(0.6 * image.width), round(0.9 * image.height)
    font = ImageFont.load_default(max(8, round(min(image.size) / 22)))
    ImageDraw.Draw(over).text(place, "© Jane Doe", fill=(255, 255, 255, 128), font=font)
    return Image.alpha_composite(image.convert("RGBA"), over)


def _frame(image: Image.Image, rng: random.Random) -> Image.Image:
    return ImageOps.expand(image, round(0.06 * min(image.size)), rng.choice(("white", "black", "#d8d0c0")))


def _pad_with_bars(image: Image.Image) -> Image.Image:
    """Make a square of an oblong image, and a square one as wide as films are."""
    longer = max(image.size)
    size = (longer, longer) if min(image.size) < 0.9 * longer else (longer * 4 // 3, longer)
    return ImageOps.pad(image, size, color="black")


# kind of copy → how it is made of an RGB image, with a random generator
KINDS: Mapping[str, Callable[[Image.Image, random.Random], Image.Image]] = {
    "half the size": lambda image, _: _scale(image, 0.5),
    "a quarter of the size": lambda image, _: _scale(image, 0.25),
    "JPEG, quality 75": lambda image, _: _jpeg(image, 75),
    "JPEG, quality 35": lambda image, _: _jpeg(image, 35),
    "WebP, quality 60": lambda image, _: _webp(image, 60),
    "cropped by 5 %": lambda image, rng: _crop(image, 0.05, rng),
    "cropped by 10 %": lambda image, rng: _crop(image, 0.10, rng),
    "cropped by 20 %": lambda image, rng: _crop(image, 0.20, rng),
    "mirrored": lambda image, _: ImageOps.mirror(image),
    "more or less colourful": lambda image, rng: ImageEnhance.Color(image).enhance(rng.choice((0.75, 1.3))),
    "brighter or darker": lambda image, rng: ImageEnhance.Brightness(image).enhance(rng.choice((0.85, 1.15))),
    "much darker": lambda image, _: ImageEnhance.Brightness(image).enhance(0.6),
    "much brighter": lambda image, _: ImageEnhance.Brightness(image).enhance(1.4),
    "in a frame": _frame,
    "between bars": lambda image, _: _pad_with_bars(image),
    "marked in a corner": lambda image, _: _mark(image),
    "cropped, brighter, smaller, JPEG": _mix,
    "turned by 90°": lambda image, _: image.transpose(Image.Transpose.ROTATE_90),
}
# copies that a model embeds far away: most different images have such cosines too
TURNED = frozenset({"turned by 90°"})


def make_copies(image: Image.Image, seed: int = 0) -> dict[str, Image.Image]:
    """Kind → copy of an RGB image; the same for the same seed."""
    rng = random.Random(seed)
    return {kind: make(image, rng).convert("RGB") for kind, make in KINDS.items()}


@dataclass(frozen=True)
class LearntThreshold:
    """Cosines from which two images of a collection may be copies.

    candidates: where pixels are compared afterwards: nearly all copies have it, and few other pairs.
    alone: where the cosine alone decides: hardly an image has a look-alike above it.
    images: number of images it was learnt on. recall, recall_alone: kind of copy → share that is found, either way.
    """

    candidates: float
    alone: float
    images: int
    recall: Mapping[str, float]
    recall_alone: Mapping[str, float]

    def to_note(self) -> Note:
        """The threshold as JSON."""
        return asdict(self)

    @classmethod
    def from_note(cls, note: Mapping[str, Any]) -> LearntThreshold:
        """Threshold that `to_note` wrote."""
        images = note.get("images", note.get("pictures"))  # the key of older versions
        kept = {key: note[key] for key in ("candidates", "alone", "recall", "recall_alone")}
        return cls(images=images, **kept)


@dataclass(frozen=True, eq=False)
class Original:
    """An image to learn on. others: the cosines of the nearest different images of its collection."""

    image: Image.Image
    vector: Floats
    others: Sequence[float]


def learn(index: Index, model: Model, images: Sequence[ImageSource] | None = None) -> LearntThreshold:
    """Learn the threshold on images, or on a sample of the index's own, and note it in the index.

    Raises: InputError if not one of the images can be read; StoreError if the index is of another model.
    """
    check_model(index, model)
    originals = _sample_index(index) if images is None else _read_images(index, model, images)
    learnt = learn_threshold(model, originals)
    index.set_note(NOTE, learnt.to_note())
    return learnt


def learn_threshold(model: Model, originals: Sequence[Original]) -> LearntThreshold:
    """Make copies of the originals, embed them, and choose the two cosines. Raises: InputError for no originals."""
    if not originals:
        raise InputError("No image to learn on can be read; expected some images, best 50 or more.")
    pairs = [_compare_copies(model, original, seed) for seed, original in enumerate(originals)]
    cosine_NK, same_NK = (np.stack(column) for column in zip(*pairs, strict=True))
    nearest_N = np.array([max(original.others, default=-1.0) for original in originals])
    crowd_N = np.array([sorted((*original.others, *[-1.0] * _CANDIDATES))[-_CANDIDATES] for original in originals])
    alone = max(_SAFE, float(np.quantile(nearest_N, 1 - _FALSE, method="higher")))
    wanted_NK = same_NK & np.array([kind not in TURNED for kind in KINDS])
    if not wanted_NK.any():
        wanted_NK[:] = True
    wanted = float(np.quantile(cosine_NK[wanted_NK], 1 - _RECALL))
    candidates = min(max(wanted, float(np.quantile(crowd_N, 0.8))), max(alone, wanted))
    found_NK = same_NK & (cosine_NK >= candidates)
    return LearntThreshold(
        candidates=round(candidates, 4),
        alone=round(min(alone + 1e-4, 1.0), 4),
        images=len(originals),
        recall=dict(zip(KINDS, found_NK.mean(axis=0).round(3).tolist(), strict=True)),
        recall_alone=dict(zip(KINDS, (cosine_NK > alone).mean(axis=0).round(3).tolist(), strict=True)),
    )


def _compare_copies(model: Model, original: Original, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Cosine of each kind of copy with the original (K,), and whether its pixels are found to be a copy's (K,)."""
    copies = list(make_copies(original.image, seed).values())
    miniature = Miniature(original.image)
    same = [compare_images(miniature, Miniature(copy)).same for copy in copies]
    return model.embed_images(copies) @ original.vector, np.array(same)


def _sample_index(index: Index) -> list[Original]:
    """Images of the index, spread evenly."""
    originals: list[Original] = []
    for vector_D in index.sample(2 * IMAGES):
        near = index.nearest(vector_D, 1 + _NEIGHBOURS)
        if len(originals) == IMAGES:
            break
        try:
            image = _shrink(row_image(index, near[0].row, at_least=_LONGEST // 2))
        except ImageError:
            continue
        originals.append(Original(image, vector_D, _other_cosines(index, image, near[1:])))
    return originals


def _read_images(index: Index, model: Model, images: Sequence[ImageSource]) -> list[Original]:
    """Images that the user names, with the cosines of what is nearest to them in the index."""
    originals = []
    for source in images[: 2 * IMAGES]:
        try:
            image = _shrink(read_image(source, at_least=_LONGEST // 2))
        except ImageError:
            continue
        vector_D = model.embed_images([image])[0]
        originals.append(Original(image, vector_D, _other_cosines(index, image, index.nearest(vector_D, _NEIGHBOURS))))
    return originals


def _shrink(image: Image.Image) -> Image.Image:
    small = image.copy()
    small.thumbnail((_LONGEST, _LONGEST))
    return small


def _other_cosines(index: Index, image: Image.Image, near: Sequence[Match]) -> list[float]:
    """Cosines of neighbours, without those that are copies of the image already."""
    miniature = Miniature(image)
    cosines = []
    for match in near:
        try:
            if compare_images(miniature, Miniature(row_image(index, match.row, at_least=READ_AT_LEAST))).same:
                continue
        except ImageError:
            pass
        cosines.append(match.score)
    return cosines
