"""Facts against their alternatives: bundled images and captions tell which value the weights were trained with.

Two paths that read the same wrong spec agree with each other, so comparing them cannot find a wrong activation or a
transposed square matrix. But trained weights tell images apart best with the facts they were trained with: each
alternative is tried, and one that fits the images to their captions clearly better is reported.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from wordsight.checkpoint import Checkpoint
from wordsight.doctor.checks import unit
from wordsight.doctor.report import Finding, Verdict, conclude
from wordsight.encoder.openvino.encoder import OpenVinoEncoder
from wordsight.images.decode import read_image
from wordsight.images.preprocess import preprocess
from wordsight.samples import sample_images
from wordsight.spec import OPENAI_MEAN, OPENAI_STD, Preprocess, TextTower, VitTower
from wordsight.text.tokenizer import Tokenizer

CAPTIONS = {
    "astronaut.jpg": "a photo of an astronaut.",
    "bicycle.png": "a drawing of a bicycle.",
    "bricks.jpg": "a photo of a brick wall.",
    "cat.jpg": "a photo of a cat.",
    "coffee.jpg": "a photo of a cup of coffee.",
    "galaxies.jpg": "a photo of galaxies in deep space.",
    "grass.jpg": "a photo of grass.",
    "photographer.jpg": "a black and white photo of a man with a camera.",
    "retina.jpg": "a photo of the retina of an eye.",
    "rocket.jpg": "a photo of a rocket launch.",
    "sailing-boat.png": "a drawing of a sailing boat.",
    "strawberry.png": "a drawing of a strawberry.",
}
TRAINED = 1.0  # fit of weights that have learnt something; random ones stay near 0 (standard error about 0.3)
CLEARLY = 1.1  # an alternative must fit this much better to be reported


@dataclass(frozen=True)
class Alternative:
    """A model that differs from the examined one in one fact, on one side ("image" or "text")."""

    subject: str
    value: str
    side: str
    checkpoint: Checkpoint


def check_alternatives(checkpoint: Checkpoint) -> Iterator[Finding]:
    """Yield the fit of the model as it is, then one finding for each fact with an alternative."""
    embedded = {side: embed_samples(checkpoint, side) for side in ("image", "text")}
    as_is = fit(embedded["image"], embedded["text"])
    origin = f"{len(CAPTIONS)} bundled images with captions"
    trained = as_is >= TRAINED
    note = "no better than chance: untrained weights, or a fact is wrong"
    yield conclude("fit", f"{as_is:.2f}", origin, sound=trained, otherwise="warn", note=note)
    otherwise: Verdict = "warn"
    if not trained:
        otherwise = "fail"  # as it is the model is at chance level, with the alternative it is not
    for other in find_alternatives(checkpoint):
        changed = embedded | {other.side: embed_samples(other.checkpoint, other.side)}
        fitted = fit(changed["image"], changed["text"])
        better = fitted >= TRAINED and fitted > CLEARLY * max(as_is, 0)
        note = f"{other.value} fits the images clearly better: check where this fact came from"
        value = f"{fitted:.2f} with {other.value}, {as_is:.2f} as it is"
        yield conclude(f"what-if.{other.subject}", value, origin, sound=not better, otherwise=otherwise, note=note)


def fit(image_ND: np.ndarray, text_ND: np.ndarray) -> float:
    """Distance of matching pairs' cosines above those of others, in standard deviations of the others."""
    cosines_NN = image_ND @ text_ND.T
    own = np.diag(cosines_NN)
    others = cosines_NN[~np.eye(len(cosines_NN), dtype=bool)]
    return float((own.mean() - others.mean()) / max(others.std(), 1e-12))


def embed_samples(checkpoint: Checkpoint, side: str) -> np.ndarray:
    """Unit embeddings (N,D) of the sample images or of their captions, in f32."""
    encoder = OpenVinoEncoder(checkpoint, "f32", cache=False)
    if side == "text":
        tokenizer = Tokenizer(checkpoint.spec.tokenizer, checkpoint.tokenizer_files)
        return unit(encoder.encode_texts(tokenizer(list(CAPTIONS.values())).ids))
    images = {path.name: path for path in sample_images()}
    pixels = [preprocess(read_image(images[name]), checkpoint.spec.preprocess) for name in CAPTIONS]
    return unit(encoder.encode_images(np.stack(pixels)))


def find_alternatives(checkpoint: Checkpoint) -> Iterator[Alternative]:
    """Yield a model for each fact that the shapes leave open: activation, heads, mean and std, resize, square matrices.

    The checkpoint's tensors are shared, not copied.
    """
    spec, tensors = checkpoint.spec, checkpoint.tensors
    for side, tower in (("image", spec.image), ("text", spec.text)):
        if not isinstance(tower, (VitTower, TextTower)):
            continue
        swapped = "gelu" if tower.activation == "quick_gelu" else "quick_gelu"
        yield _with(checkpoint, side, "activation", swapped)
        if tower.heads * 64 != tower.width and tower.width % 64 == 0:
            yield _with(checkpoint, side, "heads", tower.width // 64)
    preprocess_spec = spec.preprocess
    halves = (0.5, 0.5, 0.5)
    mean, std = OPENAI_MEAN, OPENAI_STD
    if np.allclose(preprocess_spec.mean, OPENAI_MEAN):
        mean, std = halves, halves
    other = dataclasses.replace(preprocess_spec, mean=mean, std=std)
    yield _alternative(checkpoint, "preprocess.mean", f"mean {mean}, std {std}", preprocess=other)
    other = dataclasses.replace(
        preprocess_spec, resize="squash" if preprocess_spec.resize == "shortest" else "shortest"
    )
    yield _alternative(checkpoint, "preprocess.resize", other.resize, preprocess=other)
    for name, side in (("text_projection", "text"), ("visual.proj", "image")):
        if name in tensors and tensors[name].ndim == 2 and tensors[name].shape[0] == tensors[name].shape[1]:
            turned = Checkpoint(spec, {**tensors, name: tensors[name].T}, checkpoint.tokenizer_files)
            yield Alternative(name, "its transpose", side, turned)


def _with(checkpoint: Checkpoint, side: str, name: str, value: object) -> Alternative:
    """Alternative in which one tower's field has another value."""
    tower = getattr(checkpoint.spec, side)
    assert isinstance(tower, VitTower) or side == "text"
    spec = dataclasses.replace(checkpoint.spec, **{side: dataclasses.replace(tower, **{name: value})})
    changed = Checkpoint(spec, checkpoint.tensors, checkpoint.tokenizer_files)
    return Alternative(f"{side}.{name}", str(value), side, changed)


def _alternative(checkpoint: Checkpoint, subject: str, value: str, *, preprocess: Preprocess) -> Alternative:
    spec = dataclasses.replace(checkpoint.spec, preprocess=preprocess)
    return Alternative(subject, value, "image", Checkpoint(spec, checkpoint.tensors, checkpoint.tokenizer_files))
