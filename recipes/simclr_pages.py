"""SimCLR on PDF pages: the search engine that learns from images alone, to be compared with CLIP's.

Paper: Chen et al. 2020, "A Simple Framework for Contrastive Learning of Visual Representations" (NT-Xent, the
    augmentations of Appendix A but for the flip, which turns writing round); trunk: ResNet-18 of He et al. 2016.
Command: `wordsight train recipes/simclr_pages.py --folder runs/simclr_pages`, then
    `python benchmarks/simclr_pages.py runs/simclr_pages`; needs apt-get, dpkg-deb and the extras `train` and `search`.
Hardware: two CPU cores, 3 GB of memory. With a GPU more can be spent: `--set compute.device=none
    --set model.image.width=64 --set batch=512 --set epochs=200`.
Time: 9 minutes for 104 steps of 256 pages, once the pages are rendered (some minutes).
Result: a drawing finds drawings of other documents with a mAP of 0.456, the bundled CLIP with 0.399 (the intervals
    overlap), the untrained tower with 0.320, pixels with 0.242; over all kinds of pages 0.412, CLIP 0.464, and Keras's
    ResNet-50 0.518 (`benchmarks/simclr_pages.py`). The loss ends at 5.8, against a chance level of 6.24.

The pages are those of the manuals of LaTeX's drawing packages (Debian's `texlive-pictures-doc`, 487 documents): text,
code, diagrams, plots, circuits. No label is used. The benchmark asks pages of other documents, which are labelled by
hand; those of circuit-macros are among them, and so are not trained on. The finished folder opens with
`wordsight.load` and searches by example; it knows no words.
"""

from __future__ import annotations

import os
import subprocess
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import pypdfium2

from wordsight.spec import ModelSpec, PlainResNetTower, Preprocess
from wordsight.train import (
    AugmentConfig,
    ComputeConfig,
    DataConfig,
    ObjectiveConfig,
    OptimConfig,
    RunResult,
    TrainConfig,
    WatchConfig,
    size,
    train,
)

WORK = Path(os.environ.get("WORDSIGHT_PAGES", Path.home() / ".cache/wordsight-recipes/simclr_pages"))
PACKAGE = "texlive-pictures-doc"
DEBIAN = Path(__file__).resolve().parents[1] / "tests/support/debian.sh"
ASKED = "circuit-macros"  # the folder of the documents that the benchmark asks about
LONGEST = 256  # pixels of a rendered page's longer side: more than twice the tower's, since crops are enlarged to it
PER_DOCUMENT = 12  # pages at most, evenly spread: one manual of 1,300 pages is no more than twelve of another


def model() -> ModelSpec:
    """ResNet-18 at half its width; pages are squashed to a square, so that all of a page is seen."""
    tower = PlainResNetTower(image_size=96, width=32, block="basic", layers=(2, 2, 2, 2), projection=False)
    return size("tiny-plain-rn", name="simclr-pages", embed_dim=256, image=tower,
                preprocess=Preprocess(image_size=96, resize="squash"))  # fmt: skip


def recipe() -> TrainConfig:
    """Run's settings."""
    return TrainConfig(
        model=model(),
        data=DataConfig(
            pairs=(str(WORK / "pages"),),
            augment=AugmentConfig(crop="resized", min_area=0.2, colour=0.5, grey=0.2, blur=0.5),
            workers=1,
        ),
        batch=256,
        epochs=8,
        objective=ObjectiveConfig(name="nt_xent", temperature=0.2),
        optim=OptimConfig(lr=1e-3, beta2=0.999, eps=1e-8, weight_decay=1e-4, warmup=20),
        compute=ComputeConfig(device="cpu"),
        watch=WatchConfig(save_every=50, log_every=5),
    )


def run(config: TrainConfig, folder: Path, resume: bool) -> RunResult:
    """Render the pages once, and train."""
    render(WORK)
    return train(config, folder, resume=resume)


def render(work: Path) -> None:
    """Write the pages of every manual as small images; documents that are done are not done again."""
    done = subprocess.run([DEBIAN, PACKAGE], capture_output=True, text=True, check=True)
    documents = sorted(Path(done.stdout.strip()).rglob("*.pdf"))
    (work / "pages").mkdir(parents=True, exist_ok=True)
    targets = [work / "pages" / f"{number:03}-{path.stem}" for number, path in enumerate(documents)]
    todo = [
        (path, target)
        for path, target in zip(documents, targets, strict=True)
        if ASKED not in path.parts and not target.exists()
    ]
    with ProcessPoolExecutor(max_workers=os.cpu_count()) as pool:
        list(pool.map(_render, *zip(*todo, strict=True), chunksize=4) if todo else ())


def _render(path: Path, target: Path) -> None:
    """Render a document's pages into a folder, which appears only when whole; damaged documents give none."""
    part = target.with_name(f".{target.name}")
    part.mkdir(exist_ok=True)
    try:
        document = pypdfium2.PdfDocument(path)
        count = len(document)
        for place in range(min(count, PER_DOCUMENT)):
            number = place * count // min(count, PER_DOCUMENT)
            page = document[number]
            drawn = page.render(scale=2 * LONGEST / max(page.get_size())).to_pil().convert("RGB")
            drawn.reduce(2).save(part / f"{number + 1:04}.png")
    except pypdfium2.PdfiumError:
        pass
    part.rename(target)
