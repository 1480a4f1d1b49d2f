"""Random augmentation of training images: crops, flips and changes of colour, in Pillow, on uint8."""

from __future__ import annotations

import math

import numpy as np
from PIL import Image, ImageEnhance, ImageFilter, ImageOps

from wordsight.images.decode import Decoded
from wordsight.images.preprocess import FILTERS, preprocess, resized_size
from wordsight.spec import Preprocess
from wordsight.train.config import AugmentConfig

Box = tuple[float, float, float, float]

_RATIOS = (3 / 4, 4 / 3)  # of a crop's width to its height: Szegedy et al. 2015
_TRIES = 10  # for a crop that lies within the image, as in torchvision
# Chen et al. 2020 (SimCLR), appendix A: at strength s brightness, contrast and saturation change by factors within
# 1 ± 0.8 s and hue by 0.2 s turns, in four images of five; the blur's standard deviation is 0.1 to 2 pixels.
_CHANGE, _HUE, _OFTEN = 0.8, 0.2, 0.8
_BLUR = (0.1, 2.0)


def required_side(spec: Preprocess, augment: AugmentConfig) -> int:
    """Side that an image must be decoded for (`images.decode`) so that no crop is enlarged."""
    if augment.crop != "resized":
        return spec.image_size
    return math.ceil(spec.image_size / math.sqrt(_RATIOS[0] * augment.min_area))


def training_pixels(image: Decoded, spec: Preprocess, augment: AugmentConfig, rng: np.random.Generator) -> np.ndarray:
    """Pixels (S, S, 3) uint8 of a randomly augmented image, resampled as by `preprocess`.

    "centre" without other changes is exactly `preprocess`. Pillow's Gaussian blur is one of three box blurs.
    Source: Radford et al. 2021, §2.4; Szegedy et al. 2015; Chen et al. 2020, appendix A.
    """
    if augment.crop == "centre":
        pixels = Image.fromarray(preprocess(image.image, spec, image.box))
    elif augment.crop == "square":
        pixels = _square(image, spec, rng)
    else:
        box = random_box(image.box, augment.min_area, rng)
        pixels = image.image.resize((spec.image_size, spec.image_size), FILTERS[spec.interpolation], box=box)
    if rng.random() < augment.flip:
        pixels = ImageOps.mirror(pixels)
    if augment.colour and rng.random() < _OFTEN:
        pixels = _recoloured(pixels, augment.colour, rng)
    if rng.random() < augment.grey:
        pixels = pixels.convert("L").convert("RGB")
    if rng.random() < augment.blur:
        pixels = pixels.filter(ImageFilter.GaussianBlur(rng.uniform(*_BLUR)))
    return np.asarray(pixels)


def random_box(whole: Box, min_area: float, rng: np.random.Generator) -> Box:
    """Part of `whole` of a random share of its area and a random shape, width to height 3/4 to 4/3.

    Where ten tries give none that fits (a long image), the largest central part of the nearest such shape.
    """
    left, top, right, bottom = whole
    width, height = right - left, bottom - top
    for _ in range(_TRIES):
        area = width * height * rng.uniform(min_area, 1)
        ratio = math.exp(rng.uniform(math.log(_RATIOS[0]), math.log(_RATIOS[1])))
        w, h = math.sqrt(area * ratio), math.sqrt(area / ratio)
        if w <= width and h <= height:
            x, y = left + rng.random() * (width - w), top + rng.random() * (height - h)
            return x, y, min(x + w, right), min(y + h, bottom)
    ratio = min(max(width / height, _RATIOS[0]), _RATIOS[1])
    w, h = min(width, height * ratio), min(height, width / ratio)
    x, y = left + (width - w) / 2, top + (height - h) / 2
    return x, y, min(x + w, right), min(y + h, bottom)


def _square(image: Decoded, spec: Preprocess, rng: np.random.Generator) -> Image.Image:
    """Cut a random S×S out of the image resized to the shorter side S.

    Only that part is resized: Pillow's filter reads beyond a box's edges, so the result equals resizing the whole image
    except for rounding.
    """
    left, top, right, bottom = image.box
    size = spec.image_size
    width, height = resized_size(right - left, bottom - top, size)
    x, y = int(rng.integers(width - size + 1)), int(rng.integers(height - size + 1))
    across, down = (right - left) / width, (bottom - top) / height
    box = (left + x * across, top + y * down, left + (x + size) * across, top + (y + size) * down)
    box = (*box[:2], min(box[2], right), min(box[3], bottom))
    return image.image.resize((size, size), FILTERS[spec.interpolation], box=box)


def _recoloured(image: Image.Image, strength: float, rng: np.random.Generator) -> Image.Image:
    """Change brightness, contrast, saturation and hue, in random order."""
    enhancers = (ImageEnhance.Brightness, ImageEnhance.Contrast, ImageEnhance.Color)
    low, high = max(0.0, 1 - _CHANGE * strength), 1 + _CHANGE * strength
    for which in rng.permutation(len(enhancers) + 1):
        if which < len(enhancers):
            image = enhancers[which](image).enhance(rng.uniform(low, high))
        else:
            image = _turned_hue(image, rng.uniform(-_HUE, _HUE) * strength)
    return image


def _turned_hue(image: Image.Image, turns: float) -> Image.Image:
    """Turn the hue; Pillow counts 256 steps to a turn."""
    hue, saturation, value = image.convert("HSV").split()
    turned = Image.fromarray(np.asarray(hue) + np.uint8(round(256 * turns) % 256))
    return Image.merge("HSV", (turned, saturation, value)).convert("RGB")
