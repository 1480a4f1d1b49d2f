"""Make an int8 copy of a model, and measure accuracy loss and speed-up on images it was not calibrated on."""

from __future__ import annotations

import dataclasses
import functools
import random
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

from wordsight.checkpoint import Checkpoint
from wordsight.encoder import open_encoder
from wordsight.errors import InputError
from wordsight.images.skipped import Skipped
from wordsight.model import decode_threads, load, read_ahead, read_pixels, unit_rows
from wordsight.samples import DEMO_CLASSES
from wordsight.spec import Preprocess
from wordsight.weights.read import read_checkpoint
from wordsight.weights.write import write_checkpoint
from wordsight.zeroshot.classifier import Classifier

HELD_OUT = 200  # images at most on which the cost is measured
TIMED = 32, 5  # images and rounds on which the gain is measured


@dataclass(frozen=True, kw_only=True)
class Quantized:
    """An int8 copy of a model: what it cost and what it gained, on images that were not used for calibration.

    cosine_mean, cosine_min: of image embeddings with those in f32. agreement: share of images whose best class of
    `classes` is the same as in f32. images_per_second: precision → median of alternated runs on this machine.
    """

    folder: Path
    calibrated: int
    held_out: int
    cosine_mean: float
    cosine_min: float
    agreement: float
    classes: tuple[str, ...]
    images_per_second: dict[str, float]
    skipped: tuple[Skipped, ...]


def quantize(
    name_or_path: str | Path,
    images: Sequence[Path],
    destination: str | Path | None = None,
    *,
    samples: int = 300,
    classes: Sequence[str] = DEMO_CLASSES,
    progress: Callable[[str], object] | None = None,
) -> Quantized:
    """Quantise a model's image tower to int8 by static post-training quantisation, and return cost and gain.

    images: a few hundred like those to come; `samples` at most give the ranges of activations, others test.
    destination: a new wordsight folder, or the model's own; None means the model's own, which must be such a folder.
    progress: called with a line about each step as it begins.

    Raises: InputError for too few readable images and unfit destinations; MissingExtraError without NNCF.
    Source: Jacob et al. 2018; NNCF's MinMax and SmoothQuant (Xiao et al. 2023) for transformers.
    """
    from wordsight.encoder.openvino.int8 import import_nncf, quantize_image_tower, save_facts, save_int8

    import_nncf()  # before any work is done
    tell = progress or (lambda _: None)
    if samples < 1:
        raise InputError(f"The number of samples is {samples}, expected 1 or more; some hundred are usual.")
    checkpoint = read_checkpoint(name_or_path)
    folder = _folder(checkpoint, name_or_path, destination)
    tell(f"reading up to {samples + HELD_OUT} of {len(images)} images")
    pixels_NHWC, skips = _read(_chosen(images, samples + HELD_OUT), checkpoint.spec.preprocess)
    calibrate_NHWC, test_NHWC = _split(pixels_NHWC, samples)
    tell(f"calibrating on {len(calibrate_NHWC)} images (minutes)")
    graph = quantize_image_tower(checkpoint, [calibrate_NHWC])
    if not folder.exists():
        write_checkpoint(checkpoint, folder, "wordsight")
    save_int8(graph, folder, {"fingerprint": checkpoint.fingerprint, "calibrated": len(calibrate_NHWC)})
    tell(f"measuring on {len(test_NHWC)} other images")
    done = Quantized(
        folder=folder,
        calibrated=len(calibrate_NHWC),
        held_out=len(test_NHWC),
        **measure(folder, test_NHWC, classes),
        skipped=tuple(skips),
    )
    facts = {key: value for key, value in dataclasses.asdict(done).items() if key not in ("folder", "skipped")}
    save_facts(folder, {"fingerprint": checkpoint.fingerprint, **facts})
    return done


def measure(folder: Path, pixels_NHWC: np.ndarray, classes: Sequence[str]) -> dict[str, Any]:
    """Cost and gain of a folder's int8 image tower, by the field names of `Quantized`."""
    from wordsight.encoder.openvino.encoder import processor_precisions

    names = [name for name in ("f32", "bf16") if name in processor_precisions()] + ["int8"]
    exact = load(folder, "openvino", "f32")
    encoders = {name: open_encoder(exact.checkpoint, "openvino", name) for name in names}
    rows = [f"image {i}" for i in range(len(pixels_NHWC))]
    f32_ND, int8_ND = (unit_rows(encoders[name].encode_images(pixels_NHWC), rows) for name in ("f32", "int8"))
    cosines_N = (f32_ND * int8_ND).sum(axis=-1)
    classifier = Classifier(exact, list(classes))
    best = [classifier.proba_of_embeddings(x_ND).argmax(axis=1) for x_ND in (f32_ND, int8_ND)]
    return {
        "cosine_mean": float(cosines_N.mean()),
        "cosine_min": float(cosines_N.min()),
        "agreement": float((best[0] == best[1]).mean()),
        "classes": tuple(classes),
        "images_per_second": _speeds({name: encoders[name].encode_images for name in names}, pixels_NHWC),
    }


def _speeds(encode: dict[str, Callable[[np.ndarray], np.ndarray]], pixels_NHWC: np.ndarray) -> dict[str, float]:
    """Images per second of each way to encode: the median of runs in turns."""
    count, rounds = TIMED
    batch = np.resize(pixels_NHWC, (count, *pixels_NHWC.shape[1:]))
    seconds: dict[str, list[float]] = {name: [] for name in encode}
    for turn in range(rounds + 1):
        for name, call in encode.items():
            start = time.perf_counter()
            call(batch)
            if turn:  # the first warms up
                seconds[name].append(time.perf_counter() - start)
    return {name: count / median(times) for name, times in seconds.items()}


def _folder(checkpoint: Checkpoint, name_or_path: str | Path, destination: str | Path | None) -> Path:
    """Wordsight folder that is to hold the int8 image tower: new, or the model's own."""
    if destination is None:
        given = Path(str(name_or_path).removeprefix("local-dir:")).expanduser().resolve()
        if checkpoint.folder is None or checkpoint.folder.resolve() not in (given, given.parent):
            raise InputError(
                f"{str(name_or_path)!r} is not a wordsight folder of yours; say where to put its copy: -o OUT."
            )
        return checkpoint.folder
    folder = Path(destination).expanduser()
    same = checkpoint.folder is not None and folder.exists() and folder.resolve() == checkpoint.folder.resolve()
    if folder.exists() and not same:
        raise InputError(f"{folder} exists already; give a folder that does not, or the model's own.")
    return folder


def _chosen(images: Sequence[Path], count: int) -> list[Path]:
    """Up to `count` of the images in a random but repeatable order: folders are often sorted by content."""
    return random.Random(0).sample(list(images), min(count, len(images)))


def _read(images: Sequence[Path], spec: Preprocess) -> tuple[np.ndarray, list[Skipped]]:
    """Pixels (N,S,S,3) of those that can be read, and the others."""
    pixels: list[np.ndarray] = []
    skips: list[Skipped] = []
    for _, answer in read_ahead(images, functools.partial(read_pixels, spec=spec), 2 * decode_threads()):
        if isinstance(answer, Skipped):
            skips.append(answer)
        else:
            pixels.append(answer)
    size = spec.image_size
    return np.stack(pixels) if pixels else np.empty((0, size, size, 3), np.uint8), skips


def _split(pixels_NHWC: np.ndarray, samples: int) -> tuple[np.ndarray, np.ndarray]:
    """Pixels for calibration and for measurement: `samples` and the rest, but a fifth at least is the rest."""
    if len(pixels_NHWC) < 10:
        raise InputError(
            f"{len(pixels_NHWC)} images could be read; calibrating and measuring need 10 or more, "
            "some hundred are usual."
        )
    first = min(samples, len(pixels_NHWC) * 4 // 5)
    return pixels_NHWC[:first], pixels_NHWC[first:]
