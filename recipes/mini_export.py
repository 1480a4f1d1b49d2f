"""Write the trained towers as one checkpoint folder in the package's own layout, float16."""

from __future__ import annotations

import dataclasses
import math
from pathlib import Path

import numpy as np
from mini_features import LITE2, PIXELS, trunk_tensors
from mini_text import EOS, PAD, TOWER, Student
from mini_train import Head, HeadConfig

from wordsight.checkpoint import Checkpoint
from wordsight.spec import ModelSpec, TokenizerSpec
from wordsight.weights.write import write_checkpoint


def checkpoint(
    source: Path, head: Head, config: HeadConfig, student: Student, scale: float, tokenizer_json: str
) -> Checkpoint:
    """Trunk, head and student as one float16 checkpoint under canonical names."""
    tensors = dict(trunk_tensors(source))
    plain = {k: v.detach().numpy() for k, v in head.state_dict().items()}
    tensors["visual.standardise.mean"], tensors["visual.standardise.scale"] = plain.pop("mean"), plain.pop("scale")
    tensors |= {f"visual.{name}": value for name, value in plain.items()}
    tensors |= {name: value.detach().numpy() for name, value in student.state_dict().items()}
    halves = {name: value.astype(np.float16) for name, value in tensors.items()}
    for name, value in halves.items():
        if not np.isfinite(value).all():
            raise ValueError(f"{name} does not fit float16")
    halves["logit_scale"] = np.array(math.log(scale), np.float32)
    spec = ModelSpec(
        name="mini", family="clip", embed_dim=int(plain["proj"].shape[1]),
        image=dataclasses.replace(LITE2, head_width=config.width, head_layers=config.layers),
        text=TOWER, preprocess=PIXELS,
        tokenizer=TokenizerSpec(kind="tokenizer_json", context_length=TOWER.context_length, vocab_size=TOWER.vocab_size,
                                bos_id=None, eos_id=EOS, pad_id=PAD, clean="lower"),
        logit_scale=math.log(scale), licence="Apache-2.0 (data: see docs/models/mini.md)", source="recipes/mini.py",
    )  # fmt: skip
    return Checkpoint(spec, halves, {"tokenizer.json": tokenizer_json.encode()})


def export(folder: Path, made: Checkpoint) -> None:
    """Write the checkpoint to `folder`."""
    write_checkpoint(made, folder, "wordsight")
