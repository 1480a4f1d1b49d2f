"""Photos made worse, step by step: blurred, noisy, turned, without colour, of low resolution."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from PIL import Image, ImageFilter, ImageOps

from wordsight.evaluate.limits.canvas import SIDE, Canvas
from wordsight.evaluate.limits.question import Question, word
from wordsight.evaluate.limits.writing import NAMED_SAMPLES, read_samples

_SHOWN = ("a photo of {0}", "an image of {0}", "{0}")
# answers that are true of none of them
_ABSENT = ("a dog", "a horse", "a pizza", "a piano", "a car", "an elephant", "a guitar", "a train")
_TEXTURES = ("bricks", "grass")  # which are nothing more once they are blurred
_COLOURLESS = ("photographer",)

Degrade = Callable[[Image.Image, float, np.random.Generator], Image.Image]


def _blur(image: Image.Image, level: float, _: np.random.Generator) -> Image.Image:
    return image.filter(ImageFilter.GaussianBlur(level))


def _add_noise(image: Image.Image, level: float, rng: np.random.Generator) -> Image.Image:
    noisy = np.asarray(image, np.float64) + rng.normal(0, level, (image.height, image.width, 3))
    return Image.fromarray(noisy.clip(0, 255).round().astype(np.uint8))


def _turn(image: Image.Image, level: float, _: np.random.Generator) -> Image.Image:
    return image.rotate(level, Image.Resampling.BICUBIC, fillcolor=(128, 128, 128))


def _remove_colour(image: Image.Image, level: float, _: np.random.Generator) -> Image.Image:
    return Image.blend(image, ImageOps.grayscale(image).convert("RGB"), level)


def _shrink(image: Image.Image, level: float, _: np.random.Generator) -> Image.Image:
    small = image.resize((int(level), int(level)), Image.Resampling.BOX)
    return small.resize(image.size, Image.Resampling.BICUBIC)


def ask_blurred(rng: np.random.Generator) -> list[Question]:
    """Gaussian blur; levels are its radius in pixels of 256."""
    return _ask(rng, _blur, {"radius 2": 2, "radius 4": 4, "radius 8": 8})


def ask_noisy(rng: np.random.Generator) -> list[Question]:
    """Gaussian noise; levels are its standard deviation of 255."""
    return _ask(rng, _add_noise, {"σ 25": 25, "σ 50": 50, "σ 100": 100})


def ask_turned(rng: np.random.Generator) -> list[Question]:
    """Rotation counter-clockwise, in degrees."""
    return _ask(rng, _turn, {"15°": 15, "45°": 45, "90°": 90, "180°": 180})


def ask_without_colour(rng: np.random.Generator) -> list[Question]:
    """Colour taken out by halves and altogether."""
    return _ask(rng, _remove_colour, {"half": 0.5, "grey": 1.0}, leave_out=_COLOURLESS)


def ask_low_resolution(rng: np.random.Generator) -> list[Question]:
    """Images with few pixels, made bigger again; levels are the pixels of a side."""
    return _ask(rng, _shrink, {"64 pixels": 64, "32 pixels": 32, "16 pixels": 16})


def _ask(
    rng: np.random.Generator, degrade: Degrade, levels: dict[str, float], *, leave_out: tuple[str, ...] = ()
) -> list[Question]:
    """Each sample in three crops at each level; the control is the same image undegraded."""
    stems = [stem for stem in NAMED_SAMPLES if stem not in _TEXTURES]
    choices = word(_SHOWN, [(name,) for name in (*(NAMED_SAMPLES[stem] for stem in stems), *_ABSENT)])
    questions = []
    for k, stem in enumerate(stems):
        if stem in leave_out:
            continue
        photo = read_samples()[stem]
        for crop in range(3):
            image = _crop(photo, crop)
            clean = np.asarray(image)
            for name, level in levels.items():
                worse = np.asarray(degrade(image, level, rng))
                questions.append(Question(worse, stem, k, choices, name, control_image=clean))
    return questions


def _crop(photo: Image.Image, number: int) -> Image.Image:
    """Square of SIDE pixels: the middle, that mirrored, or all of it made narrower."""
    if number == 2:
        return photo.resize((SIDE, SIDE), Image.Resampling.BICUBIC)
    middle = Canvas.on(photo).image.resize((SIDE, SIDE), Image.Resampling.BICUBIC)
    return ImageOps.mirror(middle) if number else middle
