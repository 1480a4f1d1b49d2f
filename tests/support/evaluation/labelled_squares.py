"""Squares in a folder for each colour, and models to measure on them."""

import itertools

import pytest
from training import COLOURS, small_spec, write_squares

from wordsight.encoder.reference import ReferenceEncoder
from wordsight.evaluate.held_out.config import ZeroShotConfig
from wordsight.model import Model
from wordsight.nn.clip import CLIP, load_tensors
from wordsight.text.tokenizer import Tokenizer

SPEC = small_spec()
TOKENIZER = Tokenizer(SPEC.tokenizer, {})


def open_model(checkpoint):
    return Model(checkpoint, ReferenceEncoder(checkpoint))


def build_clip(checkpoint):
    network = CLIP(checkpoint.spec)
    load_tensors(network, checkpoint.tensors)
    return network.train()


@pytest.fixture
def squares(tmp_path):
    """Squares in a folder for each colour, and a table of them."""
    table = write_squares(tmp_path / "all", count=24)
    rows = ["file,colour"]
    for n, name in zip(range(24), itertools.cycle(COLOURS)):
        folder = tmp_path / "held_out" / f"{name}_thing" / "deep"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"{n}.png").write_bytes((tmp_path / "all" / f"{n:03}.png").read_bytes())
        rows.append(f"{n:03}.png,{name}")
    (table.parent / "colours.csv").write_text("\n".join(rows))
    return tmp_path


def zero_shot(squares, **changes):
    return ZeroShotConfig(images=str(squares / "held_out"), **changes)
