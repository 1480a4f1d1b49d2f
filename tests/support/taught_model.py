"""A tiny model that has learnt the bundled sample images: random towers, projections solved by least squares."""

import dataclasses

import numpy as np
from random_models import random_checkpoint, spec_of, text, vit

from wordsight.checkpoint import Checkpoint
from wordsight.doctor.whatif import CAPTIONS, embed_samples
from wordsight.spec import ModelSpec

DIM = 64


def taught_spec(**changes) -> ModelSpec:
    """OpenAI's facts at a tiny size; both projections are square, so that a transposed one has the right shape."""
    spec = spec_of(
        vit(width=DIM, heads=1, mlp_width=256),
        text(vocab_size=49408, context_length=77, width=DIM, heads=1, mlp_width=256),
        embed_dim=DIM,
        eos_id=49407,
    )
    tokenizer = dataclasses.replace(spec.tokenizer, bos_id=49406)
    return dataclasses.replace(spec, tokenizer=tokenizer, logit_scale=4.6052, name="ViT-tiny/openai", **changes)


def taught_checkpoint() -> Checkpoint:
    """Return a model whose text i and image i (of the samples) point the same way."""
    start = random_checkpoint(taught_spec())
    targets_ND = np.linalg.qr(np.random.default_rng(0).normal(size=(DIM, DIM)))[0][: len(CAPTIONS)]
    tensors = dict(start.tensors) | {"logit_scale": np.float32(4.6052)}
    for name, side in (("visual.proj", "image"), ("text_projection", "text")):
        plain = Checkpoint(start.spec, {**tensors, name: np.eye(DIM, dtype=np.float32)})
        features_NE = embed_samples(plain, side)
        ridge = 1e-4 * np.eye(len(CAPTIONS))
        tensors[name] = (features_NE.T @ np.linalg.solve(features_NE @ features_NE.T + ridge, targets_ND)).astype(
            np.float32
        )
    return Checkpoint(start.spec, tensors)
