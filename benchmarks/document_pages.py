"""Pages of real documents for benchmarks: PDF pages labelled by hand, figures of circuits, templates of drawing sheets.

None of them is part of the project. `tests/support/debian.sh` fetches the Debian packages `circuit-macros` (a booklet
of circuit drawings and its manual), `linuxcnc-doc-en` (manuals of a machine controller) and `freecad-common` (templates
of drawing sheets); pip fetches the source package of `pypdf`, whose tests contain PDFs of all sorts, and `resvg-py`,
which draws the templates. They are kept in `$WORDSIGHT_CACHE/benchmarks`, else `~/.cache/wordsight/benchmarks`.
"""

from __future__ import annotations

import functools
import gzip
import io
import re
import subprocess
import sys
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pypdfium2
from PIL import Image

from wordsight.ingest.pdf import PAGE_SIDE, Document
from wordsight.locations import cache_dir

ROOT = Path(__file__).resolve().parent.parent

CIRCUITS = "examples.pdf"
CIRCUITS_MANUAL = "Circuit_macros.pdf"
MANUAL = "LinuxCNC_Documentation.pdf"
DEVELOPER = "LinuxCNC_Developer.pdf"

# kind → document → pages, counted from 1. Labelled by eye on contact sheets of 50 thumbnails: a page belongs to a kind
# if most of what is printed on it does; mixed pages are left out. "drawing": circuits, mechanical and geometrical
# drawings, diagrams; "screen": windows of programs; "blank": nothing, a page number, or one short line.
KINDS: dict[str, dict[str, tuple[int, ...]]] = {
    "drawing": {
        CIRCUITS: (*range(2, 36), *range(37, 43), 49, 50, 51),
        CIRCUITS_MANUAL: (12, 13, 23, 25, 28),
        DEVELOPER: (15, 17, 18, 21),
        MANUAL: (238, 322, 328, 386, 535, 772, 889, 922),
        "GeoBase_NHNC1_Data_Model_UML_EN.pdf": tuple(range(10, 19)),
        "AutoCad_Diagram.pdf": (1,),
        "AutoCad_Simple.pdf": (1,),
    },
    "text": {
        CIRCUITS_MANUAL: (6, 7, 8, 49, 50, 55, 60, 65, 70, 75, 82),
        DEVELOPER: (23, 30, 61, 67, 68),
        MANUAL: (70, 253, 256, 406, 421, 442, 508, 610, 844, 1057, 1081, 1318),
        "LinuxCNC_Getting_Started.pdf": (56,),
        "LinuxCNC_Integrator.pdf": (15,),
        "LinuxCNC_Manual_Pages.pdf": (76, 97, 175, 319, 436, 466, 517),
        "issue-604.pdf": (66, 72, 78, 84, 90, 102, 111, 120),
        "Seige_of_Vicksburg_Sample_OCR.pdf": (4, 5),
        "indirect-rotation.pdf": (1, 3, 5),
        "outline-without-title.pdf": (2, 3),
        "crazyones.pdf": (1,),
    },
    "table": {
        MANUAL: (
            *(341, 389, 390, 391, 392, 395, 402, 403, 441, 467, 594, 595, 596, 597, 632, 663, 664, 784, 785, 786, 787),
            *(788, 792, 793, 794, 795, 797, 857, 897, 906, 911),
        ),
        "LinuxCNC_Integrator.pdf": (11,),
        "GeoBase_NHNC1_Data_Model_UML_EN.pdf": (3,),
        "issue-914-xmp-data.pdf": (1,),
        "issue-604.pdf": (51, 63),
    },
    "screen": {
        MANUAL: (
            *(103, 106, 109, 154, 157, 169, 172, 181, 187, 193, 298, 472, 487, 592, 628, 652, 676, 697, 700, 712, 721),
            *(736, 751, 760, 769, 790, 799, 832, 994, 1027, 1066, 1105, 1114, 1162, 1180, 1183, 1186, 1189),
        ),
    },
    "photo": {
        MANUAL: (867, 868, 869, 1099, 1106, 1129),
        CIRCUITS: (52,),
        "side-by-side-subfig.pdf": (1,),
        "jpeg.pdf": (1,),
    },
    "blank": {
        "form.pdf": (1,),
        "form_acrobatReader.pdf": (1,),
        "form_evince.pdf": (1,),
        "two-different-pages.pdf": (1, 2),
        "encrypted_doc_no_id.pdf": (1, 3),
        "metadata.pdf": (1,),
        "issue-297.pdf": (1,),
        "bytes.pdf": (1,),
    },
}

# Templates of drawing sheets of several standards and offices, by their paths in the package
TEMPLATES = (
    "A3_LandscapeTD.svg",
    "A3_Landscape_EN_m52.svg",
    "A3_Landscape_ISO7200_Pep.svg",
    "A4_IRAM4504.svg",
    "A4_Portrait_ISO7200TD.svg",
    "ANSIB.svg",
    "Arch_A_Landscape.svg",
    "RU_GOST/Leading/Landscape_A3.svg",
    "USLetter_Landscape.svg",
    "zh_CN/landscape/A3_Landscape_CN_NO_CLIP.svg",
)


class NotFetchedError(RuntimeError):
    """A package that could not be fetched: offline, most often."""


@dataclass(frozen=True)
class Page:
    """A labelled page: where it is and what it is."""

    path: Path
    number: int  # counted from 1
    kind: str


def debian(package: str) -> Path:
    """Folder with a Debian package's files, fetched if needed."""
    done = subprocess.run([ROOT / "tests/support/debian.sh", package], capture_output=True, text=True, check=False)
    if done.returncode:
        raise NotFetchedError(done.stderr.strip())
    return Path(done.stdout.strip())


def pip(*arguments: str) -> None:
    """Run pip, which fetches from wherever the machine's own pip is set up to."""
    command = [sys.executable, "-m", "pip", *arguments, "--quiet", "--disable-pip-version-check", "--no-deps"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise NotFetchedError(f"{' '.join(arguments[:2])} failed: {done.stderr.strip()[-500:]}")


@functools.cache
def pypdf_files() -> Path:
    """Folder with the PDFs of pypdf's tests, which only its source package holds."""
    folder = cache_dir("benchmarks") / "pypdf"
    if not (folder / "resources").is_dir():
        folder.mkdir(parents=True, exist_ok=True)
        pip("download", "pypdf", "--no-binary", ":all:", "--dest", str(folder))
        with tarfile.open(next(folder.glob("pypdf-*.tar.gz"))) as archive:
            for member in archive.getmembers():
                if member.isfile() and member.name.endswith(".pdf"):
                    member.name = f"resources/{Path(member.name).name}"
                    archive.extract(member, folder, filter="data")
    return folder / "resources"


@functools.cache
def document(name: str) -> Path:
    """Path of a document that `KINDS` names."""
    if name in (CIRCUITS, CIRCUITS_MANUAL):
        folder = debian("circuit-macros") / "usr/share/doc/circuit-macros"
        if name == CIRCUITS:
            return folder / "examples" / CIRCUITS
        path = cache_dir("benchmarks") / CIRCUITS_MANUAL
        if not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(gzip.decompress((folder / f"{CIRCUITS_MANUAL}.gz").read_bytes()))
        return path
    if name.startswith("LinuxCNC_"):
        return debian("linuxcnc-doc-en") / "usr/share/doc/linuxcnc" / name
    return pypdf_files() / name


def pages() -> list[Page]:
    """All labelled pages."""
    return [
        Page(document(name), number, kind)
        for kind, documents in KINDS.items()
        for name, numbers in documents.items()
        for number in numbers
    ]


@functools.lru_cache(maxsize=16)
def _opened(path: Path) -> pypdfium2.PdfDocument:
    return pypdfium2.PdfDocument(path)


def render(page: Page) -> Image.Image:
    """A page as the index sees it."""
    return Document(str(page.path)).render(page.number)


def figures() -> list[Image.Image]:
    """Drawings of the booklet of circuits, each cut out of its page, above its caption.

    Figures beside each other, and those of a few pixels, are left out.
    """
    path = document(CIRCUITS)
    return [figure for number in range(2, 52) for figure in _figures_of(path, number)]


def _figures_of(path: Path, number: int) -> Iterator[Image.Image]:
    """Yield the figures of one page, from above."""
    page = _opened(path)[number - 1]
    scale = 2048 / max(page.get_size())
    image = page.render(scale=scale).to_pil().convert("RGB")
    texts = page.get_textpage()
    text = texts.get_text_range()
    height = page.get_size()[1]
    captions = []
    for found in re.finditer(r"Figure \d+:", text):
        end = text.find("m4]", found.start(), found.start() + 500)
        last = end + 3 if end > 0 else found.end() + 60
        boxes = [texts.get_charbox(i) for i in range(found.start(), min(last, len(text)))]
        tops, bottoms = [height - b[3] for b in boxes if b[3] > b[1]], [height - b[1] for b in boxes if b[3] > b[1]]
        captions.append((scale * min(tops), scale * max(bottoms)))
    captions.sort()
    start = 0.03 * image.height
    for top, bottom in captions:
        if top - start > 60:
            part = image.crop((0, round(start), image.width, round(top - 4)))
            box = Image.eval(part.convert("L"), lambda grey: 255 - grey if grey < 230 else 0).getbbox()
            if box and box[2] - box[0] > 150 and box[3] - box[1] > 60:
                yield part.crop(box)
        start = max(start, bottom + 4)


@functools.cache
def resvg() -> object:
    """Module that draws SVG, fetched into the cache if it is not installed."""
    folder = cache_dir("benchmarks") / "resvg"
    if not folder.is_dir():
        pip("install", "resvg-py", "--target", str(folder))
    sys.path.append(str(folder))
    import resvg_py

    return resvg_py


def template(name: str, longest: int = 2 * PAGE_SIDE) -> Image.Image:
    """Template of a drawing sheet as an image: frame and title block, nothing drawn."""
    path = debian("freecad-common") / "usr/share/freecad/Mod/TechDraw/Templates" / name
    text = path.read_text(encoding="utf-8")
    found = re.search(r"<svg\b[^>]*>", text)
    assert found, f"{path} holds no SVG"
    root = found.group()
    width, height = (float(re.search(rf'\b{side}="([\d.]+)', root).group(1)) for side in ("width", "height"))  # type: ignore[union-attr]
    factor = longest / max(width, height)
    sized = re.sub(r'\s(width|height)="[^"]*"', "", root)[:-1]
    if "viewBox" not in sized:
        sized += f' viewBox="0 0 {width} {height}"'
    text = text.replace(root, f'{sized} width="{width * factor:.1f}" height="{height * factor:.1f}">', 1)
    drawn = resvg().svg_to_bytes(svg_string=text)  # type: ignore[attr-defined]
    image = Image.open(io.BytesIO(bytes(drawn))).convert("RGBA")
    white = Image.new("RGBA", image.size, "white")
    white.alpha_composite(image)
    return white.convert("RGB")


def on_template(
    drawing: Image.Image, sheet: Image.Image, free: tuple[int, int, int, int], rng: np.random.Generator
) -> Image.Image:
    """Template with a drawing somewhere in its free part, filling 60–95 % of what it could."""
    left, top, right, bottom = free
    factor = rng.uniform(0.6, 0.95) * min((right - left) / drawing.width, (bottom - top) / drawing.height)
    size = max(1, round(drawing.width * factor)), max(1, round(drawing.height * factor))
    x = left + int(rng.integers(0, max(1, right - left - size[0])))
    y = top + int(rng.integers(0, max(1, bottom - top - size[1])))
    whole = sheet.copy()
    whole.paste(drawing.resize(size, Image.Resampling.LANCZOS), (x, y))
    return whole.resize((whole.width // 2, whole.height // 2), Image.Resampling.LANCZOS)


def largest_empty(sheet: Image.Image, cell: int = 16) -> tuple[int, int, int, int]:
    """Largest rectangle without ink (left, top, right, bottom), on a grid of `cell` pixels."""
    grey_HW = np.asarray(sheet.convert("L"))
    height, width = grey_HW.shape[0] // cell, grey_HW.shape[1] // cell
    empty_HW = grey_HW[: height * cell, : width * cell].reshape(height, cell, width, cell).min(axis=(1, 3)) > 230
    depth_W = np.zeros(width, int)  # empty cells above, this one included
    best, box = 0, (0, 0, 0, 0)
    for y in range(1, height - 1):
        depth_W = np.where(empty_HW[y], depth_W + 1, 0)
        for x0 in range(1, width - 1):
            depths = np.minimum.accumulate(depth_W[x0:-1])
            areas = depths * np.arange(1, len(depths) + 1)
            widest = int(areas.argmax())
            if areas[widest] > best:
                best = int(areas[widest])
                box = x0, y - int(depths[widest]) + 1, x0 + widest + 1, y + 1
    left, top, right, bottom = (cell * v for v in box)
    return left + cell, top + cell, right - cell, bottom - cell
