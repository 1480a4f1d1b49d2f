"""Results computed twice: tokens, pixels and embeddings by the fast paths and by the NumPy reference."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from wordsight.checkpoint import Checkpoint
from wordsight.doctor.report import Finding, conclude
from wordsight.encoder import reference
from wordsight.encoder.openvino.encoder import OpenVinoEncoder
from wordsight.images.preprocess import preprocess
from wordsight.text.tokenizer import CLIP_VOCAB_SIZE, Tokenizer

TOLERANCE = 1e-5  # f32 against float64, greatest difference of unit vectors
LEVELS = 1  # grey levels of 255
COSINE = 0.99  # least cosine of a precision with f32 that passes without a word

HARD_TEXTS = (
    "a photo of a cat.",
    "A  Photo\tof\nTWO cats , isn't it?",
    "the year 1999 and 3.14159 or 50%",
    "naïve café, Ångström, coöperate, straße",
    "a &amp; b &lt;3 &amp;amp; c",
    "猫の写真 и кошка 고양이",
    "😀👩‍👩‍👧 ❤️ ok",
    "snake_case, hy-phen, #tag @name http://a.b/c?d=e",
    "",
    " ".join(["long"] * 100),
)
SHAPES = ((333, 217), (217, 400), (480, 479), (97, 64), (1000, 301))  # width, height: none square


def check_tokens(checkpoint: Checkpoint) -> Iterator[Finding]:
    """Yield: ids of a hard corpus against the reference's byte pairs; and that every text holds its end in range."""
    spec = checkpoint.spec.tokenizer
    ids_BT = Tokenizer(spec, checkpoint.tokenizer_files)(HARD_TEXTS).ids
    count = len(HARD_TEXTS)
    if spec.vocab_size == CLIP_VOCAB_SIZE and spec.kind != "sentencepiece" and spec.bos_id is not None:
        expected_BT = reference.ReferenceTokenizer(spec)(HARD_TEXTS)
        wrong = [text for text, a, b in zip(HARD_TEXTS, ids_BT, expected_BT, strict=True) if not np.array_equal(a, b)]
        note = f"differs on {next(iter(wrong), None)!r}"
        value = f"{count - len(wrong)} of {count} hard texts equal"
        yield conclude("tokens", value, "reference", sound=not wrong, note=note)
    else:
        yield Finding("tokens", f"{count} hard texts read", "no independent reader of this tokenizer here")
    ended = int((ids_BT == spec.eos_id).any(axis=1).sum())
    inside = bool((ids_BT >= 0).all() and (ids_BT < checkpoint.spec.text.vocab_size).all())
    value = f"in {ended} of {count} texts, ids {'within' if inside else 'OUTSIDE'} the vocabulary"
    yield conclude("tokens.end", value, "tokenizer.eos_id", sound=ended == count and inside)


def check_pixels(checkpoint: Checkpoint) -> Iterator[Finding]:
    """Yield the greatest difference of preprocessed pixels, over generated images of which none is square."""
    spec = checkpoint.spec.preprocess
    worst = 0
    for image in generate_images():
        ours = preprocess(Image.fromarray(image), spec).astype(int)
        theirs = reference.preprocess(image, spec).astype(int)
        apart = 255
        if ours.shape == theirs.shape:
            apart = int(np.abs(ours - theirs).max())
        worst = max(worst, apart)
    value = f"at most {worst} of 255 apart on {len(SHAPES)} images"
    yield conclude("pixels", value, "reference", sound=worst <= LEVELS)


def generate_images() -> Iterator[np.ndarray]:
    """Yield uint8 images (H,W,3): smooth waves with noise, so that both blur and a shifted crop show."""
    rng = np.random.default_rng(0)
    for width, height in SHAPES:
        y, x = np.mgrid[:height, :width]
        waves_HWC = np.stack([np.sin(x / 7), np.cos(y / 11), np.sin((x + y) / 23)], axis=-1) * 90 + 128
        yield np.clip(waves_HWC + rng.normal(0, 25, waves_HWC.shape), 0, 255).astype(np.uint8)


def inputs(checkpoint: Checkpoint, images: int) -> tuple[np.ndarray, np.ndarray]:
    """Pixels (B,S,S,3) of generated images and token ids (B,T) of hard texts."""
    pixels = [reference.preprocess(image, checkpoint.spec.preprocess) for image in generate_images()]
    tokenizer = Tokenizer(checkpoint.spec.tokenizer, checkpoint.tokenizer_files)
    return np.stack(pixels[:images]), tokenizer(HARD_TEXTS[: 2 * images]).ids


def check_embeddings(checkpoint: Checkpoint) -> Iterator[Finding]:
    """Yield the greatest difference of unit embeddings between OpenVINO in f32 and the float64 reference."""
    pixels_BHWC, tokens_BT = inputs(checkpoint, 2)
    encoder = OpenVinoEncoder(checkpoint, "f32", cache=False)
    for what, batch, ours, theirs in (
        ("images", pixels_BHWC, encoder.encode_images, reference.encode_images),
        ("texts", tokens_BT, encoder.encode_texts, reference.encode_texts),
    ):
        worst = float(np.abs(unit(ours(batch)) - unit(theirs(checkpoint, batch))).max())
        value = f"at most {worst:.1e} apart ({len(batch)} {what}, openvino f32)"
        sound = worst <= TOLERANCE  # NaN is not
        yield conclude(f"embeddings.{what}", value, "reference, float64", sound=sound)


def check_drift(checkpoint: Checkpoint, precision: str) -> Iterator[Finding]:
    """Yield the least cosine of a precision's embeddings with those in f32."""
    batches = inputs(checkpoint, len(SHAPES))
    exact, drifted = (_embed_both(checkpoint, name, *batches) for name in ("f32", precision))
    images, texts = (float((a * b).sum(axis=-1).min()) for a, b in zip(exact, drifted, strict=True))
    sound = min(images, texts) >= COSINE
    note = f"below {COSINE}: use --precision f32 where small differences matter"
    value = f"least cosine with f32: images {images:.5f}, texts {texts:.5f}"
    yield conclude(f"drift.{precision}", value, "openvino f32", sound=sound, otherwise="warn", note=note)


def _embed_both(
    checkpoint: Checkpoint, precision: str, pixels_BHWC: np.ndarray, tokens_BT: np.ndarray
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Unit embeddings of pixels and of tokens in a precision."""
    encoder = OpenVinoEncoder(checkpoint, precision, cache=False)
    return unit(encoder.encode_images(pixels_BHWC)), unit(encoder.encode_texts(tokens_BT))


def unit(x_BD: np.ndarray) -> NDArray[np.float64]:
    """Rows of length 1, float64."""
    x = np.asarray(x_BD, dtype=np.float64)
    return np.asarray(x / np.linalg.norm(x, axis=-1, keepdims=True))
