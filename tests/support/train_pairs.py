"""Small pairs to train on: crops of the bundled photographs, no two alike, of several shapes and formats."""

from __future__ import annotations

import io
from pathlib import Path

from PIL import Image

from wordsight.samples import sample_images
from wordsight.text.tokenizer import Tokenizer
from wordsight.train.config import DataConfig, TrainConfig
from wordsight.train.config.sizes import size
from wordsight.train.data import open_data

SPEC = size("tiny")
TOKENIZER = Tokenizer(SPEC.tokenizer, {})
SHAPES = ((80, 64), (64, 96), (70, 70), (120, 66))
FORMATS = (".jpg", ".png", ".webp")


def images(count: int) -> list[tuple[str, bytes]]:
    """Return (name, encoded bytes) of different images."""
    photos = [Image.open(path).convert("RGB").resize((320, 320)) for path in sample_images()[:4]]
    made = []
    for number in range(count):
        width, height = SHAPES[number % len(SHAPES)]
        left, top = (37 * number) % (320 - width), (53 * number) % (320 - height)
        ending = FORMATS[number % len(FORMATS)]
        held = io.BytesIO()
        photos[number % len(photos)].crop((left, top, left + width, top + height)).save(
            held, {".jpg": "JPEG", ".png": "PNG", ".webp": "WEBP"}[ending]
        )
        made.append((f"{number:03d}{ending}", held.getvalue()))
    return made


def table(folder: Path, count: int) -> str:
    """Write images and `pairs.csv`, whose rows are "image 0" and so on; return the table's path."""
    (folder / "images").mkdir(parents=True)
    lines = ["filepath,title"]
    for number, (name, content) in enumerate(images(count)):
        (folder / "images" / name).write_bytes(content)
        lines.append(f"images/{name},image {number}")
    path = folder / "pairs.csv"
    path.write_text("\n".join(lines) + "\n")
    return str(path)


def config(*sources, batch=8, seed=0, model=SPEC, objective=None, **data) -> TrainConfig:
    """Return a run over sources; in a thread, which begins faster than processes, unless `workers` says otherwise."""
    data = {"workers": 0, **data}
    more = {} if objective is None else {"objective": objective}
    return TrainConfig(model=model, data=DataConfig(pairs=sources, **data), batch=batch, seed=seed, **more)


def take(run: TrainConfig, count: int, state=None, *, rank=0, world=1):
    """Return the next `count` batches with the states after them."""
    with open_data(run, TOKENIZER, rank=rank, world=world) as data:
        return [ready for ready, _ in zip(data.batches(state), range(count), strict=False)]


def content_of(batch):
    """Return all of a batch as values that can be compared."""
    views = None if batch.views_BCHW is None else batch.views_BCHW.numpy().tobytes()
    ids = tuple(tuple(ids_B.tolist()) for ids_B in batch.ids)
    return batch.keys, batch.pixels_BCHW.numpy().tobytes(), batch.tokens_BT.tolist(), ids, views


def said(batch) -> list[str]:
    """Return the captions of a batch, read back from their tokens."""
    rows = (row[: row.index(SPEC.tokenizer.eos_id)] for row in batch.tokens_BT.tolist())
    return [TOKENIZER._engine.decode(row).replace("</w>", " ").replace("  ", " ").strip() for row in rows]
