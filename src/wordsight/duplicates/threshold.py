"""Known copies of pictures, and what cosines they have: from which cosine on two pictures may be copies of each other.

Copies as people make them (smaller, re-encoded, cropped, mirrored, brighter, framed, marked, several of these) are made
of a sample of the user's own pictures and embedded beside what lies nearest to each in the collection.
"""

from __future__ import annotations

import io
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from PIL import Image, ImageDraw, ImageEnhance, ImageFont, ImageOps

from wordsight.duplicates.similarity import READ_AT_LEAST, Miniature, likeness
from wordsight.errors import ImageError, InputError
from wordsight.images.decode import ImageSource, read_image
from wordsight.index import Index, Match
from wordsight.index.base import Floats, Note, check_model
from wordsight.model import Model
from wordsight.row_images import row_picture

NOTE = "duplicates"  # the index's note of this
PICTURES = 40  # of a sample: 720 copies are embedded, some seconds
_LONGEST = 640  # pixels of the pictures that copies are made of
_LEAST_SIDE = 96  # copies are not made smaller than a thumbnail
_NEIGHBOURS = 12
_RECALL = 0.98  # share of the copies that shall be candidates
_SAFE = 0.9  # the cosine that decides alone is no lower, however few or different the pictures
_FALSE = 0.01  # share of pictures that may have a look-alike above the cosine that decides alone
_CANDIDATES = 10  # neighbours of a picture whose pixels are compared, at most, for 4 of 5 pictures


def _jpeg(picture: Image.Image, quality: int) -> Image.Image:
    file = io.BytesIO()
    picture.save(file, "JPEG", quality=quality)
    return Image.open(file)


def _webp(picture: Image.Image, quality: int) -> Image.Image:
    file = io.BytesIO()
    picture.save(file, "WEBP", quality=quality)
    return Image.open(file)


def _crop(picture: Image.Image, share: float, chance: random.Random) -> Image.Image:
    """Cut away a share of both sides, more from one end than from the other."""
    width, height = (max(1, round(side * (1 - share))) for side in picture.size)
    left, top = chance.randint(0, picture.width - width), chance.randint(0, picture.height - height)
    return picture.crop((left, top, left + width, top + height))


def _scale(picture: Image.Image, factor: float) -> Image.Image:
    factor = max(factor, min(1.0, _LEAST_SIDE / min(picture.size)))
    size = (max(1, round(picture.width * factor)), max(1, round(picture.height * factor)))
    return picture.resize(size, Image.Resampling.LANCZOS)


def _mixed(picture: Image.Image, chance: random.Random) -> Image.Image:
    brighter = ImageEnhance.Brightness(picture).enhance(chance.choice((0.9, 1.1)))
    return _jpeg(_scale(_crop(brighter, 0.07, chance), 0.5), 60)


def _marked(picture: Image.Image) -> Image.Image:
    """Write a name into a corner, half transparent, as photographers do."""
    over = Image.new("RGBA", picture.size)
    place = round(0.6 * picture.width), round(0.9 * picture.height)
    font = ImageFont.load_default(max(8, round(min(picture.size) / 22)))
    ImageDraw.Draw(over).text(place, "© Jane Doe", fill=(255, 255, 255, 128), font=font)
    return Image.alpha_composite(picture.convert("RGBA"), over)


def _framed(picture: Image.Image, chance: random.Random) -> Image.Image:
    return ImageOps.expand(picture, round(0.06 * min(picture.size)), chance.choice(("white", "black", "#d8d0c0")))


def _between_bars(picture: Image.Image) -> Image.Image:
    """Make a square of an oblong picture, and a square one as wide as films are."""
    longer = max(picture.size)
    size = (longer, longer) if min(picture.size) < 0.9 * longer else (longer * 4 // 3, longer)
    return ImageOps.pad(picture, size, color="black")


# kind of copy → how it is made of an RGB picture, with a source of chance
KINDS: Mapping[str, Callable[[Image.Image, random.Random], Image.Image]] = {
    "half the size": lambda picture, _: _scale(picture, 0.5),
    "a quarter of the size": lambda picture, _: _scale(picture, 0.25),
    "JPEG, quality 75": lambda picture, _: _jpeg(picture, 75),
    "JPEG, quality 35": lambda picture, _: _jpeg(picture, 35),
    "WebP, quality 60": lambda picture, _: _webp(picture, 60),
    "cropped by 5 %": lambda picture, chance: _crop(picture, 0.05, chance),
    "cropped by 10 %": lambda picture, chance: _crop(picture, 0.10, chance),
    "cropped by 20 %": lambda picture, chance: _crop(picture, 0.20, chance),
    "mirrored": lambda picture, _: ImageOps.mirror(picture),
    "more or less colourful": lambda picture, chance: ImageEnhance.Color(picture).enhance(chance.choice((0.75, 1.3))),
    "brighter or darker": lambda picture, chance: ImageEnhance.Brightness(picture).enhance(chance.choice((0.85, 1.15))),
    "much darker": lambda picture, _: ImageEnhance.Brightness(picture).enhance(0.6),
    "much brighter": lambda picture, _: ImageEnhance.Brightness(picture).enhance(1.4),
    "in a frame": _framed,
    "between bars": lambda picture, _: _between_bars(picture),
    "marked in a corner": lambda picture, _: _marked(picture),
    "cropped, brighter, smaller, JPEG": _mixed,
    "turned by 90°": lambda picture, _: picture.transpose(Image.Transpose.ROTATE_90),
}
# what a model sees quite differently: a cosine that such copies have, most different pictures have too
TURNED = frozenset({"turned by 90°"})


def make_copies(picture: Image.Image, seed: int = 0) -> dict[str, Image.Image]:
    """Return kind → copy of an RGB picture; the same for the same seed."""
    chance = random.Random(seed)
    return {kind: make(picture, chance).convert("RGB") for kind, make in KINDS.items()}


@dataclass(frozen=True)
class LearntThreshold:
    """From which cosine on two pictures of a collection may be copies.

    candidates: where pixels are compared afterwards: nearly all copies have it, and few other pairs.
    alone: where the cosine alone decides: hardly a picture has a look-alike above it.
    pictures: how many it was learnt on. recall, recall_alone: kind of copy → share that is found, either way.
    """

    candidates: float
    alone: float
    pictures: int
    recall: Mapping[str, float]
    recall_alone: Mapping[str, float]

    def to_note(self) -> Note:
        """Return it as JSON holds it."""
        return asdict(self)

    @classmethod
    def from_note(cls, note: Mapping[str, Any]) -> LearntThreshold:
        """Return what `to_note` wrote."""
        return cls(**{key: note[key] for key in ("candidates", "alone", "pictures", "recall", "recall_alone")})


@dataclass(frozen=True, eq=False)
class Original:
    """A picture to learn on. others: the cosines of the nearest different pictures of its collection."""

    picture: Image.Image
    vector: Floats
    others: Sequence[float]


def learn(index: Index, model: Model, pictures: Sequence[ImageSource] | None = None) -> LearntThreshold:
    """Learn the threshold on pictures, or on a sample of the index's own, and note it in the index.

    Raises: InputError if not one of the pictures can be read; StoreError if the index is of another model.
    """
    check_model(index, model)
    originals = _sampled(index) if pictures is None else _given(index, model, pictures)
    learnt = learn_threshold(model, originals)
    index.set_note(NOTE, learnt.to_note())
    return learnt


def learn_threshold(model: Model, originals: Sequence[Original]) -> LearntThreshold:
    """Make copies of the originals, embed them, and choose the two cosines. Raises: InputError for no originals."""
    if not originals:
        raise InputError("There is no readable picture to learn on; expected some pictures, best 50 or more.")
    pairs = [_compared(model, original, seed) for seed, original in enumerate(originals)]
    cosine_NK, same_NK = (np.stack(column) for column in zip(*pairs, strict=True))
    nearest_N = np.array([max(original.others, default=-1.0) for original in originals])
    crowd_N = np.array([sorted((*original.others, *[-1.0] * _CANDIDATES))[-_CANDIDATES] for original in originals])
    alone = max(_SAFE, float(np.quantile(nearest_N, 1 - _FALSE, method="higher")))
    wanted_NK = same_NK & np.array([kind not in TURNED for kind in KINDS])
    wanted = float(np.quantile(cosine_NK[wanted_NK] if wanted_NK.any() else cosine_NK, 1 - _RECALL))
    candidates = min(max(wanted, float(np.quantile(crowd_N, 0.8))), max(alone, wanted))
    found_NK = same_NK & (cosine_NK >= candidates)
    return LearntThreshold(
        candidates=round(candidates, 4),
        alone=round(min(alone + 1e-4, 1.0), 4),
        pictures=len(originals),
        recall=dict(zip(KINDS, found_NK.mean(axis=0).round(3).tolist(), strict=True)),
        recall_alone=dict(zip(KINDS, (cosine_NK > alone).mean(axis=0).round(3).tolist(), strict=True)),
    )


def _compared(model: Model, original: Original, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Return for each kind of copy its cosine with the original (K,), and whether the pixels tell it (K,)."""
    copies = list(make_copies(original.picture, seed).values())
    miniature = Miniature(original.picture)
    same = [likeness(miniature, Miniature(copy)).same for copy in copies]
    return model.embed_images(copies) @ original.vector, np.array(same)


def _sampled(index: Index) -> list[Original]:
    """Return pictures of the index, spread evenly."""
    originals: list[Original] = []
    for vector_D in index.sample(2 * PICTURES):
        near = index.nearest(vector_D, 1 + _NEIGHBOURS)
        if len(originals) == PICTURES:
            break
        try:
            picture = _small(row_picture(index, near[0].row, at_least=_LONGEST // 2))
        except ImageError:
            continue
        originals.append(Original(picture, vector_D, _others(index, picture, near[1:])))
    return originals


def _given(index: Index, model: Model, pictures: Sequence[ImageSource]) -> list[Original]:
    """Return pictures that the user names, beside what lies nearest to them in the index."""
    originals = []
    for source in pictures[: 2 * PICTURES]:
        try:
            picture = _small(read_image(source, at_least=_LONGEST // 2))
        except ImageError:
            continue
        vector_D = model.embed_images([picture])[0]
        originals.append(Original(picture, vector_D, _others(index, picture, index.nearest(vector_D, _NEIGHBOURS))))
    return originals


def _small(picture: Image.Image) -> Image.Image:
    small = picture.copy()
    small.thumbnail((_LONGEST, _LONGEST))
    return small


def _others(index: Index, picture: Image.Image, near: Sequence[Match]) -> list[float]:
    """Return the cosines of neighbours, less those that are copies of the picture already."""
    miniature = Miniature(picture)
    cosines = []
    for match in near:
        try:
            if likeness(miniature, Miniature(row_picture(index, match.row, at_least=READ_AT_LEAST))).same:
                continue
        except ImageError:
            pass
        cosines.append(match.score)
    return cosines
