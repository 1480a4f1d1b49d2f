"""Start-up cost: import, `--help`, process to first embedding, and the size of an install.

    python benchmarks/startup.py [--model mini] [--rounds 7] [--no-wheels]

Every time is that of a whole process, with the start of the interpreter; contenders take turns. "first" rows start with
an empty cache, "again" rows with the cache that the first filled. Sizes: the base dependencies' wheels for this
platform (fetched with `pip download` into a folder that is then removed; --no-wheels leaves that out), this project's
own wheel, and all of them unpacked. Rows go to results/startup.jsonl. Under a minute without the downloads.
"""

from __future__ import annotations

import argparse
import importlib.metadata
import os
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Iterator
from pathlib import Path
from statistics import median
from typing import Any

import harness
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parent.parent
BARE = {
    "python -c pass": "pass",
    "import wordsight": "import wordsight",
    "wordsight --help": "from wordsight.cli import group\ngroup(['--help'], standalone_mode=False)",
}
FIRST = {
    "one text": "wordsight.load(sys.argv[1]).embed_texts(['a photo of a cat'])",
    "one image": "wordsight.load(sys.argv[1]).embed_images(sample_images()[0])",
    "classify one image, 3 classes": (
        "wordsight.Classifier(wordsight.load(sys.argv[1]), ['cat', 'dog', 'rocket']).predict(sample_images()[:1])"
    ),
}
SETUP = "import wordsight\nfrom wordsight.samples import sample_images\n"


def quiet(body: str) -> str:
    """Code that runs `body` with standard output closed, except for the harness's own line."""
    indented = "\n".join(f"    {line}" for line in body.splitlines())
    return f"import contextlib, io\nwith contextlib.redirect_stdout(io.StringIO()):\n{indented}"


def bare_rows(rounds: int) -> Iterator[dict[str, Any]]:
    """Yield the time and module count of the import and of `--help`."""
    modules = {name: harness.fresh_process(quiet(body))["modules"] for name, body in BARE.items()}
    calls = {name: (lambda body=body: harness.fresh_process(quiet(body))) for name, body in BARE.items()}
    for name, times in harness.alternate(calls, rounds).items():
        yield {
            "process": name,
            "seconds": median(times),
            "spread": harness.spread(times),
            "modules": modules[name],
            "times": times,
        }


def first_rows(model: str, rounds: int) -> Iterator[dict[str, Any]]:
    """Yield seconds and peak memory from process start to the first answer, with an empty and with a filled cache."""
    for name, body in FIRST.items():
        for state in ("first", "again"):
            runs = []
            with tempfile.TemporaryDirectory() as folder:
                os.environ["WORDSIGHT_CACHE"] = folder
                for turn in range(rounds + (state == "again")):
                    if state == "first":
                        os.environ["WORDSIGHT_CACHE"] = str(Path(folder, str(turn)))
                    runs.append(harness.fresh_process(quiet(SETUP + body), model))
            kept = runs[1:] if state == "again" else runs
            times = [run["wall_seconds"] for run in kept]
            yield {
                "process to": f"{name}, {model}",
                "cache": state,
                "seconds": median(times),
                "spread": harness.spread(times),
                "peak MiB": median(run["peak_mib"] for run in kept),
                "times": times,
            }


def base_closure() -> list[str]:
    """Names of the distributions of a base install, this one first."""
    found: list[str] = []
    waiting = ["wordsight"]
    while waiting:
        name = canonicalize_name(waiting.pop(0))
        if name in found:
            continue
        found.append(name)
        for requirement in map(Requirement, importlib.metadata.requires(name) or []):
            if requirement.marker is None or requirement.marker.evaluate({"extra": ""}):
                waiting.append(requirement.name)
    return found


def unpacked(name: str) -> int:
    """Bytes of an installed distribution's files, without compiled Python."""
    paths = [Path(str(file.locate())) for file in importlib.metadata.files(name) or [] if file.suffix != ".pyc"]
    return sum(path.stat().st_size for path in paths if path.exists())


def own_wheel() -> tuple[int, int]:
    """Build this project's wheel; return its bytes packed and unpacked."""
    with tempfile.TemporaryDirectory() as folder:
        build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", folder]
        subprocess.run(build, cwd=ROOT, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        (path,) = Path(folder).glob("*.whl")
        with zipfile.ZipFile(path) as archive:
            return path.stat().st_size, sum(entry.file_size for entry in archive.infolist())


def wheels(names: list[str]) -> dict[str, int]:
    """Bytes of each distribution's wheel for this platform, downloaded at the installed version."""
    with tempfile.TemporaryDirectory() as folder:
        wanted = [f"{name}=={importlib.metadata.version(name)}" for name in names]
        pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet", "--quiet"]
        subprocess.run([*pip, "download", "--no-deps", "--dest", folder, *wanted], check=True)
        return {canonicalize_name(p.name.split("-")[0]): p.stat().st_size for p in Path(folder).glob("*.whl")}


def size_rows(*, download: bool) -> list[dict[str, Any]]:
    """Size of each distribution of a base install, the largest first, then the sum."""
    mine, *others = base_closure()
    packed = wheels(others) if download else {}
    rows: list[dict[str, Any]] = [
        {"package": name, "wheel MB": packed.get(name, 0) / 1e6, "unpacked MB": unpacked(name) / 1e6} for name in others
    ]
    wheel, whole = own_wheel()
    rows.append({"package": mine, "wheel MB": wheel / 1e6, "unpacked MB": whole / 1e6})
    rows.sort(key=lambda row: -row["unpacked MB"])
    small = [row for row in rows if row["unpacked MB"] < 3]
    large = [row for row in rows if row["unpacked MB"] >= 3]
    return [*large, added(f"{len(small)} smaller ones", small), added(f"all {len(rows)}", rows)]


def added(name: str, rows: list[dict[str, Any]]) -> dict[str, Any]:
    """Sum of rows as one row."""
    return {"package": name, **{key: sum(row[key] for row in rows) for key in ("wheel MB", "unpacked MB")}}


def main() -> None:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="mini")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--no-wheels", action="store_true")
    options = parser.parse_args()
    parts = [
        list(bare_rows(options.rounds)),
        list(first_rows(options.model, options.rounds)),
        size_rows(download=not options.no_wheels),
    ]
    for rows in parts:
        print(harness.table([{k: v for k, v in row.items() if k != "times"} for row in rows]), end="\n\n")
    print(harness.write_rows("startup", [row for rows in parts for row in rows]))


if __name__ == "__main__":
    main()
