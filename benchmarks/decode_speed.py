"""Images per second from files to embeddings, the whole pipeline, at 12 and at 0.3 megapixels.

    python benchmarks/decode_speed.py [--model mini] [--precision auto] [--images 24] [--rounds 5] [--quick]

Contenders, in alternating turns over the same JPEG files:
    ours        model.embed_images: DCT scaling, decoding threads beside the encoder
    ours exact  the same with every pixel decoded
    plain       one thread: Pillow decodes all of a batch, then the same encoder runs
    plain ort   the same with ONNX Runtime as the encoder, where --onnx names an image tower's file
    decode      ours without an encoder; encode: the encoder alone, on ready pixels
The share is of 1 / (1/decode + 1/encode), the bound of the processor when both keep all its cores busy.
Also measured: the effect of DCT scaling, in grey levels after preprocessing and as cosines of embeddings.

JPEGs are made from real photographs (`--data`, else the bundled samples), enlarged, with the noise of a
sensor (sigma 8) and quality 90: about 3.4 MB at 12 megapixels, like those of cameras and phones, so that they take as
long to decode.
About 4 minutes on two cores; rows go to results/decode_speed.jsonl.
"""

from __future__ import annotations

import argparse
import itertools
import os
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import harness
import numpy as np
from PIL import Image

import wordsight
from wordsight.images.decode import decode
from wordsight.images.preprocess import crop_start, preprocess, resized_size
from wordsight.model import Model, read_ahead
from wordsight.samples import sample_images

ROOT = Path(__file__).resolve().parent.parent
BATCH = 16
SIZES = {"12 MP": 12_000_000, "0.3 MP": 300_000}


def photographs(data: Path, count: int) -> list[Path]:
    """`count` real photographs: flickr8k-a where the data is, else the bundled samples."""
    found = sorted((data / "flickr8k-a" / "images").glob("*.jpg")) or [
        path for path in sample_images() if path.suffix == ".jpg"
    ]
    return found[:: max(1, len(found) // count)][:count]


def make_jpegs(photos: list[Path], folder: Path, pixels: int) -> list[Path]:
    """Write each photograph at a number of pixels, with noise, as a JPEG of quality 90; return the files."""
    noise = np.random.default_rng(0).normal(0, 8, (512, 512, 3)).round().astype(np.int16)
    folder.mkdir(parents=True, exist_ok=True)
    files = []
    for number, photo in enumerate(photos):
        image = Image.open(photo).convert("RGB")
        factor = (pixels / (image.width * image.height)) ** 0.5
        size = (round(image.width * factor), round(image.height * factor))
        large = np.asarray(image.resize(size, Image.Resampling.LANCZOS), np.int16)
        tiles = (-(-size[1] // 512), -(-size[0] // 512), 1)
        noisy = np.clip(large + np.tile(noise, tiles)[: size[1], : size[0]], 0, 255).astype(np.uint8)
        files.append(folder / f"{number:03}.jpg")
        Image.fromarray(noisy).save(files[-1], quality=90)
    return files


def plainly(path: Path, size: int) -> np.ndarray:
    """Pixels of an image as most code makes them: decode all, resize the shorter side, cut the centre."""
    image = Image.open(path).convert("RGB")
    width, height = resized_size(*image.size, size)
    image = image.resize((width, height), Image.Resampling.BICUBIC)
    left, top = crop_start(width, size), crop_start(height, size)
    return np.asarray(image.crop((left, top, left + size, top + size)))


def batches(files: list[Path]) -> Iterator[list[Path]]:
    """Yield the files in batches."""
    rest = iter(files)
    while batch := list(itertools.islice(rest, BATCH)):
        yield batch


def contenders(model: Model, files: list[Path], onnx: Path | None) -> dict[str, Callable[[], object]]:
    """Calls to time, each over all files."""
    spec = model.spec.preprocess
    ready = np.stack([plainly(path, spec.image_size) for path in files[:BATCH]])

    def read(path: Path) -> np.ndarray:
        image = decode(path, at_least=spec.image_size)
        return preprocess(image.image, spec, image.box)

    def plain(encode: Callable[[np.ndarray], object]) -> None:
        for batch in batches(files):
            encode(np.stack([plainly(path, spec.image_size) for path in batch]))

    timed: dict[str, Callable[[], object]] = {
        "ours": lambda: model.embed_images(files),
        "ours exact": lambda: model.embed_images(files, exact=True),
        "plain": lambda: plain(model.encoder.encode_images),
        "decode": lambda: [None for _ in read_ahead(files, read, 2 * BATCH)],
        "encode": lambda: [model.encoder.encode_images(ready[: len(batch)]) for batch in batches(files)],
    }
    if onnx:
        encode_onnx = onnx_encoder(onnx, spec.mean, spec.std)
        timed["plain ort"] = lambda: plain(encode_onnx)
    return timed


def onnx_encoder(path: Path, mean: Any, std: Any) -> Callable[[np.ndarray], object]:
    """Function that runs an image tower (B, 3, S, S) float32 in ONNX Runtime."""
    import onnxruntime

    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    name = session.get_inputs()[0].name

    def encode(pixels_BHWC: np.ndarray) -> object:
        scaled = (pixels_BHWC.astype(np.float32) / 255 - np.float32(mean)) / np.float32(std)
        return session.run(None, {name: np.ascontiguousarray(scaled.transpose(0, 3, 1, 2))})

    return encode


def drift(model: Model, files: list[Path]) -> dict[str, float]:
    """Effect of DCT scaling: grey levels of preprocessed pixels, and cosines of embeddings."""
    spec = model.spec.preprocess
    differences = []
    for path in files:
        exact, scaled = decode(path), decode(path, at_least=spec.image_size)
        pixels = [preprocess(image.image, spec, image.box).astype(int) for image in (exact, scaled)]
        differences.append(np.abs(pixels[0] - pixels[1]))
    cosines = (model.embed_images(files) * model.embed_images(files, exact=True)).sum(-1)
    return {
        "mean_grey_levels": float(np.mean(differences)),
        "max_grey_levels": float(np.max(differences)),
        "min_cosine": float(cosines.min()),
        "mean_cosine": float(cosines.mean()),
    }


def measure(model: Model, files: list[Path], rounds: int, onnx: Path | None) -> Iterator[dict[str, Any]]:
    """Yield a row for each contender over the files, then one for the drift."""
    seconds = harness.alternate(contenders(model, files, onnx), rounds)
    rates = harness.rates(seconds, len(files))
    bound = 1 / (1 / rates["decode"] + 1 / rates["encode"])
    exact = drift(model, files)
    for name, rate in rates.items():
        row = {"kind": "speed", "contender": name, "images_per_second": rate, "times_plain": rate / rates["plain"]}
        yield {**row, "share_of_bound": rate / bound, "spread": harness.spread(seconds[name]), "seconds": seconds[name]}
    yield {"kind": "drift", **exact}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="mini")
    parser.add_argument("--precision", default="auto")
    parser.add_argument("--onnx", type=Path, help="the image tower in ONNX, float32 (B, 3, S, S), for `plain ort`")
    parser.add_argument("--images", type=int, default=24)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument(
        "--data", type=Path, default=Path(os.environ.get("WORDSIGHT_DATA", ROOT.parent / "shared/data"))
    )
    parser.add_argument("--quick", action="store_true", help="4 images, one round, no results written")
    options = parser.parse_args()
    if options.quick:
        options.images, options.rounds = 4, 1
    model = wordsight.load(options.model, precision=options.precision)
    photos = photographs(options.data, options.images)
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        for size, pixels in SIZES.items():
            files = make_jpegs(photos, Path(folder) / size.replace(" ", "-"), pixels)
            about = {"size": size, "files": len(files), "mean_bytes": int(np.mean([f.stat().st_size for f in files]))}
            about |= {"model": model.spec.name, "precision": model.encoder.precision}
            found = [about | row for row in measure(model, files, options.rounds, options.onnx)]
            rows += found
            shown = [{k: v for k, v in r.items() if k not in ("seconds", "kind", "model")} for r in found]
            print(
                harness.table(shown[:-1]), "\n", {k: round(v, 6) for k, v in list(shown[-1].items())[4:]}, "\n", sep=""
            )
    if not options.quick:
        print(harness.write_rows("decode_speed", rows))


if __name__ == "__main__":
    main()
