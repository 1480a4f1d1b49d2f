"""Images per second from JPEGs to a finished index, at 12 and at 0.3 megapixels, against rclip and transformers.

    python benchmarks/index_speed.py [--images 96] [--small 960] [--rounds 3] [--models mini vit] [--quick]

Contenders, in alternating turns over the same files, each from files to an index on disk that can be searched:
    ours            Gallery.add into a new index: hashes, DCT-scaled decoding in threads, OpenVINO, Lance, text index
    ours, no index  model.stream_images alone
    rclip's way     one thread: Pillow decodes all pixels and preprocesses as torchvision does, ONNX Runtime in float32
                    on all processors in batches of 8, a row of SQLite for each and a commit for each batch
    transformers    CLIPImageProcessor on batches of 16 decoded images, CLIPModel in float32 (ViT-B/32 only), vectors
                    to a .npy file
    decode, encode  the two bounds of ours: all images read and preprocessed; the encoder on ready pixels
`share_of_bound` is of 1 / (1/decode + 1/encode), the bound of the processors when both keep all of them busy.
Models: the bundled one, and ViT-B/32 with random weights (as fast as the released ones).

JPEGs as in decode_speed.py. About 25 minutes on two cores; rows go to results/index_speed.jsonl.
"""

from __future__ import annotations

import argparse
import itertools
import os
import shutil
import sqlite3
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import harness
import numpy as np
import rivals
from decode_speed import make_jpegs, photographs, plainly
from PIL import Image

import wordsight
from wordsight.gallery import Gallery
from wordsight.model import Model, read_ahead, read_pixels

ROOT = Path(__file__).resolve().parent.parent
RCLIP_BATCH = 8
BATCH = 16


def images(data: Path, count: int) -> list[Path]:
    """Real photographs, no two alike: those of decode_speed.py, then flickr8k-train's."""
    found = photographs(data, count)
    more = sorted((data / "flickr8k-train" / "images").glob("*"))
    return (found + more)[:count]


def in_batches(files: list[Path], size: int) -> Iterator[list[Path]]:
    rest = iter(files)
    while batch := list(itertools.islice(rest, size)):
        yield batch


def ours(model: Model, folder: Path, scratch: Path) -> None:
    """Make a new index."""
    shutil.rmtree(scratch / "index", ignore_errors=True)
    with Gallery.create(scratch / "index", model=model) as gallery:
        summary = gallery.add(folder)
    assert not summary.skipped


def as_rclip(encode: rivals.Encode, model: Model, files: list[Path], scratch: Path) -> None:
    """Index as rclip does: one image after the other, then the model, then SQLite."""
    spec = model.spec.preprocess
    (scratch / "rclip.db").unlink(missing_ok=True)
    with sqlite3.connect(scratch / "rclip.db") as base:
        base.execute(
            "create table images (id integer primary key, filepath text unique, modified_at, size, vector blob)"
        )
        for batch in in_batches(files, RCLIP_BATCH):
            pixels = np.stack([plainly(path, spec.image_size) for path in batch])
            features_BD = encode(rivals.normalised(pixels, spec))
            features_BD /= np.linalg.norm(features_BD, axis=-1, keepdims=True)
            for path, vector_D in zip(batch, features_BD, strict=True):
                status = path.stat()
                row = (str(path), status.st_mtime, status.st_size, vector_D.tobytes())
                base.execute("insert into images (filepath, modified_at, size, vector) values (?, ?, ?, ?)", row)
            base.commit()


def as_transformers(hf: Path, scratch: Path) -> Callable[[list[Path]], None]:
    """The loop of transformers over files."""
    import torch
    from transformers import CLIPImageProcessor, CLIPModel

    processor, network = CLIPImageProcessor.from_pretrained(hf), CLIPModel.from_pretrained(hf).eval()

    @torch.inference_mode()
    def index(files: list[Path]) -> None:
        rows = []
        for batch in in_batches(files, BATCH):
            images = [Image.open(path).convert("RGB") for path in batch]
            features = network.get_image_features(**processor(images=images, return_tensors="pt")).pooler_output
            rows.append(torch.nn.functional.normalize(features, dim=-1).numpy())
        np.save(scratch / "transformers.npy", np.concatenate(rows))

    return index


def contenders(
    model: Model, files: list[Path], scratch: Path, onnx: rivals.Encode, hf: Path | None
) -> dict[str, Callable[[], object]]:
    """Calls to time, each over all files."""
    spec = model.spec.preprocess
    ready = np.stack([plainly(path, spec.image_size) for path in files[:BATCH]])
    ready = np.concatenate([ready] * (-(-BATCH // len(ready))))[:BATCH]
    timed: dict[str, Callable[[], object]] = {
        "ours": lambda: ours(model, files[0].parent, scratch),
        "ours, no index": lambda: [None for _ in model.stream_images(files)],
        "rclip's way": lambda: as_rclip(onnx, model, files, scratch),
        "decode": lambda: [None for _ in read_ahead(files, lambda path: read_pixels(path, spec), 2 * BATCH)],
        "encode": lambda: [model.encoder.encode_images(ready[: len(batch)]) for batch in in_batches(files, BATCH)],
    }
    if hf is not None:
        loop = as_transformers(hf, scratch)
        timed["transformers"] = lambda: loop(files)
    return timed


def measure(model: Model, files: list[Path], scratch: Path, rounds: int, hf: Path | None) -> Iterator[dict[str, Any]]:
    """Yield a row for each contender over the files."""
    (scratch / "onnx").mkdir(exist_ok=True)
    onnx = rivals.in_onnxruntime(rivals.export_onnx(model.checkpoint, scratch / "onnx"))["images"]
    seconds = harness.alternate(contenders(model, files, scratch, onnx, hf), rounds)
    rates = harness.rates(seconds, len(files))
    bound = 1 / (1 / rates["decode"] + 1 / rates["encode"])
    for name, rate in rates.items():
        row = {"contender": name, "images_per_second": rate, "times_rclip": rate / rates["rclip's way"]}
        row |= {"share_of_bound": rate / bound}
        yield {**row, "spread": harness.spread(seconds[name]), "seconds": seconds[name]}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, default=96, help="of 12 megapixels")
    parser.add_argument("--small", type=int, default=960, help="of 0.3 megapixels")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--models", nargs="+", choices=["mini", "vit"], default=["mini", "vit"])
    parser.add_argument("--precision", default="auto", help="batch size of ours")
    parser.add_argument(
        "--data", type=Path, default=Path(os.environ.get("WORDSIGHT_DATA", ROOT.parent / "shared/data"))
    )
    parser.add_argument("--quick", action="store_true", help="smoke run: few images, two layers, one round")
    options = parser.parse_args()
    if options.quick:
        options.images, options.small, options.rounds = 3, 20, 1
    rows: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory() as temporary:
        scratch = Path(temporary)
        sizes = {
            "12 MP": make_jpegs(images(options.data, options.images), scratch / "large", 12_000_000),
            "0.3 MP": make_jpegs(images(options.data, options.small), scratch / "small", 300_000),
        }
        vit = rivals.vit_b_32(scratch / "hf", layers=2 if options.quick else 12) if "vit" in options.models else None
        for name in options.models:
            hf = vit if name == "vit" else None
            model = wordsight.load(hf or "mini", precision=options.precision)
            for size, files in sizes.items():
                about = {"model": "ViT-B/32" if hf else "mini", "precision": model.encoder.precision, "size": size}
                about |= {"files": len(files), "mean_bytes": int(np.mean([file.stat().st_size for file in files]))}
                found = [about | row for row in measure(model, files, scratch, options.rounds, hf)]
                rows += found
                shown = [{k: v for k, v in row.items() if k not in ("seconds", "mean_bytes")} for row in found]
                print(harness.table(shown), "\n", flush=True)
                if not options.quick:  # after each, so that no measurement is lost
                    harness.write_rows("index_speed", rows)


if __name__ == "__main__":
    main()
