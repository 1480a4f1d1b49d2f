"""Fetch the packages that `pictograms` learns from, draw every image at one small size, and write the pair tables.

Packages are fetched by name with the registries' ordinary clients (`npm pack`, `apt-get download`) and unpacked under
`<work>/src`; SVG is drawn by resvg-py (`pip install resvg-py`). What is there is not fetched or drawn again.

Tables, in `<work>`: `emoji.tsv` and `others.tsv` (clip art, stamps, icons, OpenMoji's own pictograms), to learn from;
`validation.tsv`, emoji images of the same styles that are in neither, which choose settings; `heldout.tsv`,
Microsoft's Fluent 3D emoji, a style of which training has nothing (nor of its flat and line relatives). Columns:
filepath (relative to the table), caption, caption2, caption3, caption4 (the first is the name; the others add keywords,
or are empty), class (an emoji's name, else empty), style.

Left out of all, for these reasons: skin tones (another image of the same name); flags, keycaps and letters in
a box (signs to be read rather than things to be known, and the packages' flags are flat in every style).
"""

from __future__ import annotations

import importlib.util
import io
import json
import os
import re
import shutil
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import mini_data
from mini_data import clean, fraction
from PIL import Image

from wordsight.errors import InputError

NPM = {
    "emojibase-data": "17.0.0",
    "emoji-datasource-google": "16.0.0",
    "emoji-datasource-twitter": "16.0.0",
    "openmoji": "17.0.0",
    "@iconify-json/noto-v1": "1.2.5",
    "@iconify-json/emojione": "1.2.3",
    "@iconify-json/fxemoji": "1.2.2",
    "@iconify-json/game-icons": "1.2.4",
    "@lobehub/fluent-emoji-3d": "1.1.0",
}
DEBIAN = ("openclipart-png", "openclipart-svg", "tuxpaint-stamps-default")
SIDE = 72  # pixels of a drawn image; training crops from it
PIXELS = 50_000_000  # of the largest image that is worth decoding for that; eight clip arts have more
TABLES = ("emoji", "others", "validation", "heldout")
CAPTIONS = 4
VALIDATION = 0.06  # share of the emoji images that only choose settings
SAME_TITLE = 20  # a title that more clip art shares says nothing, and more images of a title are not kept
FLAGS, COMPONENTS = 9, 2  # groups of emojibase-data
KEYCAP, ALPHANUM = 94, 95  # subgroups
COLUMNS = ("filepath", "caption", *(f"caption{i}" for i in range(2, CAPTIONS + 1)), "class", "style")
TEXT_COLUMNS = COLUMNS[1 : 1 + CAPTIONS]


@dataclass(frozen=True)
class Emoji:
    """An emoji as emojibase names it, whoever draws it."""

    code: str  # code points in hexadecimal, without the variation selector
    name: str
    tags: tuple[str, ...]


@dataclass(frozen=True)
class Drawing:
    """One image: where its pixels come from, and what may be said of it."""

    style: str
    stem: str  # of the file it is drawn to
    origin: Path | str  # an image file or an SVG document
    captions: tuple[str, ...]
    label: str = ""
    table: str = "others"

    @property
    def file(self) -> Path:
        """Where its small image lies, relative to the tables."""
        return Path("images") / self.style / f"{self.stem}.png"


def prepare(work: Path) -> Path:
    """Fetch, draw and list everything; return `work`, which then holds the tables."""
    source = fetch(work)
    found = list({drawing.file: drawing for drawing in drawings(source)}.values())  # two code spellings, one emoji
    with ThreadPoolExecutor(os.cpu_count()) as pool:  # Pillow and resvg release the interpreter's lock
        drawn = list(pool.map(lambda drawing: draw(drawing.origin, work / drawing.file), found))
    for name in TABLES:
        rows = [row(drawing) for drawing, done in zip(found, drawn, strict=True) if done and drawing.table == name]
        write_table(work / f"{name}.tsv", rows)
    return work


def fetch(work: Path) -> Path:
    """Fetch and unpack every package under `work/src`; return that folder."""
    downloads, source = work / "dl", work / "src"
    folders = [*(_plain(name) for name in NPM), *DEBIAN]
    if not all((source / folder).exists() for folder in folders):
        check_tools()
    downloads.mkdir(parents=True, exist_ok=True)
    source.mkdir(exist_ok=True)
    for name, version in NPM.items():
        plain = _plain(name)
        pack = ["npm", "pack", "--silent", f"{name}@{version}"]
        mini_data.fetch_package(pack, downloads, f"{plain}-{version}.tgz", source / plain)
    for name in DEBIAN:
        mini_data.fetch_package(["apt-get", "download", "-q", name], downloads, f"{name}_*.deb", source / name)
    return source


def _plain(name: str) -> str:
    """An npm package's name as the registry's client spells its file."""
    return name.replace("@", "").replace("/", "-")


def check_tools() -> None:
    """Raise InputError where what fetches and draws is not installed, before anything is fetched."""
    missing = [tool for tool in ("npm", "apt-get", "dpkg-deb") if shutil.which(tool) is None]
    if missing:
        raise InputError(
            f"The pictograms come from npm's and Debian's packages, and {', '.join(missing)} cannot be found; install "
            "that, or run the recipe where it is and copy its folder of tables (WORDSIGHT_PICTOGRAMS)."
        )
    if importlib.util.find_spec("resvg_py") is None:
        raise InputError("SVG images are drawn by resvg-py, which is not installed: pip install resvg-py")


def drawings(source: Path) -> Iterator[Drawing]:
    """Every drawing of every package, in a fixed order."""
    emoji = known_emoji(source)
    for style in ("google", "twitter"):
        yield from datasource(source / f"emoji-datasource-{style}", style, emoji)
    yield from openmoji(source / "openmoji", emoji)
    names = slugs(source, emoji)
    for style in ("noto-v1", "emojione", "fxemoji"):
        yield from iconify_emoji(source / f"iconify-json-{style}", style, emoji, names)
    for file in sorted((source / "lobehub-fluent-emoji-3d/assets").glob("*.webp")):
        if known := emoji.get(plain_code(file.stem)):
            yield Drawing("fluent-3d", known.code, file, write_captions(known), known.name, "heldout")
    yield from game_icons(source / "iconify-json-game-icons")
    yield from clip_art(source)
    for i, stamp in enumerate(mini_data.stamps(source)):
        yield Drawing("stamps", f"{i:04d}-{Path(stamp.path).stem}", Path(stamp.path), stamp.texts)


def known_emoji(source: Path) -> dict[str, Emoji]:
    """The emoji that count, by plain code: no skin tones, flags, keycaps, boxed letters or components."""
    found = {}
    for entry in json.loads((source / "emojibase-data/en/data.json").read_text(encoding="utf-8")):
        if entry.get("group", FLAGS) in (FLAGS, COMPONENTS) or entry["subgroup"] in (KEYCAP, ALPHANUM):
            continue
        code, name = plain_code(entry["hexcode"]), entry["label"].lower()
        found[code] = Emoji(code, name, tuple(tag for tag in entry.get("tags", ()) if tag != name)[:8])
    return found


def plain_code(code: str) -> str:
    """A sequence of code points without variation selectors, as every package writes it alike."""
    return "-".join(part for part in code.upper().split("-") if part != "FE0F")


def write_captions(emoji: Emoji) -> tuple[str, ...]:
    """Captions of an emoji: its name, with a keyword, with another, and keywords alone."""
    if not emoji.tags:
        return (emoji.name,)
    name, words = emoji.name, emoji.tags
    return (name, f"{name}, {words[0]}", f"{name}, {', '.join(words[1:3] or words)}", ", ".join(words[:4]))


def choose_table(family: str, label: str) -> str:
    """An emoji's table, the same on every machine; images of one design stay together."""
    return "validation" if fraction(f"{family}:{label}") < VALIDATION else "emoji"


def datasource(folder: Path, style: str, emoji: dict[str, Emoji]) -> Iterator[Drawing]:
    """Emoji of an emoji-datasource package: 64 px PNG."""
    for entry in json.loads((folder / "emoji.json").read_text(encoding="utf-8")):
        known, file = emoji.get(plain_code(entry["unified"])), folder / f"img/{style}/64" / entry["image"]
        if known and file.exists():
            yield Drawing(style, known.code, file, write_captions(known), known.name, choose_table(style, known.name))


def openmoji(folder: Path, emoji: dict[str, Emoji]) -> Iterator[Drawing]:
    """OpenMoji in colour and in line; beside the emoji its own further pictograms, by their annotation."""
    entries = json.loads((folder / "data/openmoji.json").read_text(encoding="utf-8"))
    for entry in entries:
        code = plain_code(entry["hexcode"])
        known = emoji.get(code)
        extra = not known and entry["group"].startswith("extras") and "flag" not in entry["subgroups"]
        if not known and not extra:
            continue
        captions, label, table = (entry["annotation"].lower(),), "", "others"
        if known:
            captions, label, table = write_captions(known), known.name, choose_table("openmoji", known.name)
        for kind in ("color", "black"):
            file = folder / kind / "svg" / f"{entry['hexcode']}.svg"
            if file.exists():
                yield Drawing(f"openmoji-{kind}", code, file, captions, label, table)


def slugs(source: Path, emoji: dict[str, Emoji]) -> dict[str, str]:
    """Code by squashed name ("grinningface"): emojibase's names, shortcodes and Unicode's own names, where one only."""
    said: dict[str, set[str]] = defaultdict(set)
    for known in emoji.values():
        said[squashed(known.name)].add(known.code)
    certain = set(said)
    for file in sorted((source / "emojibase-data/en/shortcodes").glob("*.json")):
        for code, words in json.loads(file.read_text(encoding="utf-8")).items():
            for word in [words] if isinstance(words, str) else words:
                said[squashed(word)].add(plain_code(code))
    for entry in json.loads((source / "emoji-datasource-google/emoji.json").read_text(encoding="utf-8")):
        said[squashed(entry["name"] or "")].add(plain_code(entry["unified"]))
    found = {name: codes & set(emoji) for name, codes in said.items()}
    for known in emoji.values():
        if squashed(known.name) in certain:
            found[squashed(known.name)] = {known.code}
    return {name: next(iter(codes)) for name, codes in found.items() if len(codes) == 1}


def squashed(name: str) -> str:
    """A name's letters and digits, without accents, in lower case."""
    letters = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode().lower()
    return re.sub(r"[^a-z0-9]+", "", letters)


def iconify_emoji(folder: Path, style: str, emoji: dict[str, Emoji], names: dict[str, str]) -> Iterator[Drawing]:
    """Emoji of an Iconify package, those whose name or alias is known; each once."""
    icons = json.loads((folder / "icons.json").read_text(encoding="utf-8"))
    called = defaultdict(list, {name: [name] for name in icons["icons"]})
    for alias, entry in icons.get("aliases", {}).items():
        called[entry["parent"]].append(alias)
    seen = set()
    for name in icons["icons"]:
        code = next((names[squashed(each)] for each in called[name] if squashed(each) in names), None)
        if code and code not in seen:
            seen.add(code)
            known = emoji[code]
            yield Drawing(
                style, code, svg(icons, name), write_captions(known), known.name, choose_table(style, known.name)
            )


def game_icons(folder: Path) -> Iterator[Drawing]:
    """Black silhouettes, captioned by their name."""
    icons = json.loads((folder / "icons.json").read_text(encoding="utf-8"))
    for name in icons["icons"]:
        words = " ".join(word for word in name.split("-") if not word.isdigit())
        if words and not words.startswith("abstract"):
            yield Drawing("game-icons", name, svg(icons, name), (words,))


def svg(icons: dict, name: str) -> str:
    """One icon of an Iconify package as an SVG document."""
    icon = icons["icons"][name]
    left, top = icon.get("left", 0), icon.get("top", 0)
    width, height = (icon.get(side, icons.get(side, 16)) for side in ("width", "height"))
    head = 'xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" color="black"'
    return f'<svg {head} viewBox="{left} {top} {width} {height}" width="{width}" height="{height}">{icon["body"]}</svg>'


def clip_art(source: Path) -> Iterator[Drawing]:
    """Open Clip Art by title and keywords; by the file's words where the title is a collection's."""
    images = list(mini_data.openclipart(source))
    shared = Counter(image.texts[0] for image in images)
    kept: Counter[str] = Counter()
    for i, image in enumerate(images):
        file = Path(image.path)
        title, *more = image.texts
        if shared[title] > SAME_TITLE:
            title = " ".join(re.sub(r"\d\w*|_|-", " ", file.stem).split())
            more = [f"{title}, {file.parent.name.replace('_', ' ')}"]
        more = [re.sub(r"\bhash, |, hash$", "", text) for text in more]  # a keyword left by the collection's own tool
        kept[title] += 1
        if title and kept[title] <= SAME_TITLE:
            yield Drawing("openclipart", f"{i:04d}-{file.stem}", file, (title, *more))


def draw(origin: Path | str, target: Path) -> bool:
    """Draw an image in the middle of a white square of `SIDE` pixels; return whether it could be drawn.

    A file that is there is left as it is: it appeared only when whole.
    """
    if target.exists():
        return True
    try:
        with Image.open(pixels(origin)) as opened:
            if opened.width * opened.height > PIXELS:
                return False
            image = opened.convert("RGBA")
    except (OSError, ValueError, Image.DecompressionBombError):
        return False
    share = SIDE / max(image.size)
    size = tuple(max(1, round(share * side)) for side in image.size)
    image = image.resize(size, Image.Resampling.LANCZOS)
    square = Image.new("RGBA", (SIDE, SIDE), "white")
    square.alpha_composite(image, ((SIDE - size[0]) // 2, (SIDE - size[1]) // 2))
    target.parent.mkdir(parents=True, exist_ok=True)
    part = target.with_suffix(f".part{os.getpid()}")
    square.convert("RGB").save(part, "PNG")
    part.replace(target)
    return True


def pixels(origin: Path | str) -> Path | io.BytesIO:
    """File that Pillow can open: the file itself, or an SVG's pixels with its longer side at `SIDE`."""
    if isinstance(origin, Path) and origin.suffix != ".svg":
        return origin
    import resvg_py  # pip install resvg-py

    document = origin.read_text(encoding="utf-8") if isinstance(origin, Path) else origin
    return io.BytesIO(bytes(resvg_py.svg_to_bytes(svg_string=document, width=SIDE, skip_system_fonts=True)))


def row(drawing: Drawing) -> tuple[str, ...]:
    """The table's cells of a drawing; captions that are not there stay empty."""
    said = list(dict.fromkeys(clean(text) for text in drawing.captions if text.strip()))
    captions = (said + [""] * CAPTIONS)[:CAPTIONS]
    return (drawing.file.as_posix(), *captions, drawing.label, drawing.style)


def write_table(path: Path, rows: Iterable[tuple[str, ...]]) -> None:
    """Write rows under `COLUMNS`; the table appears only when whole."""
    part = path.with_suffix(f".part{os.getpid()}")
    with part.open("w", encoding="utf-8") as out:
        for cells in (COLUMNS, *rows):
            out.write("\t".join(cells) + "\n")
    part.replace(path)
