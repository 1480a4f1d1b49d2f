"""Peak memory of indexing 100,000 images against that of 10,000: it must not grow with the collection.

    python benchmarks/index_memory.py [--counts 10000 100000] [--side 64] [--again] [--tiny] [--quick]

For each count a fresh process indexes a folder of that many generated images (JPEG, smooth noise, no two alike) with
the bundled model into a new index, and reports its peak resident memory (VmHWM). With --again a second fresh process
then updates the finished index, which reads the state of all rows. Images stay in --folder for the next call. About 11
minutes per 100,000 on two cores with bf16; --tiny uses a nearly empty model of 512-dimensional vectors in place of the
bundled one, whose memory is constant: a few minutes. Rows go to results/index_memory.jsonl.
"""

from __future__ import annotations

import argparse
import shutil
import tempfile
from pathlib import Path
from typing import Any

import harness
import numpy as np
from PIL import Image

PER_FOLDER = 1000
BODY = """
from wordsight.gallery import Gallery
with Gallery.create(sys.argv[2], model=sys.argv[4]) as gallery:
    summary = gallery.add(sys.argv[1])
    assert len(gallery) == int(sys.argv[3]), (len(gallery), summary)
    assert summary.added + summary.unchanged == int(sys.argv[3]), summary
"""


def make_images(folder: Path, count: int, side: int) -> None:
    """Write images 0 … count-1 that are not there yet: a smooth random image each, as JPEG."""
    for number in range(count):
        path = folder / f"{number // PER_FOLDER:03}" / f"{number % PER_FOLDER:03}.jpg"
        if path.exists():
            continue
        path.parent.mkdir(parents=True, exist_ok=True)
        coarse = np.random.default_rng(number).integers(0, 256, (6, 6, 3), np.uint8)
        Image.fromarray(coarse).resize((side, side), Image.Resampling.BICUBIC).save(path, quality=85)


def measure(count: int, folder: Path, model: str, again: bool, side: int) -> list[dict[str, Any]]:
    """Row for the first run over `count` images, and one for the second."""
    images = folder / str(count)
    make_images(images, count, side)
    index = folder / f"index-{count}"
    shutil.rmtree(index, ignore_errors=True)
    rows = []
    for run in ("first", "again") if again else ("first",):
        cost = harness.fresh_process(BODY, str(images), str(index), str(count), model)
        row = {"model": Path(model).name, "images": count, "run": run}
        row |= {name: cost[name] for name in ("peak_mib", "seconds")}
        row["index_mib"] = sum(file.stat().st_size for file in index.rglob("*") if file.is_file()) / 2**20
        rows.append(row)
        print(harness.table([row]), flush=True)
    shutil.rmtree(index)
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--counts", type=int, nargs="+", default=[10_000, 100_000])
    parser.add_argument("--side", type=int, default=64, help="side of an image, in pixels")
    parser.add_argument("--folder", type=Path, help="folder for the images, which are kept (default: a temporary one)")
    parser.add_argument("--again", action="store_true", help="also measure an update of the finished index")
    parser.add_argument("--tiny", action="store_true", help="a nearly empty model in place of the bundled one")
    parser.add_argument("--quick", action="store_true", help="smoke run: 200 and 1,000 images; writes nothing")
    options = parser.parse_args()
    counts = [200, 1000] if options.quick else options.counts
    with tempfile.TemporaryDirectory() as temporary:
        folder = options.folder or Path(temporary)
        model = "mini"
        if options.tiny:
            from rivals import tiny_clip

            model = str(tiny_clip(Path(temporary) / "tiny"))
        rows = [row for count in counts for row in measure(count, folder, model, options.again, options.side)]
    peaks = [row["peak_mib"] for row in rows if row["run"] == "first"]
    growth = peaks[-1] - peaks[0]
    print(f"\n{harness.table(rows)}\n\npeak of the last over the first: {growth:+.0f} MiB (aim: < 200)")
    if not options.quick:
        print(harness.write_rows("index_memory", [*rows, {"kind": "growth", "mib": growth}]))


if __name__ == "__main__":
    main()
