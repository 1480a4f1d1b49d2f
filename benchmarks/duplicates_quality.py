"""Accuracy of telling copies from look-alikes: by vectors and pixels (ours), by vectors only, and by perceptual hashes.

Of three collections in `$WORDSIGHT_DATA` (COCO photos, Flickr photos, product photos, which look alike: a hard case)
and of sheets drawn here (bills of one form that differ in number, month and sum, bills of several items, short notes,
pages of a contract that differ in a name: the hardest) some images are copied in every way in
`wordsight.duplicates.threshold.KINDS`. All pairs of an image of the collection and a copy, and all pairs of two
images, are judged; a pair of an image and its own copy is right, all others are wrong, except files whose pixels
are equal. Our thresholds are learnt on other images of the collection.

Then the copy to keep: original and copy are in files without metadata, of the same date, under
neutral names, the copy in a better format or with fewer losses wherever its kind allows that, so that pixels and
files alone decide. "Most pixels, then the larger file" is what other tools do.

    python benchmarks/duplicates_quality.py [--images 1500] [--copied 100] [--quick]

The peer is pHash (Zauner 2010: the signs of the 8 × 8 lowest frequencies of a 32 × 32 grey image against their
median), written out here in a dozen lines, at the customary distance of 10 of 64 bits, and at the distance that is best
for F1 on these very pairs, which nobody knows beforehand; so is "best cosine".
"""

from __future__ import annotations

import argparse
import hashlib
import os
import random
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from harness import table, write_rows
from PIL import Image, ImageDraw, ImageFont

import wordsight
from wordsight.duplicates.miniature import Miniature
from wordsight.duplicates.originals import inspect_origin, rank_origins
from wordsight.duplicates.similarity import compare_images
from wordsight.duplicates.threshold import KINDS, LearntThreshold, Original, learn_threshold, make_copies
from wordsight.images.decode import read_image
from wordsight.index import Row
from wordsight.search.fold import FOLD_AT_LEAST

DATA = Path(os.environ.get("WORDSIGHT_DATA", Path(__file__).parents[2] / "shared" / "data"))
SETS = ("coco3k7", "flickr8k-a", "fashion", "sheets")
SHEETS = 48, 4  # drawn, and copied: nearly all pairs of them are candidates
WORDS = ("call", "the", "bank", "buy", "milk", "meeting", "Anna", "pay", "rent", "order", "shoes", "school", "photo")
LEARN = 40
NEIGHBOURS = 12


def phash(image: Image.Image) -> np.ndarray:
    """64 bits (Zauner 2010)."""
    grey = np.asarray(image.convert("L").resize((32, 32), Image.Resampling.LANCZOS), np.float64)
    steps = np.arange(32)
    cosines = np.cos(np.pi * np.outer(steps[:8], 2 * steps + 1) / 64)  # DCT-II, its 8 lowest frequencies
    low = cosines @ grey @ cosines.T
    return (low > np.median(low)).ravel()


def draw_sheet(number: int) -> Image.Image:
    """Sheet of one of four forms, its contents random."""
    chance = random.Random(number)
    form = number % 4
    if form == 3:  # a contract, identical except for a name and a number
        fixed = random.Random(0)
        lines = [(4 * i, " ".join(fixed.choice(WORDS) for _ in range(13))) for i in range(8, 42)]
        names = chance.choice(("John", "Maria", "Wei", "Lucy")), chance.choice(("Smith", "Lopez", "Chen", "Berg"))
        lines[2] = (40, f"between {' '.join(names)} and the landlord of no. {chance.randrange(100)},")
    elif form == 2:  # a note
        lines = [(15 + 5 * i, " ".join(chance.choice(WORDS) for _ in range(6))) for i in range(3)]
    elif form == 1:  # a bill of several items
        lines = [(20, f"Invoice {chance.randrange(10**6)}  2026-{chance.randrange(1, 13):02}-01")]
        things = ("bolts", "chairs", "lamps", "books", "paint")
        for i in range(chance.choice((6, 7, 8))):
            price = f"{chance.randrange(1000)}.{chance.randrange(100):02}"
            lines.append((40 + 5 * i, f"{chance.randrange(1, 9)} x {chance.choice(things)}   {price}"))
    else:  # a bill of every month
        lines = [(20, f"Invoice {4711 + number // 4}  2026-{number // 4 % 12 + 1:02}-01"), (28, "John Smith")]
        lines += [(40, "1 x rent of office"), (55, f"Sum {chance.randrange(800, 990)}.{chance.randrange(100):02}")]
    sheet = Image.new("RGB", (1240, 1754), (250, 250, 248) if form == 2 else "white")
    draw = ImageDraw.Draw(sheet)
    if form < 2:
        draw.text((100, 90), "ACME Ltd", fill="black", font=ImageFont.load_default(60))
    for line, text in lines:
        draw.text((100, 100 + 10 * line), text, fill="black", font=ImageFont.load_default(26))
    return sheet


@dataclass
class Pairs:
    """All judged pairs of a collection: scores of each method, and the kind of copy (-1: different)."""

    kind_P: np.ndarray
    cosine_P: np.ndarray
    distance_P: np.ndarray
    same_P: np.ndarray  # by pixels; compared only where the cosine makes it a candidate
    copied: int
    checked: int
    false: list[str]


def unlike_images(name: str, n: int) -> tuple[list[Path], list[Image.Image]]:
    """Up to n images of different pixels."""
    if name == "sheets":
        files = [Path(f"sheet {number}") for number in range(min(n, SHEETS[0]))]
    else:
        files = sorted(path for path in (DATA / name / "images").iterdir() if path.is_file())
    random.Random(0).shuffle(files)
    seen, kept, images = set(), [], []
    for path in files:
        image = draw_sheet(int(path.name.split()[1])) if name == "sheets" else read_image(path)
        if (digest := hashlib.sha256(image.tobytes()).digest()) not in seen:
            seen.add(digest)
            kept.append(path)
            images.append(image)
        if len(kept) == n:
            break
    return kept, images


def learnt_on(model: Any, images: list[Image.Image], vectors: np.ndarray, chosen: range) -> LearntThreshold:
    """Learn as `wordsight duplicates` does, on images that are not copied for the test."""
    originals = []
    for i in chosen:
        near = np.argsort(-(vectors @ vectors[i]))[1 : 1 + NEIGHBOURS]
        mini = Miniature(images[i])
        others = [float(vectors[j] @ vectors[i]) for j in near if not compare_images(mini, Miniature(images[j])).same]
        originals.append(Original(images[i], vectors[i], others))
    return learn_threshold(model, originals)


def judge(model: Any, name: str, n: int, copied: int) -> tuple[Pairs, LearntThreshold]:
    """Score all pairs of a collection."""
    files, images = unlike_images(name, n)
    vectors_ND = model.embed_images(images)
    copied = min(copied, len(files) - LEARN, SHEETS[1] if name == "sheets" else copied)
    learnt = learnt_on(model, images, vectors_ND, range(copied, copied + LEARN))
    hashes_NB = np.stack([phash(image) for image in images])
    minis = [Miniature(image) for image in images]
    kinds, cosines, distances, sames, false = [], [], [], [], []
    checked = 0

    def take(vectors_QD: np.ndarray, hashes_QB: np.ndarray, own: list[tuple[int, int]], asked: list[Miniature]) -> None:
        """Judge queries against the collection; own: (the original's number, kind) of each, kind -1: itself."""
        nonlocal checked
        for q, (i, kind) in enumerate(own):
            cosine_N = vectors_ND @ vectors_QD[q]
            kind_N = np.full(len(files), -1)
            kind_N[i] = kind
            same_N = np.zeros(len(files), bool)
            judged = np.arange(len(files)) > i if kind < 0 else np.ones(len(files), bool)
            for j in np.flatnonzero((cosine_N >= learnt.candidates) & judged):
                same_N[j] = compare_images(minis[j], asked[q]).same
                checked += 1
                if same_N[j] and kind_N[j] < 0:
                    false.append(f"{files[i].name} {files[j].name}")
            kinds.append(kind_N[judged])
            cosines.append(cosine_N[judged].astype(np.float32))
            distances.append((hashes_NB != hashes_QB[q]).sum(axis=1)[judged].astype(np.int8))
            sames.append(same_N[judged])

    take(vectors_ND, hashes_NB, [(i, -1) for i in range(len(files))], minis)
    for i in range(copied):
        copies = list(make_copies(images[i], seed=1000 + i).values())
        own = [(i, kind) for kind in range(len(copies))]
        hashes = np.stack([phash(copy) for copy in copies])
        take(model.embed_images(copies), hashes, own, [Miniature(copy) for copy in copies])
    arrays = (np.concatenate(parts) for parts in (kinds, cosines, distances, sames))
    return Pairs(*arrays, copied, checked, false), learnt


def figures(pairs: Pairs, found_P: np.ndarray) -> dict[str, Any]:
    """Precision, recall, F1, false pairs, and recall by kind."""
    right = pairs.kind_P >= 0
    true, false = int((found_P & right).sum()), int((found_P & ~right).sum())
    precision, recall = true / max(1, true + false), true / int(right.sum())
    by_kind = {kind: float(found_P[pairs.kind_P == k].mean()) for k, kind in enumerate(KINDS)}
    f1 = 2 * precision * recall / max(1e-9, precision + recall)
    return {"precision": precision, "recall": recall, "f1": f1, "false_pairs": false, "recall_by_kind": by_kind}


def best(pairs: Pairs, scores: np.ndarray, found: Callable[[float], np.ndarray]) -> float:
    """The score that is the threshold with the largest F1."""
    return float(max(scores, key=lambda score: figures(pairs, found(score))["f1"]))


COPY_FILES: dict[str, dict[str, Any]] = {  # as its kind says; others are saved better than the original
    "JPEG, quality 75": {"format": "JPEG", "quality": 75},
    "JPEG, quality 35": {"format": "JPEG", "quality": 35},
    "WebP, quality 60": {"format": "WEBP", "quality": 60},
    "cropped, brighter, smaller, JPEG": {"format": "JPEG", "quality": 60},
}
BETTER: tuple[dict[str, Any], ...] = ({"format": "JPEG", "quality": 95}, {"format": "PNG"})


def kept_originals(images: Sequence[Image.Image]) -> dict[str, tuple[list[bool], list[bool]]]:
    """Kind → whether the original of each pair was kept: by ours, and by the most pixels and the larger file."""
    kept: dict[str, tuple[list[bool], list[bool]]] = {kind: ([], []) for kind in KINDS}
    with tempfile.TemporaryDirectory() as folder:
        for number, image in enumerate(images):
            original = saved(Path(folder) / f"p{2 * number}", image, {"format": "JPEG", "quality": 85})
            base = read_image(Path(original.path))
            for kind, copy in make_copies(base, 1000 + number).items():
                row = saved(Path(folder) / f"p{2 * number + 1}", copy, COPY_FILES.get(kind, BETTER[number % 2]))
                pair = [(row, Miniature.of(row.path)), (original, Miniature.of(original.path))]
                origins = [
                    inspect_origin(one, mine, [other]) for (one, mine), (_, other) in zip(pair, pair[::-1], strict=True)
                ]
                ours, largest = kept[kind]
                ours.append(origins[rank_origins(origins)[0][0]].row is original)
                largest.append(max((row, original), key=lambda one: (one.width * one.height, one.size)) is original)
    return kept


def saved(path: Path, image: Image.Image, options: dict[str, Any]) -> Row:
    """Write an image and return its row, of one date for all."""
    image.convert("RGB").save(path, **options)
    size = path.stat().st_size
    return Row(str(path), "", str(path), path.name, np.empty(0, np.float32), None, size, 0, *image.size)


def keep_rows(name: str, n: int, copied: int) -> list[dict[str, Any]]:
    """Results of `kept_originals` on a collection."""
    files, images = unlike_images(name, n)
    kept = kept_originals(images[: min(copied, len(files))])
    return [
        {"set": name, "part": "keep", "kind": kind, "pairs": len(ours), "original kept": float(np.mean(ours)),
         "by size": float(np.mean(largest))}
        for kind, (ours, largest) in kept.items()
    ]  # fmt: skip


def recall_rows(rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Share of each kind of copy that is found, a row for each set and kind, a column for each way."""
    names = ("vectors and pixels", "cosine, learnt", "cosine, shown once")
    return [
        {"set": name, "part": "recall", "kind": kind,
         **{way: row["recall_by_kind"][kind] for way, row in zip(names, of_set[:3], strict=True)},
         "pHash ≤ 10 bits": of_set[4]["recall_by_kind"][kind]}
        for name in dict.fromkeys(row["set"] for row in rows)
        for of_set in [[row for row in rows if row["set"] == name]]
        for kind in KINDS
    ]  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="mini")
    parser.add_argument("--images", type=int, default=1500, help="of each collection")
    parser.add_argument("--copied", type=int, default=100, help="of these, in every way")
    parser.add_argument("--quick", action="store_true", help="a hundred images of one collection; nothing is written")
    options = parser.parse_args()
    if options.quick:
        options.images, options.copied = 100, 10
    model = wordsight.load(options.model)
    rows: list[dict[str, Any]] = []
    for name in SETS[:1] if options.quick else SETS:
        pairs, learnt = judge(model, name, options.images, options.copied)
        cosine, bits = pairs.cosine_P, pairs.distance_P
        top = best(pairs, np.arange(0.7, 1.0, 0.01), lambda t, c=cosine: c >= t)
        nearest = best(pairs, np.arange(0, 24, 2), lambda t, b=bits: b <= t)
        ways = {
            f"ours: cosine ≥ {learnt.candidates:.3f} and pixels": pairs.same_P,
            f"cosine ≥ {learnt.alone:.3f}, learnt": cosine >= learnt.alone,
            f"cosine ≥ {(fold := max(FOLD_AT_LEAST, (1 + learnt.alone) / 2)):.3f}, shown once": cosine >= fold,
            f"cosine ≥ {top:.2f}, best": cosine >= top,
            "pHash ≤ 10 bits": bits <= 10,
            f"pHash ≤ {nearest:.0f} bits, best": bits <= nearest,
        }
        rows += [{"set": name, "way": way, **figures(pairs, found)} for way, found in ways.items()]
        print(f"{name}: {pairs.copied} images copied, {pairs.checked:,} pairs compared by pixels of {len(cosine):,}")
        false = sorted(set(pairs.false))
        print(f"{len(false)} that pixels call copies; check them by eye: they count as wrong", *false, sep="\n  ")
        rows[-6] |= {"compared_by_pixels": pairs.checked, "pairs": len(cosine), "false": false}
    kept = [
        row
        for name in (SETS[:1] if options.quick else SETS)
        for row in keep_rows(name, 2 * options.copied, options.copied)
    ]
    print(table([{k: row[k] for k in ("set", "way", "precision", "recall", "f1", "false_pairs")} for row in rows]))
    print()
    print(table([{"set": row["set"], "way": row["way"], **row["recall_by_kind"]} for row in rows]))
    print()
    print(table(kept))
    rows = [{"part": "find", **row} for row in rows] + recall_rows(rows) + kept
    if not options.quick:
        print(write_rows("duplicates_quality", rows))


if __name__ == "__main__":
    main()
