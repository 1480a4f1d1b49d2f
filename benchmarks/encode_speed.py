"""Images and texts per second, start-up and memory: wordsight against transformers and ONNX Runtime, same weights.

    python benchmarks/encode_speed.py            # a quarter of an hour on 2 cores
    python benchmarks/encode_speed.py --quick    # a smoke run with two layers

All contenders take turns; medians are reported. The matrix-product peak of the machine is measured in the same turns,
and the share of it is the time that the graph's own products would take at that peak, divided by the time taken.
Needs the extras torch and quantize, and: transformers, onnx, onnxruntime.
"""

from __future__ import annotations

import argparse
import functools
import tempfile
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

import harness
import matrix_peak
import numpy as np
import rivals
import torch

from wordsight.checkpoint import Checkpoint
from wordsight.encoder import Encoder, open_encoder
from wordsight.encoder.openvino.encoder import processor_precisions
from wordsight.encoder.openvino.graphs import image_model, text_model
from wordsight.encoder.openvino.int8 import quantize_image_tower, save_int8
from wordsight.images.decode import read_image
from wordsight.images.preprocess import preprocess
from wordsight.samples import sample_images
from wordsight.spec import Preprocess
from wordsight.weights.read import read_checkpoint
from wordsight.weights.write import write_checkpoint

AT_LEAST = 16  # images or texts in one timed call, so that a call takes long enough
SHORT, LONG = "a photo of a cat.", "a photo of a very small grey cat on a red sofa beside a window " * 6
Call = Callable[[], object]


def towers(checkpoint: Checkpoint, folder: Path, known_to_transformers: Path | None) -> dict[str, dict[str, Any]]:
    """Runtime and precision → {"images": encode, "texts": encode}."""
    made: dict[str, dict[str, Any]] = {}
    ours = [name for name in ("f32", "bf16") if name in processor_precisions()]
    for precision in ours:
        made[f"wordsight {precision}"] = both(open_encoder(checkpoint, "openvino", precision))
    made["wordsight int8"] = both(open_encoder(int8_copy(checkpoint, folder / "int8"), "openvino", "int8"))
    for label, dtype in (("fp32", torch.float32), ("bf16", torch.bfloat16)):
        if known_to_transformers:
            made[f"transformers {label}"] = rivals.in_transformers(known_to_transformers, dtype)
        else:
            made[f"torch {label}"] = rivals.in_torch(checkpoint, dtype)
    made["onnxruntime fp32"] = rivals.in_onnxruntime(rivals.export_onnx(checkpoint, folder))
    return made


def both(encoder: Encoder) -> dict[str, Any]:
    return {"images": encoder.encode_images, "texts": encoder.encode_texts}


def int8_copy(checkpoint: Checkpoint, folder: Path) -> Checkpoint:
    """Write an int8 copy, calibrated on the bundled images: right for its speed, not for its accuracy."""
    write_checkpoint(checkpoint, folder, "wordsight")
    graph = quantize_image_tower(checkpoint, [sample_pixels(checkpoint.spec.preprocess)])
    save_int8(graph, folder, {"fingerprint": checkpoint.fingerprint})
    return read_checkpoint(folder)


@functools.cache
def sample_pixels(spec: Preprocess) -> np.ndarray:
    """Bundled images as pixels (N,S,S,3)."""
    return np.stack([preprocess(read_image(path), spec) for path in sample_images()])


def inputs(checkpoint: Checkpoint, kind: str, runtime: str, batch: int) -> np.ndarray:
    """Inputs of a runtime: uint8 pixels or normalised ones; tokens padded to the context or to the longest."""
    ours = runtime.startswith("wordsight")
    spec = checkpoint.spec
    if kind == "images":
        pixels = sample_pixels(spec.preprocess)
        pixels = np.resize(pixels, (batch, *pixels.shape[1:]))
        return pixels if ours else rivals.normalised(pixels, spec.preprocess)
    from wordsight.text.tokenizer import Tokenizer

    text = SHORT if kind == "texts, short" else LONG
    tokens = Tokenizer(spec.tokenizer, checkpoint.tokenizer_files)([text] * batch).ids
    if ours or not spec.text.causal:
        return tokens
    marks = tokens == tokens.max() if spec.text.pooling == "argmax" else tokens == spec.tokenizer.eos_id
    return np.ascontiguousarray(tokens[:, : marks.argmax(axis=1).max() + 1])


def repeated(encode: Callable[[np.ndarray], np.ndarray], x: np.ndarray) -> Call:
    times = max(1, AT_LEAST // len(x))

    def call() -> None:
        for _ in range(times):
            encode(x)

    return call


def speeds(name: str, checkpoint: Checkpoint, made: dict[str, Any], batches: list[int], rounds: int) -> list[Any]:
    """Row for each kind of input, batch size and runtime, and for the peaks measured in the same turns."""
    rows: list[dict[str, Any]] = []
    peaks = {f"peak {p}": matrix_peak.products(p) for p in ("f32", "bf16") if p in processor_precisions()}
    agree(checkpoint, made)
    for kind in ("images", "texts, short", "texts, long"):
        for batch in batches:
            items = batch * max(1, AT_LEAST // batch)
            calls: dict[str, Call] = {label: call for label, (call, _) in peaks.items()}
            work = operations(checkpoint, kind) * items
            for runtime, encode in made.items():
                if kind != "images" and runtime == "wordsight int8":
                    continue  # its text tower is that of bf16
                calls[runtime] = repeated(encode[kind.split(",")[0]], inputs(checkpoint, kind, runtime, batch))
            seconds = harness.alternate(calls, rounds)
            peak = {label.split()[1]: work_of / median(seconds[label]) for label, (_, work_of) in peaks.items()}
            for runtime in [label for label in calls if label in made]:
                precision = runtime.split()[1].replace("fp32", "f32")
                row = {"kind": kind, "model": name, "batch": batch, "runtime": runtime}
                row |= {"per_second": items / median(seconds[runtime]), "spread": harness.spread(seconds[runtime])}
                row["share_of_peak"] = work / median(seconds[runtime]) / peak[precision] if precision in peak else ""
                row["gflop_per_item"] = work / items / 1e9
                rows.append(row | {"seconds": seconds[runtime], "peak_tflops": {p: v / 1e12 for p, v in peak.items()}})
            show(rows, kind, name, batch)
    return rows


def operations(checkpoint: Checkpoint, kind: str) -> float:
    """Floating-point operations of one image or text."""
    if kind == "images":
        size = checkpoint.spec.image.image_size
        return matrix_peak.operations(image_model(checkpoint), [1, size, size, 3])
    return matrix_peak.operations(text_model(checkpoint), [1, inputs(checkpoint, kind, "", 1).shape[1]], [1])


def agree(checkpoint: Checkpoint, made: dict[str, Any]) -> None:
    """Check that all runtimes give the same features before any is timed."""
    for kind in ("images", "texts, short"):
        features = {
            runtime: encode[kind.split(",")[0]](inputs(checkpoint, kind, runtime, 2))
            for runtime, encode in made.items()
        }
        exact = features["wordsight f32"]
        for runtime, x_BD in features.items():
            cosine = ((x_BD * exact).sum(-1) / np.linalg.norm(x_BD, axis=-1) / np.linalg.norm(exact, axis=-1)).min()
            floor = 0.999999 if "32" in runtime else 0.8 if "int8" in runtime else 0.99
            assert cosine > floor, f"{runtime} gives other {kind} than wordsight f32: cosine {cosine}"


def show(rows: list[dict[str, Any]], kind: str, name: str, batch: int) -> None:
    chosen = [row for row in rows if (row["kind"], row["model"], row["batch"]) == (kind, name, batch)]
    peaks = ", ".join(f"{precision} {peak:.3f}" for precision, peak in chosen[0]["peak_tflops"].items())
    print(f"\n{name}, {kind}, batch {batch}; peak in Tflop/s: {peaks}")
    columns = ("runtime", "per_second", "share_of_peak", "spread")
    print(harness.table([{key: row[key] for key in columns} for row in chosen]), flush=True)


OURS = """
import wordsight, numpy as np
model = wordsight.load(sys.argv[1], backend="openvino", precision=sys.argv[2])
size = model.spec.image.image_size
for _ in range(max(1, int(sys.argv[3]) // 64)):
    model.embed_images(np.zeros((int(sys.argv[3]), size, size, 3), np.uint8) + np.uint8(7))
model.embed_texts(["a photo of a cat."])
"""
TRANSFORMERS = """
import numpy as np, torch
from transformers import CLIPModel
model = CLIPModel.from_pretrained(sys.argv[1]).eval().to(getattr(torch, sys.argv[2]))
with torch.inference_mode():
    model.get_image_features(pixel_values=torch.zeros(int(sys.argv[3]), 3, 224, 224, dtype=model.dtype))
    model.get_text_features(input_ids=torch.full((1, 7), 49407))
"""
ONNXRUNTIME = """
import numpy as np, onnxruntime
def run(name, x):
    session = onnxruntime.InferenceSession(f"{sys.argv[1]}/{name}.onnx", providers=["CPUExecutionProvider"])
    session.run(None, {"x": x})
size = int(sys.argv[2])
run("images", np.zeros((int(sys.argv[3]), 3, size, size), np.float32))
run("texts", np.ones((1, 7), np.int64))
"""


def starts(name: str, source: str, checkpoint: Checkpoint, folder: Path, hf: Path | None, rounds: int) -> list[Any]:
    """Row for each runtime: a fresh process to its first image and text embedding, and peak memory at 64."""
    size = str(checkpoint.spec.image.image_size)
    bodies = {f"wordsight {p}": (OURS, source, p) for p in ("f32", "bf16") if p in processor_precisions()}
    bodies["wordsight int8"] = (OURS, str(folder / "int8"), "int8")
    if hf:
        bodies |= {
            f"transformers {p}": (TRANSFORMERS, str(hf), t) for p, t in (("fp32", "float32"), ("bf16", "bfloat16"))
        }
    bodies["onnxruntime fp32"] = (ONNXRUNTIME, str(folder), size)
    rows = []
    for runtime, (body, *arguments) in bodies.items():
        harness.fresh_process(body, *arguments, "1")  # files into the page cache, graphs into ours
        first = [harness.fresh_process(body, *arguments, "1") for _ in range(rounds)]
        row = {"kind": "start", "model": name, "runtime": runtime}
        row["wall_seconds"] = median(run["wall_seconds"] for run in first)
        row["peak_mib_of_1"] = median(run["peak_mib"] for run in first)
        row["peak_mib_of_64"] = harness.fresh_process(body, *arguments, "64")["peak_mib"]
        rows.append(row)
    print(f"\n{name}: a fresh process to its first image and text embedding\n{harness.table(rows)}", flush=True)
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="smoke run: two layers, two rounds")
    quick = parser.parse_args().quick
    batches, rounds = ([1, 4], 2) if quick else ([1, 16, 64], 5)
    rows: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory() as temporary:
        hf = rivals.vit_b_32(Path(temporary) / "hf", layers=2 if quick else 12)
        sources: dict[str, tuple[str, Path | None]] = {"mini": ("mini", None), "ViT-B/32": (str(hf), hf)}
        for name, (source, known) in sources.items():
            folder = Path(temporary) / name.replace("/", "-")
            folder.mkdir()
            checkpoint = read_checkpoint(source)
            rows += speeds(name, checkpoint, towers(checkpoint, folder, known), batches, rounds)
            rows += starts(name, source, checkpoint, folder, known, 1 if quick else 5)
            if not quick:  # after each model, so that no measurement is lost
                print(f"\nwritten: {harness.write_rows('encode_speed', rows)}")


if __name__ == "__main__":
    main()
