"""Write the generated blocks of README and docs: help texts, model table, module map, benchmark tables.

    python docs/generate.py            # write
    python docs/generate.py --check    # only name the files that are out of date; exit status 1 if any

A block stands between `<!-- generated: WHAT -->` and `<!-- end generated -->`; WHAT is a key of `BLOCKS`, with an
argument after a space where it takes one, e.g. `<!-- generated: help classify -->`. `<!-- generated: output -->` stands
below a shell block and holds its output: the page's blocks are run up to there (`page_outputs.py`).
"""

from __future__ import annotations

import ast
import dataclasses
import inspect
import json
import re
import sys
import typing
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

sys.path.insert(0, str(Path(__file__).parent))
import page_outputs

ROOT = Path(__file__).parents[1]
BLOCK = re.compile(r"(<!-- generated: (?P<what>[^\n]+?) -->\n)(?P<body>.*?)(<!-- end generated -->)", re.DOTALL)
WIDTH = 96
SHORT_LIST = (
    "ViT-B-32/openai", "ViT-B-16/openai", "ViT-L-14/openai", "ViT-B-32/laion2b_s34b_b79k",
    "ViT-L-14/datacomp_xl_s13b_b90k",
    "ViT-H-14-378/dfn5b", "ViT-B-16-SigLIP/webli", "ViT-SO400M-14-SigLIP-384/webli",
)  # fmt: skip


def help_text(*names: str) -> str:
    """Output of `wordsight COMMAND --help`, fenced; of a subcommand by both names."""
    from wordsight.cli import group

    widths = {"terminal_width": WIDTH, "max_content_width": WIDTH}
    chosen: click.Command = group
    context = click.Context(group, info_name="wordsight", **widths, **group.context_settings)
    for name in names:
        chosen = chosen.get_command(context, name)
        context = click.Context(chosen, info_name=name, parent=context, **widths, **chosen.context_settings)
    return fenced(chosen.get_help(context))


def every_help() -> str:
    """Help of each command under a heading of its own, and below `eval` that of its subcommands."""
    from wordsight.cli import COMMANDS
    from wordsight.cli.eval import SUBCOMMANDS

    parts = []
    for command in COMMANDS:
        parts.append(f"## wordsight {command}\n\n{help_text(command)}")
        if command == "eval":
            parts += [f"### wordsight eval {name}\n\n{help_text(command, name)}" for name in SUBCOMMANDS]
    return "\n".join(parts)


def module_map() -> str:
    """Modules of the package with the first sentence of each docstring, as an indented tree."""
    package = ROOT / "src" / "wordsight"
    entries: list[tuple[str, str]] = []

    def walk(folder: Path, indent: str) -> None:
        for path in sorted(folder.iterdir(), key=lambda p: (p.is_dir(), p.name)):
            if path.is_dir() and (path / "__init__.py").exists():
                entries.append((f"{indent}{path.name}/", claim(path / "__init__.py")))
                walk(path, indent + "  ")
            elif path.suffix == ".py" and path.name != "__init__.py":
                entries.append((indent + path.name, claim(path)))

    walk(package, "")
    column = max(len(name) for name, _ in entries) + 2
    return fenced("\n".join(f"{name:{column}}{text}".rstrip() for name, text in entries))


def claim(path: Path) -> str:
    """First line of a module's docstring."""
    text = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or ""
    return text.partition("\n")[0].rstrip(".")


def model_table(form: str = "") -> str:
    """Table of known models; "short" shows those of SHORT_LIST."""
    from wordsight.weights.catalog import MODELS

    rows = []
    for name, entry in MODELS.items():
        if form == "short" and name not in SHORT_LIST:
            continue
        top1 = f"{entry['top1']:.1f}" if "top1" in entry else "–"
        size = f"{entry['params']:,.0f} M" if "params" in entry else "–"
        cells = [f"`{name}`", size, str(entry.get("image_size", "–")), top1, entry.get("licence", "unknown")]
        rows.append(cells if form == "short" else [*cells, entry.get("top1_source", "–")])
    header = ["name", "parameters", "pixels", "ImageNet top-1, %", "licence"]
    return table(header if form == "short" else [*header, "number from"], rows)


def template_table() -> str:
    """Built-in template sets with their size and first template."""
    from wordsight.zeroshot.templates import TEMPLATE_SETS

    rows = [[f"`{name}`", str(len(templates)), templates[0]] for name, templates in TEMPLATE_SETS.items()]
    return table(["set", "templates", "first"], rows)


def train_settings() -> str:
    """Settings of a training run, part by part: their docstrings and defaults."""
    from wordsight.train import config

    kinds = typing.get_type_hints(config.TrainConfig)
    parts = {"": config.TrainConfig}
    parts |= {f"{name}.": kind for name, kind in kinds.items() if kind.__module__ == config.__name__}
    parts |= {"data.augment.": config.AugmentConfig, "watch.zero_shot.": config.ZeroShotConfig}
    return "\n".join(
        f"### {prefix.rstrip('.') or 'the run'}\n\n{_settings(prefix, kind)}" for prefix, kind in parts.items()
    )


def _settings(prefix: str, kind: type) -> str:
    """Docstring of a part, then each key with its default; parts and required values have none."""
    rows = []
    for field in dataclasses.fields(kind):
        if field.default is not dataclasses.MISSING:
            rows.append([f"`{prefix}{field.name}`", f"`{_default(field.default)}`"])
        elif field.default_factory is dataclasses.MISSING:
            rows.append([f"`{prefix}{field.name}`", "required"])
    first, _, rest = (inspect.getdoc(kind) or "").replace("*", "\\*").partition("\n\n")
    name = f"`?(?:{'|'.join(field.name for field in dataclasses.fields(kind))})`?"
    # "name: explanation", at the beginning of a sentence, begins an entry of a list
    said = re.split(rf"(?:^|(?<=[.;] ))(?={name}(?:, {name})*: )", " ".join(rest.split()))
    before, entries = said[0], [f"- {entry.strip().rstrip(';')}" for entry in said[1:]]
    parts = [" ".join(first.split()), before.strip(), "\n".join(entries), table(["key", "default"], rows)]
    return "\n\n".join(part for part in parts if part)


def _default(value: Any) -> str:
    """A default as `--set` takes it."""
    if value is None:
        return "none"
    return value if isinstance(value, str) else json.dumps(value)


def benchmark(name: str) -> str:
    """Rows of `benchmarks/results/NAME.jsonl` as tables, one for each set of columns, under the machine."""
    if not (ROOT / "benchmarks" / "results" / f"{name}.jsonl").exists():
        return f"No results are recorded yet: run `python benchmarks/{name}.py`.\n"
    lines, tables = [], {}
    for record in results(name):
        if record.get("kind") == "machine":
            versions = ", ".join(f"{package} {version}" for package, version in record["versions"].items())
            lines.append(f"{record['processor']}, {record['cores']} cores, {record['at'][:10]}; {versions}.")
        else:
            plain = {k: v for k, v in record.items() if not isinstance(v, list | dict) or is_figure(v)}
            tables.setdefault(tuple(plain), []).append([shown(value) for value in plain.values()])
    return "\n\n".join([*lines, *(table(list(header), rows) for header, rows in tables.items())])


def is_figure(value: Any) -> bool:
    """Whether a value is a share with its interval."""
    return isinstance(value, dict) and {"value", "low", "high"} <= value.keys()


def shown(value: Any) -> str:
    """A value as a cell: three digits of small numbers, one decimal of large ones, figures in percent."""
    if is_figure(value):
        return f"{100 * value['value']:.1f} % [{100 * value['low']:.1f}, {100 * value['high']:.1f}]"
    if isinstance(value, bool) or not isinstance(value, float):
        return "–" if value is None else str(value)
    return f"{value:.3g}" if abs(value) < 10 else f"{value:,.1f}"


def table(header: list[str], rows: list[list[str]]) -> str:
    """Markdown table."""
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join("| " + " | ".join(cells) + " |" for cells in lines) + "\n"


def fenced(text: str) -> str:
    """Text as a fenced block, free of trailing white space."""
    body = "\n".join(line.rstrip() for line in text.strip("\n").splitlines())
    return f"```text\n{body}\n```\n"


def results(name: str) -> list[dict[str, Any]]:
    """Records of `benchmarks/results/NAME.jsonl`, oldest first."""
    path = ROOT / "benchmarks" / "results" / f"{name}.jsonl"
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]


BLOCKS: dict[str, Callable[..., str]] = {
    "help": help_text,
    "every-help": every_help,
    "modules": module_map,
    "models": model_table,
    "templates": template_table,
    "benchmark": benchmark,
    "settings": train_settings,
}


def renewed(text: str) -> str:
    """Text of a page with each generated block renewed."""
    wanted = [match for match in BLOCK.finditer(text) if match["what"] == "output"]
    printed = page_outputs.outputs(text, wanted[-1].start()) if wanted else {}

    def one(match: re.Match[str]) -> str:
        what, *arguments = match["what"].split()
        if what == "output":
            above = max(end for end in printed if end <= match.start())
            return f"{match[1]}\n{fenced(printed[above]).rstrip()}\n\n{match[4]}"
        if what not in BLOCKS:
            raise SystemExit(f"unknown generated block {what!r}; known: {', '.join(BLOCKS)}")
        return f"{match[1]}\n{BLOCKS[what](*arguments).rstrip()}\n\n{match[4]}"

    return BLOCK.sub(one, text)


def pages() -> list[Path]:
    """Pages that may hold generated blocks."""
    return [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]


def stale() -> dict[Path, str]:
    """Pages whose generated blocks differ from what would be written now, with their new text."""
    texts = {page: page.read_text(encoding="utf-8") for page in pages()}
    return {page: new for page, text in texts.items() if (new := renewed(text)) != text}


def main() -> None:
    """Write the pages that are out of date, or with --check only name them."""
    changed = stale()
    for page, text in changed.items():
        print(page.relative_to(ROOT))
        if "--check" not in sys.argv:
            page.write_text(text, encoding="utf-8")
    if changed and "--check" in sys.argv:
        raise SystemExit("these pages are out of date; regenerate them with: python docs/generate.py")


if __name__ == "__main__":
    main()
