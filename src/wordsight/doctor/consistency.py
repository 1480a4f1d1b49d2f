"""Rules that speak against a fact: shapes of tensors, other facts, custom, known releases."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Literal

import numpy as np

from wordsight.checkpoint import Checkpoint
from wordsight.doctor import families
from wordsight.doctor.report import Finding, Verdict
from wordsight.spec import EfficientNetTower, ModelSpec, ResNetTower, TextTower, VitTower
from wordsight.towers import architecture, pools_by_attention
from wordsight.weights import catalog
from wordsight.weights.shapes import expected_shapes

_USUAL_HEAD_WIDTHS = (64, 72, 80, 88, 96, 104, 128)


def find_inconsistencies(checkpoint: Checkpoint) -> Iterator[Finding]:
    """Yield the findings that speak against the facts; each names its subject, a verdict and why."""
    spec, tensors = checkpoint.spec, checkpoint.tensors
    yield from _check_sizes(checkpoint)
    yield from _check_heads(spec)
    yield from _check_activations(spec)
    yield from _compare_with_catalogue(spec)
    yield from _check_pixels(spec)
    yield from _check_tokens(checkpoint)
    yield from _check_scale(checkpoint)
    unsound = [name for name, tensor in tensors.items() if not np.isfinite(tensor.astype(np.float32)).all()]
    if unsound:
        yield _objection("tensors.finite", "fail", f"NaN or infinite numbers in {', '.join(sorted(unsound)[:3])}")


def _objection(subject: str, verdict: Verdict, note: str) -> Finding:
    return Finding(subject, "", "", verdict, note)


def _check_sizes(checkpoint: Checkpoint) -> Iterator[Finding]:
    """Compare image size, patch size and context length with the position tables, and spec parts with each other."""
    spec, tensors = checkpoint.spec, checkpoint.tensors
    image = spec.image
    if spec.preprocess.image_size != image.image_size:
        yield _objection("preprocess.image_size", "fail", f"the image tower takes {image.image_size} pixels")
    name = architecture(spec).positions
    if name:
        expected, seen = expected_shapes(spec)[name][0], len(tensors.get(name, ()))
        if seen != expected:
            yield _objection("image.image_size", "fail", f"needs {expected} positions, {name} has {seen or 'no'}")
    for subject, value, name in (
        ("text.context_length", spec.text.context_length, "positional_embedding"),
        ("text.vocab_size", spec.text.vocab_size, "token_embedding.weight"),
    ):
        seen = len(tensors.get(name, ()))
        if seen != value:
            yield _objection(subject, "fail", f"{name} has {seen or 'no'} rows")


def _check_heads(spec: ModelSpec) -> Iterator[Finding]:
    """Hold the number of heads, which no tensor tells, against known releases, then against custom."""
    for part, tower, known in (
        ("image", spec.image, families.IMAGE_HEADS),
        ("text", spec.text, families.TEXT_HEADS),
    ):
        if isinstance(tower, ResNetTower):
            if tower.heads != tower.width * 32 // 64:
                yield _objection(
                    "image.heads", "warn", f"OpenAI's ResNets of width {tower.width} have {tower.width // 2}"
                )
            continue
        if not isinstance(tower, (VitTower, TextTower)):
            continue
        expected = known.get((tower.width, tower.layers))
        if tower.width % tower.heads:
            yield _objection(f"{part}.heads", "fail", f"does not divide the width {tower.width}")
        elif expected and tower.heads != expected:
            shape = f"width {tower.width} and {tower.layers} layers"
            yield _objection(f"{part}.heads", "warn", f"released towers of {shape} have {expected}")
        elif not expected and tower.width // tower.heads not in _USUAL_HEAD_WIDTHS:
            yield _objection(f"{part}.heads", "warn", f"{tower.width // tower.heads} numbers a head; 64 is usual")


def _compare_with_catalogue(spec: ModelSpec) -> Iterator[Finding]:
    """Hold a model that bears a catalogued name against its entry."""
    name = catalog.find(spec.name)
    if name is None:
        return
    expected = catalog.build_preprocess(name)
    for fact in ("image_size", "resize", "mean", "std"):
        if getattr(spec.preprocess, fact) != getattr(expected, fact):
            yield _objection(f"preprocess.{fact}", "warn", f"the catalogue has {getattr(expected, fact)} for {name}")
    activation = catalog.MODELS[name]["activation"]
    for place, seen in _activations(spec):
        if activation not in (seen, "timm"):
            yield _objection(place, "fail", f"the catalogue has {activation} for {name}")


def _activations(spec: ModelSpec) -> list[tuple[str, str]]:
    """Place and value of each tower's activation; those of the convolutional towers are fixed."""
    places: list[tuple[str, str]] = [("text.activation", spec.text.activation)]
    if isinstance(spec.image, VitTower):
        places.append(("image.activation", spec.image.activation))
    return places


def _check_activations(spec: ModelSpec) -> Iterator[Finding]:
    """Hold activations against the release that the name or source tells, and the two towers against each other."""
    places = _activations(spec)
    # a source that is a path says where a file lies, not whose it is
    told = [text.lower() for text in (spec.name, spec.source) if text is spec.name or text.startswith("https://")]
    release = next((tag for text in told for tag in families.RELEASE_ACTIVATION if tag in text), None)
    if release and not any("quickgelu" in text for text in told):
        expected = families.RELEASE_ACTIVATION[release]
        for place, seen in places:
            if seen != expected:
                yield _objection(place, "fail", f"models released as {release!r} use {expected}")
        return
    if len({seen for _, seen in places}) > 1:
        yield _objection("text.activation", "warn", f"the image tower has {places[1][1]}; released towers agree")


def _check_pixels(spec: ModelSpec) -> Iterator[Finding]:
    """Hold mean, std and resize against what the family does."""
    preprocess = spec.preprocess
    seen = (preprocess.mean, preprocess.std)
    family = _usual_family(spec)
    usual = families.FAMILY_NORMALISATION[family]
    known = next((use for pair, use in families.NORMALISATIONS.items() if np.allclose(pair, seen, atol=1e-3)), None)
    lite = isinstance(spec.image, EfficientNetTower)
    if known is None:
        yield _objection("preprocess.mean", "warn", "with this std, the pair is none that a known release uses")
    elif not lite and not np.allclose(seen, usual, atol=1e-3):
        yield _objection("preprocess.mean", "warn", f"usual for {family} is {usual[0]}; this is {known}")
    if family == "siglip" and preprocess.resize != "squash":
        yield _objection("preprocess.resize", "warn", "SigLIP's images are squashed to a square")


def _usual_family(spec: ModelSpec) -> Literal["clip", "siglip"]:
    """Family whose preprocessing and text tower are usual: CLIP's towers may have been trained with SigLIP's loss."""
    if spec.logit_bias is not None and not pools_by_attention(spec.image):
        return "clip"
    return spec.family


def _check_tokens(checkpoint: Checkpoint) -> Iterator[Finding]:
    """Hold the end-of-text rule, special tokens and vocabulary against each other."""
    text, tokenizer = checkpoint.spec.text, checkpoint.spec.tokenizer
    if tokenizer.vocab_size > text.vocab_size:
        yield _objection("tokenizer.vocab_size", "fail", f"the text tower knows {text.vocab_size} tokens")
    if tokenizer.context_length != text.context_length:
        yield _objection("tokenizer.context_length", "fail", f"the text tower has {text.context_length} positions")
    for place, token in (("bos_id", tokenizer.bos_id), ("eos_id", tokenizer.eos_id), ("pad_id", tokenizer.pad_id)):
        if token is not None and not 0 <= token < text.vocab_size:
            yield _objection(f"tokenizer.{place}", "fail", f"lies outside the vocabulary of {text.vocab_size}")
    clip_vocabulary = tokenizer.vocab_size == 49408
    if text.pooling == "argmax" and tokenizer.eos_id != tokenizer.vocab_size - 1:
        yield _objection(
            "text.pooling", "fail", f"argmax finds the highest id, but the end of text is {tokenizer.eos_id}"
        )
    if clip_vocabulary and (tokenizer.bos_id, tokenizer.eos_id) != (49406, 49407):
        yield _objection(
            "tokenizer.eos_id", "fail", "CLIP's vocabulary starts texts with 49406 and ends them with 49407"
        )
    if checkpoint.spec.family == "clip" and text.pooling == "last" and text.causal:
        yield _objection("text.pooling", "warn", "the last position is padding in all but the longest texts")
    if _usual_family(checkpoint.spec) == "siglip" and (text.causal or text.pooling != "last"):
        yield _objection("text.causal", "warn", "SigLIP's text tower sees both ways and reads the last position")


def _check_scale(checkpoint: Checkpoint) -> Iterator[Finding]:
    """Hold the scale against the tensor, and against the bound it is clipped to in training."""
    spec, tensors = checkpoint.spec, checkpoint.tensors
    for place, value in (("logit_scale", spec.logit_scale), ("logit_bias", spec.logit_bias)):
        if place not in tensors:
            continue
        stored = float(np.asarray(tensors[place], np.float64).reshape(-1)[0])
        if value is None or not math.isclose(stored, value, rel_tol=1e-3, abs_tol=1e-5):
            yield _objection(place, "fail", f"the tensor {place} holds {stored:.6g}")
    if spec.family == "siglip" and spec.logit_bias is None:
        yield _objection("logit_bias", "fail", "a SigLIP without its bias cannot give probabilities")
    if spec.family == "clip" and not 1 < spec.scale < 101:
        yield _objection(
            "logit_scale", "warn", "its exponential, the scale, is usually near 100; was it stored as scale?"
        )
